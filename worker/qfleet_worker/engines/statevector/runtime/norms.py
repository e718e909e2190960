# SPDX-License-Identifier: Apache-2.0
"""The check of a state's norm."""

from __future__ import annotations

import math

from qfleet_worker.engines.contract import EngineError


def check_norm(norm_squared: float, double: bool) -> None:
    """Raise `EngineError` if a squared norm isn't 1.

    The tolerance depends on the precision.
    """
    if not abs(math.sqrt(norm_squared) - 1) <= (1e-6 if double else 1e-3):
        raise EngineError(f"the circuit isn't unitary: the state's norm became {math.sqrt(norm_squared):.6g}, not 1")
