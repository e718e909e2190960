# SPDX-License-Identifier: Apache-2.0
"""Blobs of shards: their work and their results."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec
from msgspec.msgpack import Decoder

from qfleet.wire.codec.blobs import Kind, decode_blob, head
from qfleet.wire.codec.versions import ShardWork3, upgrade_work
from qfleet.wire.errors import WireError
from qfleet.wire.limits import MAX_COUNT, MAX_POINTS, MAX_SEED
from qfleet.wire.messages.result import ShardResult
from qfleet.wire.messages.work import SEED_STEP, CircuitWork, ShardWork

_Shard = TypeVar("_Shard", ShardWork, ShardResult)

_KINDS: Final[dict[type, Kind]] = {ShardWork: Kind.WORK, ShardResult: Kind.RESULT}
_encoder: Final = msgspec.msgpack.Encoder()
_WORK_DECODERS: Final[dict[int, Decoder[ShardWork | ShardWork3]]] = {3: Decoder(ShardWork3), 4: Decoder(ShardWork)}
_RESULT_DECODERS: Final = {3: Decoder(ShardResult)}


def encode_shard(message: ShardWork | ShardResult) -> bytes:
    """Return the blob of a shard's work or result."""
    return head(_KINDS[type(message)]) + _encoder.encode(message)


def decode_work(blob: bytes) -> ShardWork:
    """Return the work in a blob. Raises `WireError`."""
    work = decode_blob(blob, Kind.WORK, _WORK_DECODERS)
    return _bounded(upgrade_work(work) if isinstance(work, ShardWork3) else work)


def decode_result(blob: bytes) -> ShardResult:
    """Return the result in a blob. Raises `WireError`."""
    return _bounded(decode_blob(blob, Kind.RESULT, _RESULT_DECODERS))


def _bounded(message: _Shard) -> _Shard:
    """Check a message's points, shots, seeds and requests, and return it.

    Raises:
        WireError: one of them is out of bounds.
    """
    points = sum([circuit.points for circuit in message.circuits])
    if points > MAX_POINTS:
        raise WireError(f"circuits at {points} points; a shard has at most {MAX_POINTS}")
    for circuit in message.circuits:
        if circuit.index + circuit.points > MAX_COUNT or circuit.first_shot + circuit.shots > MAX_COUNT:
            raise WireError(
                f"{circuit.points} circuits from {circuit.index} on, and {circuit.shots} shots from "
                f"{circuit.first_shot} on; what is counted is below {MAX_COUNT}"
            )
        if isinstance(circuit, CircuitWork) and circuit.seed + SEED_STEP * (circuit.points - 1) > MAX_SEED:
            raise WireError(f"the seed of a point of circuit {circuit.index} is above {MAX_SEED}")
    if isinstance(message, ShardWork):
        _check_requests(message)
    return message


def _check_requests(work: ShardWork) -> None:
    for circuit in work.circuits:
        if circuit.request >= len(work.requests):
            raise WireError(f"circuit {circuit.index} has request {circuit.request} of {len(work.requests)}")
