# SPDX-License-Identifier: Apache-2.0
"""The inboxes of tenants, which workers serve.

A tenant whose Redis user may use its own keys alone writes there what it wants: a job to be run, or a change of a job.
The inbox tells whose wish it is; Redis lets nobody else write there. One script removes an entry and fulfils it: a
worker that dies loses none, and two workers that have read the same entry don't fulfil it twice.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Literal, NamedTuple

from redis.exceptions import OutOfMemoryError, ResponseError

from qfleet.wire.lua import MOST_AT_ONCE, SERVED, JobScript, Scripts
from qfleet.wire.messages.wish import Verb, Wish, read_wish
from qfleet.wire.redis import keys
from qfleet.wire.redis.keys import PAUSED
from qfleet.wire.redis.references import reference
from qfleet.wire.redis.states import task_id
from qfleet_worker.unplaceable import refuse

logger = logging.getLogger(__name__)

#: The most tenants that are warned of.
_MOST_WARNED: Final = 1000
#: Seconds for which an answer is kept.
_ANSWER_SECONDS: Final = 60


class _Step(NamedTuple):
    """The script that fulfils a wish, with its own arguments."""

    script: JobScript | Literal["hear"]
    own: tuple[object, ...] = ()


_STEPS: Final[dict[Verb, _Step]] = {
    "run": _Step("admit"),
    "cancel": _Step("cancel", (0, MOST_AT_ONCE)),
    "retry": _Step("retry", (0, MOST_AT_ONCE, 0)),
    "pause": _Step("hold", (PAUSED,)),
    "resume": _Step("let_go", (PAUSED,)),
    "delete": _Step("remove", ("ended",)),
    "heard": _Step("hear", ("heard",)),
    "moves": _Step("hear", ("moves",)),
}


class Inbox:
    """The inboxes in one Redis.

    Args:
        client: the Redis that holds them.
        revoke: a function that has workers kill the processes of tasks, given their ids.
    """

    def __init__(self, client: Any, revoke: Callable[[list[str]], object]) -> None:
        self._redis = client
        self._revoke = revoke
        self._scripts = Scripts(client)
        #: tenants with something in the log
        self._warned: set[str] = set()

    def wait(self, seconds: float) -> bool:
        """Wait until somebody rings, and serve; raises redis-py's errors.

        Args:
            seconds: the longest time.

        Returns:
            False if nobody rang.
        """
        rang = self._redis.brpop(keys.BELL, seconds) is not None
        if rang:
            self.serve()
        return rang

    def serve(self) -> None:
        """Handle the wishes at the heads of some inboxes."""
        has_more, *found = self._scripts.of_fleet("inbox")
        for tenant, entry in zip(found[::2], found[1::2], strict=True):
            self._fulfil(tenant.decode("ascii"), entry)
        if has_more:
            self._redis.lpush(keys.BELL, b"")

    def _fulfil(self, tenant: str, entry: bytes) -> None:
        """Handle a wish, and remove it from the inbox.

        Args:
            tenant: the tenant.
            entry: the entry of its inbox.
        """
        wish = read_wish(entry)
        if wish is None:
            self._warn_once(tenant, "dropped an entry of the inbox of tenant %s: %.100r", tenant, entry)
            self._redis.lrem(keys.inbox(tenant), -1, entry)
            return
        ref = reference(tenant, wish.job_id)
        step = _STEPS[wish.verb]
        # A full Redis refuses transactions, but not these scripts.
        with self._redis.pipeline(transaction=False) as pipe:
            self._scripts.add_wish(pipe, step.script, ref, step.own, inbox=keys.inbox(tenant), entry=entry)
            if wish.verb == "cancel":
                # What a client wrote there that didn't know yet that the job was admitted.
                pipe.unlink(keys.incoming(ref))
            answer, *_ = pipe.execute(raise_on_error=False)
        if isinstance(answer, ResponseError):
            # Subclasses tell of Redis itself, such as one that became a replica.
            if type(answer) is not ResponseError:
                raise answer
            self._warn_once(tenant, "could not %s job %s: %s", wish.verb, ref, answer)
            self._redis.lrem(keys.inbox(tenant), -1, entry)
            answer = 0
        if answer != SERVED:
            self._finish(tenant, wish, ref, answer)

    def _warn_once(self, tenant: str, text: str, *arguments: object) -> None:
        """Log a warning, unless there was one about the same tenant."""
        if tenant not in self._warned and len(self._warned) < _MOST_WARNED:
            self._warned.add(tenant)
            logger.warning(text, *arguments)

    def _finish(self, tenant: str, wish: Wish, ref: str, answer: Any) -> None:
        """Do what is left of a wish, and answer.

        Args:
            tenant: the tenant.
            wish: its wish.
            ref: the reference of the job.
            answer: the answer of the script.
        """
        outcome: int | list[int] = answer if isinstance(answer, int) else 1
        if isinstance(answer, list) and wish.verb == "run" and answer[0] == b"bad":
            reason = answer[1].decode("utf-8", "replace")
            self._warn_once(tenant, "dropped job %s, which no client wrote: %s", ref, reason)
        elif isinstance(answer, list) and wish.verb == "run" and answer[0] == b"refused":
            refuse(self._scripts, ref, answer[1])
        elif isinstance(answer, list) and wish.verb == "cancel":
            outcome = self._cancel(ref, answer)
        elif isinstance(answer, list) and wish.verb == "retry":
            outcome = self._retry(ref, answer)
        if wish.token:
            key = keys.answer(tenant, wish.token)
            with self._redis.pipeline(transaction=True) as pipe, suppress(OutOfMemoryError):
                pipe.lpush(key, json.dumps(outcome))
                pipe.expire(key, _ANSWER_SECONDS)
                pipe.execute(raise_on_error=False)

    def _cancel(self, ref: str, answer: Sequence[int]) -> int:
        """Cancel the rest of a job, and count the shards."""
        (first, number, *running) = answer
        while first >= 0:
            first, stopped, *started = self._scripts.call("cancel", ref, first, MOST_AT_ONCE)
            number += stopped
            running += started
        if running:
            self._revoke([task_id(ref, index) for index in running])
        return number

    def _retry(self, ref: str, answer: Sequence[int]) -> list[int]:
        """Retry the rest of a job, and return the shards."""
        first, *failed = answer
        while first >= 0:
            first, *some = self._scripts.call("retry", ref, first, MOST_AT_ONCE, int(bool(failed)))
            failed += some
        return failed
