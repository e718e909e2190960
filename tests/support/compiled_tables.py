# SPDX-License-Identifier: Apache-2.0
"""Tables of compiled stretches, made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.statevector.kernels import layout


def one_operation(op: NDArray[np.int64], coefs: NDArray[Any], ints: NDArray[np.int64]) -> layout.Tables:
    """Return the tables of a single operation.

    Args:
        op: the operation's row, shape (OP_COLUMNS,).
        coefs: the coefficients, in the state's precision.
        ints: the integers of the kernel.
    """
    none = np.zeros(1, np.complex128)
    values = layout.Values(coefs, none, np.zeros(1, coefs.dtype), none, none)
    return layout.Tables(
        np.zeros((1, layout.STAGE_COLUMNS), np.int64), op[None], ints, np.zeros((1, layout.DIAGONAL_COLUMNS), np.int64),
        np.zeros((1, layout.PRODUCT_COLUMNS), np.int64), values, np.zeros(0, np.int64), np.zeros(0, np.complex128),
    )  # fmt: skip
