# SPDX-License-Identifier: Apache-2.0
"""Quantities of a state that is held as an array of amplitudes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.gates.matrices import ComplexArray

#: Amplitudes that are worked on at a time.
BLOCK = 1 << 16


class View(NamedTuple):
    """A state, to be looked at."""

    #: shape (2**wires,)
    amplitudes: ComplexArray
    #: the wires that have a bit of the index, the highest bit first
    order: Sequence[int]
    #: the values of all other wires, 0 where absent
    values: Mapping[int, int]
    #: bits of the index that mean their opposite
    flips: int = 0


def _bits(view: View) -> dict[int, int]:
    """The bit of each wire that has one."""
    return {wire: bit for bit, wire in enumerate(reversed(view.order))}


def _tensor(view: View, wires: Sequence[int]) -> tuple[ComplexArray, list[slice | int]]:
    """The state with an axis of each wire that has one, the last of `wires` first; and where these values belong."""
    order = list(view.order)
    bits = _bits(view)
    active = [wire for wire in reversed(wires) if wire in bits]
    tensor = view.amplitudes.reshape((2,) * len(order)).transpose([order.index(wire) for wire in active])
    inverted = [axis for axis, wire in enumerate(active) if view.flips >> bits[wire] & 1]
    at: list[slice | int] = [slice(None) if wire in bits else view.values.get(wire, 0) for wire in reversed(wires)]
    return np.flip(tensor, tuple(inverted)), at


def vector(view: View, wires: Sequence[int], phase: complex) -> ComplexArray:
    """The amplitudes over qubits, qubit q being on ``wires[q]``, times `phase`, as a new array."""
    tensor, at = _tensor(view, wires)
    vector = np.zeros(1 << len(wires), view.amplitudes.dtype)
    np.multiply(tensor, vector.dtype.type(phase), out=vector.reshape((2,) * len(wires))[(*at, ...)])
    return vector


def amplitudes_at(view: View, wires: Sequence[int], states: NDArray[np.int64]) -> ComplexArray:
    """The amplitudes of basis states, bit q being of the qubit on ``wires[q]``."""
    bits = _bits(view)
    places = np.full(len(states), view.flips)
    possible = np.ones(len(states), np.bool_)
    for qubit, wire in enumerate(wires):
        values = states >> qubit & 1
        if wire in bits:
            places ^= values << bits[wire]
        else:
            possible &= values == view.values.get(wire, 0)
    return np.where(possible, view.amplitudes[places], 0).astype(view.amplitudes.dtype, copy=False)


def probabilities(view: View, wires: Sequence[int]) -> NDArray[np.float64]:
    """The probabilities of the values of some wires, the first in the lowest bit."""
    bits = _bits(view)
    size = min(BLOCK, len(view.amplitudes))
    low = np.arange(size)
    places = np.zeros(size, np.int64)
    for bit, wire in enumerate(wires):
        if wire in bits:
            places |= (low >> bits[wire] & 1) << bit
    fixed = sum(view.values.get(wire, 0) << bit for bit, wire in enumerate(wires) if wire not in bits)
    fixed |= sum((view.flips >> bits[wire] & 1) << bit for bit, wire in enumerate(wires) if wire in bits)
    count = int(places.max()) + 1
    found = np.zeros(1 << len(wires))
    for base in range(0, len(view.amplitudes), size):
        high = sum((base >> bits[wire] & 1) << bit for bit, wire in enumerate(wires) if wire in bits)
        sums = np.bincount(places, squares(view.amplitudes[base : base + size]), count)
        hit = np.flatnonzero(sums)
        found[(hit | high) ^ fixed] += sums[hit]
    return found


def density_matrix(view: View, wires: Sequence[int]) -> NDArray[np.complex128]:
    """The reduced density matrix of some wires, the first in the lowest bit, flat."""
    rest = [wire for wire in view.order if wire not in wires]
    tensor, at = _tensor(view, (*rest, *wires))
    at = at[: len(wires)]
    parts = np.zeros((1 << len(wires), 1 << len(rest)), view.amplitudes.dtype)
    parts.reshape((2,) * (len(wires) + len(rest)))[(*at, ...)] = tensor
    found = np.zeros((len(parts), len(parts)), np.complex128)
    step = max(1, BLOCK // len(parts))
    for begin in range(0, parts.shape[1], step):
        columns = parts[:, begin : begin + step]
        found += columns @ columns.conj().T
    return found.reshape(-1)


def move_paulis(
    x_of_targets: NDArray[np.integer], z_of_targets: NDArray[np.integer], wires: Sequence[int], view: View
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """The masks of a sum of Paulis over a state's index, and what each term is multiplied by."""
    bits = _bits(view)
    x_before, z_before = x_of_targets.astype(np.int64), z_of_targets.astype(np.int64)
    signs = np.ones(len(x_before))
    if not view.flips and all(bits.get(wire) == place for place, wire in enumerate(wires)):
        return x_before, z_before, signs
    x, z = np.zeros_like(x_before), np.zeros_like(z_before)
    for place, wire in enumerate(wires):
        x_bit, z_bit = x_before >> place & 1, z_before >> place & 1
        if wire in bits:
            x |= x_bit << bits[wire]
            z |= z_bit << bits[wire]
            value = view.flips >> bits[wire] & 1
        else:
            # A basis state has no mean of X; those of Z are 1 and -1.
            signs[x_bit == 1] = 0
            value = view.values.get(wire, 0)
        if value:
            signs[z_bit == 1] *= -1
    return x, z, signs


def squares(amplitudes: ComplexArray) -> NDArray[np.float64]:
    wide = amplitudes.astype(np.complex128, copy=False)
    found: NDArray[np.float64] = wide.real**2 + wide.imag**2
    return found
