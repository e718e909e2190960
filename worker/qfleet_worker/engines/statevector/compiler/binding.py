# SPDX-License-Identifier: Apache-2.0
"""How do the tables of a compiled stretch get other angles, or another precision?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.statevector.compiler.tables import Tables
from qfleet_worker.engines.statevector.compiler.values import refill


def values_at(
    tables: Tables, params: NDArray[np.float64], first: int
) -> tuple[NDArray[Any], NDArray[np.complex128], NDArray[Any], NDArray[np.complex128], complex]:
    """The members of the tables from ``coefs`` to ``phase`` at other angles; ``params[first]`` is their first."""
    if not len(tables.recipe):
        return tables[5:10]
    coefs, factors = tables.coefs.copy(), tables.factors.copy()
    diagonals, high_diagonals = tables.tables.copy(), tables.high_tables.copy()
    phases = np.empty(1, np.complex128)
    refill(
        tables.recipe, tables.pool.copy(), params.copy()[None], first, 0, 1, coefs, factors, diagonals,
        high_diagonals, phases,
    )  # fmt: skip
    return coefs, factors, diagonals, high_diagonals, complex(phases[0])


def bind(tables: Tables, params: NDArray[np.float64], first: int) -> Tables:
    """The tables at other angles; see `values_at`."""
    if not len(tables.recipe):
        return tables
    return Tables(*tables[:5], *values_at(tables, params, first), *tables[10:])


def size_of(tables: Tables) -> int:
    """Bytes of the arrays."""
    return sum(member.nbytes for member in tables if isinstance(member, np.ndarray))


def precise(tables: Tables, dtype: np.dtype[Any]) -> Tables:
    """The tables with coefficients in the precision of the state's real numbers."""
    if dtype == np.float64:
        return tables
    return tables._replace(coefs=rounded(tables.coefs, dtype), tables=rounded(tables.tables, dtype))


def rounded(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Coefficients in the precision of the state's real numbers."""
    if values.dtype == dtype:
        return values
    # A hostile table may overflow.
    with np.errstate(over="ignore"):
        return values.astype(dtype)
