# SPDX-License-Identifier: Apache-2.0
"""The numbers of the clbits that a circuit and its blocks name.

A block's clbits stand for the clbits that its operation acts on, in order. `QuantumCircuit.compose` breaks this rule:
conditions inside blocks then read clbits of the circuit around them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qiskit.circuit import Clbit

from qfleet.lowering.refusal import RefusalError


class Clbits:
    """The clbits that a circuit or block may name.

    Each has its number in the circuit or definition.
    """

    def __init__(self, bits: Sequence[Clbit], numbers: Sequence[int], outer: Clbits | None = None) -> None:
        """Give clbits their numbers.

        Args:
            bits: clbits of a circuit or a block. Clbits beyond `numbers` belong to the circuits around it.
            numbers: numbers of the first clbits.
            outer: the clbits of the circuit around the block; ``None`` for a circuit or a definition.
        """
        self._numbers: dict[Clbit, int] = dict(zip(bits, numbers, strict=False))
        self._outer = outer
        #: Number of clbits of the outermost circuit.
        self.total: int = outer.total if outer else len(bits)
        #: Returns the number of a clbit that an operation acts on. Raises `RefusalError` if it isn't in the circuit.
        self.number: Callable[[Clbit], int] = self._numbers.__getitem__ if outer is None else self._find

    def _find(self, bit: Clbit) -> int:
        scope: Clbits | None = self
        while scope is not None:
            number = scope._numbers.get(bit)
            if number is not None:
                return number
            scope = scope._outer
        raise RefusalError(f"it names {bit}, which isn't in the circuit")

    def read(self, bit: Clbit) -> int:
        """Return the number of a clbit that an expression reads.

        Raises:
            RefusalError: the clbit isn't in the circuit, or could be either of two of its clbits.
        """
        number = self._find(bit)
        scope = self._outer
        while scope is not None:
            other = scope._numbers.get(bit, number)
            if other != number:
                raise RefusalError(
                    f"{bit} in it could be clbit {number} or {other}: its block and a circuit around it both have that "
                    "clbit, in different places. QuantumCircuit.compose may have mixed them up; give the circuit that "
                    "is composed registers of other names, or compose it onto its clbits in their order"
                )
            scope = scope._outer
        return number
