# SPDX-License-Identifier: Apache-2.0
"""Names of the clbits and variables that a program's expressions mention.

A program may have millions of clbits of which its expressions read a few. Each clbit and each variable that is
mentioned gets a number, its *name*: clbits first, in ascending order, then variables. What is compiled and kept for
expressions grows with the names alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qfleet.wire.program.expressions import Binary, Bit, Bits, Cast, Expression, Index, Unary, Variable


class Scope:
    """The clbits and variables that some expressions mention.

    Args:
        types: those of all variables of the program.
    """

    def __init__(self, clbits: Iterable[int] = (), variables: Iterable[int] = (), types: Sequence[int] = ()) -> None:
        self.clbits = tuple(sorted(set(clbits)))
        self.variables = tuple(sorted(set(variables)))
        #: the types of the variables that are mentioned
        self.types = tuple([types[index] for index in self.variables])
        self._clbits = {clbit: name for name, clbit in enumerate(self.clbits)}
        self._variables = {index: place for place, index in enumerate(self.variables)}

    @classmethod
    def of(cls, expressions: Iterable[Expression], types: Sequence[int]) -> Scope:
        """Return the scope of these expressions."""
        clbits: set[int] = set()
        variables: set[int] = set()
        for expression in expressions:
            _collect(expression, clbits, variables)
        return cls(clbits, variables, types)

    def __len__(self) -> int:
        """Return how many names there are."""
        return len(self.clbits) + len(self.variables)

    def clbit(self, clbit: int) -> int:
        """Return the name of a clbit that is mentioned."""
        return self._clbits[clbit]

    def variable(self, index: int) -> int:
        """Return the place of a variable among those that are mentioned."""
        return self._variables[index]

    def mentioned(self, expression: Expression) -> frozenset[int]:
        """Return the names in an expression."""
        clbits: set[int] = set()
        variables: set[int] = set()
        _collect(expression, clbits, variables)
        first = len(self.clbits)
        return frozenset([self._clbits[clbit] for clbit in clbits]).union(
            [first + self._variables[index] for index in variables]
        )

    def among(self, clbits: Iterable[int]) -> frozenset[int]:
        """Return the names of the clbits that are mentioned, among some."""
        return frozenset([self._clbits[clbit] for clbit in clbits if clbit in self._clbits])

    def parted(self, names: Iterable[int]) -> tuple[list[int], list[int]]:
        """Return the clbits' names and the variables' places among some names.

        Both are in ascending order.
        """
        first = len(self.clbits)
        ordered = sorted(names)
        return [name for name in ordered if name < first], [name - first for name in ordered if name >= first]


def _collect(expression: Expression, clbits: set[int], variables: set[int]) -> None:
    """Add what an expression mentions to the sets."""
    match expression:
        case Bit(clbit):
            clbits.add(clbit)
        case Bits(several):
            clbits.update(several)
        case Variable(index):
            variables.add(index)
        case Unary(_, operand) | Cast(_, operand):
            _collect(operand, clbits, variables)
        case Binary(_, left, right):
            _collect(left, clbits, variables)
            _collect(right, clbits, variables)
        case Index(target, index):
            _collect(target, clbits, variables)
            _collect(index, clbits, variables)
