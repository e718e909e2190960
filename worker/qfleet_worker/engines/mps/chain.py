# SPDX-License-Identifier: Apache-2.0
"""A matrix product state, as a chain of tensors with a centre.

The tensors left of the centre are isometries from left to right, those right of it from right to left. So the norm of
the state is that of the centre, and a bond that is cut down there loses as little as it can: U. Schollwöck, Annals of
Physics 326, 96 (2011), sections 4.4 and 4.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.messages.request import LARGEST_BOND
from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.contract import EngineError
from qfleet_worker.engines.mps.splitting import Cut, Split, split

#: Singular values below this part of the largest are left out of a canonical form, which divides by them.
_SMALLEST: Final = 1e-10
_SWAP = np.eye(4, dtype=np.complex128)[[0, 2, 1, 3]]


@dataclass(slots=True)
class Losses:
    """A record of what a run's states lost."""

    #: the largest part of a state's squared norm that all its cuts together discarded
    discarded: float = 0.0
    #: the largest bond
    widest: int = 1


class Chain:
    """A state of some wires in a row, which begins in |0...0>.

    Args:
        num_wires: their number.
        dtype: complex64 or complex128.
        cut: the rule for bonds.
        losses: records what this state loses, and all copies of it.
    """

    __slots__ = ("_cut", "_kept", "_losses", "centre", "tensors")

    def __init__(self, num_wires: int, dtype: np.dtype[np.complexfloating], cut: Cut, losses: Losses) -> None:
        zero = np.array([1, 0], dtype).reshape(1, 2, 1)
        #: each of shape (left bond, 2, right bond)
        self.tensors: list[ComplexArray] = [zero] * num_wires
        self.centre = 0
        self._cut = cut
        self._losses = losses
        self._kept = 1.0

    def copy(self) -> Chain:
        """Return a copy, which shares the tensors: these are never written to."""
        other = Chain.__new__(Chain)
        other.tensors, other.centre = self.tensors.copy(), self.centre
        other._cut, other._losses, other._kept = self._cut, self._losses, self._kept
        return other

    @property
    def nbytes(self) -> int:
        """Return the bytes of the tensors."""
        return sum([tensor.nbytes for tensor in self.tensors])

    def widest(self) -> int:
        """Return the largest bond."""
        return max([tensor.shape[2] for tensor in self.tensors], default=1)

    def move_to(self, site: int) -> None:
        """Move the centre."""
        while self.centre < site:
            tensor = self.tensors[self.centre]
            left, rest = np.linalg.qr(tensor.reshape(-1, tensor.shape[2]))
            self.tensors[self.centre] = left.reshape(*tensor.shape[:2], -1)
            self.centre += 1
            self.tensors[self.centre] = _join(rest, self.tensors[self.centre])
        while self.centre > site:
            tensor = self.tensors[self.centre]
            right, rest = np.linalg.qr(tensor.reshape(len(tensor), -1).T)
            self.tensors[self.centre] = right.T.reshape(-1, *tensor.shape[1:])
            self.centre -= 1
            self.tensors[self.centre] = self.tensors[self.centre] @ rest.T

    def norm_squared(self) -> float:
        """Return the squared norm of the state."""
        tensor = self.tensors[self.centre].reshape(-1)
        return float(np.vdot(tensor, tensor).real)

    def one(self, wire: int, matrix: ComplexArray) -> None:
        """Multiply a wire by a unitary matrix, shape (2, 2)."""
        self.tensors[wire] = matrix.astype(self.tensors[wire].dtype, copy=False) @ self.tensors[wire]

    def multiply(self, wire: int, matrix: ComplexArray) -> None:
        """Multiply a wire by any matrix, shape (2, 2)."""
        self.move_to(wire)
        self.one(wire, matrix)

    def two(self, wire: int, matrix: ComplexArray, factors: Sequence[ComplexArray] = (), *, right: bool) -> None:
        """Multiply a wire and its right neighbour by a matrix.

        Args:
            wire: the left one of the two, which is the high bit of the matrix's index.
            matrix: shape (4, 4).
            factors: those of the matrix, if they are few; see `qfleet_worker.engines.mps.operators`.
            right: whether the centre is the right one afterwards.
        """
        if self.centre < wire:
            self.move_to(wire)
        elif self.centre > wire + 1:
            self.move_to(wire + 1)
        first, second = self.tensors[wire], self.tensors[wire + 1]
        if factors and factors[0].shape[3] * len(second) < 2 * min(len(first), second.shape[2]):
            found = self._split_factors(first, second, factors, right=right)
        else:
            both = _join(first.reshape(-1, len(second)), second).reshape(len(first), 4, -1)
            both = matrix.astype(both.dtype, copy=False) @ both
            found = split(both.reshape(2 * len(both), -1), self._cut, left=right)
        self.tensors[wire] = found.left.reshape(len(first), 2, -1)
        self.tensors[wire + 1] = found.right.reshape(-1, 2, second.shape[2])
        self.centre = wire + 1 if right else wire
        self._lose(found)

    def _split_factors(
        self, first: ComplexArray, second: ComplexArray, factors: Sequence[ComplexArray], *, right: bool
    ) -> Split:
        """Split the product of two tensors and a gate of low rank.

        The rank is that of the new bond, so that a small matrix has all singular values.
        """
        one, other = [factor.astype(first.dtype, copy=False) for factor in factors]
        # Indices: l, m and r bonds of the state, k bond of the gate, s and t values of the wire.
        wide = np.tensordot(one[0], first, axes=([1], [1])).transpose(2, 0, 3, 1).reshape(2 * len(first), -1)
        left, core = np.linalg.qr(wide)
        wide = np.tensordot(other[..., 0], second, axes=([2], [1])).transpose(2, 0, 1, 3)
        behind, rest = np.linalg.qr(wide.reshape(core.shape[1], -1).T)
        found = split(core @ rest.T, self._cut, left=right)
        return Split(left @ found.left, found.right @ behind.T, found.discarded)

    def _lose(self, found: Split) -> None:
        """Record what a bond lost, and restore the norm."""
        bond = found.left.shape[1]
        if bond > LARGEST_BOND and not self._cut.most:
            raise EngineError(
                f"a bond of its matrix product state grew beyond {LARGEST_BOND} values; give "
                "matrix_product_state_max_bond_dimension, which cuts bonds and says what that loses, or another method"
            )
        self._losses.widest = max(self._losses.widest, bond)
        if found.discarded:
            self._kept *= 1 - found.discarded
            self._losses.discarded = max(self._losses.discarded, 1 - self._kept)
            self.tensors[self.centre] = self.tensors[self.centre] / math.sqrt(1 - found.discarded)

    def far(self, wire: int, other: int, matrix: ComplexArray) -> None:
        """Multiply two distant wires by a matrix, with swaps.

        Args:
            wire: the left one of the two, which is the high bit of the matrix's index.
            other: the right one.
            matrix: shape (4, 4).
        """
        for at in range(wire, other - 1):
            self.two(at, _SWAP, right=True)
        self.two(other - 1, matrix, right=False)
        for at in reversed(range(wire, other - 1)):
            self.two(at, _SWAP, right=False)

    def spread(self, first: int, factors: Sequence[ComplexArray]) -> None:
        """Multiply neighbouring wires by a matrix product operator.

        Its norm may be any.

        Args:
            first: the leftmost wire.
            factors: one for each wire, shape (left bond, 2, 2, right bond); the first of the two indices is that of the
                result.
        """
        last = first + len(factors) - 1
        self.move_to(first)
        rest = np.eye(len(self.tensors[first]), dtype=self.tensors[first].dtype)
        for wire, factor in enumerate(factors, first):
            tensor = self.tensors[wire]
            # Indices: a b bonds of the operator, l r bonds of the state, s t values of the wire.
            wide = np.tensordot(factor.astype(tensor.dtype, copy=False), tensor, axes=([2], [1]))
            wide = wide.transpose(3, 0, 1, 4, 2).reshape(len(tensor) * len(factor), 2, -1)
            self.tensors[wire] = _join(rest, wide)
            if wire < last:
                left, rest = np.linalg.qr(self.tensors[wire].reshape(-1, wide.shape[2]))
                self.tensors[wire] = left.reshape(-1, 2, left.shape[1])
        self.centre = last
        self.compress(last, first)

    def compress(self, begin: int, end: int) -> None:
        """Move the centre from one wire to another, and cut bonds.

        Args:
            begin: the wire of the centre.
            end: a wire on its left or right. The bonds between are cut down.
        """
        step = 1 if end > begin else -1
        for wire in range(begin, end, step):
            tensor = self.tensors[wire]
            if step > 0:
                found = split(tensor.reshape(-1, tensor.shape[2]), self._cut, left=True)
                self.tensors[wire] = found.left.reshape(*tensor.shape[:2], -1)
                self.tensors[wire + 1] = _join(found.right, self.tensors[wire + 1])
            else:
                found = split(tensor.reshape(len(tensor), -1), self._cut, left=False)
                self.tensors[wire] = found.right.reshape(-1, *tensor.shape[1:])
                self.tensors[wire - 1] = self.tensors[wire - 1] @ found.left
            self.centre = wire + step
            self._lose(found)

    def weight(self, wire: int) -> tuple[float, float]:
        """Return the squared norms of a wire's two parts."""
        self.move_to(wire)
        tensor = self.tensors[wire]
        zero, one = [float(np.vdot(part, part).real) for part in (tensor[:, 0], tensor[:, 1])]
        return zero, one

    def project(self, wire: int, value: int, weight: float) -> None:
        """Project a wire on a value, which has this probability.

        Bonds that the wire's entanglement took become narrow again.
        """
        self.move_to(wire)
        tensor = np.zeros_like(self.tensors[wire])
        tensor[:, value] = self.tensors[wire][:, value] / math.sqrt(weight)
        self.tensors[wire] = tensor
        self._narrow(wire, len(self.tensors) - 1)
        self.move_to(wire)
        self._narrow(wire, 0)

    def arrange(self, wires: Sequence[int]) -> None:
        """Put wires into another order, from left to right."""
        order = list(range(len(self.tensors)))
        for place, wire in enumerate(wires):
            for at in reversed(range(place, order.index(wire))):
                self.two(at, _SWAP, right=False)
                order[at], order[at + 1] = order[at + 1], order[at]

    def canonical(self, factor: complex) -> tuple[list[ComplexArray], list[NDArray[np.float64]]]:
        """Return the tensors and the singular values of all bonds.

        The tensors between two singular values are those of G. Vidal, see `qfleet.wire.program.tensors`.

        Args:
            factor: multiplies the first tensor.
        """
        self.move_to(len(self.tensors) - 1)
        self.move_to(0)
        tensors: list[ComplexArray] = []
        values: list[NDArray[np.float64]] = [np.ones(1)]
        rest: ComplexArray = np.full((1, 1), factor, np.complex128)
        for tensor in self.tensors:
            whole = _join(rest, tensor)
            left, found, right = np.linalg.svd(whole.reshape(-1, whole.shape[2]), full_matrices=False)
            kept = max(1, int(np.count_nonzero(found > _SMALLEST * found[0])))
            isometry: ComplexArray = left[:, :kept].reshape(len(whole), 2, -1)
            tensors.append(isometry / values[-1][:, None, None])
            values.append(found[:kept].astype(np.float64))
            rest = found[:kept, None] * right[:kept]
        # Behind the last wire there is a factor instead of a bond.
        tensors[-1] = tensors[-1] * rest
        return tensors, values[1:-1]

    def _narrow(self, begin: int, end: int) -> None:
        """Cut down bonds from a wire on until one stays."""
        step = 1 if end > begin else -1
        for wire in range(begin, end, step):
            side = 2 if step > 0 else 0
            before = self.tensors[wire].shape[side]
            if before == 1:
                return
            self.compress(wire, wire + step)
            if self.tensors[wire].shape[side] == before:
                return


def _join(matrix: ComplexArray, tensor: ComplexArray) -> ComplexArray:
    """Multiply the left bond of a tensor by a matrix."""
    return (matrix @ tensor.reshape(len(tensor), -1)).reshape(-1, *tensor.shape[1:])
