# SPDX-License-Identifier: Apache-2.0
"""The record of a job for clients.

It has everything that a result needs and a worker doesn't.
"""

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

#: The largest number of parameter sets of a job.
_MOST_POINTS: Final = 1_000_000
#: The largest number of expectation values of a PUB.
_MOST_MEANS: Final = 1 << 28
#: Seconds from the epoch to the year 10000, after the last possible date.
_LATEST: Final = 253_402_300_000
_Side: TypeAlias = Annotated[int, Meta(ge=0, lt=2**31)]
_NotNegative: TypeAlias = Annotated[int, Meta(ge=0)]
_Register: TypeAlias = tuple[str, _NotNegative]


class NoiseRecord(Struct, frozen=True):
    """The noise that a circuit meets."""

    #: distinct channels
    channels: _NotNegative
    #: operations that are channels
    places: _NotNegative
    #: measurements with a readout error
    readouts: _NotNegative
    #: errors of a shot by the channels, on average, if each operation happens once
    errors_per_shot: Annotated[float, Meta(ge=0)]


class CircuitRecord(Struct, frozen=True, omit_defaults=True):
    """A circuit of a job with its parameter sets, without operations.

    Each parameter set counts as a circuit.
    """

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
    #: of each parameter set
    shots: Positive
    #: of the first parameter set; the others' follow by `qfleet.wire.messages.work.SEED_STEP`
    seed: _NotNegative
    #: bytes of memory that its simulation was predicted to take
    required_bytes: _NotNegative
    #: the method of its simulation, and the reason
    method: str = "statevector"
    method_reason: str = ""
    points: Annotated[int, Meta(ge=0, le=_MOST_POINTS)] = 1
    #: float64, shape (sets,): the global phases where they differ; else empty
    phases: bytes = b""
    #: True if it has save instructions
    saves: bool = False
    #: encoded metadata of types that msgpack lacks; else empty
    other_metadata: bytes = b""
    noise: NoiseRecord | None = None


class PubRecord(Struct, frozen=True, omit_defaults=True):
    """A PUB of a job: its circuit, parameter sets and observables.

    The elements of the array of parameter sets are those of the circuit.
    """

    #: of the array of parameter sets
    shape: tuple[_Side, ...]
    #: of the array of observables, which is broadcast against ``shape``
    observables_shape: tuple[_Side, ...] = ()
    #: the standard error that was asked for; 0 for exact expectation values
    precision: Annotated[float, Meta(ge=0)] = 0.0
    #: True if expectation values are averages over shots that differ
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
    #: see `CircuitRecord`
    other_metadata: bytes = b""

    @property
    def num_circuits(self) -> int:
        """Return the number of circuits. Each parameter set counts as one."""
        return sum(circuit.points for circuit in self.circuits)

    def parameter_sets(self) -> list[tuple[CircuitRecord, int]]:
        """Return the job's circuits with the numbers of their parameter sets.

        They are in the job's order, one for each parameter set.
        """
        return [(circuit, number) for circuit in self.circuits for number in range(circuit.points)]


_Record = TypeVar("_Record", CircuitRecord, JobRecord)
_decoder = msgspec.msgpack.Decoder(JobRecord)


def encode_record(record: JobRecord) -> bytes:
    """Return the record as bytes.

    Metadata that a record can't store are left out. The client that submits the job keeps them.
    """
    circuits = tuple([_stored(circuit) if circuit.metadata else circuit for circuit in record.circuits])
    return msgspec.msgpack.encode(msgspec.structs.replace(_stored(record), circuits=circuits))


def decode_record(blob: bytes) -> JobRecord:
    """Return the record in bytes.

    Raises:
        DamagedDataError: the bytes aren't a record.
    """
    try:
        record = _decoder.decode(blob)
        _check(record)
        circuits = tuple([_restored(circuit) if circuit.other_metadata else circuit for circuit in record.circuits])
        return msgspec.structs.replace(_restored(record), circuits=circuits)
    except (msgspec.DecodeError, ValueError, RecursionError) as exc:
        raise DamagedDataError(f"the record of the job can't be read: {exc}") from exc


def lost_metadata(record: JobRecord) -> list[tuple[str, Any]]:
    """Return the metadata that aren't stored.

    Returns:
        The name of the circuit, empty for the job itself, and the key of each.
    """
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
    """Check that the parts of a record fit together.

    Raises:
        ValueError: they don't.
    """
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
    """Check that registers fit their circuit.

    Args:
        what: "qubits" or "clbits".
        registers: the registers.
        bits: the number of the circuit's bits.
        most: the largest number of bits of any circuit.

    Raises:
        ValueError: they are too large.
    """
    sizes = [size for _, size in registers]
    # Registers may share bits; each bit gets a name in each of its registers.
    if max(sizes, default=0) > bits or sum(sizes) > max(most, 2 * bits):
        raise ValueError(f"registers of {sum(sizes)} {what} in a circuit of {bits}")
