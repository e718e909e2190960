# SPDX-License-Identifier: Apache-2.0
"""Relaxation of a qubit."""

from __future__ import annotations

import math
import sys

import numpy as np

from qfleet.errors import NoiseError
from qfleet.noise.branches import after, operators_branch
from qfleet.noise.checks import number, time_above_0
from qfleet.noise.matrices import operators_of, trace_preserving
from qfleet.wire.program.channels import Branch


def relaxation_branches(t1: float, t2: float, time: float, population: float) -> list[Branch]:
    """Return the branches of a relaxation, with all times in one unit.

    With t2 <= t1 it is a phase flip, a reset or nothing; else it has Kraus operators.

    Args:
        t1: decay time; may be infinite.
        t2: dephasing time; may be infinite if `t1` is.
        time: duration.
        population: probability of |1> in equilibrium.

    Raises:
        NoiseError: a time is out of its range.
    """
    t1, t2 = time_above_0("t1", t1), time_above_0("t2", t2)
    time = number("time", time, 0.0, sys.float_info.max)
    if t2 > 2 * t1:
        raise NoiseError(f"t2 = {t2!r}: at most 2 * t1 = {2 * t1!r} is possible", entry="t2", value=t2)
    decay = -math.expm1(-time / t1)
    to_zero, to_one = decay * (1 - population), decay * population
    if t2 <= t1:
        flip = (1 - decay) * -math.expm1(-time * (1 / t2 - 1 / t1)) / 2
        excited = after(Branch(1.0, reset_mask=1), Branch(to_one, x_mask=1), 1)
        return [
            Branch(max(0.0, 1 - flip - to_zero - to_one)),
            Branch(flip, z_mask=1),
            Branch(to_zero, reset_mask=1),
            excited,
        ]
    coherence = math.exp(-time / t2)
    choi = np.diag([1 - to_one, to_zero, to_one, 1 - to_zero]).astype(np.complex128)
    choi[0, 3] = choi[3, 0] = coherence
    return [operators_branch(1.0, trace_preserving(operators_of(choi)))]
