# SPDX-License-Identifier: Apache-2.0
"""Outcomes and expectation values of stabilizer states, in machine code.

The tableau is described in `qfleet_worker.engines.stabilizer.kernels.tableaus`. The outcomes of several measurements
are an *affine space*: those of one frame, and a *direction* for each measurement with two outcomes, which are equally
likely. A direction is what the other outcome changes, in the frame and so in all outcomes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import compiled_for
from qfleet_worker.engines.stabilizer.kernels.tableaus import (
    FRAMES,
    PLACES,
    POWERS,
    ROWS,
    collapse,
    parity_of,
    take_parity,
)
from qfleet_worker.engines.stabilizer.kernels.words import is_odd


@compiled_for(ROWS, POWERS, PLACES, FRAMES, "int64[::1]", FRAMES)
def measure_all(
    rows: NDArray[Any], powers: NDArray[Any], places: NDArray[Any], frames: NDArray[Any],
    qubits: NDArray[Any], directions: NDArray[Any],
) -> int:  # fmt: skip
    """Measure qubits in order, with 0 for each outcome that is random.

    The tableau and the frames are changed.

    Args:
        rows: those of the tableau, as are `powers` and `places`.
        powers: uint8, shape (2 * qubits,).
        places: int32, shape (2 * qubits,).
        frames: those of all states, shape (states, words).
        qubits: those that are measured.
        directions: gets the frame of each direction, shape (len(qubits), words).

    Returns:
        The number of directions.
    """
    scratch = np.empty(frames.shape[1], np.uint64)
    count = 0
    for qubit in qubits:
        row = places[len(places) // 2 + qubit]
        pivot = collapse(rows, powers, row, scratch)
        if pivot < 0:
            continue
        for state in range(len(frames)):
            take_parity(rows, row, frames, state, pivot, scratch, powers[row] >> 1)
        for each in range(count):
            take_parity(rows, row, directions, each, pivot, scratch, 0)
        directions[count] = 0
        directions[count, pivot >> 6] = np.uint64(1) << np.uint64(pivot & 63)
        count += 1
    return count


@compiled_for(ROWS, POWERS, PLACES, FRAMES, "int64[::1]", "int64[::1]", "int64[::1]", "bool", "uint8[:, ::1]")
def write_bits(
    rows: NDArray[Any], powers: NDArray[Any], places: NDArray[Any], frames: NDArray[Any],
    qubits: NDArray[Any], columns: NDArray[Any], bits: NDArray[Any], signed: bool, out: NDArray[Any],
) -> None:  # fmt: skip
    """Write the values of qubits that have one, after `measure_all`.

    Args:
        rows: those of the tableau, as are `powers` and `places`.
        powers: uint8, shape (2 * qubits,).
        places: int32, shape (2 * qubits,).
        frames: of states or of directions, shape (frames, words).
        qubits: those whose values are written.
        columns: the byte of each value.
        bits: its bit in the byte.
        signed: whether the frames are those of states.
        out: zeros, shape (frames, bytes).
    """
    for at in range(len(qubits)):
        row = places[len(places) // 2 + qubits[at]]
        sign = powers[row] >> 1 if signed else np.uint8(0)
        for each in range(len(frames)):
            value = parity_of(rows, row, frames, each) ^ sign
            out[each, columns[at]] |= np.uint8(value << bits[at])


@compiled_for("uint8[:, ::1]", "int64[::1]", "uint8[:, ::1]", "uint64[:, ::1]", "uint8[:, ::1]")
def draw(
    origins: NDArray[Any], states: NDArray[Any], directions: NDArray[Any], words: NDArray[Any], out: NDArray[Any]
) -> None:
    """Write an outcome for each shot.

    Args:
        origins: one outcome of each state, shape (states, bytes).
        states: that of each shot.
        directions: shape (directions, bytes).
        words: random bits, one for each direction, shape (shots, words).
        out: shape (shots, bytes).
    """
    for shot in range(len(states)):
        out[shot] = origins[states[shot]]
        for each in range(len(directions)):
            if words[shot, each >> 6] >> np.uint64(each & 63) & np.uint64(1):
                for byte in range(out.shape[1]):
                    out[shot, byte] ^= directions[each, byte]


@compiled_for(
    ROWS, POWERS, PLACES, FRAMES, "int64[::1]", "int64[::1]", "uint64[:, ::1]", "uint64[:, ::1]", "int8[:, ::1]"
)
def expectations(
    rows: NDArray[Any], powers: NDArray[Any], places: NDArray[Any], frames: NDArray[Any], states: NDArray[Any],
    qubits: NDArray[Any], x_masks: NDArray[Any], z_masks: NDArray[Any], out: NDArray[Any],
) -> None:  # fmt: skip
    """Write the expectation values of Paulis, which are 1, 0 or -1.

    Args:
        rows: those of the tableau, as are `powers` and `places`.
        powers: uint8, shape (2 * qubits,).
        places: int32, shape (2 * qubits,).
        frames: shape (states, words).
        states: the places in `frames` of the states that have this tableau.
        qubits: bit i of a mask belongs to ``qubits[i]``.
        x_masks: uint64, shape (terms, words).
        z_masks: the same for Z.
        out: shape (len(states), terms).
    """
    size, width = len(places) // 2, frames.shape[1]
    image = np.empty(2 * width, np.uint64)
    for term in range(len(x_masks)):
        image[:] = 0
        power = np.int64(0)
        # X of all qubits, then Z of all: Y is i X Z.
        for part in range(2):
            for at in range(len(qubits)):
                word, shift = at >> 6, np.uint64(at & 63)
                x, z = x_masks[term, word] >> shift & np.uint64(1), z_masks[term, word] >> shift & np.uint64(1)
                if not (z if part else x):
                    continue
                row = places[part * size + qubits[at]]
                crossed = np.uint64(0)
                for each in range(width):
                    crossed ^= image[width + each] & rows[row, each]
                for each in range(2 * width):
                    image[each] ^= rows[row, each]
                power += np.int64(powers[row]) + 2 * np.int64(is_odd(crossed)) + np.int64(part and x)
        spread = False
        for each in range(width):
            spread = spread or image[each] != 0
        for at in range(len(states)):
            crossed = np.uint64(0)
            for each in range(width):
                crossed ^= image[width + each] & frames[states[at], each]
            sign = 1 - ((power & 2) ^ (2 * np.int64(is_odd(crossed))))
            out[at, term] = 0 if spread else sign


@compiled_for("uint64[:, ::1]", "int64[::1]")
def first_equal(keys: NDArray[Any], firsts: NDArray[Any]) -> None:
    """Write the first equal row of each row.

    Args:
        keys: shape (rows, words).
        firsts: shape (rows,).
    """
    size = 16
    while size < 2 * len(keys):
        size *= 2
    table = np.full(size, -1, np.int64)
    for row in range(len(keys)):
        mixed = np.uint64(0)
        for word in range(keys.shape[1]):
            mixed = (mixed ^ keys[row, word]) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
        place = np.int64(mixed & np.uint64(size - 1))
        while True:
            other = table[place]
            if other < 0:
                table[place] = row
                firsts[row] = row
                break
            same = True
            for word in range(keys.shape[1]):
                same = same and keys[row, word] == keys[other, word]
            if same:
                firsts[row] = other
                break
            place = (place + 1) & (size - 1)
