# SPDX-License-Identifier: Apache-2.0
"""A compiled stretch's tables at other angles, or in another precision."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import flat
from qfleet_worker.engines.statevector.compiler.values import refill
from qfleet_worker.engines.statevector.kernels.layout import Tables, Values

_refill = flat(refill)


def values_at(tables: Tables, params: NDArray[np.float64], first: int) -> Values:
    """Return the values of tables at other angles.

    Args:
        tables: a compiled stretch; it stays as it is.
        params: float64, shape (angles,).
        first: which of the angles is the stretch's first.
    """
    if not len(tables.recipe):
        return tables.values
    coefs, factors, low_tables, high_tables, phases = tables.values
    values = Values(coefs.copy(), factors.copy(), low_tables.copy(), high_tables.copy(), phases.copy())
    _refill(tables.recipe, tables.pool.copy(), np.array(params, ndmin=2), first, *values)
    return values


def bind(tables: Tables, params: NDArray[np.float64], first: int) -> Tables:
    """Return the tables at other angles; see `values_at`."""
    if not len(tables.recipe):
        return tables
    return tables._replace(values=values_at(tables, params, first))


def size_of(tables: Tables) -> int:
    """Return the bytes of the arrays."""
    members = (*tables, *tables.operations, *tables.values)
    return sum(member.nbytes for member in members if isinstance(member, np.ndarray))


def with_precision(tables: Tables, dtype: np.dtype[Any]) -> Tables:
    """Return the tables with coefficients in the state's precision.

    `dtype` is that of the state's real numbers.
    """
    if dtype == np.float64:
        return tables
    return tables._replace(values=round_values(tables.values, dtype))


def round_values(values: Values, dtype: np.dtype[Any]) -> Values:
    """Return the values with coefficients in the state's precision.

    `dtype` is that of the state's real numbers.
    """
    if values.coefs.dtype == dtype:
        return values
    # A hostile table may overflow.
    with np.errstate(over="ignore"):
        return values._replace(coefs=values.coefs.astype(dtype), low_tables=values.low_tables.astype(dtype))
