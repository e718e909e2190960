# SPDX-License-Identifier: Apache-2.0
"""Write the noise of a model beside a circuit's instructions.

A gate that the model names, by its label or its name, is noisy as a whole. Other composite operations are their gates,
each with its own noise; gates that the model doesn't name have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from qiskit.circuit import Barrier, CircuitInstruction, ControlledGate, Delay, Gate, Operation

from qfleet.lowering.context import Recursion
from qfleet.lowering.meanings import Meaning
from qfleet.lowering.noise import idle, noiseless
from qfleet.lowering.rows import Rows

#: Operations that Aer and devices run as one, though they have a definition.
_NATIVE: Final = frozenset(
    [
        "mcp",
        "mcphase",
        "mcr",
        "mcrx",
        "mcry",
        "mcrz",
        "mcswap",
        "mcsx",
        "mcu",
        "mcu1",
        "mcu2",
        "mcu3",
        "mcx",
        "mcx_gray",
        "mcy",
        "mcz",
        "pauli",
    ]
)


class NoiseOfInstructions:
    """Appends rows of noise to the rows of instructions."""

    def __init__(self, recursion: Recursion, rows: Rows) -> None:
        """Append to `rows` the noise of the lowering's model."""
        self._recursion = recursion
        self._context = recursion.context
        self._rows = rows
        noise = recursion.context.noise
        assert noise is not None  # noqa: S101 - a reader without a model makes no such object
        self._names = noise.names
        self._relaxation = noise.relaxation

    def after_gate(self, instruction: CircuitInstruction, qubits: Sequence[int]) -> None:
        """Append the noise of a gate that was appended."""
        if not qubits:
            return
        name = instruction.label or instruction.name
        self._context.gates_met.add((name, len(qubits)))
        if name in self._names:
            self._rows.add_noise(name, qubits)

    def before_measurement(self, qubits: Sequence[int]) -> None:
        """Append the noise of a measurement that is about to be appended."""
        if "measure" in self._names:
            self._rows.add_noise("measure", qubits)

    def inner(self, operation: Operation, meaning: Meaning) -> Rows:
        """Return the rows of an operation under the noise model.

        Args:
            operation: an operation that is neither a standard gate nor control flow.
            meaning: its meaning.
        """
        named = self._name(operation) in self._names
        if named or operation.name in _NATIVE:
            self._context.gates_met.add((self._name(operation), operation.num_qubits))
            return noiseless(self._recursion.lower_meaning(operation, meaning))
        if meaning is ControlledGate:
            # Its definition has gates that may have noise, for controls on 0 too.
            return self._recursion.lower_definition(operation)
        return self._recursion.lower_meaning(operation, meaning)

    def after_other(self, operation: Operation, meaning: Meaning, qubits: Sequence[int]) -> None:
        """Append the noise of an operation that isn't a standard gate.

        Args:
            operation: the operation.
            meaning: its meaning.
            qubits: its qubits.

        Raises:
            RefusalError: it is a delay of unknown duration.
        """
        if not qubits or meaning is Barrier:
            return
        name = self._name(operation)
        if name in self._names:
            self._rows.add_noise(name, qubits)
        if meaning is Delay and self._relaxation is not None:
            self._rows.add_noise(idle(operation, self._relaxation.dt), qubits)

    @staticmethod
    def _name(operation: Operation) -> str:
        # Measurements, resets and the like have noise by their names alone.
        label = operation.label if isinstance(operation, Gate | Delay) else None
        return str(label or operation.name)
