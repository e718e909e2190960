# SPDX-License-Identifier: Apache-2.0
"""Steps of a circuit that is compiled for density matrices.

Wires are places of qubits; the first of several is the lowest digit of an index.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.density.transfer import Gate, Transfer
from qfleet_worker.engines.steps import EventStep, SaveStep


@dataclass(frozen=True, slots=True)
class Apply:
    """Multiply by a transfer matrix."""

    wires: tuple[int, ...]
    #: shape (4**wires, 4**wires)
    matrix: Transfer


@dataclass(frozen=True, slots=True)
class Prepare:
    """Give wires a state, whatever state they were in."""

    wires: tuple[int, ...]
    #: the expectation values of all Paulis, shape (4**wires,)
    paulis: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SetMap:
    """Let the channel of all steps so far be another."""

    #: the wire of each qubit
    wires: tuple[int, ...]
    #: stacks columns; shape (4**wires, 4**wires)
    superop: ComplexArray


@dataclass(frozen=True, slots=True)
class Wide:
    """Apply a gate on more wires than a transfer matrix has."""

    gate: Gate


Step: TypeAlias = Apply | Prepare | SetMap | Wide | EventStep | SaveStep


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
    #: a density matrix has no global phase
    phase: complex = 1 + 0j
