# SPDX-License-Identifier: Apache-2.0
"""Steps of a compiled circuit.

A plan acts on *wires*. A wire is where a qubit's amplitude axis lies; wires differ from qubits because a SWAP only
exchanges two names. Wherever a step lists wires, the first is the lowest bit of a table's index.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.steps import MeasureStep, NoiseStep, ResetStep, SaveStep


@dataclass(frozen=True, slots=True)
class Dense:
    """Multiply by a matrix.

    It has no columns for wires that are known to be in |0>.
    """

    wires: tuple[int, ...]
    #: the wires that the columns are over, in the order of ``wires``
    inputs: tuple[int, ...]
    #: shape (2**wires, 2**inputs)
    matrix: ComplexArray


@dataclass(frozen=True, slots=True)
class Diagonal:
    """Multiply by a diagonal."""

    wires: tuple[int, ...]
    #: shape (2**wires,)
    table: ComplexArray


@dataclass(frozen=True, slots=True)
class Controlled:
    """Apply a gate too wide to be fused, where its controls hold."""

    #: pairs of a wire and the value (0 or 1) that it must have
    controls: tuple[tuple[int, int], ...]
    targets: tuple[int, ...]
    #: shape (2**targets,) for a diagonal, (2**targets, 2**targets) for a matrix
    table: ComplexArray


Step: TypeAlias = Dense | Diagonal | Controlled | MeasureStep | ResetStep | NoiseStep | SaveStep


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled circuit."""

    num_clbits: int
    steps: tuple[Step, ...]
    #: the wire of each qubit at the end
    wires: tuple[int, ...]
    #: the wires measured at the end
    measured: tuple[int, ...]
    #: pairs of a wire measured at the end and a clbit whose last writer that measurement is
    readout: tuple[tuple[int, int], ...]
    #: factor of the whole state
    phase: complex

    def active(self) -> set[int]:
        """Return the wires that any step touches."""
        wires: set[int] = set()
        for step in self.steps:
            if isinstance(step, Dense | Diagonal | NoiseStep):
                wires.update(step.wires)
            elif isinstance(step, Controlled):
                wires.update(step.targets, [wire for wire, _ in step.controls])
        return wires
