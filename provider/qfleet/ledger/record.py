# SPDX-License-Identifier: Apache-2.0
"""The record of a job for clients: everything that a result needs and a worker doesn't."""

from __future__ import annotations

import math
from typing import Annotated, Any, Final, TypeAlias, TypeVar

import msgspec
import numpy as np
from msgspec import Meta, Struct

from qfleet.errors import DamagedDataError
from qfleet.ledger.metadata import join, split, unwritable
from qfleet.wire.limits import MAX_CLBITS, MAX_QUBITS, Positive
from qfleet.wire.messages.request import PRIMITIVE_OUTPUTS, Output, Precision

#: Points of a job at most.
_MOST_POINTS: Final = 1_000_000
#: Expectation values of a PUB at most.
_MOST_MEANS: Final = 1 << 28
#: Seconds from the epoch to the year 10000, which dates don't reach.
_LATEST: Final = 253_402_300_000
_Side: TypeAlias = Annotated[int, Meta(ge=0, lt=2**31)]
_NotNegative: TypeAlias = Annotated[int, Meta(ge=0)]
_Register: TypeAlias = tuple[str, _NotNegative]


class CircuitRecord(Struct, frozen=True, omit_defaults=True):
    """A circuit of a job at one or more points, each of which counts as a circuit; without its operations."""

    name: str
    num_qubits: Annotated[int, Meta(ge=0, le=MAX_QUBITS)]
    num_clbits: Annotated[int, Meta(ge=0, le=MAX_CLBITS)]
    #: (name, size) of each register
    qregs: tuple[_Register, ...]
    cregs: tuple[_Register, ...]
    #: radians; see ``phases``
    global_phase: float
    #: the circuit's own metadata
    metadata: dict[str, Any]
    measured: bool
    #: of each point
    shots: Positive
    #: of the first point; the others' follow by `qfleet.wire.messages.work.SEED_STEP`
    seed: _NotNegative
    #: bytes of memory that its simulation was predicted to take
    required_bytes: _NotNegative
    #: how it is simulated, and why so
    method: str = "statevector"
    method_reason: str = ""
    points: Annotated[int, Meta(ge=0, le=_MOST_POINTS)] = 1
    #: float64, shape (points,): the global phases where they differ; else empty
    phases: bytes = b""
    #: whether it has save instructions
    saves: bool = False
    #: metadata that msgpack has no types for, as they are stored; else empty
    other_metadata: bytes = b""


class PubRecord(Struct, frozen=True, omit_defaults=True):
    """A primitive unified bloc: a circuit of the job, whose points are the elements of an array."""

    #: of the array of the parameters' values
    shape: tuple[_Side, ...]
    #: of the array of observables, which is broadcast against that
    observables_shape: tuple[_Side, ...] = ()
    #: the precision that was asked for; 0 for exact means
    precision: Annotated[float, Meta(ge=0)] = 0.0
    #: whether means come from several shots with randomness of their own
    sampled: bool = False
    #: each classical register's name and its clbits, int32
    registers: tuple[tuple[str, bytes], ...] = ()


class JobRecord(Struct, frozen=True, omit_defaults=True):
    """A job, as it was submitted."""

    backend: str
    #: seconds since the epoch
    created: Annotated[float, Meta(ge=0, le=_LATEST)]
    output: Output
    precision: Precision
    memory: bool
    method: str
    tags: tuple[str, ...]
    metadata: dict[str, Any]
    circuits: tuple[CircuitRecord, ...]
    #: one for each circuit of a primitive's job; else empty
    pubs: tuple[PubRecord, ...] = ()
    #: as of a circuit
    other_metadata: bytes = b""

    @property
    def num_circuits(self) -> int:
        """Return the number of circuits. Each parameter set counts as one."""
        return sum(circuit.points for circuit in self.circuits)

    def points(self) -> list[tuple[CircuitRecord, int]]:
        """Return the job's circuits in order, each with the number of its parameter set."""
        return [(circuit, point) for circuit in self.circuits for point in range(circuit.points)]


_Record = TypeVar("_Record", CircuitRecord, JobRecord)
_decoder = msgspec.msgpack.Decoder(JobRecord)


def encode_record(record: JobRecord) -> bytes:
    """Return the record as bytes. Metadata that it doesn't hold are left out; the submitting client keeps them."""
    circuits = tuple([_stored(circuit) if circuit.metadata else circuit for circuit in record.circuits])
    return msgspec.msgpack.encode(msgspec.structs.replace(_stored(record), circuits=circuits))


def decode_record(blob: bytes) -> JobRecord:
    """Return the record in bytes. Raises `DamagedDataError`."""
    try:
        record = _decoder.decode(blob)
        _check(record)
        circuits = tuple([_restored(circuit) if circuit.other_metadata else circuit for circuit in record.circuits])
        return msgspec.structs.replace(_restored(record), circuits=circuits)
    except (msgspec.DecodeError, ValueError, RecursionError) as exc:
        raise DamagedDataError(f"the record of the job can't be read: {exc}") from exc


def lost_metadata(record: JobRecord) -> list[tuple[str, Any]]:
    """Return the metadata that aren't stored: the name of the circuit, empty for the job itself, and the key."""
    lost = [("", key) for key in unwritable(record.metadata)]
    lost += [
        (circuit.name, key) for circuit in record.circuits if circuit.metadata for key in unwritable(circuit.metadata)
    ]
    return lost


def _stored(record: _Record) -> _Record:
    plain, others = split(record.metadata)
    return msgspec.structs.replace(record, metadata=plain, other_metadata=others)


def _restored(record: _Record) -> _Record:
    return msgspec.structs.replace(record, metadata=join(record.metadata, record.other_metadata), other_metadata=b"")


def _check(record: JobRecord) -> None:
    """Raise ValueError unless what belongs together in a record is of one size."""
    if len(record.pubs) not in (0, len(record.circuits)) or bool(record.pubs) != (
        record.output in PRIMITIVE_OUTPUTS and bool(record.circuits)
    ):
        raise ValueError(f"{len(record.pubs)} PUBs for {len(record.circuits)} circuits")
    if record.num_circuits > _MOST_POINTS:
        raise ValueError(f"{record.num_circuits} circuits; a job has at most {_MOST_POINTS}")
    for circuit in record.circuits:
        _check_registers("qubits", circuit.qregs, circuit.num_qubits, MAX_QUBITS)
        _check_registers("clbits", circuit.cregs, circuit.num_clbits, MAX_CLBITS)
        if len(circuit.phases) not in (0, 8 * circuit.points):
            raise ValueError(f"{len(circuit.phases)} bytes of phases for {circuit.points} points")
    for circuit, pub in zip(record.circuits, record.pubs, strict=False):
        whole = math.prod(np.broadcast_shapes(pub.shape, pub.observables_shape))
        if whole > _MOST_MEANS:
            raise ValueError(f"{whole} expectation values; a PUB has at most {_MOST_MEANS}")
        if circuit.points != (math.prod(pub.shape) if whole else 0):
            raise ValueError(f"points of the shape {pub.shape}, which aren't {circuit.points}")
        for name, places in pub.registers:
            clbits = np.frombuffer(places, "<i4")
            if (clbits < 0).any() or (clbits >= circuit.num_clbits).any():
                raise ValueError(f"the register {name!r} has clbits that aren't there")


def _check_registers(what: str, registers: tuple[_Register, ...], bits: int, most: int) -> None:
    """Check that registers fit the number of qubits or clbits of a circuit. Raises ValueError."""
    sizes = [size for _, size in registers]
    # Registers may share bits; names are made for those of each.
    if max(sizes, default=0) > bits or sum(sizes) > max(most, 2 * bits):
        raise ValueError(f"registers of {sum(sizes)} {what} in a circuit of {bits}")
