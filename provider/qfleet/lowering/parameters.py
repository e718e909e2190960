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
    if isinstance(value, complex | np.complexfloating) and value.imag == 0:
        value = value.real
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise RefusalError(f"its parameter {value!r} isn't a real number") from None
    if not math.isfinite(number):
        raise RefusalError(f"its parameter {number!r} isn't finite")
    return number
