# SPDX-License-Identifier: Apache-2.0
"""How do the tables of a compiled stretch get other angles, or another precision?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.statevector.compile import Tables
from qfleet_worker.engines.statevector.values import refill


def bind(tables: Tables, params: NDArray[np.float64], first: int) -> Tables:
    """The tables at other angles, of which ``params[first]`` is their first."""
    if not len(tables.recipe):
        return tables
    coefs, factors = tables.coefs.copy(), tables.factors.copy()
    diagonals, high_diagonals = tables.tables.copy(), tables.high_tables.copy()
    phases = np.empty(1, np.complex128)
    refill(
        tables.recipe, tables.pool.copy(), params.astype(np.float64)[None], first, 0, 1, coefs, factors, diagonals,
        high_diagonals, phases,
    )  # fmt: skip
    # `_replace` would take a third of the time of this function.
    return Tables(*tables[:5], coefs, factors, diagonals, high_diagonals, complex(phases[0]), *tables[10:])


def size_of(tables: Tables) -> int:
    """Bytes of the arrays."""
    return sum(member.nbytes for member in tables if isinstance(member, np.ndarray))


def precise(tables: Tables, dtype: np.dtype[Any]) -> Tables:
    """The tables with coefficients in the precision of the state's real numbers."""
    if dtype == np.float64:
        return tables
    # A hostile table may overflow.
    with np.errstate(over="ignore"):
        return tables._replace(coefs=tables.coefs.astype(dtype), tables=tables.tables.astype(dtype))
