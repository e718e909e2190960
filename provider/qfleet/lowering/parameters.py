# SPDX-License-Identifier: Apache-2.0
"""Read gates' parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from qiskit.circuit import Parameter, ParameterExpression

from qfleet.lowering.refusal import RefusalError, unbound

#: Radians: a number, or an expression over the circuit's parameters.
Angle: TypeAlias = "float | ParameterExpression"


def angle(value: Any, free: Mapping[Parameter, Parameter]) -> Angle:
    """Return a gate's parameter, in radians.

    Args:
        value: the parameter, as Qiskit has it.
        free: parameters that may stay free, each with the object that stands for it in the rows. Comparing that
            object's identity is faster than hashing it.

    Raises:
        RefusalError: the parameter isn't bound, real and finite, and not an expression over free parameters.
    """
    if type(value) is float and math.isfinite(value):
        return value
    if isinstance(value, ParameterExpression):
        known = free.get(value) if isinstance(value, Parameter) else None
        if known is not None:
            return known
        parameters = value.parameters
        if parameters:
            unknown = sorted(parameter.name for parameter in parameters if parameter not in free)
            if unknown:
                raise unbound(unknown)
            return value
    return real(value)


def with_value(angles: Iterable[Angle], parameter: Parameter, value: float) -> list[Angle]:
    """Return the angles with a value for a parameter.

    Raises:
        RefusalError: see `real`.
    """
    result: list[Angle] = []
    for each in angles:
        if isinstance(each, ParameterExpression) and parameter in each.parameters:
            bound = each.assign(parameter, value)
            result.append(bound if bound.parameters else real(bound))
        else:
            result.append(each)
    return result


def free_parameters(values: Iterable[Any]) -> list[str]:
    """Return the sorted names of the parameters that values depend on."""
    expressions = [value for value in values if isinstance(value, ParameterExpression)]
    return sorted({parameter.name for expression in expressions for parameter in expression.parameters})


def real(value: Any) -> float:
    """Return a parameter's value in radians.

    Raises:
        RefusalError: it isn't bound, real and finite.
    """
    if isinstance(value, ParameterExpression):
        if value.parameters:
            raise unbound(sorted(parameter.name for parameter in value.parameters))
        value = value.numeric()
    if isinstance(value, complex | np.complexfloating):
        if value.imag:
            raise _not_real(value)
        value = value.real
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise _not_real(value) from None
    if not math.isfinite(number):
        raise RefusalError(f"its parameter {number!r} isn't finite")
    return number


def _not_real(value: Any) -> RefusalError:
    return RefusalError(f"its parameter {value!r} isn't a real number")
