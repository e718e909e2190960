# SPDX-License-Identifier: Apache-2.0
"""Angles of a program at many points, from its parameters' values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.formulas import BINARY_STEPS, Formula, Step, parameter_of
from qfleet.wire.program.operations import ANGLES, Op
from qfleet.wire.program.program import NOTHING, Program


class AngleError(ValueError):
    """An angle has no value at a point.

    The text is for the user that submitted the circuit.
    """


#: float64 as long as the numbers of all points are real, else complex128; shape (points,), contiguous
_Numbers: TypeAlias = NDArray[Any]

#: An imaginary part below this is rounding. Qiskit draws the line there too.
_ROUNDING: Final = 8 * float(np.finfo(np.float64).eps)

#: Angles, and numbers on the way to them, that filling a program holds at a time.
ANGLES_AT_ONCE: Final = 1 << 20


def points_at_once(program: Program, angles: int = ANGLES_AT_ONCE) -> int:
    """Return the number of points at which to fill a program together.

    Args:
        program: the program, with slots.
        angles: the angles, and numbers on the way to them, that may be held; they bound the memory.
    """
    longest = max((len(formula.steps) for formula in program.formulas), default=0)
    return max(1, angles // (len(program.params) + len(program.formulas) + 4 * longest + 1))


def fill(program: Program, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a program's angles at each point, with its slots filled.

    The angles at a point don't depend on the other points, to the bit.

    Args:
        program: the program, with slots.
        values: the parameters at each point; shape (points, program.num_parameters).

    Returns:
        Radians; shape (points, len(program.params)).

    Raises:
        AngleError: an angle isn't real or isn't finite. The text names the operation and, if there are several, the
            point.
    """
    points = len(values)
    indices = [parameter_of(formula) for formula in program.formulas]
    if None not in indices:
        filled_slots = values.take(np.array(indices, np.int64)[program.slot_refs], axis=1)
    else:
        columns = np.empty((len(program.formulas), points))
        for at, (formula, index) in enumerate(zip(program.formulas, indices, strict=True)):
            columns[at] = values[:, index] if index is not None else _real(formula, values)
        filled_slots = columns[program.slot_refs].T
    if len(program.slots) == len(program.params):
        angles = np.ascontiguousarray(filled_slots)
    else:
        angles = np.empty((points, len(program.params)))
        angles[:] = program.params
        angles[:, program.slots] = filled_slots
    with np.errstate(all="ignore"):
        # A number that is not finite makes the sum so.
        if np.isfinite(angles.sum()):
            return angles
    wrong = ~np.isfinite(angles)
    if wrong.any():
        point = int(np.argmax(wrong.any(axis=1)))
        raise _wrong(program, int(np.argmax(wrong[point])), point, points)
    return angles


def _real(formula: Formula, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a formula's value at each point.

    NaN stands for a number that isn't real, so one check finds both.
    """
    with np.errstate(all="ignore"):
        result = _evaluate(formula, values)
    return result if result.dtype == np.float64 else np.where(result.imag == 0, result.real, np.nan)


def filled(program: Program, params: NDArray[np.float64]) -> Program:
    """Return the program with angles in its slots.

    It still says which angles are slots: they differ from point to point.

    Args:
        program: the program, with slots.
        params: a row of the result of `fill`.
    """
    return msgspec.structs.replace(program, params=params, num_parameters=0, slot_refs=NOTHING, formulas=())


def _wrong(program: Program, place: int, point: int, points: int) -> AngleError:
    counts = ANGLES[program.codes]
    row = int(np.searchsorted(np.cumsum(counts), place, side="right"))
    where = f" at point {point}" if points > 1 else ""
    name = Op(program.codes[row]).name.lower()
    return AngleError(
        f"the formula of an angle of operation {row} ({name}) gives no real, finite number{where}; "
        "give its parameters other values"
    )


def _evaluate(formula: Formula, values: NDArray[np.float64]) -> _Numbers:
    parameters = iter(np.frombuffer(formula.parameters, "<i4").tolist())
    numbers = iter(np.frombuffer(formula.numbers, "<c16").tolist())
    stack: list[_Numbers] = []
    for code in formula.steps:
        if code == Step.PARAMETER:
            stack.append(np.ascontiguousarray(values[:, next(parameters)]))
        elif code == Step.NUMBER:
            number = next(numbers)
            stack.append(np.full(len(values), number if number.imag else number.real))
        elif code in BINARY_STEPS:
            right, left = stack.pop(), stack.pop()
            step = _REVERSED.get(code, code)
            operands = (left, right) if step == code else (right, left)
            stack.append(_apply(step, *operands))
        else:
            stack.append(_apply(code, stack.pop()))
    return stack.pop()


_REVERSED: dict[int, int] = {Step.RSUB: Step.SUB, Step.RDIV: Step.DIV, Step.RPOW: Step.POW}

_FUNCTIONS: dict[int, Callable[..., _Numbers]] = {
    Step.ADD: np.add,
    Step.SUB: np.subtract,
    Step.MUL: np.multiply,
    Step.DIV: np.divide,
    Step.POW: np.power,
    Step.SIN: np.sin,
    Step.COS: np.cos,
    Step.TAN: np.tan,
    Step.ASIN: np.arcsin,
    Step.ACOS: np.arccos,
    Step.ATAN: np.arctan,
    Step.EXP: np.exp,
    Step.LOG: np.log,
    Step.ABS: np.abs,
    # Qiskit 2.6 leaves a complex number as it is.
    Step.SIGN: lambda x: np.sign(x) if x.dtype == np.float64 else x,
    Step.CONJUGATE: np.conjugate,
}

#: Where a function of real numbers is real; everywhere, for the others.
_DOMAINS: dict[int, Callable[..., NDArray[np.bool_]]] = {
    Step.POW: lambda base, exponent: (base >= 0) | (exponent == np.floor(exponent)),
    Step.ASIN: lambda x: np.abs(x) <= 1,
    Step.ACOS: lambda x: np.abs(x) <= 1,
    Step.LOG: lambda x: x >= 0,
}


def _apply(step: int, *operands: _Numbers) -> _Numbers:
    """Apply a function point by point.

    The result is real where the operands and the function are.
    """
    function = _FUNCTIONS[step]
    real = np.ones(len(operands[0]), bool)
    for operand in operands:
        if operand.dtype != np.float64:
            real &= operand.imag == 0
    domain = _DOMAINS.get(step)
    if domain is not None:
        real &= domain(*[operand.real for operand in operands])
    if real.all():
        return function(*[np.ascontiguousarray(operand.real) for operand in operands])
    result = function(*[operand.astype(np.complex128) for operand in operands]).astype(np.complex128, copy=False)
    result[real] = function(*[operand.real[real] for operand in operands])
    result.imag[np.abs(result.imag) < _ROUNDING] = 0
    return result
