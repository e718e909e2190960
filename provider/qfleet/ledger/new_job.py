# SPDX-License-Identifier: Apache-2.0
"""A job, ready to be stored, and the commands that store it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, NamedTuple

from qfleet.errors import CapacityError
from qfleet.ledger.record import JobRecord, encode_record
from qfleet.wire.codec.shards import encode_shard
from qfleet.wire.cost.tiers import Tier
from qfleet.wire.lua import INLINE_BYTES, plain_script, script
from qfleet.wire.messages.work import ShardWork
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField, TierField

#: The time that the copy of a program is kept after its last use.
PROGRAM_SECONDS: Final = 600
#: The predicted core seconds of a shard of a job without tiers.
_SECONDS: Final = 0.002
#: The number of tokens in one command to Redis.
_TOKENS_AT_ONCE: Final = 10_000


class LargestNeed(NamedTuple):
    """The circuit of a job that needs the most memory."""

    memory_bytes: int
    #: the circuit's place in the job's record
    circuit: int


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job, ready to be stored."""

    #: the job's reference once it belongs to a tenant, see `qfleet.wire.redis.keys`
    job_id: str
    #: its time of creation is the client's guess; the one that counts is that of Redis
    record: JobRecord
    #: seconds to keep the job after its end
    retention: int
    shards: Sequence[ShardWork]
    #: the encoded programs by content hash
    programs: Mapping[str, bytes]
    #: by the engine of a worker, the need of the circuit that needs most there; not stored
    needs: Mapping[str, LargestNeed] = field(default_factory=dict)
    #: the shards by the memory they need, in their order; without any, all shards are of the lowest tier
    tiers: Sequence[Tier] = ()
    tenant: str = ""
    #: the weight among the tenant's jobs: 8, 2 or 1
    weight: int = 2
    #: the name of the client that hears of its end
    listener: str = ""

    @property
    def all_tiers(self) -> Sequence[Tier]:
        """Return the tiers, which have all shards."""
        if self.tiers or not self.shards:
            return self.tiers
        return (Tier(0, 0, len(self.shards), need=0, slow=0, seconds=_SECONDS),)


def add_job(
    pipe: Any, key: str, job: NewJob, *, without: Collection[str], max_value_bytes: int, with_states: bool = True
) -> None:
    """Add to a transaction what a job consists of.

    Args:
        pipe: the transaction.
        key: the key of the job's hash; its other keys begin with it.
        job: the job.
        without: programs that are left out.
        max_value_bytes: the largest value that Redis stores.
        with_states: false if the worker that admits the job writes the states of its shards.

    Raises:
        CapacityError: the job's record is too large for a Redis value.
    """
    work = {index: encode_shard(shard) for index, shard in enumerate(job.shards)}
    inline = {JobField.INLINE: 1} if max(map(len, work.values()), default=0) <= INLINE_BYTES else {}
    pipe.hset(key, mapping=_fields(job, max_value_bytes) | inline)
    if job.shards and with_states:
        pipe.hset(f"{key}:shards", mapping={f"{index}:state": "PENDING" for index in range(len(job.shards))})
    if job.shards:
        pipe.hset(f"{key}:work", mapping=work)
    add_programs(pipe, key, job, [name for name in job.programs if name not in without])


def add_programs(pipe: Any, key: str, job: NewJob, names: Sequence[str]) -> None:
    """Add to a transaction some programs of a job.

    Args:
        pipe: the transaction.
        key: the key of the job's hash.
        job: the job.
        names: the names of the programs.
    """
    if names:
        pipe.hset(f"{key}:programs", mapping={name: job.programs[name] for name in names})


def take_copies(pipe: Any, job: NewJob, names: Sequence[str]) -> None:
    """Add the copying of programs to a transaction.

    Each copy is kept for another while. The answer is 0 for each that isn't there.

    Args:
        pipe: the transaction.
        job: the job.
        names: the names of the programs.
    """
    programs = keys.programs(job.job_id)
    for name in names:
        pipe.eval(plain_script("copy"), 2, programs, keys.program(job.tenant, name), name, PROGRAM_SECONDS)


def keep_copies(pipe: Any, job: NewJob, names: Sequence[str]) -> None:
    """Add to a transaction that Redis keeps copies of programs.

    Args:
        pipe: the transaction.
        job: the job that has the programs.
        names: their names.
    """
    for name in names:
        pipe.set(keys.program(job.tenant, name), job.programs[name], ex=PROGRAM_SECONDS)


def add_submission(pipe: Any, job: NewJob) -> None:
    """Add to a transaction the commands that let a job be run.

    The last answer is that of the script ``submit``.

    Args:
        pipe: the transaction.
        job: the job, which has all its parts.
    """
    for tier in job.all_tiers:
        for start in range(tier.first, tier.end, _TOKENS_AT_ONCE):
            pipe.lpush(keys.tokens(tier.number), *([""] * min(_TOKENS_AT_ONCE, tier.end - start)))
    pipe.evalsha(_submit_sha(), 1, keys.job(job.job_id), job.job_id, len(job.programs))


@cache
def _submit_sha() -> str:
    return hashlib.sha1(script("submit").encode(), usedforsecurity=False).hexdigest()


def _fields(job: NewJob, max_value_bytes: int) -> dict[str, str | bytes | int | float]:
    """Return a new job's fields without the time of creation.

    Args:
        job: the job.
        max_value_bytes: the largest value that Redis stores.

    Raises:
        CapacityError: the job's record is too large for a Redis value.
    """
    record = job.record
    blob = encode_record(record)
    if len(blob) > max_value_bytes:
        raise CapacityError(
            f"the record of the job, without its programs, has {len(blob) / 2**20:.0f} MiB, and a Redis value "
            f"holds {max_value_bytes / 2**20:.0f} MiB; give less metadata, or split the job",
            needed_bytes=len(blob),
            available_bytes=max_value_bytes,
        )
    return {
        JobField.BACKEND: record.backend,
        JobField.OUTPUT: record.output,
        JobField.RETENTION: job.retention,
        JobField.CIRCUITS: record.num_circuits,
        JobField.CIRCUITS_DONE: 0,
        JobField.SHARDS: len(job.shards),
        JobField.TAGS: json.dumps(record.tags),
        JobField.RECORD: blob,
        JobField.count("PENDING"): len(job.shards),
        JobField.TENANT: job.tenant,
        JobField.WEIGHT: job.weight,
        JobField.LISTENER: job.listener,
        JobField.TIERS: " ".join(str(tier.number) for tier in job.all_tiers),
        **dict(_tier_fields(job)),
    }


def _tier_fields(job: NewJob) -> Iterator[tuple[str, str | int]]:
    for tier in job.all_tiers:
        values: dict[str, str | int] = {
            TierField.FIRST: tier.first,
            TierField.NEXT: tier.first,
            TierField.END: tier.end,
            TierField.NEED: tier.need,
            TierField.SLOW: tier.slow,
            TierField.SECONDS: f"{tier.seconds:.6g}",
            TierField.QUBITS: tier.num_qubits,
        }
        if tier.longest > tier.seconds:
            values[TierField.LONGEST] = f"{tier.longest:.6g}"
        for name, value in values.items():
            yield JobField.of_tier(tier.number, name), value
