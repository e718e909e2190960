# SPDX-License-Identifier: Apache-2.0
"""What a client stores of a job for the next client that asks for it: all that a result needs and a worker doesn't."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from qfleet.errors import DamagedDataError
from qfleet.wire.shard import Output, Precision


class CircuitRecord(Struct, frozen=True):
    """One circuit of a job, without its operations."""

    name: str
    num_qubits: int
    num_clbits: int
    #: (name, size) of each register
    qregs: tuple[tuple[str, int], ...]
    cregs: tuple[tuple[str, int], ...]
    #: radians
    global_phase: float
    #: the circuit's own metadata
    metadata: dict[str, Any]
    measured: bool
    shots: int
    seed: int
    #: bytes of memory that its simulation was predicted to take
    required_bytes: int
    #: how it is simulated, and why so
    method: str = "statevector"
    method_reason: str = ""


class JobRecord(Struct, frozen=True):
    """A job, as it was submitted."""

    backend: str
    #: seconds since the epoch
    created: float
    output: Output
    precision: Precision
    memory: bool
    method: str
    tags: tuple[str, ...]
    metadata: dict[str, Any]
    circuits: tuple[CircuitRecord, ...]


_decoder = msgspec.msgpack.Decoder(JobRecord)


def encode_record(record: JobRecord) -> bytes:
    """The record as bytes. Metadata that can't be written faithfully are left out; the submitting client keeps them."""
    return msgspec.msgpack.encode(
        msgspec.structs.replace(
            record,
            metadata=_writable(record.metadata),
            circuits=tuple(
                msgspec.structs.replace(circuit, metadata=_writable(circuit.metadata)) if circuit.metadata else circuit
                for circuit in record.circuits
            ),
        )
    )


def decode_record(blob: bytes) -> JobRecord:
    """The record in bytes. Raises `DamagedDataError`."""
    try:
        return _decoder.decode(blob)
    except msgspec.DecodeError as exc:
        raise DamagedDataError(f"the record of the job can't be read: {exc}") from exc


def _writable(metadata: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if isinstance(key, str) and _survives([key, value])}


def _survives(value: object) -> bool:
    try:
        return bool(msgspec.msgpack.decode(msgspec.msgpack.encode(value)) == value)
    except Exception:  # noqa: BLE001 - a value may be any object, and fail at anything
        return False
