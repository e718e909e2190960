# SPDX-License-Identifier: Apache-2.0
"""Names of what expressions mention, and masks of these."""

from __future__ import annotations

import random

import pytest

from qfleet.wire.program.expressions import FLOAT, Binary, BinaryOp, Bit, Bits, Cast, Constant, Index, Variable
from qfleet_worker.engines.driver.expressions import Compiler, Memory
from qfleet_worker.engines.driver.scope import Scope

TYPES = (3, FLOAT, 0, 8)
TREE = Binary(
    BinaryOp.LOGIC_AND,
    Index(Bits((70, 5, 1 << 23)), Cast(8, Variable(3))),
    Binary(BinaryOp.LESS, Variable(1), Constant(FLOAT, 0.5)),
)


def test_names_are_those_of_what_is_mentioned() -> None:
    scope = Scope.of([TREE, Bit(6)], TYPES)
    assert (scope.clbits, scope.variables, scope.types) == ((5, 6, 70, 1 << 23), (1, 3), (FLOAT, 8))
    assert len(scope) == 6
    assert scope.mentioned(TREE) == {0, 2, 3, 4, 5}
    assert scope.among([70, 71, 6]) == {1, 2}
    assert scope.parted([5, 0, 4, 3]) == ([0, 3], [0, 1])
    assert len(Scope()) == 0


@pytest.mark.parametrize("size", [1, 3, 64, 65, 300])
@pytest.mark.parametrize("order", ["together", "apart", "mixed", "twice"])
def test_registers_are_read_and_written(size: int, order: str) -> None:
    """In one piece, bit by bit, or by numpy."""
    rng = random.Random(f"{size}{order}")
    clbits = list(range(7, 7 + size)) if order == "together" else list(range(7, 7 + 3 * size, 3))
    if order == "mixed":
        rng.shuffle(clbits)
    if order == "twice":
        clbits = [rng.choice(clbits) for _ in clbits]
    scope = Scope([*clbits, 2, 2000])
    compiler = Compiler(scope)
    for _ in range(20):
        before = rng.getrandbits(len(scope))
        value = rng.getrandbits(size)
        memory = Memory(before)
        read = compiler.value(Bits(tuple(clbits)))
        assert read(memory) == sum((before >> scope.clbit(clbit) & 1) << at for at, clbit in enumerate(clbits))
        compiler.store(Bits(tuple(clbits)), Constant(size, value.to_bytes(-(-size // 8), "little")))(memory)
        expected = before
        for at, clbit in enumerate(clbits):
            name = scope.clbit(clbit)
            expected = expected & ~(1 << name) | (value >> at & 1) << name
        assert memory.clbits == expected


def test_each_expression_is_compiled_once() -> None:
    compiler = Compiler(Scope.of([TREE], TYPES))
    assert compiler.value(TREE) is compiler.value(TREE)
    assert compiler.names(TREE) is compiler.names(TREE)
