# SPDX-License-Identifier: Apache-2.0
"""Are programs refused whose jumps lead nowhere, or whose expressions have no value?"""

from __future__ import annotations

import make_golden
import msgspec
import numpy as np
import pytest

from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.errors import WireError
from qfleet.wire.limits import MAX_DEPTH, MAX_FLOW_OPERATIONS, MAX_VARIABLES, MAX_WIDTH
from qfleet.wire.program import expressions
from qfleet.wire.program.expressions import (
    BOOL,
    FLOAT,
    Binary,
    BinaryOp,
    Bit,
    Bits,
    Cast,
    Constant,
    Expression,
    Index,
    Unary,
    UnaryOp,
    Variable,
)
from qfleet.wire.program.operations import Op

GOOD = make_golden.dynamic()
TRUE = Constant(BOOL, b"\x01")
ONE = Constant(3, b"\x01")
HALF = Constant(FLOAT, 0.5)


def changed(**fields) -> bytes:
    """Return the blob of the good program with some of its fields replaced; lists take the field's own type."""
    for name, value in fields.items():
        if isinstance(value, list):
            fields[name] = np.array(value, np.int32)
    return encode_program(msgspec.structs.replace(GOOD, **fields))


def condition(expression: Expression) -> bytes:
    """Return the blob of a program that jumps by an expression."""
    return changed(expressions=(*GOOD.expressions[:2], expression))


def stored(place: Expression, value: Expression) -> bytes:
    """Return the blob of a program that stores a value."""
    return changed(expressions=(place, value, TRUE))


def nested(levels: int) -> Expression:
    """Return an expression with so many levels."""
    expression: Expression = Bit(0)
    for _ in range(levels - 1):
        expression = Cast(BOOL, expression)
    return expression


HOSTILE = {
    "a jump beyond the end": (changed(jumps=[6, 0]), "a jump leads to a row that isn't there"),
    "a jump before the start": (changed(jumps=[-1, 0]), "a jump leads to a row that isn't there"),
    "too few targets": (changed(jumps=[0]), "1 targets for 2 jumps"),
    "too many targets": (changed(jumps=[0, 0, 0]), "3 targets for 2 jumps"),
    "too few expressions": (changed(expression_refs=[0, 1]), "2 expression references where the operations need 3"),
    "too many expressions": (changed(expression_refs=[0, 1, 2, 2]), "4 expression references"),
    "an expression that isn't there": (changed(expression_refs=[0, 1, 3]), "refers to an expression that isn't there"),
    "an expression below zero": (changed(expression_refs=[-1, 1, 2]), "refers to an expression that isn't there"),
    "a loop that isn't there": (changed(loops=((5, "loop"),)), "a loop begins at a row that isn't there"),
    "a long name": (changed(loops=((0, "x" * 201),)), "damaged message"),
    "a variable of no type": (changed(variables=(70, -2)), "damaged message"),
    "a variable too wide": (changed(variables=(70, MAX_WIDTH + 1)), "damaged message"),
    "too many variables": (changed(variables=(1,) * (MAX_VARIABLES + 1)), "damaged message"),
    "an integer as a condition": (condition(ONE), "a condition isn't of type Bool"),
    "a clbit that isn't there": (condition(Bit(3)), "reads a clbit that isn't there"),
    "a register that isn't there": (condition(Cast(BOOL, Bits((0, 3)))), "reads a clbit that isn't there"),
    "a clbit below zero": (condition(Bit(-1)), "damaged message"),
    "a register of nothing": (condition(Cast(BOOL, Bits(()))), "damaged message"),
    "a variable that isn't there": (condition(Variable(2)), "reads a variable that isn't there"),
    "a variable below zero": (condition(Variable(-1)), "damaged message"),
    "a constant too large": (condition(Cast(BOOL, Constant(3, b"\x08"))), r"a constant that is no Uint\(3\)"),
    "two as a truth": (condition(Constant(BOOL, b"\x02")), "a constant that is no Bool"),
    "bytes as a float": (condition(Cast(BOOL, Constant(FLOAT, b""))), "a constant that is no Float"),
    "a float as an integer": (condition(Cast(BOOL, Constant(3, 0.5))), r"a constant that is no Uint\(3\)"),
    "a constant that isn't finite": (condition(Cast(BOOL, Constant(FLOAT, float("nan")))), "a constant that is no"),
    "many bytes": (condition(Cast(BOOL, Constant(3, b"\0" * (MAX_WIDTH // 8 + 1)))), "damaged message"),
    "an unknown operation": (condition(Unary(4, TRUE)), "damaged message"),
    "an unknown operation on two": (condition(Binary(18, TRUE, TRUE)), "damaged message"),
    "not of an integer": (condition(Cast(BOOL, Unary(UnaryOp.LOGIC_NOT, ONE))), r"applies LOGIC_NOT to Uint\(3\)"),
    "minus of an integer": (condition(Cast(BOOL, Unary(UnaryOp.NEGATE, ONE))), r"applies NEGATE to Uint\(3\)"),
    "bits of a float": (condition(Cast(BOOL, Unary(UnaryOp.BIT_NOT, HALF))), "applies BIT_NOT to Float"),
    "a bit of a float": (condition(Index(HALF, ONE)), r"applies INDEX to Float and Uint\(3\)"),
    "a bit by a truth": (condition(Index(ONE, TRUE)), r"applies INDEX to Uint\(3\) and Bool"),
    "a tree too deep": (condition(nested(MAX_DEPTH + 1)), f"an expression with more than {MAX_DEPTH} levels"),
    "another type": (stored(Variable(0), ONE), "stored to a place of another type"),
    "no place": (stored(ONE, ONE), "a value is stored to what is no place"),
    "a bit of no place": (stored(Index(ONE, ONE), TRUE), "a value is stored to what is no place"),
}


@pytest.mark.parametrize(("blob", "text"), HOSTILE.values(), ids=HOSTILE)
def test_programs_that_no_engine_may_run(blob: bytes, text: str) -> None:
    with pytest.raises(WireError, match=text):
        decode_program(blob)


BY_TYPE = {BOOL: TRUE, FLOAT: HALF, 3: ONE, 70: Variable(0)}
LEGAL = {
    **{key: {(BOOL, BOOL)} for key in expressions.LOGIC},
    **{key: {(BOOL, BOOL), (3, 3), (70, 70)} for key in expressions.BITWISE},
    **{key: {(kind, kind) for kind in BY_TYPE} for key in expressions.EQUALITY},
    **{key: {(a, b) for a in (3, 70) for b in (3, 70)} for key in expressions.SHIFTS},
}


@pytest.mark.parametrize("op", BinaryOp)
def test_types_of_operands(op: BinaryOp) -> None:
    legal = LEGAL.get(op, {(FLOAT, FLOAT), (3, 3), (70, 70)})
    for left in BY_TYPE:
        for right in BY_TYPE:
            blob = condition(Cast(BOOL, Binary(op, BY_TYPE[left], BY_TYPE[right])))
            if (left, right) in legal:
                decode_program(blob)
            else:
                with pytest.raises(WireError, match=f"applies {op.name} to"):
                    decode_program(blob)


def jumping(number: int) -> bytes:
    """Return the blob of a program of jumps to its end."""
    nothing = np.zeros(number, np.uint16)
    return changed(
        codes=np.full(number, Op.JUMP, np.uint8),
        num_controls=nothing,
        num_targets=nothing,
        jumps=[number] * number,
        operands=[],
        clbits=[],
        params=np.zeros(0),
        expression_refs=[],
    )


def test_too_many_jumps() -> None:
    assert len(decode_program(jumping(MAX_FLOW_OPERATIONS)).jumps) == MAX_FLOW_OPERATIONS
    text = f"{MAX_FLOW_OPERATIONS + 1} jumps and stores; at most {MAX_FLOW_OPERATIONS} are allowed"
    with pytest.raises(WireError, match=text):
        decode_program(jumping(MAX_FLOW_OPERATIONS + 1))


def test_jumps_without_anything() -> None:
    with pytest.raises(WireError, match="a jump without a target"):
        decode_program(changed(jumps=[], expression_refs=[], expressions=(), loops=()))


def test_the_deepest_tree() -> None:
    assert decode_program(condition(nested(MAX_DEPTH))).expressions[2] == nested(MAX_DEPTH)


def test_a_tree_that_no_stack_holds() -> None:
    blob = changed()
    message = msgspec.msgpack.decode(blob[4:])
    place = GOOD.__struct_fields__.index("expressions")
    before = msgspec.msgpack.encode(message[:place])[1:]
    bomb = blob[:4] + bytes([0xDC, 0, len(message)]) + before + b"\x91" + b"\x93\x06\x00" * 1_000_000
    with pytest.raises(WireError, match="damaged message"):
        decode_program(bomb)


def test_jumps_take_no_qubits() -> None:
    with pytest.raises(WireError, match="operation 4 has a wrong number of targets"):
        decode_program(encode_program(msgspec.structs.replace(GOOD, num_targets=np.array([0, 1, 1, 0, 1], np.uint16))))
