# SPDX-License-Identifier: Apache-2.0
"""The shared state of one circuit's lowering."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from qiskit import QuantumCircuit
from qiskit.circuit import Operation, Parameter

from qfleet.lowering.clbits import Clbits
from qfleet.lowering.expressions import Variables
from qfleet.lowering.meanings import Meaning, may_differ
from qfleet.lowering.refusal import RefusalError
from qfleet.lowering.rows import Rows, Tables
from qfleet.lowering.size import ROWS_OF_A_DEFINITION, UNCOUNTED_ROWS, check_inlined_size
from qfleet.noise import NoiseModel


class LoweringContext:
    """State of the lowering of one circuit, with everything inside it."""

    def __init__(
        self,
        circuit: QuantumCircuit,
        parameters: Sequence[Parameter] = (),
        *,
        unitary: bool = False,
        noise: NoiseModel | None = None,
    ) -> None:
        """Begin the lowering of a circuit.

        Args:
            circuit: the outermost circuit.
            parameters: its parameters, which may stay free.
            unitary: True if the output is the circuit's unitary.
            noise: the noise model; ``None`` without one that has more than readout errors.
        """
        #: Maps each parameter that may stay free to the object that stands for it; see `qfleet.lowering.parameters`.
        self.free = {parameter: parameter for parameter in parameters}
        self.tables = Tables()
        self.variables = Variables()
        #: Labels of the saves whose kind depends on the method.
        self.save_state_labels: set[str] = set()
        self.unitary = unitary
        self.noise = noise
        #: Names or labels of the gates so far, with their numbers of qubits; only with a noise model.
        self.gates_met: set[tuple[str, int]] = set()
        self._circuit = circuit
        self._loop_depth = 0
        #: Names for which no gate is of a class that gives the name another meaning.
        self._plain_names: set[str] = set()
        #: Rows of definitions and blocks so far, with a surcharge for each of them.
        self._written = 0

    @property
    def is_in_loop(self) -> bool:
        """Tell whether a break could leave a loop here."""
        return self._loop_depth > 0

    @contextmanager
    def in_loop(self) -> Iterator[None]:
        """Lower the body of a loop."""
        self._loop_depth += 1
        try:
            yield
        finally:
            self._loop_depth -= 1

    @contextmanager
    def outside_loops(self) -> Iterator[None]:
        """Lower a definition, which can't break the loops around it."""
        depth, self._loop_depth = self._loop_depth, 0
        try:
            yield
        finally:
            self._loop_depth = depth

    @contextmanager
    def with_free(self, parameter: Parameter) -> Iterator[None]:
        """Let one more parameter stay free."""
        free = self.free
        self.free = {**free, parameter: parameter}
        try:
            yield
        finally:
            self.free = free

    def refuse_in_unitary(self) -> None:
        """Raise `RefusalError` if the output is the circuit's unitary."""
        if self.unitary:
            raise RefusalError("it can't be part of a unitary; remove it from the circuit")

    def any_may_differ(self, names: Iterable[str]) -> bool:
        """Tell whether a gate's name may mislead about its meaning.

        Args:
            names: the gates' names; see `qfleet.lowering.meanings.may_differ`.
        """
        if self._plain_names.issuperset(names):
            return False
        differing = [name for name in set(names) if may_differ(name)]
        if not differing:
            self._plain_names.update(names)
        return bool(differing)

    def count(self, num_rows: int) -> None:
        """Count the rows of one more definition or block.

        Once there are many, the size of the whole circuit is computed ahead.

        Raises:
            RefusalError: the circuit is too large.
        """
        before = self._written
        self._written += num_rows + ROWS_OF_A_DEFINITION
        if before <= UNCOUNTED_ROWS < self._written:
            check_inlined_size(self._circuit)


class Recursion(Protocol):
    """Lower the inside of an operation.

    `qfleet.lowering.operations` implements it. All methods raise `RefusalError`.
    """

    context: LoweringContext

    def lower_circuit(self, circuit: QuantumCircuit, *, clbits: Clbits | None = None) -> Rows:
        """Return the rows of a definition, or of a block on `clbits`."""

    def lower_alone(self, operation: Operation) -> Rows:
        """Return an operation's rows on qubits and clbits of its own."""

    def lower_meaning(self, operation: Operation, meaning: Meaning) -> Rows:
        """Return the rows of an operation by its meaning.

        It is neither a standard gate nor control flow.
        """

    def lower_definition(self, operation: Any) -> Rows:
        """Return the rows of an operation's definition or, without one, matrix."""
