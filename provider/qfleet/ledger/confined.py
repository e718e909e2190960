# SPDX-License-Identifier: Apache-2.0
"""The ledger for a Redis user that is confined to its tenant.

Such a user reads its tenant's jobs, and changes none. It stores a job beside the ledger, and says in its tenant's inbox
what it wants: a worker does that, see `qfleet.wire.messages.wish`.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

import redis
from redis.exceptions import NoPermissionError, OutOfMemoryError

from qfleet.errors import DamagedDataError, FleetJobError, FleetJobTimeoutError, JobExpiredError, JobNotFoundError
from qfleet.ledger.client import run_once
from qfleet.ledger.ledger import Cancelled, Ledger
from qfleet.ledger.listing import is_wrong_type
from qfleet.ledger.new_job import NewJob, add_job
from qfleet.ledger.overview import Overview
from qfleet.wire.messages.presence import Presence
from qfleet.wire.messages.wish import Verb, Wish
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField
from qfleet.wire.redis.references import id_of, reference

#: Seconds until a worker must have answered: two searches for wishes that a worker has lost.
ANSWER_SECONDS: Final = 12.0
#: Seconds of one question whether there is an answer.
_ASKED_SECONDS: Final = 0.5
#: The number of ids of jobs in one part of a list.
_PART: Final = 500


def is_confined(client: redis.Redis) -> bool:
    """Tell whether a user may use the keys of its tenant alone.

    It raises redis-py's errors.
    """
    try:
        client.zscore(keys.STARTED, "")
    except NoPermissionError as exc:
        # A refusal of the command itself is a right that an administrator has forgotten.
        return "to run" not in str(exc).lower()
    except redis.ResponseError as exc:
        if not is_wrong_type(exc):
            raise
    return False


class ConfinedLedger(Ledger):
    """The jobs of one tenant in one Redis."""

    def __init__(self, client: redis.Redis, tenant: str, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        """Open the ledger.

        Args:
            client: the Redis that holds it.
            tenant: the tenant.
            answer_seconds: seconds until a worker must have answered.
        """
        super().__init__(client, tenant)
        self._answer_seconds = answer_seconds

    def _tenants(self) -> list[str]:
        return [self._tenant]

    def _fields(self, job_id: str, names: Sequence[str]) -> list[bytes | None]:
        """Return fields of a job's ledger, admitted or not."""
        # A full Redis refuses transactions, even of reads. A job that is admitted meanwhile is in the second place.
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.hmget(keys.incoming(job_id), names)
            pipe.hmget(keys.job(job_id), names)
            found = pipe.execute(raise_on_error=False)
        for fields in reversed(found):
            if isinstance(fields, Exception):
                raise fields
            if any(field is not None for field in fields):
                break
        there: list[bytes | None] = fields
        return there

    def _lists(
        self, oldest: float, newest: float, descending: bool, *, active: bool, tenant: str | None
    ) -> list[Iterator[list[str]]]:
        del active  # the caller leaves out those that have ended
        if tenant not in (None, self._tenant):
            return []
        return [self._own(oldest, newest, descending=descending)]

    def _own(self, oldest: float, newest: float, *, descending: bool) -> Iterator[list[str]]:
        """Yield the references of jobs made in a span of time.

        Args:
            oldest: the beginning of the span, in seconds since the epoch; may be infinite.
            newest: its end.
            descending: newest first.
        """
        low, high = (repr(bound) if math.isfinite(bound) else f"{bound:+}" for bound in (oldest, newest))
        key = keys.jobs(self._tenant)
        found = (
            self._redis.zrevrangebyscore(key, high, low) if descending else self._redis.zrangebyscore(key, low, high)
        )
        refs = [reference(self._tenant, raw.decode("ascii", "replace")) for raw in found]
        for start in range(0, len(refs), _PART):
            yield refs[start : start + _PART]

    def store(self, job: NewJob, *, copies: Sequence[str] = (), copied: Sequence[str] = ()) -> float:
        """See `Ledger.store`.

        The whole job is sent, and the next worker that is rung for lets it be run.
        """
        del copies, copied  # taking one needs a script
        incoming = keys.incoming(job.job_id)
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.time()
            add_job(pipe, incoming, job, without=(), max_value_bytes=self._max_value_bytes, with_states=False)
            # Until the worker notes the time by the clock of Redis.
            pipe.hset(incoming, JobField.CREATED, repr(time.time()))
            self._add_wish(pipe, Wish("run", id_of(job.job_id)))
            answers = run_once(pipe)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        seconds, microseconds = answers[0]
        return float(seconds) + float(microseconds) * 1e-6

    def store_again(self, job: NewJob) -> float:
        """See `Ledger.store_again`. A job is stored whole, or not at all."""
        return self.snapshot(job.job_id).created

    def _hear(self, job_id: str, wanted: Sequence[str]) -> None:
        with self._redis.pipeline(transaction=True) as pipe:
            for field in wanted:
                self._add_wish(pipe, Wish(cast("Verb", field), id_of(job_id)))
            # A wait reads the job now and then, so a full Redis only makes it learn later of what happens.
            with contextlib.suppress(OutOfMemoryError):
                pipe.execute()

    def cancel(self, job_id: str) -> Cancelled:
        """See `Ledger.cancel`. The worker that cancels it has the processes killed."""
        incoming = keys.incoming(job_id)
        shards, held = self._redis.hmget(incoming, JobField.SHARDS, JobField.HELD)
        if shards is None or not shards.isdigit():
            return Cancelled(self._ask("cancel", job_id), [])
        number = int(shards) if held is None else 0
        # No worker has admitted it: it is cancelled where it lies, and admitted as a job that never runs.
        states = {JobField.count("PENDING"): 0, JobField.count("REVOKED"): int(shards)}
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.exists(keys.job(job_id))
            pipe.hset(incoming, mapping={JobField.HELD: keys.CANCELLED, **states})
            self._add_wish(pipe, Wish("cancel", id_of(job_id)))
            is_admitted, *_ = pipe.execute()
        if is_admitted:
            self._ask("cancel", job_id)
        return Cancelled(number, [])

    def retry(self, job_id: str) -> list[int]:
        """See `Ledger.retry`."""
        indices: list[int] = self._ask("retry", job_id)
        return indices

    def pause(self, job_id: str) -> bool:
        """See `Ledger.pause`."""
        return bool(self._ask("pause", job_id))

    def resume(self, job_id: str) -> bool:
        """See `Ledger.resume`."""
        return bool(self._ask("resume", job_id))

    def prepare(self) -> None:
        """Do nothing: workers have the scripts."""

    def take_back(self, job_id: str) -> None:
        """See `Ledger.take_back`."""
        incoming = keys.incoming(job_id)
        self._redis.unlink(incoming, *(f"{incoming}:{part}" for part in ("work", "programs")))

    def delete(self, job_id: str) -> None:
        """See `Ledger.delete`.

        Raises:
            FleetJobError: it hasn't ended, so no worker deletes it.
        """
        if not self._ask("delete", job_id):
            shown = id_of(job_id)
            raise FleetJobError(f"job {shown} hasn't ended; cancel() it before it can be deleted", job_id=shown)

    def overviews(self, job_ids: Sequence[str]) -> list[Overview]:
        """Return the state of each job; places go by other tenants' jobs."""
        found = []
        for job_id in job_ids:
            try:
                found.append(Overview(self.snapshot(job_id), None))
            except (JobNotFoundError, JobExpiredError, DamagedDataError):
                found.append(Overview(None, None))
        return found

    def trim(self) -> None:
        """Do nothing: workers trim the list of a tenant's jobs."""

    def workers(self) -> list[Presence]:
        """See `Ledger.workers`. What they hold isn't told."""
        return self._workers({})

    def _add_wish(self, pipe: redis.client.Pipeline, wish: Wish) -> None:
        """Add to a transaction that a worker is told of a wish."""
        pipe.lpush(keys.inbox(self._tenant), str(wish))
        pipe.sadd(keys.INBOXES, self._tenant)
        pipe.lpush(keys.BELL, "")

    def _ask(self, verb: Verb, job_id: str) -> Any:
        """Have a worker change a job, and return its answer.

        Args:
            verb: the change.
            job_id: the job.

        Raises:
            FleetJobTimeoutError: no worker answers; the wish stays in the inbox.
        """
        wish = Wish(verb, id_of(job_id), uuid.uuid4().hex)
        with self._redis.pipeline(transaction=True) as pipe:
            self._add_wish(pipe, wish)
            pipe.execute()
        deadline = time.monotonic() + self._answer_seconds
        while time.monotonic() < deadline:
            answer = self._redis.blpop(keys.answer(self._tenant, wish.token), _ASKED_SECONDS)
            if answer is not None:
                return json.loads(answer[1])
        raise FleetJobTimeoutError(
            f"no worker has answered within {self._answer_seconds:g} s: is one up? The wish to {verb} job "
            f"{wish.job_id} stays, and is fulfilled by the next worker",
            job_id=wish.job_id,
            timeout_seconds=self._answer_seconds,
        )
