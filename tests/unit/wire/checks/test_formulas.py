# SPDX-License-Identifier: Apache-2.0
"""Are slots and formulas that a worker couldn't fill refused?"""

import make_golden
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.errors import WireError
from qfleet.wire.limits import MAX_FORMULAS, MAX_PARAMETERS, MAX_STEPS
from qfleet.wire.program.formulas import Formula, Step, parameter, parameter_of
from qfleet.wire.program.program import Program

GOOD = make_golden.parametrised()
A, N = Step.PARAMETER, Step.NUMBER


def integers(*values: int) -> bytes:
    return np.array(values, "<i4").tobytes()


def complexes(*values: complex) -> bytes:
    return np.array(values, "<c16").tobytes()


def changed(**fields) -> bytes:
    for name in ("slots", "slot_refs"):
        if name in fields:
            fields[name] = np.array(fields[name], np.int32)
    return encode_program(msgspec.structs.replace(GOOD, **fields))


def with_formula(*steps: int, parameters: bytes = b"", numbers: bytes = b"") -> bytes:
    return changed(formulas=(GOOD.formulas[0], Formula(bytes(steps), parameters, numbers)))


def test_slots_and_formulas_come_back():
    program = decode_program(encode_program(GOOD))
    assert program.num_parameters == 3
    assert (program.slots.tolist(), program.slot_refs.tolist()) == ([0, 1, 4], [1, 0, 1])
    assert program.formulas == GOOD.formulas


def test_the_formula_of_a_parameter():
    for index in (0, 7, MAX_PARAMETERS - 1):
        assert parameter_of(parameter(index)) == index
    assert parameter_of(Formula(bytes([N]), numbers=complexes(1))) is None
    assert parameter_of(GOOD.formulas[1]) is None


HOSTILE = {
    "fewer references": (changed(slot_refs=[0, 1]), "2 formula references for 3 slots"),
    "references without slots": (changed(slots=[]), "3 formula references for 0 slots"),
    "a slot below zero": (changed(slots=[-1, 0, 1]), "aren't places in the params"),
    "a slot beyond the params": (changed(slots=[0, 1, 5]), "aren't places in the params"),
    "the highest number": (changed(slots=[0, 1, 2**31 - 1]), "aren't places in the params"),
    "a slot twice": (changed(slots=[0, 1, 1]), "in ascending order"),
    "slots in descending order": (changed(slots=[4, 1, 0]), "in ascending order"),
    "a slot that isn't empty": (changed(slots=[0, 1, 2]), "a slot isn't empty"),
    "a formula that isn't there": (changed(slot_refs=[0, 1, 2]), "refers to a formula that isn't there"),
    "a formula below zero": (changed(slot_refs=[0, 1, -1]), "refers to a formula that isn't there"),
    "no formulas": (changed(formulas=()), "refers to a formula that isn't there"),
    "parameters below zero": (changed(num_parameters=-1), "damaged message"),
    "too many parameters": (changed(num_parameters=MAX_PARAMETERS + 1), "damaged message"),
    "a parameter that isn't there": (changed(num_parameters=2), "reads a parameter that isn't there"),
    "a parameter below zero": (with_formula(A, parameters=integers(-1)), "reads a parameter that isn't there"),
    "no steps": (with_formula(), "damaged message"),
    "too many steps": (with_formula(*[A] * (MAX_STEPS + 1)), "damaged message"),
    "step 0": (with_formula(A, 0, parameters=integers(0)), "an unknown step"),
    "step 22": (with_formula(A, 22, parameters=integers(0)), "an unknown step"),
    "step 255": (with_formula(A, 255, parameters=integers(0)), "an unknown step"),
    "an operand that isn't there": (with_formula(Step.SIN, A, parameters=integers(0)), "operands that aren't there"),
    "one operand of two": (with_formula(A, Step.ADD, A, parameters=integers(0, 0)), "operands that aren't there"),
    "an operand of the formula before": (
        changed(formulas=(Formula(bytes([A, A]), integers(0, 0)), Formula(bytes([Step.SIN])))),
        "leaves more than one number",
    ),
    "two results": (with_formula(A, A, parameters=integers(0, 0)), "leaves more than one number"),
    "too few parameters": (with_formula(A, A, Step.ADD, parameters=integers(0)), "other parameters than its steps"),
    "too many parameters of a step": (with_formula(A, parameters=integers(0, 0)), "other parameters than its steps"),
    "parameters of another formula": (
        changed(formulas=(Formula(bytes([A]), integers(0, 0)), Formula(bytes([A])))),
        "other parameters than its steps",
    ),
    "half a parameter": (with_formula(A, parameters=b"\0\0"), "other parameters than its steps"),
    "no number": (with_formula(N), "other numbers than its steps"),
    "half a number": (with_formula(N, numbers=bytes(8)), "other numbers than its steps"),
    "a number without a step": (with_formula(A, parameters=integers(0), numbers=bytes(16)), "other numbers than"),
    "infinity": (with_formula(N, numbers=complexes(np.inf)), "isn't a finite number"),
    "NaN": (with_formula(N, numbers=complexes(complex(0, np.nan))), "isn't a finite number"),
}


@pytest.mark.parametrize(("blob", "text"), HOSTILE.values(), ids=HOSTILE)
def test_slots_that_no_worker_can_fill(blob, text):
    with pytest.raises(WireError, match=text):
        decode_program(blob)


def test_too_many_formulas():
    body = msgspec.msgpack.decode(encode_program(GOOD)[4:])
    body[Program.__struct_fields__.index("formulas")] = [[b"\x01", bytes(4), b""]] * (MAX_FORMULAS + 1)
    with pytest.raises(WireError, match="damaged message"):
        decode_program(encode_program(GOOD)[:4] + msgspec.msgpack.encode(body))


def test_formulas_that_no_slot_uses():
    program = decode_program(changed(slots=[], slot_refs=[]))
    assert len(program.formulas) == 2


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=12), st.lists(st.integers(-1, 4), max_size=4), st.integers(0, 3))
def test_any_steps(steps, parameters, numbers):
    """A list of steps is refused, or takes just what is there and leaves one number."""
    formula = Formula(bytes(step % 24 for step in steps), integers(*parameters), bytes(16 * numbers))
    try:
        decode_program(changed(formulas=(formula,), slot_refs=[0, 0, 0]))
    except WireError:
        return
    depth = 0
    for step in formula.steps:
        taken = {Step.PARAMETER: 0, Step.NUMBER: 0}.get(Step(step), 2 if Step.ADD <= step <= Step.RPOW else 1)
        assert depth >= taken
        depth += 1 - taken
    assert depth == 1
    assert (formula.steps.count(A), formula.steps.count(N)) == (len(parameters), numbers)
