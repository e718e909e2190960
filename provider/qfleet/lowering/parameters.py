# SPDX-License-Identifier: Apache-2.0
"""Which number is a gate's parameter?"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from qiskit.circuit import ParameterExpression

from qfleet.lowering.refusal import RefusalError, unbound


def real(value: Any) -> float:
    """A parameter's value in radians. Raises `RefusalError` unless it is bound, real and finite."""
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
