# SPDX-License-Identifier: Apache-2.0
"""Answers of a matrix product state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.bits import places as places_of
from qfleet_worker.engines.mps.chain import Chain

_Number = TypeVar("_Number", bound=np.generic)

#: Numbers of the intermediate tensors that are held at a time.
_MOST_NUMBERS: Final = 1 << 20


class ChainAnswers:
    """The tensors of a state; see `qfleet_worker.engines.states.contract.Answers`.

    Args:
        chain: the state; its centre may be moved.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def probabilities(self, wires: Sequence[int]) -> NDArray[np.float64]:
        """See `Answers.probabilities`."""
        if not wires:
            return np.array([self._chain.norm_squared()])
        found = np.concatenate(list(self._diagonals(self._begin(wires), min(wires), max(wires), frozenset(wires))))
        return _reordered(np.maximum(found, 0), wires)

    def _begin(self, wires: Sequence[int]) -> ComplexArray:
        """Move the centre to the first wire, and return its environment."""
        self._chain.move_to(min(wires))
        return np.eye(len(self._chain.tensors[min(wires)]), dtype=np.complex128)[None]

    def _diagonals(
        self, left: ComplexArray, begin: int, end: int, wires: frozenset[int]
    ) -> Iterator[NDArray[np.float64]]:
        """Give the probabilities of the values of some wires, in order.

        Args:
            left: environments on the left, shape (values, bond, bond).
            begin: the first tensor on their right.
            end: the last wire.
            wires: those whose values count; the last is the lowest bit.
        """
        for wire in range(begin, end + 1):
            tensor = self._chain.tensors[wire].astype(np.complex128, copy=False)
            if len(left) > 1 and len(left) * tensor.size * tensor.shape[2] > _MOST_NUMBERS:
                half = len(left) // 2
                yield from self._diagonals(left[:half], wire, end, wires)
                yield from self._diagonals(left[half:], wire, end, wires)
                return
            parts = [tensor[:, value].T @ left @ tensor[:, value].conj() for value in (0, 1)]
            shape = (-1, *parts[0].shape[1:])
            left = np.stack(parts, axis=1).reshape(shape) if wire in wires else parts[0] + parts[1]
        yield np.trace(left, axis1=1, axis2=2).real

    def probabilities_at(self, wires: Sequence[int], basis_states: NDArray[np.int64]) -> NDArray[np.float64]:
        """See `Answers.probabilities_at`."""
        found = np.empty(len(basis_states))
        bits = {wire: bit for bit, wire in enumerate(wires)}
        at_once = max(1, _MOST_NUMBERS // self._chain.widest() ** 2)
        start = self._begin(wires)
        for first in range(0, len(basis_states), at_once):
            part = basis_states[first : first + at_once]
            left = np.repeat(start, len(part), axis=0)
            for wire in range(min(wires), max(wires) + 1):
                tensor = self._chain.tensors[wire].astype(np.complex128, copy=False)
                if wire in bits:
                    own = tensor.transpose(1, 0, 2)[part >> bits[wire] & 1]
                    left = own.transpose(0, 2, 1) @ left @ own.conj()
                else:
                    left = _passed(left, tensor, tensor)
            found[first : first + at_once] = np.trace(left, axis1=1, axis2=2).real
        return np.maximum(found, 0)

    def expectation_values(
        self, wires: Sequence[int], x_masks: NDArray[np.integer], z_masks: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """See `Answers.expectation_values`."""
        letters = [
            {wires[bit]: (x >> bit & 1, z >> bit & 1) for bit in places_of(x | z)}
            for x, z in zip(_numbers(x_masks), _numbers(z_masks), strict=True)
        ]
        found = np.empty(len(letters))
        # Terms with the same first wire need the centre at the same place.
        for term in sorted(range(len(letters)), key=lambda term: min(letters[term], default=-1)):
            found[term] = self._expectation_value(letters[term])
        return found

    def _expectation_value(self, letters: dict[int, tuple[int, int]]) -> float:
        """Return the expectation value of a Pauli.

        Args:
            letters: its bits of X and of Z by wire.
        """
        if not letters:
            return self._chain.norm_squared()
        left = self._begin(list(letters))[0]
        for wire in range(min(letters), max(letters) + 1):
            tensor = self._chain.tensors[wire].astype(np.complex128, copy=False)
            x, z = letters.get(wire, (0, 0))
            ket = tensor
            if x:
                ket = ket[:, ::-1]
            if z:
                # X Z, and Y = i X Z, act on the values before they are exchanged.
                signs = np.array([-1, 1] if x else [1, -1])[:, None]
                ket = ket * (signs * (1j if x else 1))
            size = tensor.shape[2]
            left = (left.T @ ket.reshape(len(ket), -1)).reshape(-1, size)
            left = (tensor.conj().reshape(-1, size).T @ left).T
        return float(np.trace(left).real)

    def density_matrix(self, wires: Sequence[int]) -> NDArray[np.complex128]:
        """See `Answers.density_matrix`."""
        left = self._begin(wires)
        for wire in range(min(wires), max(wires) + 1):
            tensor = self._chain.tensors[wire].astype(np.complex128, copy=False)
            if wire in wires:
                # Of an element, the ket's value counts before the bra's.
                parts = [tensor[:, ket].T @ left @ tensor[:, bra].conj() for ket in (0, 1) for bra in (0, 1)]
                left = np.stack(parts, axis=1).reshape(-1, *parts[0].shape[1:])
            else:
                left = _passed(left, tensor, tensor)
        number = len(wires)
        elements = np.trace(left, axis1=1, axis2=2).reshape((2,) * 2 * number)
        order = sorted(wires)
        axes = [2 * order.index(wire) for wire in reversed(wires)]
        found: NDArray[np.complex128] = elements.transpose([*axes, *[axis + 1 for axis in axes]]).reshape(-1)
        return found

    def amplitudes(self, wires: Sequence[int], factor: complex) -> ComplexArray:
        """See `Answers.amplitudes`."""
        whole = np.ones((1, 1), self._chain.tensors[0].dtype)
        for tensor in self._chain.tensors:
            whole = (whole @ tensor.reshape(len(tensor), -1)).reshape(-1, tensor.shape[2])
        return _reordered(whole.reshape(-1)[: 1 << len(wires)] * whole.dtype.type(factor), wires)

    def amplitudes_at(self, wires: Sequence[int], basis_states: NDArray[np.int64]) -> ComplexArray:
        """See `Answers.amplitudes_at`."""
        bits = {wire: bit for bit, wire in enumerate(wires)}
        found = np.empty(len(basis_states), self._chain.tensors[0].dtype)
        at_once = max(1, _MOST_NUMBERS // self._chain.widest())
        for first in range(0, len(basis_states), at_once):
            part = basis_states[first : first + at_once]
            rows = np.ones((len(part), 1), found.dtype)
            for wire, tensor in enumerate(self._chain.tensors):
                values = part >> bits[wire] & 1
                after = np.empty((len(part), tensor.shape[2]), found.dtype)
                for value in (0, 1):
                    after[values == value] = rows[values == value] @ tensor[:, value]
                rows = after
            found[first : first + at_once] = rows[:, 0]
        return found

    def tensors(self, wires: Sequence[int], factor: complex) -> tuple[list[ComplexArray], list[NDArray[np.float64]]]:
        """See `qfleet_worker.engines.results.saved.TensorAnswers`."""
        chain = self._chain.copy()
        chain.arrange(wires)
        return chain.canonical(factor)


def _numbers(masks: NDArray[np.integer]) -> list[int]:
    """Return masks as Python's numbers.

    Wide ones have several words each, the lowest first.
    """
    rows = masks.astype("<u8").reshape(len(masks), -1)
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


def _passed(left: ComplexArray, ket: ComplexArray, bra: ComplexArray) -> ComplexArray:
    """Return environments behind a wire whose values are traced over.

    Args:
        left: environments before it, shape (..., bond, bond).
        ket: the tensor of the state.
        bra: that of the other state, which isn't conjugated.
    """
    found: ComplexArray = ket[:, 0].T @ left @ bra[:, 0].conj() + ket[:, 1].T @ left @ bra[:, 1].conj()
    return found


def overlap(ket: Sequence[ComplexArray], bra: Sequence[ComplexArray]) -> complex:
    """Return the inner product of two states, given as their tensors."""
    left = np.ones((1, 1), ket[0].dtype)
    for mine, theirs in zip(ket, bra, strict=True):
        left = _passed(left, mine, theirs)
    return complex(left[0, 0])


def _reordered(values: NDArray[_Number], wires: Sequence[int]) -> NDArray[_Number]:
    """Return values of wires in another order.

    Args:
        values: the last wire in ascending order is the lowest bit of their index.
        wires: the first is the lowest bit of the result's index.
    """
    order = sorted(wires)
    tensor = values.reshape((2,) * len(order))
    return np.ascontiguousarray(tensor.transpose([order.index(wire) for wire in reversed(wires)])).reshape(-1)
