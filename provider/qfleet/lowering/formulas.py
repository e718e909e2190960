# SPDX-License-Identifier: Apache-2.0
"""Turn Qiskit's parameter expressions into formulas of a program."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from qiskit.circuit import Parameter, ParameterExpression

from qfleet.lowering.refusal import unbound
from qfleet.wire.limits import MAX_STEPS
from qfleet.wire.program.formulas import BINARY_STEPS, Formula, Step, parameter

#: Steps by the numbers of an expression's operations in QPY, Qiskit's file format.
STEPS: Final[Mapping[int, Step]] = {
    0: Step.ADD,
    1: Step.SUB,
    2: Step.MUL,
    3: Step.DIV,
    4: Step.POW,
    5: Step.SIN,
    6: Step.COS,
    7: Step.TAN,
    8: Step.ASIN,
    9: Step.ACOS,
    10: Step.EXP,
    11: Step.LOG,
    12: Step.SIGN,
    14: Step.CONJUGATE,
    16: Step.ABS,
    17: Step.ATAN,
    18: Step.RSUB,
    19: Step.RDIV,
    20: Step.RPOW,
}
#: Most parameters of one expression. Qiskit takes quadratic time and memory to say how an expression is built.
_MAX_PARAMETERS = 500


class Slots(NamedTuple):
    """Angles, with slots for those that depend on parameters.

    See `qfleet.wire.program.program.Program`.
    """

    params: list[float]
    slots: Sequence[int] = ()
    slot_refs: Sequence[int] = ()
    formulas: tuple[Formula, ...] = ()


def find_slots(angles: Sequence[Any], parameters: Sequence[Parameter], *, steps: Mapping[int, Step] = STEPS) -> Slots:
    """Return angles as numbers, with slots where formulas give the angle.

    Args:
        angles: numbers in radians, and expressions over `parameters`. A bare parameter is an object in `parameters`.
        parameters: the free parameters, in the order of their values.
        steps: the steps by Qiskit's numbers.

    Raises:
        RefusalError: Qiskit doesn't say how an expression is built.
    """
    params = list(angles)
    numbers: dict[Parameter, int] = {}
    by_identity = {id(free): number for number, free in enumerate(parameters)}
    places: list[int] = []
    refs: list[int] = []
    formulas: dict[Formula, int] = {}
    #: The formula of each bare parameter.
    bare: dict[int, int] = {}
    for place, angle in enumerate(params):
        if isinstance(angle, float):
            continue
        places.append(place)
        params[place] = 0.0
        number = by_identity.get(id(angle))
        if number is None:
            # Most circuits have bare parameters only, and hashing a parameter is slow.
            numbers = numbers or {free: number for number, free in enumerate(parameters)}
            ref = formulas.setdefault(_formula(angle, numbers, steps), len(formulas))
        elif number in bare:
            ref = bare[number]
        else:
            ref = bare[number] = formulas.setdefault(parameter(number), len(formulas))
        refs.append(ref)
    return Slots(params, places, refs, tuple(formulas))


class FormulaSteps:
    """The steps of one formula, put together from those of Qiskit's expression.

    Args:
        numbers: the number of each free parameter.
        known: the steps by Qiskit's numbers.
    """

    def __init__(self, numbers: Mapping[Parameter, int], known: Mapping[int, Step] = STEPS) -> None:
        self._numbers = numbers
        self._known = known
        self._steps: list[Step] = []
        self._parameters: list[int] = []
        self._constants: list[float] = []

    def push(self, operand: Any) -> None:
        """Append the steps that put an operand on the stack."""
        if isinstance(operand, Parameter):
            self._steps.append(Step.PARAMETER)
            self._parameters.append(self._numbers[operand])
        elif isinstance(operand, ParameterExpression):
            self.replay(operand._qpy_replay)
        else:
            number = complex(operand)
            self._steps.append(Step.NUMBER)
            self._constants += [number.real, number.imag]

    def replay(self, instructions: Iterable[Any]) -> None:
        """Append the instructions by which Qiskit builds an expression.

        An operand that is None lies on the stack.
        """
        for instruction in instructions:
            step = self._known[int(instruction.op)]
            left, right = instruction.lhs, instruction.rhs
            if left is None:
                if right is not None:
                    self.push(right)
            elif right is None:
                self.push(left)
                if step in BINARY_STEPS and step not in (Step.ADD, Step.MUL):
                    # Qiskit writes RSUB, RDIV and RPOW for these steps. Readers of QPY disagree on others.
                    raise ValueError(f"{step.name} of a left operand and the stack")
            else:
                self.push(left)
                if step is Step.ADD and type(right) is int and not right:
                    # Qiskit writes an expression that equals its left operand like this.
                    continue
                self.push(right)
            self._steps.append(step)

    def formula(self) -> Formula:
        """Return the formula. Raises `ValueError` if its steps don't leave one number."""
        if not 0 < len(self._steps) <= MAX_STEPS:
            raise ValueError(f"{len(self._steps)} steps")
        depth = 0
        for step in self._steps:
            depth += 1 if step in (Step.PARAMETER, Step.NUMBER) else -1 if step in BINARY_STEPS else 0
            if depth < 1:
                break
        if depth != 1:
            # If terms cancel, Qiskit's steps aren't always an expression.
            raise ValueError("operands that aren't there, or more than one number")
        return Formula(
            bytes(self._steps),
            struct.pack(f"<{len(self._parameters)}i", *self._parameters),
            struct.pack(f"<{len(self._constants)}d", *self._constants),
        )


def _formula(expression: ParameterExpression, numbers: Mapping[Parameter, int], known: Mapping[int, Step]) -> Formula:
    steps = FormulaSteps(numbers, known)
    try:
        if len(expression.parameters) > _MAX_PARAMETERS:
            raise ValueError("too many parameters")
        steps.push(expression)
        return steps.formula()
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as exc:
        raise unbound(sorted(parameter.name for parameter in expression.parameters)) from exc
