# SPDX-License-Identifier: Apache-2.0
"""Arrays that begin at the border of a cache line.

Vectors are as long as a line. To load one that crosses the border between two lines takes twice as long. numpy's large
arrays begin 16 bytes behind a border, so all their vectors do.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: Bytes of a line.
_LINE: Final = 64
#: Bytes of an array from which on it pays to choose where it begins.
_FEWEST_BYTES: Final = 1 << 13


def empty(shape: int | tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an array of any content that begins at a border.

    Small ones may lie anywhere.
    """
    size = math.prod(shape) * dtype.itemsize if isinstance(shape, tuple) else shape * dtype.itemsize
    if size < _FEWEST_BYTES:
        return np.empty(shape, dtype)
    room = np.empty(size + _LINE, np.uint8)
    begin = -room.__array_interface__["data"][0] % _LINE
    return room[begin : begin + size].view(dtype).reshape(shape)
