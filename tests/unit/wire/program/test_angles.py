# SPDX-License-Identifier: Apache-2.0
"""Formulas give the angles of each point, or an error that names the operation."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable

import engine_oracle as oracle
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qfleet.wire.program.angles import AngleError, fill, points_at_once
from qfleet.wire.program.formulas import BINARY_STEPS, Formula, Step, parameter
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program

P, N = Step.PARAMETER, Step.NUMBER


def program(*found: Formula, parameters: int = 2, op: Op = Op.RX) -> Program:
    """Return one operation with a number for each formula, each followed by one with that formula's slot."""
    slots = np.arange(len(found), dtype=np.int32) * 2 + 1
    operations = [oracle.op(Op.RX, [0], [0.25]), oracle.op(op, [0], [0.0])] * len(found)
    return msgspec.structs.replace(
        oracle.program(1, 0, operations),
        num_parameters=parameters,
        slots=slots,
        slot_refs=np.arange(len(found), dtype=np.int32),
        formulas=found,
    )


def formula(*steps: int | float | complex | str) -> Formula:
    """Return a formula of steps, of the parameters "a" and "b", and of numbers."""
    codes = bytes(step if isinstance(step, Step) else P if isinstance(step, str) else N for step in steps)
    parameters = np.array(["ab".index(step) for step in steps if isinstance(step, str)], "<i4")
    numbers = np.array([step for step in steps if not isinstance(step, Step | str)], "<c16")
    return Formula(codes, parameters.tobytes(), numbers.tobytes())


def value(found: Formula, a: float = 0.0, b: float = 0.0) -> float:
    return float(fill(program(found), np.array([[a, b]]))[0, 1])


def test_slots_are_filled_and_numbers_stay() -> None:
    filled = fill(program(parameter(1), formula("a", 2.0, Step.MUL)), np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert filled.tolist() == [[0.25, 2, 0.25, 2], [0.25, 4, 0.25, 6]]
    assert (filled.dtype, filled.flags.c_contiguous) == (np.float64, True)


def test_no_points() -> None:
    assert fill(program(parameter(0)), np.zeros((0, 2))).shape == (0, 2)


STEPS: dict[Step, Callable[..., complex]] = {
    Step.ADD: lambda a, b: a + b,
    Step.SUB: lambda a, b: a - b,
    Step.MUL: lambda a, b: a * b,
    Step.DIV: lambda a, b: a / b,
    Step.POW: lambda a, b: a**b,
    Step.RSUB: lambda a, b: b - a,
    Step.RDIV: lambda a, b: b / a,
    Step.RPOW: lambda a, b: b**a,
    Step.SIN: cmath.sin,
    Step.COS: cmath.cos,
    Step.TAN: cmath.tan,
    Step.ASIN: cmath.asin,
    Step.ACOS: cmath.acos,
    Step.ATAN: cmath.atan,
    Step.EXP: cmath.exp,
    Step.LOG: cmath.log,
    Step.ABS: abs,
    # As in Qiskit.
    Step.SIGN: lambda a: a if complex(a).imag else a / abs(a),
    Step.CONJUGATE: lambda a: complex(a).conjugate(),
}


def test_every_step_is_known() -> None:
    assert STEPS.keys() | {P, N} == set(Step)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("shift", [0, 0.5j])
def test_steps(step: Step, shift: complex) -> None:
    """Real numbers and complex ones, at once: the real and the imaginary part of each, by what Python says."""
    points = np.array([[x, y] for x in (-2.0, -0.5, 0.5, 2.0) for y in (-1.5, 1.0, 2.0)])
    # z = a + shift, for one operand; w = b for the other
    whole = ["a", complex(shift), Step.ADD, *(["b"] if step in BINARY_STEPS else []), step]
    real = formula(*whole, *whole, Step.CONJUGATE, Step.ADD, 0.5, Step.MUL)
    imaginary = formula(*whole, *whole, Step.CONJUGATE, Step.SUB, -0.5j, Step.MUL)
    filled = fill(program(real, imaginary), points)
    for (a, b), row in zip(points.tolist(), filled, strict=True):
        operands = (a + shift, b) if step in BINARY_STEPS else (a + shift,)
        expected = complex(STEPS[step](*operands))
        # On a branch cut the sign of a zero decides, which a real number doesn't have.
        assert row[1] == pytest.approx(expected.real, abs=1e-12)
        assert abs(row[3]) == pytest.approx(abs(expected.imag), abs=1e-12)


def test_real_numbers_are_computed_as_such() -> None:
    assert value(formula("a", 3.0, Step.POW), -2.0) == -8.0
    assert value(formula("a", "b", Step.DIV), 1.0, 3.0) == 1 / 3
    assert value(formula("a", 0.5, Step.POW), 2.0) == math.sqrt(2)
    assert value(formula(0.0, "a", Step.POW), 0.0) == 1.0


def test_an_imaginary_part_that_is_rounding_is_none() -> None:
    unit = ["a", 1j, Step.MUL, Step.EXP]
    other = ["a", -1j, Step.MUL, Step.EXP]
    assert value(formula(*unit, *other, Step.MUL), 0.7) == pytest.approx(1.0)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_point_gives_the_same_beside_any_others(data: st.DataObject) -> None:
    steps: list[int | float | complex | str] = ["a"]
    for step in data.draw(st.lists(st.sampled_from(sorted(STEPS)), max_size=6)):
        steps += [data.draw(st.sampled_from(["b", -1.5, 0.5j])), step] if step in BINARY_STEPS else [step]
    found = formula(*steps, *steps, Step.CONJUGATE, Step.ADD, Step.ATAN)
    points = np.array(data.draw(st.lists(st.tuples(*[st.sampled_from([-2.0, -0.3, 0.7, 1.0, 3.0])] * 2), min_size=1)))
    alone = []
    for point in points:
        try:
            alone.append(fill(program(found), point[None])[0])
        except AngleError:
            with pytest.raises(AngleError):
                fill(program(found), points)
            return
    assert np.array_equal(fill(program(found), points), np.array(alone))


@pytest.mark.parametrize(
    ("steps", "bad"),
    [
        ((1.0, "a", Step.DIV), 0.0),
        (("a", Step.LOG), 0.0),
        (("a", Step.LOG), -1.0),
        (("a", Step.ASIN), 1.5),
        (("a", 0.5, Step.POW), -2.0),
        (("a", Step.EXP), 1000.0),
        (("a", "b", Step.DIV), math.inf),
        (("a",), math.nan),
    ],
)
def test_what_is_no_angle_is_refused_by_name(steps: tuple[int | float | complex | str, ...], bad: float) -> None:
    built = program(formula("b"), formula(*steps), op=Op.RZ)
    with pytest.raises(AngleError) as caught:
        fill(built, np.array([[0.5, 1.0], [0.25, 2.0], [bad, 3.0], [bad, 4.0]]))
    assert str(caught.value) == (
        "the formula of an angle of operation 3 (rz) gives no real, finite number at point 2; "
        "give its parameters other values"
    )
    with pytest.raises(AngleError, match=r"of operation 3 \(rz\) gives no real, finite number; give"):
        fill(built, np.array([[bad, 3.0]]))
    assert fill(built, np.array([[0.5, 3.0]])).shape == (1, 4)


def test_a_formula_that_no_slot_uses_hurts_nobody() -> None:
    built = program(formula("a"), formula(1.0, "b", Step.DIV))
    built = msgspec.structs.replace(built, slots=built.slots[:1], slot_refs=built.slot_refs[:1])
    assert fill(built, np.array([[0.5, 0.0]])).tolist() == [[0.25, 0.5, 0.25, 0.0]]


def test_points_are_bounded_by_memory() -> None:
    short, long = program(parameter(0)), program(formula("a", *[Step.SIN] * 60_000))
    assert points_at_once(short) > 100_000
    assert points_at_once(long) < 10
    assert points_at_once(program(*[parameter(0)] * 600_000)) == 1


def test_finite_angles_whose_sum_is_not() -> None:
    filled = fill(program(parameter(0), parameter(1)), np.array([[1.7e308, 1.7e308]]))
    assert filled.tolist() == [[0.25, 1.7e308, 0.25, 1.7e308]]
