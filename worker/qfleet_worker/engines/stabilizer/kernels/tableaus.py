# SPDX-License-Identifier: Apache-2.0
"""Inverse tableaus of Clifford circuits, in machine code.

A state is ``U X**f |0...0>``: a Clifford U that many states share, and a *frame* f of their own. U is kept as its
inverse tableau: for each qubit the Paulis ``U* X U`` and ``U* Z U``. So a gate multiplies rows, a measurement that has
one outcome only reads a row, and any other takes one pass over all rows. (C. Gidney, "Stim: a fast stabilizer circuit
simulator", Quantum 5, 497 (2021); S. Aaronson and D. Gottesman, "Improved simulation of stabilizer circuits", Phys.
Rev. A 70, 052328 (2004).) A Pauli changes a frame alone, and so does the outcome of a measurement.

Row r is the Pauli ``i**powers[r] * X**x * Z**z``. ``rows[r]`` has the words of x, then those of z; ``places[q]`` is the
row of X of qubit q, ``places[n + q]`` that of Z. A frame has the words of x alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import compiled_for, inner_code
from qfleet_worker.engines.stabilizer.codes import Elementary
from qfleet_worker.engines.stabilizer.kernels.words import is_odd, lowest_bit

ROWS, POWERS, PLACES, FRAMES = "uint64[:, ::1]", "uint8[::1]", "int32[::1]", "uint64[:, ::1]"

# Machine code knows these by number.
H, S, SX, X, Y, Z, CX, CZ, SWAP, MEASURE, RESET, _ = [int(code) for code in Elementary]


@inner_code
def multiply(rows: NDArray[Any], powers: NDArray[Any], row: int, other: int, power: int) -> None:
    """Multiply a row by another one, and by a power of i."""
    width = rows.shape[1] // 2
    crossed = np.uint64(0)
    for word in range(width):
        x = rows[other, word]
        crossed ^= rows[row, width + word] & x
        rows[row, word] ^= x
        rows[row, width + word] ^= rows[other, width + word]
    powers[row] = (powers[row] + powers[other] + power + np.int64(2 * is_odd(crossed))) & 3


@inner_code
def shift_frames(rows: NDArray[Any], row: int, frames: NDArray[Any], states: NDArray[Any]) -> None:
    """Apply the Pauli whose inverse image is a row to some states."""
    for state in states:
        for word in range(frames.shape[1]):
            frames[state, word] ^= rows[row, word]


@inner_code
def _exchange(places: NDArray[Any], one: int, other: int) -> None:
    places[one], places[other] = places[other], places[one]


@inner_code
def _one_qubit(
    rows: NDArray[Any], powers: NDArray[Any], places: NDArray[Any], frames: NDArray[Any], states: NDArray[Any],
    code: int, qubit: int,
) -> None:  # fmt: skip
    of_z = len(places) // 2 + qubit
    if code == H:
        _exchange(places, qubit, of_z)
    elif code == S:
        multiply(rows, powers, places[qubit], places[of_z], 3)
    elif code == SX:
        multiply(rows, powers, places[of_z], places[qubit], 3)
    else:
        if code != Z:
            shift_frames(rows, places[qubit], frames, states)
        if code != X:
            shift_frames(rows, places[of_z], frames, states)


@inner_code
def apply_gate(
    rows: NDArray[Any], powers: NDArray[Any], places: NDArray[Any], frames: NDArray[Any], states: NDArray[Any],
    code: int, first: int, second: int,
) -> None:  # fmt: skip
    """Apply one gate to a tableau and the frames of its states."""
    size = len(places) // 2
    if code == CX:
        multiply(rows, powers, places[first], places[second], 0)
        multiply(rows, powers, places[size + second], places[size + first], 0)
    elif code == CZ:
        multiply(rows, powers, places[first], places[size + second], 0)
        multiply(rows, powers, places[second], places[size + first], 0)
    elif code == SWAP:
        _exchange(places, first, second)
        _exchange(places, size + first, size + second)
    else:
        _one_qubit(rows, powers, places, frames, states, code, first)


@compiled_for(ROWS, POWERS, PLACES, FRAMES, "int64[::1]", "uint8[::1]", "int32[::1]", "int32[::1]")
def apply_gates(
    rows: NDArray[Any], powers: NDArray[Any], places: NDArray[Any], frames: NDArray[Any], states: NDArray[Any],
    codes: NDArray[Any], firsts: NDArray[Any], seconds: NDArray[Any],
) -> None:  # fmt: skip
    """Apply gates to a tableau, and to the frames of some states.

    Args:
        rows: those of the tableau, as are `powers` and `places`.
        powers: uint8, shape (2 * qubits,).
        places: int32, shape (2 * qubits,).
        frames: shape (states, words).
        states: the places in `frames` of the states that have this tableau.
        codes: `Elementary` gates, and their qubits.
        firsts: shape (gates,).
        seconds: shape (gates,); of gates of two qubits.
    """
    for at in range(len(codes)):
        apply_gate(rows, powers, places, frames, states, codes[at], firsts[at], seconds[at])


@inner_code
def _pivot(rows: NDArray[Any], row: int) -> int:
    """Return the first qubit with an X in a row, or -1."""
    for word in range(rows.shape[1] // 2):
        if rows[row, word]:
            return int(64 * word + np.int64(lowest_bit(rows[row, word])))
    return -1


@inner_code
def collapse(rows: NDArray[Any], powers: NDArray[Any], row: int, scratch: NDArray[Any]) -> int:
    """Make a qubit's measurement have one outcome for each frame.

    A Clifford that leaves |0...0> as it is, or takes one of its qubits to a superposition, goes before U: CX from that
    qubit, the pivot, to all others with an X in the row; then S if the pivot's letter is Y; then H.

    Args:
        rows: those of the tableau, as are `powers`.
        powers: uint8, shape (2 * qubits,).
        row: that of the qubit's Z.
        scratch: gets the other qubits with an X; shape (words,).

    Returns:
        The pivot; -1 if there was only one outcome before.
    """
    pivot = _pivot(rows, row)
    if pivot < 0:
        return pivot
    width = rows.shape[1] // 2
    at, shift = pivot >> 6, np.uint64(pivot & 63)
    bit = np.uint64(1) << shift
    first, last = width, 0
    for word in range(width):
        scratch[word] = rows[row, word]
        if word == at:
            scratch[word] ^= bit
        if scratch[word]:
            first, last = min(first, word), word + 1
    crossed = np.uint64(0)
    for word in range(first, last):
        crossed ^= rows[row, width + word] & scratch[word]
    with_y = (rows[row, width + at] >> shift & np.uint64(1)) ^ is_odd(crossed)
    for each in range(rows.shape[0]):
        x = rows[each, at] >> shift & np.uint64(1)
        # All ones or nothing: a branch would often go the other way.
        some, crossed = np.uint64(0) - x, np.uint64(0)
        for word in range(first, last):
            crossed ^= rows[each, width + word] & scratch[word]
            rows[each, word] ^= scratch[word] & some
        z = (rows[each, width + at] >> shift & np.uint64(1)) ^ is_odd(crossed)
        with_s = x & with_y
        z ^= with_s
        powers[each] = (powers[each] + 3 * with_s + 2 * (x & z)) & np.uint64(3)
        rows[each, at] = rows[each, at] & ~bit | z << shift
        rows[each, width + at] = rows[each, width + at] & ~bit | x << shift
    return pivot


@inner_code
def parity_of(rows: NDArray[Any], row: int, frames: NDArray[Any], state: int) -> int:
    """Return how often a row's Z meets a frame, modulo 2."""
    width = rows.shape[1] // 2
    crossed = np.uint64(0)
    for word in range(width):
        crossed ^= rows[row, width + word] & frames[state, word]
    return np.int64(is_odd(crossed))  # type: ignore[return-value]


@inner_code
def take_parity(
    rows: NDArray[Any], row: int, frames: NDArray[Any], state: int, pivot: int, scratch: NDArray[Any], parity: int
) -> None:
    """Take a frame through `collapse`, to a parity with the row."""
    at, bit = pivot >> 6, np.uint64(1) << np.uint64(pivot & 63)
    if frames[state, at] & bit:
        for word in range(frames.shape[1]):
            frames[state, word] ^= scratch[word]
        frames[state, at] ^= bit
    if parity_of(rows, row, frames, state) != parity:
        frames[state, at] ^= bit


@compiled_for(ROWS, POWERS, PLACES, FRAMES, "int64[::1]", "int64", "uint8[::1]")
def values(
    rows: NDArray[Any], powers: NDArray[Any], places: NDArray[Any], frames: NDArray[Any], states: NDArray[Any],
    qubit: int, found: NDArray[Any],
) -> bool:  # fmt: skip
    """Write the value of a qubit in each state.

    Return False, and write nothing, if its measurement has two outcomes; all states of a tableau are alike in that.
    """
    row = places[len(places) // 2 + qubit]
    if _pivot(rows, row) >= 0:
        return False
    for at in range(len(states)):
        found[at] = powers[row] >> 1 ^ parity_of(rows, row, frames, states[at])
    return True


@compiled_for(ROWS, POWERS, PLACES, FRAMES, "int64[::1]", "int64", "uint8[::1]")
def project(
    rows: NDArray[Any], powers: NDArray[Any], places: NDArray[Any], frames: NDArray[Any], states: NDArray[Any],
    qubit: int, outcomes: NDArray[Any],
) -> None:  # fmt: skip
    """Give a qubit a value in each state, where it has none."""
    row = places[len(places) // 2 + qubit]
    scratch = np.empty(frames.shape[1], np.uint64)
    pivot = collapse(rows, powers, row, scratch)
    if pivot >= 0:
        for at in range(len(states)):
            take_parity(rows, row, frames, states[at], pivot, scratch, powers[row] >> 1 ^ outcomes[at])


@compiled_for(ROWS, PLACES, FRAMES, "int64[::1]", "int64[::1]", "uint64[:, ::1]", "uint64[:, ::1]")
def apply_paulis(
    rows: NDArray[Any], places: NDArray[Any], frames: NDArray[Any], states: NDArray[Any],
    qubits: NDArray[Any], x_masks: NDArray[Any], z_masks: NDArray[Any],
) -> None:  # fmt: skip
    """Apply a Pauli to each of some states of a tableau.

    Args:
        rows: those of the tableau, as are `places`.
        places: int32, shape (2 * qubits,).
        frames: shape (states, words).
        states: the places in `frames`.
        qubits: bit i of a mask belongs to ``qubits[i]``.
        x_masks: uint64, shape (len(states), words).
        z_masks: the same for Z.
    """
    size = len(places) // 2
    for at in range(len(states)):
        for bit in range(len(qubits)):
            word, shift = bit >> 6, np.uint64(bit & 63)
            if x_masks[at, word] >> shift & np.uint64(1):
                shift_frames(rows, places[qubits[bit]], frames, states[at : at + 1])
            if z_masks[at, word] >> shift & np.uint64(1):
                shift_frames(rows, places[size + qubits[bit]], frames, states[at : at + 1])


@compiled_for(ROWS, POWERS, PLACES, FRAMES, "uint8[::1]", "int32[::1]", "int32[::1]", "uint8[::1]")
def run_reference(
    rows: NDArray[Any], powers: NDArray[Any], places: NDArray[Any], frames: NDArray[Any],
    codes: NDArray[Any], firsts: NDArray[Any], seconds: NDArray[Any], outcomes: NDArray[Any],
) -> int:  # fmt: skip
    """Run gates, measurements and resets on one state.

    A random outcome is 0. Other codes are passed over.

    Args:
        rows: those of the tableau, as are `powers` and `places`.
        powers: uint8, shape (2 * qubits,).
        places: int32, shape (2 * qubits,).
        frames: shape (1, words).
        codes: `Elementary` operations, and their operands.
        firsts: shape (operations,).
        seconds: shape (operations,).
        outcomes: gets those of the measurements in order.

    Returns:
        The number of measurements.
    """
    one = np.zeros(1, np.int64)
    scratch = np.empty(frames.shape[1], np.uint64)
    found = 0
    for at in range(len(codes)):
        code, qubit = codes[at], firsts[at]
        if code <= SWAP:
            apply_gate(rows, powers, places, frames, one, code, qubit, seconds[at])
        elif code <= RESET:
            row = places[len(places) // 2 + qubit]
            pivot = collapse(rows, powers, row, scratch)
            if pivot >= 0:
                take_parity(rows, row, frames, 0, pivot, scratch, powers[row] >> 1)
            value = powers[row] >> 1 ^ parity_of(rows, row, frames, 0)
            if code == MEASURE:
                outcomes[found] = value
                found += 1
            elif value:
                shift_frames(rows, places[qubit], frames, one)
    return found
