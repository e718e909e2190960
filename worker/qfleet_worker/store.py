# SPDX-License-Identifier: Apache-2.0
"""The worker's view of the ledger in Redis.

A worker claims shards, reads programs, stores results, and shows its presence.
"""

from __future__ import annotations

import base64
import logging
import os
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import psutil
import redis
from redis.exceptions import OutOfMemoryError

from qfleet.wire.lua import Scripts, plain_script
from qfleet.wire.messages.presence import Presence
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import ShardField
from qfleet.wire.redis.states import ShardState
from qfleet_worker.picked import ClaimedShard, Later, Picked, Question, read_choice

#: Seconds that a result waits for room in a full Redis, and seconds between two attempts.
ROOM_SECONDS: Final = 60.0
_ROOM_RETRY_SECONDS: Final = 1.0
#: See `qfleet.wire.redis.fields.ShardField.OWNER`.
_OWNER: Final = re.compile(rb"(.*)/([0-9]{1,9})/\w+", re.DOTALL)

#: The answer of a script that put a shard back, and whose caller must send a message for the shard.
NEEDS_MESSAGE: Final = 2

logger = logging.getLogger(__name__)


class Store:
    """The ledger in one Redis, for the processes of one worker."""

    def __init__(
        self, client: redis.Redis, worker: str, *, machine: str = "", room_seconds: float = ROOM_SECONDS
    ) -> None:
        """Open the ledger for a worker.

        Args:
            client: the Redis that holds the ledger.
            worker: the name under which the worker shows its presence.
            machine: the id of the machine on which its process ids are valid, from
                `qfleet.wire.messages.machine.machine_id`.
            room_seconds: seconds that a result waits for room in a full Redis.
        """
        self._redis: Any = client
        self._worker = worker
        self._machine = machine
        self._room_seconds = room_seconds
        self._scripts = Scripts(client)
        self._renew = self._redis.register_script(plain_script("show"))
        #: seconds by which Redis's clock is ahead of this process's monotonic one; ``None`` before Redis told its time
        self._clock_offset: float | None = None

    def pick(
        self, tier: int | None, free: int, pool: int, *, slow: bool, corrections: Mapping[str, float]
    ) -> Picked | Later | None:
        """Choose the shard that runs next here, and claim it.

        Args:
            tier: the tier of the token that this worker has; ``None`` without one.
            free: the bytes of memory that are free.
            pool: the bytes of memory that the worker has in all.
            slow: true if the worker has the slower engine only.
            corrections: for each tenant, the core seconds that its shards took beyond those it was charged with.

        Returns:
            ``None`` if no shard waits.
        """
        owner, own = self._choice(tier, free, pool, slow=slow, corrections=corrections)
        return read_choice(owner, self._scripts.of_fleet("pick", *own))

    def question(self, free: int, pool: int, *, slow: bool, corrections: Mapping[str, float]) -> Question:
        """Return the command by which `pick` chooses without a token.

        Redis refuses the command unless a shard was chosen before. `read_choice` reads the answer.
        """
        owner, own = self._choice(None, free, pool, slow=slow, corrections=corrections)
        return Question(owner, self._scripts.of_fleet_command("pick", *own))

    def _choice(
        self, tier: int | None, free: int, pool: int, *, slow: bool, corrections: Mapping[str, float]
    ) -> tuple[str, tuple[object, ...]]:
        """Return a new owner, and the script's arguments."""
        owner = self._new_owner()
        owed = [text for tenant, seconds in corrections.items() for text in (tenant, f"{seconds:.6f}")]
        token = "" if tier is None else tier
        return owner, (owner, self._worker, token, free, pool, int(slow), f"{self.now():.3f}", *owed)

    def _new_owner(self) -> str:
        return f"{self._worker}/{os.getpid()}/{uuid.uuid4().hex[:8]}"

    def owner_of(self, process: int | None) -> str:
        """Return the start of the names of this worker's owners.

        Args:
            process: the id of the process; ``None`` for all of them.
        """
        return f"{self._worker}/" if process is None else f"{self._worker}/{process}/"

    def is_named(self, job_id: str, index: int) -> bool:
        """Tell whether a message that names a shard stands for that shard.

        It does if its job is of a client of version 0.1. Such a client may also have retried a shard of another job:
        that one can be chosen from now on.
        """
        return not self._scripts.call("requeue", job_id, index)

    def chosen(
        self,
        job_id: str,
        index: int,
        owner: str,
        attempt: int,
        cause: str,
        grant: int,
        threads: int,
        work: str,
        circuits: int | None = None,
    ) -> ClaimedShard:
        """Return a shard that the main process chose.

        Args:
            job_id: the job.
            index: the shard's place in the job.
            owner: the name of the attempt.
            attempt: the number of the attempt, from 1.
            cause: the cause of the previous attempt's end.
            grant: the bytes that the shard may use.
            threads: the threads that it may use.
            work: the blob of its work in base64; empty if it is large and must be read.
            circuits: see `ClaimedShard`.
        """
        blob: bytes = base64.b64decode(work) or self._redis.hget(keys.work(job_id), index) or b""
        return ClaimedShard(job_id, index, owner, attempt, blob, cause, grant, threads, circuits=circuits)

    def now(self) -> float:
        """Return the time of Redis's clock, in seconds since the epoch.

        Redis was asked when the presence was last renewed.
        """
        if self._clock_offset is None:
            seconds, microseconds = self._redis.time()
            self._clock_offset = seconds + microseconds / 1e6 - time.monotonic()
        return time.monotonic() + self._clock_offset

    def push(self, key: str, entry: bytes = b"", *, expires: int = 0) -> None:
        """Put an entry on a list, as the next to be taken.

        Args:
            key: the key of the list.
            entry: the entry.
            expires: seconds after which the list is deleted; 0 if it is kept.
        """
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.rpush(key, entry)
            if expires:
                pipe.expire(key, expires)
            pipe.execute()

    def take(self, job_id: str, index: int) -> ClaimedShard | None:
        """Claim a shard to run it in this process.

        Returns:
            ``None`` if the shard has ended, was cancelled or runs elsewhere, or if its job is gone.
        """
        owner = self._new_owner()
        answer = self._scripts.call("take", job_id, index, owner, "")
        if len(answer) == 2 and self._is_dead(*answer):
            answer = self._scripts.call("take", job_id, index, owner, answer[0])
        if len(answer) < 3:
            return None
        attempt, work, cause = answer
        return ClaimedShard(job_id, index, owner, attempt, work, cause.decode())

    def _is_dead(self, owner: bytes, machine: bytes) -> bool:
        """Tell whether an owner's process ran on this machine, and has ended."""
        _, process = _worker_and_process(owner)
        is_here = bool(machine) and machine == self._machine.encode()
        return is_here and process is not None and not psutil.pid_exists(process)

    def begin(self, shard: ClaimedShard, circuit: int) -> int | None:
        """Record which circuit of a shard runs next.

        Args:
            shard: the shard.
            circuit: the circuit's index in the job.

        Returns:
            How many processes died while they ran this circuit; ``None`` if the shard has another owner by now.
        """
        answer: int | None = self._scripts.call("begin", shard.job_id, shard.index, shard.owner, circuit)
        return answer

    def programs(self, job_id: str, names: list[str]) -> list[bytes | None]:
        """Return the blobs of a job's programs in their names' order.

        Args:
            job_id: the job.
            names: the names of the programs.

        Returns:
            ``None`` for each missing program.
        """
        blobs: list[bytes | None] = self._redis.hmget(keys.programs(job_id), names)
        return blobs

    def finish(
        self, shard: ClaimedShard, result: bytes, *, whole: int, blocks: list[tuple[int, int]], error: str
    ) -> bool:
        """Store a shard's result, and mark the shard SUCCESS or FAILURE.

        If a full Redis has no room for the result, the worker tries again for a while. After that the shard fails.

        Args:
            shard: the shard.
            result: the blob of a `qfleet.wire.messages.result.ShardResult`; empty if there is none.
            whole: how many circuits ran with all their shots.
            blocks: a pair (circuit, number of its blocks) for each block of shots that ran.
            error: the error's text for the user; empty on success.

        Returns:
            False if nothing was stored: the shard was cancelled, has ended, or was taken by another process.
        """
        deadline = time.monotonic() + self._room_seconds
        while True:
            try:
                return self._finish_with(shard, result, whole, blocks, error)
            except OutOfMemoryError:
                if time.monotonic() >= deadline:
                    break
            logger.warning("Redis has no room for the result of shard %s of job %s yet", shard.index, shard.job_id)
            time.sleep(_ROOM_RETRY_SECONDS)
        error = f"Redis is out of memory: it has no room for a result of {len(result) / 2**20:.1f} MiB"
        return self._finish_with(shard, b"", 0, [], error)

    def _finish_with(
        self, shard: ClaimedShard, result: bytes, whole: int, blocks: list[tuple[int, int]], error: str
    ) -> bool:
        state: ShardState = "FAILURE" if error else "SUCCESS"
        spent = time.process_time() - shard.began
        answer = self._scripts.call(
            "finish",
            shard.job_id,
            *(shard.index, shard.owner, state, result, error, f"{spent:.6f}", whole),
            *(number for block in blocks for number in block),
        )
        return bool(answer)

    def runs(self, job_id: str, index: int, owner: str) -> bool:
        """Tell whether an owner runs a shard, or ran it until cancelled.

        Args:
            job_id: the job.
            index: the shard's place in the job.
            owner: the owner's name, or its start.
        """
        fields = [ShardField.of(index, name) for name in (ShardField.STATE, ShardField.STOPPING, ShardField.OWNER)]
        state, stopping, held = self._redis.hmget(keys.shards(job_id), fields)
        return (state == b"STARTED" or bool(stopping)) and (held or b"").startswith(owner.encode())

    def stopped(self, job_id: str, index: int, owner: str, cause: str = "", *, spent: float = 0.0) -> int:
        """Record that a shard's process is dead, or dropped the shard.

        Args:
            job_id: the job.
            index: the shard's place in the job.
            owner: the owner's name, or its start.
            cause: the cause of its death; empty if the shard was cancelled.
            spent: the core seconds that the attempt took.

        Returns:
            0 if the shard doesn't wait again; else 1, or `NEEDS_MESSAGE` for one of a job of version 0.1.
        """
        answer: int = self._scripts.call("stopped", job_id, index, owner, cause, f"{spent:.6f}")
        return answer

    def fail(self, job_id: str, index: int, owner: str, error: str, *, spent: float = 0.0) -> None:
        """Mark a shard that runs here FAILURE.

        Args:
            job_id: the job.
            index: the shard's place in the job.
            owner: the owner's name, or its start.
            error: the error, for the user.
            spent: the core seconds that the attempt took.
        """
        self._scripts.call("fail", job_id, index, owner, error, f"{spent:.6f}")

    def release(self, job_id: str, index: int, owner: str, *, spent: float = 0.0) -> int:
        """Let another worker choose a shard that this worker still has.

        The attempt isn't counted.

        Args:
            job_id: the job.
            index: the shard's place in the job.
            owner: the owner's name, or its start.
            spent: the core seconds that the attempt took.

        Returns:
            0 if the worker doesn't have it; else 1, or `NEEDS_MESSAGE` for one of a job of version 0.1.
        """
        answer: int = self._scripts.call("release", job_id, index, owner, f"{spent:.6f}")
        return answer

    def excuse(self, job_id: str, index: int, owner: str) -> None:
        """Record that a running shard doesn't cause the end of this worker.

        The worker was told to stop and may be killed before the shard ends.

        Args:
            job_id: the job.
            index: the shard's place in the job.
            owner: the owner's name, or its start.
        """
        self._scripts.call("excuse", job_id, index, owner)

    def renew_presence(self, presence: Presence) -> bool:
        """Store this worker's presence with the time of Redis's clock.

        Returns:
            True if the worker shall take no more shards.
        """
        fields = msgspec.to_builtins(presence)
        del fields["seen"], fields["draining"]
        holds = msgspec.json.encode(fields.pop("holds"))
        said = msgspec.json.encode(fields)[:-1] + b',"seen":'
        places = [keys.WORKERS, keys.DRAINING, keys.HOLDS]
        now, draining = self._renew(keys=places, args=[presence.name, said, holds])
        self._clock_offset = float(now) - time.monotonic()
        return bool(draining)

    def withdraw_presence(self) -> None:
        """Delete this worker's presence."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.hdel(keys.WORKERS, self._worker)
            pipe.hdel(keys.HOLDS, self._worker)
            pipe.srem(keys.DRAINING, self._worker)
            pipe.execute()


def _worker_and_process(owner: bytes) -> tuple[bytes, int | None]:
    """Return the worker and the process in an owner's name.

    A name that no worker wrote gives no worker and no process.
    """
    parts = _OWNER.fullmatch(owner)
    return (parts[1], int(parts[2])) if parts else (b"", None)
