# SPDX-License-Identifier: Apache-2.0
"""Answers of a state that is held as an array of amplitudes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.states.paulis import PauliGroups, group_again

#: Amplitudes that are worked on at a time.
BLOCK: Final = 1 << 16

#: Returns the expectation value of each Pauli in a state of shape (2**n,).
ExpectationValues: TypeAlias = Callable[[ComplexArray, PauliGroups], NDArray[np.float64]]


class DenseAnswers(NamedTuple):
    """The amplitudes of a state, and their answers; see `qfleet_worker.engines.states.contract.Answers`."""

    #: shape (2**len(order),)
    array: ComplexArray
    #: the wires that have a bit of the index, the highest bit first
    order: Sequence[int]
    #: the values of all other wires, 0 where absent
    values: Mapping[int, int]
    #: the engine's function
    of_paulis: ExpectationValues
    #: bits of the index that mean their opposite
    flips: int = 0

    def probabilities(self, wires: Sequence[int]) -> NDArray[np.float64]:
        """See `Answers.probabilities`."""
        bits = self._bits()
        size = min(BLOCK, len(self.array))
        low = np.arange(size)
        places = np.zeros(size, np.int64)
        for bit, wire in enumerate(wires):
            if wire in bits:
                places |= (low >> bits[wire] & 1) << bit
        fixed = sum(self.values.get(wire, 0) << bit for bit, wire in enumerate(wires) if wire not in bits)
        fixed |= sum((self.flips >> bits[wire] & 1) << bit for bit, wire in enumerate(wires) if wire in bits)
        count = int(places.max()) + 1
        probabilities = np.zeros(1 << len(wires))
        for base in range(0, len(self.array), size):
            high = sum((base >> bits[wire] & 1) << bit for bit, wire in enumerate(wires) if wire in bits)
            sums = np.bincount(places, squares(self.array[base : base + size]), count)
            hit = np.flatnonzero(sums)
            probabilities[(hit | high) ^ fixed] += sums[hit]
        return probabilities

    def probabilities_at(self, wires: Sequence[int], basis_states: NDArray[np.int64]) -> NDArray[np.float64]:
        """See `Answers.probabilities_at`."""
        return squares(self.amplitudes_at(wires, basis_states))

    def expectation_values(
        self, wires: Sequence[int], x_masks: NDArray[np.integer], z_masks: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """See `Answers.expectation_values`."""
        x, z, signs = self._move_paulis(wires, x_masks.astype(np.int64), z_masks.astype(np.int64))
        used = signs != 0
        terms = np.zeros(len(signs))
        terms[used] = self.of_paulis(self.array, group_again(x[used], z[used])) * signs[used]
        return terms

    def density_matrix(self, wires: Sequence[int]) -> NDArray[np.complex128]:
        """See `Answers.density_matrix`."""
        rest = [wire for wire in self.order if wire not in wires]
        tensor, at = self._tensor((*rest, *wires))
        at = at[: len(wires)]
        parts = np.zeros((1 << len(wires), 1 << len(rest)), self.array.dtype)
        parts.reshape((2,) * (len(wires) + len(rest)))[(*at, ...)] = tensor
        matrix = np.zeros((len(parts), len(parts)), np.complex128)
        step = max(1, BLOCK // len(parts))
        for begin in range(0, parts.shape[1], step):
            columns = parts[:, begin : begin + step]
            matrix += columns @ columns.conj().T
        return matrix.reshape(-1)

    def amplitudes(self, wires: Sequence[int], factor: complex) -> ComplexArray:
        """See `Answers.amplitudes`."""
        tensor, at = self._tensor(wires)
        vector = np.zeros(1 << len(wires), self.array.dtype)
        np.multiply(tensor, vector.dtype.type(factor), out=vector.reshape((2,) * len(wires))[(*at, ...)])
        return vector

    def amplitudes_at(self, wires: Sequence[int], basis_states: NDArray[np.int64]) -> ComplexArray:
        """See `Answers.amplitudes_at`."""
        bits = self._bits()
        places = np.full(len(basis_states), self.flips)
        possible = np.ones(len(basis_states), np.bool_)
        for qubit, wire in enumerate(wires):
            values = basis_states >> qubit & 1
            if wire in bits:
                places ^= values << bits[wire]
            else:
                possible &= values == self.values.get(wire, 0)
        return np.where(possible, self.array[places], 0).astype(self.array.dtype, copy=False)

    def _bits(self) -> dict[int, int]:
        """Return the bit of each wire that has one."""
        return {wire: bit for bit, wire in enumerate(reversed(self.order))}

    def _tensor(self, wires: Sequence[int]) -> tuple[ComplexArray, list[slice | int]]:
        """Return the state as a tensor, and its place among all wires.

        The tensor has an axis for each wire that has a bit, the last wire first. The place is an index into an array
        with an axis for each of `wires`.
        """
        order = list(self.order)
        bits = self._bits()
        active = [wire for wire in reversed(wires) if wire in bits]
        tensor = self.array.reshape((2,) * len(order)).transpose([order.index(wire) for wire in active])
        inverted = [axis for axis, wire in enumerate(active) if self.flips >> bits[wire] & 1]
        at: list[slice | int] = [slice(None) if wire in bits else self.values.get(wire, 0) for wire in reversed(wires)]
        return np.flip(tensor, tuple(inverted)), at

    def _move_paulis(
        self, wires: Sequence[int], x_masks: NDArray[np.int64], z_masks: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Return Paulis' masks over the state's index, with factors.

        The factors multiply the expectation values.
        """
        bits = self._bits()
        signs = np.ones(len(x_masks))
        if not self.flips and all(bits.get(wire) == place for place, wire in enumerate(wires)):
            return x_masks, z_masks, signs
        x, z = np.zeros_like(x_masks), np.zeros_like(z_masks)
        for place, wire in enumerate(wires):
            x_bit, z_bit = x_masks >> place & 1, z_masks >> place & 1
            if wire in bits:
                x |= x_bit << bits[wire]
                z |= z_bit << bits[wire]
                value = self.flips >> bits[wire] & 1
            else:
                # In a basis state the expectation value of X is 0, and that of Z is 1 or -1.
                signs[x_bit == 1] = 0
                value = self.values.get(wire, 0)
            if value:
                signs[z_bit == 1] *= -1
        return x, z, signs


def squares(amplitudes: ComplexArray) -> NDArray[np.float64]:
    """Return the squared absolute values of amplitudes, in double precision."""
    wide = amplitudes.astype(np.complex128, copy=False)
    probabilities: NDArray[np.float64] = wide.real**2 + wide.imag**2
    return probabilities
