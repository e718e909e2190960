# SPDX-License-Identifier: Apache-2.0
"""Splitting of matrices into an isometry and another factor.

The other factor is cut down to the largest singular values. An isometry comes from the eigenvectors of the Gram matrix
where these are precise enough, which takes half the time of singular vectors.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.matrices import ComplexArray

#: Eigenvalues of the Gram matrix, relative to the largest, that are known well enough.
_PRECISE: Final = {"d": 1e-11, "f": 1e-4}
#: Singular values below this part of the largest are rounding errors.
_ROUNDING: Final = {"d": 1e-15, "f": 1e-7}


class Cut(NamedTuple):
    """The rule by which a bond is cut down."""

    #: the most values of a bond; 0 for no limit
    most: int = 0
    #: the largest part of the squared norm that is discarded below that limit
    threshold: float = 1e-16


class Split(NamedTuple):
    """A matrix as the product of two."""

    left: ComplexArray
    right: ComplexArray
    #: the part of the squared norm that was discarded
    discarded: float


def split(matrix: ComplexArray, cut: Cut, *, left: bool) -> Split:
    """Return two factors of a matrix, cut down.

    Args:
        matrix: shape (rows, columns).
        cut: the rule for the bond between them.
        left: whether the left factor is the isometry, or the right one.
    """
    if not left:
        found = split(matrix.T, cut, left=True)
        return Split(found.right.T, found.left.T, found.discarded)
    kind = matrix.real.dtype.char
    isometry = _by_gram_matrix(matrix, cut, _PRECISE[kind]) if 0 < cut.most < min(matrix.shape) else None
    if isometry is None:
        return _by_singular_values(matrix, cut, _ROUNDING[kind])
    rest = isometry.conj().T @ matrix
    whole = _squared(matrix)
    return Split(isometry, rest, max(0.0, 1 - _squared(rest) / whole))


def _by_gram_matrix(matrix: ComplexArray, cut: Cut, precise: float) -> ComplexArray | None:
    """Return the isometry onto the largest singular values.

    Returns:
        ``None`` if the limit of the bond isn't reached, or rounding errors matter.
    """
    if matrix.shape[0] > matrix.shape[1]:
        return None
    values, vectors = np.linalg.eigh(matrix @ matrix.conj().T)
    if not values[-cut.most] > precise * values[-1] or values[: -cut.most].sum() <= cut.threshold * values.sum():
        return None
    isometry: ComplexArray = vectors[:, -cut.most :]
    return isometry


def _by_singular_values(matrix: ComplexArray, cut: Cut, rounding: float) -> Split:
    """Return the factors by singular vectors."""
    vectors, values, others = np.linalg.svd(matrix, full_matrices=False)
    squares = np.square(values, dtype=np.float64)
    whole = float(squares.sum())
    # The part that is discarded if only the values before are kept.
    tails = np.cumsum(squares[::-1])[::-1]
    number = int(np.count_nonzero((tails > cut.threshold * whole) & (values > rounding * values[0])))
    number = max(1, min(number, cut.most or number))
    discarded = float(tails[number]) / whole if number < len(tails) and whole else 0.0
    return Split(vectors[:, :number], values[:number, None] * others[:number], discarded)


def _squared(matrix: NDArray[np.complexfloating]) -> float:
    """Return the squared norm of a matrix."""
    return float(np.vdot(matrix, matrix).real)
