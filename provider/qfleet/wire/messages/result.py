# SPDX-License-Identifier: Apache-2.0
"""The result of a shard."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from qfleet.wire.limits import MAX_POINTS, MAX_SAVES, Count, Positive, Text
from qfleet.wire.program.saves import Saved


class CircuitResult(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The outcome of points of a `CircuitWork`: data, or an error.

    The data of the points come one after the other. An error stopped all of them.
    """

    #: of the first point
    index: Count
    first_shot: Count
    #: of each point
    shots: Positive
    #: seconds of simulation of all points, queueing and transport excluded
    seconds: Annotated[float, Meta(ge=0)]
    #: the engine that ran it, for the result's metadata
    engine: Annotated[str, Meta(max_length=128)]
    #: the reason for this engine, for the result's metadata
    engine_reason: Text = ""
    #: empty if the circuit ran; else the error, for the user
    error: Text = ""
    points: Positive = 1
    #: int64, shape (points,): the number of distinct outcomes of each point; empty for one point
    distinct: bytes = b""
    #: uint8, shape (distinct, ceil(num_clbits / 8)): each distinct outcome, clbit 0 in the lowest bit of the first byte
    outcomes: bytes = b""
    #: int64, shape (distinct,): the number of shots with each outcome
    counts: bytes = b""
    #: uint32, shape (shots,): each shot's row in ``outcomes``; empty unless asked for
    memory: bytes = b""
    #: complex128 or complex64 by precision: shape (2**num_qubits,) or (2**num_qubits, 2**num_qubits); empty for counts
    amplitudes: bytes = b""
    #: uint8, shape (points, shots, ceil(num_clbits / 8)): each shot's outcome, as in ``outcomes``
    bits: bytes = b""
    #: float64, shape (points, observables): averages over the shots; with squares, shape (points, 2, observables)
    expectation_values: bytes = field(default=b"", name="means")
    #: the data of each of the program's saves, in their order; of one point only
    saved: Annotated[tuple[Saved, ...], Meta(max_length=MAX_SAVES)] = ()
    #: distinct patterns of errors among its shots; of one point only, 0 if they aren't known
    patterns: Count = 0
    #: threads that it could use; 0 if that isn't known
    threads: Count = 0
    #: the part of the squared norm that was cut off a matrix product state, and its largest bond; empty without one
    truncation: tuple[Annotated[float, Meta(ge=0)], Count] | None = None


class ShardResult(Struct, frozen=True, forbid_unknown_fields=True):
    """The outcomes of a shard's circuits, in the order of its work."""

    circuits: Annotated[tuple[CircuitResult, ...], Meta(min_length=1, max_length=MAX_POINTS)]
