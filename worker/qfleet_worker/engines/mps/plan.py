# SPDX-License-Identifier: Apache-2.0
"""Steps of a circuit that is compiled for matrix product states.

A wire is the place of a qubit in the chain, from left to right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.steps import EventStep, SaveStep


@dataclass(frozen=True, slots=True)
class One:
    """Multiply a wire by a matrix."""

    wire: int
    #: shape (2, 2)
    matrix: ComplexArray
    #: whether the matrix is unitary; that of a channel, or of a user, may not be
    unitary: bool = True


@dataclass(frozen=True, slots=True)
class Two:
    """Multiply a wire and its right neighbour by a matrix."""

    #: the left one of the two, the high bit of the matrix's index
    wire: int
    #: shape (4, 4)
    matrix: ComplexArray
    #: those of the matrix, if they are few
    factors: tuple[ComplexArray, ...] = ()
    #: whether the next step of its kind is to the right
    right: bool = True


@dataclass(frozen=True, slots=True)
class Far:
    """Multiply two distant wires by a matrix, with swaps."""

    #: the left one of the two, the high bit of the matrix's index
    wire: int
    other: int
    #: shape (4, 4)
    matrix: ComplexArray


@dataclass(frozen=True, slots=True)
class Spread:
    """Multiply neighbouring wires by a matrix product operator."""

    wire: int
    #: see `qfleet_worker.engines.mps.operators`
    factors: tuple[ComplexArray, ...]


Step: TypeAlias = One | Two | Far | Spread | EventStep | SaveStep


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled circuit."""

    steps: tuple[Step, ...]
    #: the wire of each qubit at the end
    wires: tuple[int, ...]
    #: the wires measured at the end
    measured: tuple[int, ...]
    #: pairs of a wire measured at the end and a clbit whose last writer that measurement is
    readout: tuple[tuple[int, int], ...]
    #: factor of the whole state
    phase: complex
