# SPDX-License-Identifier: Apache-2.0
"""Does an expression have the value that Qiskit's tree has, after the way over the wire?"""

from __future__ import annotations

import random

import flow_oracle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.circuit import Clbit
from qiskit.circuit.classical import expr, types

from qfleet.lowering.lower import lower
from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.program.expressions import BOOL, FLOAT, Bit, Bits, Cast, Constant, Index
from qfleet_worker.engines.bits import WIDE
from qfleet_worker.engines.contract import EngineError
from qfleet_worker.engines.driver.expressions import Compiler, Memory
from qfleet_worker.engines.driver.scope import Scope

REGISTER = ClassicalRegister(70, "wide")
NARROW = ClassicalRegister(3, "narrow")
LOOSE = Clbit()
FLAG = expr.Var.new("flag", types.Bool())
NUMBER = expr.Var.new("number", types.Uint(5))
REAL = expr.Var.new("real", types.Float())
VARIABLES = (FLAG, NUMBER, REAL)

B, U = expr.Binary.Op, expr.Unary.Op


def circuit() -> QuantumCircuit:
    made = QuantumCircuit(REGISTER, NARROW, [LOOSE])
    for var in VARIABLES:
        made.add_uninitialized_var(var)
    return made


def both(tree: expr.Expr, clbits: int, values: tuple) -> tuple:
    """Return the value of an expression by the worker, and by Qiskit's tree."""
    made = circuit()
    for var in VARIABLES:
        made.store(var, var)  # so that they are numbered in this order
    result = expr.Var.new("result", tree.type)
    made.add_uninitialized_var(result)
    made.store(result, tree)
    program = decode_program(encode_program(lower(made)))
    *_, row = program
    scope = Scope(range(program.num_clbits), range(len(program.variables)), program.variables)
    value = Compiler(scope).value(row.expressions[1])
    way = flow_oracle.Way(np.ones(1), clbits, dict(zip(VARIABLES, values, strict=True)))
    places = {bit: place for place, bit in enumerate(made.clbits)}
    memory = Memory(clbits, [int(values[0]), *values[1:]])
    return value(memory), flow_oracle.evaluate(tree, way, places)


def tree(rng: random.Random, kind: types.Type, depth: int) -> expr.Expr:
    """Return a random expression of a type, free of divisions by zero and of casts that overflow."""
    if kind.kind is types.Bool:
        leaves = [lambda: expr.lift(FLAG), lambda: expr.lift(LOOSE), lambda: expr.lift(rng.random() < 0.5)]
        if not depth:
            return rng.choice(leaves)()
        width = rng.choice([1, 3, 5, 70])
        word = lambda: tree(rng, types.Uint(width), depth - 1)  # noqa: E731
        bit = lambda: tree(rng, kind, depth - 1)  # noqa: E731
        real = lambda: tree(rng, types.Float(), depth - 1)  # noqa: E731
        compare = rng.choice([expr.equal, expr.not_equal, expr.less, expr.less_equal, expr.greater, expr.greater_equal])
        return rng.choice(
            [
                lambda: compare(word(), word()),
                lambda: compare(real(), real()),
                lambda: rng.choice([expr.bit_and, expr.bit_or, expr.bit_xor, expr.equal, expr.not_equal])(bit(), bit()),
                lambda: rng.choice([expr.logic_and, expr.logic_or])(bit(), bit()),
                lambda: rng.choice([expr.logic_not, expr.bit_not])(bit()),
                lambda: expr.cast(rng.choice([word, real])(), kind),
                lambda: expr.index(word(), rng.randrange(width)),
                *leaves,
            ]
        )()
    if kind.kind is types.Float:
        leaves = [lambda: expr.lift(REAL), lambda: expr.lift(rng.uniform(-3, 3))]
        if not depth:
            return rng.choice(leaves)()
        real = lambda: tree(rng, kind, depth - 1)  # noqa: E731
        return rng.choice(
            [
                lambda: rng.choice([expr.add, expr.sub, expr.mul])(real(), real()),
                lambda: expr.div(real(), rng.uniform(0.5, 2)),
                lambda: expr.negate(real()),
                lambda: expr.cast(tree(rng, types.Uint(5), depth - 1), kind),
                lambda: expr.cast(tree(rng, types.Bool(), depth - 1), kind),
                *leaves,
            ]
        )()
    width = kind.width
    named = {70: REGISTER, 5: NUMBER, 3: NARROW}.get(width)
    leaves = [lambda: expr.lift(rng.getrandbits(width), kind)] + ([lambda: expr.lift(named)] if named else [])
    if not depth:
        return rng.choice(leaves)()
    word = lambda: tree(rng, kind, depth - 1)  # noqa: E731
    other = tree(rng, types.Uint(rng.choice([3, 5, 70])), depth - 1)
    return rng.choice(
        [
            lambda: rng.choice([expr.add, expr.sub, expr.mul, expr.bit_and, expr.bit_or, expr.bit_xor])(word(), word()),
            lambda: expr.div(word(), expr.bit_or(word(), expr.lift(1, kind))),
            lambda: expr.bit_not(word()),
            lambda: rng.choice([expr.shift_left, expr.shift_right])(word(), tree(rng, types.Uint(5), depth - 1)),
            lambda: expr.cast(other, kind),
            lambda: expr.cast(tree(rng, types.Bool(), depth - 1), kind),
            *leaves,
        ]
    )()


@settings(max_examples=600, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(0, 2**74 - 1),
    st.tuples(st.booleans(), st.integers(0, 31), st.floats(-4, 4)),
    st.sampled_from([types.Bool(), types.Float(), types.Uint(1), types.Uint(3), types.Uint(5), types.Uint(70)]),
)
def test_random_expressions(seed: int, clbits: int, values: tuple, kind: types.Type) -> None:
    ours, exact = both(tree(random.Random(seed), kind, 5), clbits, values)
    assert ours == exact


WORDS = [(5, 3), (3, 5), (7, 7), (0, 1), (6, 2)]


@pytest.mark.parametrize("op", [op for op in B if op not in (B.LOGIC_AND, B.LOGIC_OR)], ids=lambda op: op.name)
def test_every_binary_operation_of_integers(op: B) -> None:
    bool_ = op.value in range(B.EQUAL.value, B.GREATER_EQUAL.value + 1)
    kind = types.Uint(3)
    for left, right in WORDS:
        node = expr.Binary(op, expr.Value(left, kind), expr.Value(right, kind), types.Bool() if bool_ else kind)
        ours, exact = both(node, 0, (False, 0, 0.0))
        assert ours == exact


@pytest.mark.parametrize(("op", "table"), [(B.LOGIC_AND, 0b1000), (B.LOGIC_OR, 0b1110), (B.BIT_XOR, 0b0110)])
def test_logic(op: B, table: int) -> None:
    for place in range(4):
        left, right = (expr.Value(bool(place >> at & 1), types.Bool()) for at in range(2))
        assert both(expr.Binary(op, left, right, types.Bool()), 0, (False, 0, 0.0))[0] == table >> place & 1


def test_what_is_not_needed_is_not_evaluated() -> None:
    broken = expr.equal(expr.div(expr.lift(3), 0), 1)
    assert Compiler(Scope()).value(_wire(expr.logic_and(False, broken)))(Memory()) == 0
    assert Compiler(Scope()).value(_wire(expr.logic_or(True, broken)))(Memory()) == 1


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (lambda: expr.div(NUMBER, 0), "divides by zero"),
        (lambda: expr.div(REAL, 0.0), "divides by zero"),
        (lambda: expr.index(NUMBER, 5), r"takes bit 5 of a Uint\(5\)"),
        (lambda: expr.cast(expr.lift(-1.5), types.Uint(3)), r"makes -1.5 a Uint\(3\)"),
        (lambda: expr.cast(expr.mul(expr.lift(1e308), 10.0), types.Uint(3)), r"makes inf a Uint\(3\)"),
        (lambda: expr.cast(expr.lift(1 << 2000, types.Uint(2001)), types.Float()), "too large"),
    ],
)
def test_values_that_are_not_there(node, text: str) -> None:
    with pytest.raises(EngineError, match=text):
        both(node(), 0, (False, 3, 1.0))


def test_a_shift_beyond_the_width() -> None:
    far = expr.lift((1 << 64) - 1, types.Uint(64))
    for shift in (expr.shift_left, expr.shift_right):
        made = shift(expr.lift(5, types.Uint(3)), far)
        program_value = Compiler(Scope()).value(_wire(made))
        assert program_value(Memory()) == 0


def _wire(node: expr.Expr):
    made = QuantumCircuit()
    made.add_var("x", node)
    *_, row = lower(made)
    return row.expressions[1]


def test_casts_of_constants() -> None:
    assert Compiler(Scope()).value(Cast(3, Constant(FLOAT, 6.9)))(Memory()) == 6
    assert Compiler(Scope()).value(Cast(FLOAT, Constant(BOOL, b"\x01")))(Memory()) == 1.0


PLACES = {
    "a clbit": Bit(3),
    "neighbours": Bits((2, 3, 4)),
    "some": Bits((7, 0, 4)),
    "many": Bits(tuple(range(2 * WIDE + 2, 0, -2))),
    "a clbit of some": Index(Bits((7, 0, 4)), Constant(2, b"\x01")),
}


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("before", [0, (1 << 200) - 1])
@pytest.mark.parametrize("bits", [0, (1 << 100) - 1, 0xB5A3C96D5E2F1B4687D])
def test_a_store_changes_its_clbits_and_no_others(name: str, before: int, bits: int) -> None:
    place = PLACES[name]
    names = {Bit: lambda: (place.clbit,), Bits: lambda: place.clbits, Index: lambda: (0,)}[type(place)]()
    value = bits & (1 << len(names)) - 1
    kind = len(names) if isinstance(place, Bits) else BOOL
    memory = Memory(before)
    constant = Constant(kind, value.to_bytes(-(-len(names) // 8), "little"))
    Compiler(Scope(range(200), (), ())).store(place, constant)(memory)
    expected = before
    for at, clbit in enumerate(names):
        expected = expected & ~(1 << clbit) | (value >> at & 1) << clbit
    assert memory.clbits == expected


def test_nothing_is_stored_to_a_constant() -> None:
    with pytest.raises(TypeError, match="nothing can be stored to Constant"):
        Compiler(Scope()).store(Constant(BOOL, b""), Constant(BOOL, b""))
