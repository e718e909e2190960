# SPDX-License-Identifier: Apache-2.0
"""Tables of compiled stretches, made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.statevector.kernels import layout


def one_operation(
    op: NDArray[np.int64], coefs: NDArray[Any], ints: NDArray[np.int64]
) -> tuple[layout.Operations, layout.Values]:
    """Return one operation and its values.

    Args:
        op: the operation, shape (OP_COLUMNS,).
        coefs: the coefficients in the state's precision.
        ints: the integers of the kernel.
    """
    none = np.zeros(1, np.complex128)
    operations = layout.Operations(
        op[None], ints, np.zeros((1, layout.DIAGONAL_COLUMNS), np.int64),
        np.zeros((1, layout.PRODUCT_COLUMNS), np.int64),
    )  # fmt: skip
    return operations, layout.Values(coefs, none, np.zeros(1, coefs.dtype), none, none)
