# SPDX-License-Identifier: Apache-2.0
"""Number the clbits that a circuit and the blocks in it name.

A block's clbits stand for those that its operation acts on, in their order. `QuantumCircuit.compose` doesn't keep to
that: conditions inside of blocks then read the clbits of the circuit around them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from qiskit.circuit import Clbit

from qfleet.lowering.refusal import RefusalError
from qfleet.lowering.rows import Rows


class Clbits:
    """The clbits that may be named in a circuit, or in a block, by their numbers in the circuit or definition."""

    def __init__(self, bits: Sequence[Clbit], numbers: Sequence[int], outer: Clbits | None = None) -> None:
        """Number clbits.

        Args:
            bits: of a circuit or a block. More than there are numbers are clbits of the circuits around it.
            numbers: of the first of these clbits.
            outer: the clbits of the circuit around the block; ``None`` for a circuit or a definition.
        """
        self._numbers: dict[Clbit, int] = dict(zip(bits, numbers, strict=False))
        self._outer = outer
        #: How many clbits the outermost circuit has.
        self.total: int = outer.total if outer else len(bits)
        #: Gives the number of a clbit that an operation acts on. Raises `RefusalError` if it isn't in the circuit.
        self.number: Callable[[Clbit], int] = self._numbers.__getitem__ if outer is None else self._find
        #: Blocks that were lowered on these clbits; see `qfleet.lowering.control_flow`.
        self.blocks: dict[Hashable, tuple[Rows, Any]] = {}

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

        Raises `RefusalError` if it isn't in the circuit, or if it could be two of its clbits.
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
