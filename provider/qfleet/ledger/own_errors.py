# SPDX-License-Identifier: Apache-2.0
"""The failures of shards with errors of their own and no results."""

from __future__ import annotations

from typing import Any, Final

from qfleet.wire.codec.shards import decode_work
from qfleet.wire.errors import WireError
from qfleet.wire.messages.result import CircuitResult
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import ShardField

#: The number of shards that are asked for their errors at once.
_ASKED_AT_ONCE: Final = 500
#: The most characters of an error.
_MOST: Final = 4096


def own_failures(client: Any, job_id: str, shards: int, first_error: str) -> list[CircuitResult]:
    """Return the failures that a job's first error doesn't explain.

    A shard fails without a result if no worker can hold it, it takes too long, or its results are too large. Circuits
    without a result are said to have the job's first error, which may be that of another shard. Raises redis-py's
    errors.

    Args:
        client: a ``redis.Redis``.
        job_id: the job, which has ended.
        shards: how many shards it has.
        first_error: its first error.
    """
    own: dict[int, str] = {}
    for start in range(0, shards, _ASKED_AT_ONCE):
        some = range(start, min(start + _ASKED_AT_ONCE, shards))
        errors = client.hmget(keys.shards(job_id), [ShardField.of(index, ShardField.ERROR) for index in some])
        texts = ((raw or b"").decode(errors="replace") for raw in errors)
        own |= {index: text for index, text in zip(some, texts, strict=True) if text not in ("", first_error)}
    return [part for index, text in own.items() for part in _failures(client, job_id, index, text)]


def _failures(client: Any, job_id: str, index: int, error: str) -> list[CircuitResult]:
    """Return the failures of one shard's circuits.

    There are none if an earlier attempt gave a result, or if nobody can read what its circuits are.
    """
    with client.pipeline(transaction=False) as pipe:
        pipe.hexists(keys.results(job_id), index)
        pipe.hget(keys.work(job_id), index)
        has_result, blob = pipe.execute()
    try:
        circuits = () if has_result else decode_work(blob or b"").circuits
    except WireError:
        return []
    return [
        CircuitResult(
            index=circuit.index,
            first_shot=circuit.first_shot,
            shots=circuit.shots,
            seconds=0.0,
            engine="",
            error=error[:_MOST],
            points=circuit.points,
        )
        for circuit in circuits
    ]
