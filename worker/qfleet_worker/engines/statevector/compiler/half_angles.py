# SPDX-License-Identifier: Apache-2.0
"""Sines and cosines of half of all angles, in machine code.

Both at once and for several angles in one instruction, which takes a fraction of the time of the C library's functions.
An angle is brought into an eighth of a turn by subtracting a multiple of pi/2, a number of three parts; there Taylor's
series, up to the 16th power, is exact to the last bit or two.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import inner_code

#: Beyond it, multiples of the first parts of pi/2 aren't exact any more.
LARGEST = 1e5

_INVERSE = 2 / math.pi
#: pi/2 in parts; the first two have 33 bits each.
_FIRST = float.fromhex("0x1.921fb544p+0")
_SECOND = float.fromhex("0x1.0b4611a6p-34")
_THIRD = float.fromhex("0x1.3198a2e037073p-69")
_S3, _S5, _S7, _S9, _S11, _S13, _S15 = ((-1) ** (at // 2) / math.factorial(at) for at in range(3, 17, 2))
_C2, _C4, _C6, _C8, _C10, _C12, _C14, _C16 = ((-1) ** (at // 2) / math.factorial(at) for at in range(2, 17, 2))


@inner_code
def half_angle_phases(angles: NDArray[Any], phases: NDArray[Any]) -> None:
    """Write ``exp(i angles / 2)`` to `phases`; shape (angles,), float64 and complex128."""
    parts = phases.view(np.float64)
    for at in range(len(angles)):
        half = angles[at] * 0.5
        quarters = np.floor(half * _INVERSE + 0.5)
        rest = ((half - quarters * _FIRST) - quarters * _SECOND) - quarters * _THIRD
        z = rest * rest
        sine = _S15 * z + _S13
        sine = sine * z + _S11
        sine = sine * z + _S9
        sine = sine * z + _S7
        sine = sine * z + _S5
        sine = sine * z + _S3
        sine = sine * z * rest + rest
        cosine = _C16 * z + _C14
        cosine = cosine * z + _C12
        cosine = cosine * z + _C10
        cosine = cosine * z + _C8
        cosine = cosine * z + _C6
        cosine = cosine * z + _C4
        cosine = cosine * z + _C2
        cosine = cosine * z + 1.0
        quarter = quarters - 4 * np.floor(quarters * 0.25)
        odd = quarter == 1 or quarter == 3
        real = sine if odd else cosine
        imaginary = cosine if odd else sine
        parts[2 * at] = -real if quarter == 1 or quarter == 2 else real
        parts[2 * at + 1] = -imaginary if quarter >= 2 else imaginary
    for at in range(len(angles)):
        if not abs(angles[at]) < LARGEST:
            phases[at] = complex(math.cos(angles[at] * 0.5), math.sin(angles[at] * 0.5))
