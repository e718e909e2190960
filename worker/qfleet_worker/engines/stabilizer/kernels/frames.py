# SPDX-License-Identifier: Apache-2.0
"""Pauli frames of blocks of shots, taken through a circuit.

A frame is the Pauli by which a shot's state differs from that of a reference: two bits for each qubit and shot. Gates
add and exchange them, errors flip them, and a measurement reads one: C. Gidney, "Stim: a fast stabilizer circuit
simulator", Quantum 5, 497 (2021), section 3. Where the reference's outcome is random, the shot's is too, since a random
Z was added where Z changes nothing: to |0>, and behind a measurement.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import built_in, compiled_for, inner_code, structure
from qfleet_worker.engines.stabilizer.kernels.chances import next_word, places_before_error, start_streams
from qfleet_worker.engines.stabilizer.kernels.rows import (
    BLOCK,
    WORDS,
    add_flipped_row,
    add_row,
    copy_row,
    draw_row,
    exchange_bits,
    exchange_rows,
    fill_row,
)

# The numbers of `Elementary`, for gates, measurements and resets, and steps of other kinds.
H: Final = 0
S: Final = 1
SX: Final = 2
CX: Final = 6
CZ: Final = 7
SWAP: Final = 8
#: Read a qubit into a row, half the second operand; the lowest bit of that is the reference's outcome.
MEASURE: Final = 9
RESET: Final = 10
#: Errors on qubits: the place of the first of them, and the channel.
NOISE: Final = 11
#: The same for the shots of one row alone.
NOISE_WHERE: Final = 12
#: As `MEASURE`, of a qubit whose Z makes no difference afterwards.
READ: Final = 13
#: Errors of a readout: the row that was read, and the kind of the error.
FLIP: Final = 14
#: X on a qubit in the shots of a row, half the second operand; in the others, if the lowest bit of that is 1. So it is
#: where shots differ from the reference.
X_WHERE: Final = 15
#: The same for Z.
Z_WHERE: Final = 16
#: Give a row the words of another, half the second operand, or the opposite ones if the lowest bit of that is 1.
COPY: Final = 17
#: Combine a row with another.
XOR: Final = 18
AND: Final = 19
#: Give a row ones, or zeros if the second operand is 0.
FILL: Final = 20

_ONES: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
_ZEROS: Final = np.uint64(0)
_ONE: Final = np.uint64(1)


@structure(codes="uint8[::1]", first="int32[::1]", second="int32[::1]", where="int64")
class Steps(NamedTuple):
    """Steps of frames, in order."""

    codes: NDArray[Any]
    first: NDArray[Any]
    second: NDArray[Any]
    #: the row of the shots that `NOISE_WHERE` is for
    where: int


@structure(
    targets="int32[::1]",
    widths="int32[::1]",
    per_log="float64[::1]",
    chance_of="int32[::1]",
    begins="int32[::1]",
    limits="uint64[::1]",
    others="int32[::1]",
    x="uint8[::1]",
    z="uint8[::1]",
    flip_chance_of="int32[::1]",
    flip_limits="uint64[:,::1]",
)
class Errors(NamedTuple):
    """The channels and readout errors of a program."""

    #: the qubits of noise, at the places that steps name
    targets: NDArray[Any]
    #: of each channel: the number of its qubits
    widths: NDArray[Any]
    #: of each distinct chance of an error: see `places_per_log`
    per_log: NDArray[Any]
    #: of each channel: the number of its chance
    chance_of: NDArray[Any]
    #: where each channel's branches begin, and the last one's end
    begins: NDArray[Any]
    #: of each branch: a number below this selects it, another one the branch `others` (A. J. Walker, 1974)
    limits: NDArray[Any]
    others: NDArray[Any]
    #: of each branch: the targets that get X or Y, and those that get Z or Y
    x: NDArray[Any]
    z: NDArray[Any]
    #: of each kind of readout error: the number of the larger chance
    flip_chance_of: NDArray[Any]
    #: and below which number it happens to a 0 and to a 1, where the larger chance says so; all ones: always
    flip_limits: NDArray[Any]


@compiled_for("Steps", "Errors", "int64", "int64", "int64", "int64", "int64", "uint64[:,::1]")
def run_blocks(
    steps: Steps,
    errors: Errors,
    num_qubits: int,
    num_rows: int,
    seed: int,
    first_block: int,
    blocks: int,
    outcomes: NDArray[Any],
) -> None:
    """Run blocks of shots, and write the bits of each shot.

    Args:
        steps: the circuit.
        errors: its noise.
        num_qubits: the number of qubits.
        num_rows: the number of rows of bits.
        seed: that of all shots.
        first_block: the number of the first block.
        blocks: how many to run.
        outcomes: takes the bits of the first rows, shape (blocks * BLOCK, words): bit i of word j is that of row
            64 j + i.
    """
    frame = np.empty(2 * num_qubits * WORDS, np.uint64)
    rows = np.empty(max(num_rows, 64 * outcomes.shape[1]) * WORDS, np.uint64)
    square = np.empty(64 * WORDS, np.uint64)
    streams = np.empty(6 * WORDS, np.uint64)
    left = np.empty(len(errors.per_log), np.int64)
    for block in range(blocks):
        start_streams(streams, seed, first_block + block)
        rows[:] = 0
        for number in range(len(left)):
            left[number] = places_before_error(streams, errors.per_log[number])
        for qubit in range(num_qubits):
            fill_row(frame, 2 * qubit * WORDS, _ZEROS)
            draw_row(streams, frame, (2 * qubit + 1) * WORDS)
        _run(steps, errors, frame, rows, streams, left)
        for word in range(outcomes.shape[1]):
            _transpose(rows, 64 * word * WORDS, square, outcomes, block * BLOCK, word)


@built_in
def _run(
    steps: Steps,
    errors: Errors,
    frame: NDArray[Any],
    rows: NDArray[Any],
    streams: NDArray[Any],
    left: NDArray[Any],
) -> None:
    """Take the frames of a block through the circuit."""
    spare = np.empty(WORDS, np.uint64)
    codes, first, second = steps.codes, steps.first, steps.second
    at, end = 0, len(codes)
    while at < end:
        code = codes[at]
        # Equal steps mostly follow each other: the processor foresees them.
        while at < end and codes[at] == code:
            a, b = int(first[at]), int(second[at])
            x, z = 2 * a * WORDS, (2 * a + 1) * WORDS
            if code <= SWAP:
                _apply(code, frame, x, z, 2 * b * WORDS, (2 * b + 1) * WORDS)
            elif code == NOISE:
                _add_errors(errors, a, b, frame, rows, -1, streams, left)
            elif code == RESET:
                fill_row(frame, x, _ZEROS)
                draw_row(streams, frame, z)
            elif code == MEASURE or code == READ:
                copy_row(rows, (b >> 1) * WORDS, frame, x, _ONES if b & 1 else _ZEROS)
                if code == MEASURE:
                    draw_row(streams, spare, 0)
                    add_row(frame, z, spare, 0)
            elif code == FLIP:
                _flip(errors, b, rows, a * WORDS, streams, left)
            elif code == NOISE_WHERE:
                _add_errors(errors, a, b, frame, rows, int(steps.where) * WORDS, streams, left)
            elif code <= Z_WHERE:
                to = x if code == X_WHERE else z
                add_flipped_row(frame, to, rows, (b >> 1) * WORDS, _ONES if b & 1 else _ZEROS)
            else:
                _combine(code, rows, a, b)
            at += 1


@built_in
def _apply(code: int, frame: NDArray[Any], x: int, z: int, other_x: int, other_z: int) -> None:
    """Take frames through a gate.

    Args:
        code: the gate's.
        frame: the frames.
        x: where the bits of X on its first qubit are.
        z: those of Z.
        other_x: the same for its second qubit.
        other_z: the same.
    """
    if code == CX:
        add_row(frame, other_x, frame, x)
        add_row(frame, z, frame, other_z)
    elif code == H:
        exchange_rows(frame, x, z)
    elif code == S:
        add_row(frame, z, frame, x)
    elif code == SX:
        add_row(frame, x, frame, z)
    elif code == CZ:
        add_row(frame, z, frame, other_x)
        add_row(frame, other_z, frame, x)
    else:
        exchange_rows(frame, x, other_x)
        exchange_rows(frame, z, other_z)


@built_in
def _combine(code: int, rows: NDArray[Any], a: int, b: int) -> None:
    """Give a row another value; the steps from `COPY` to `FILL`."""
    to, begin = a * WORDS, b * WORDS
    if code == COPY:
        copy_row(rows, to, rows, (b >> 1) * WORDS, _ONES if b & 1 else _ZEROS)
    elif code == XOR:
        add_row(rows, to, rows, begin)
    elif code == FILL:
        fill_row(rows, to, _ONES if b else _ZEROS)
    else:
        for word in range(WORDS):
            rows[to + word] &= rows[begin + word]


@built_in
def _add_errors(
    errors: Errors,
    place: int,
    channel: int,
    frame: NDArray[Any],
    rows: NDArray[Any],
    where: int,
    streams: NDArray[Any],
    left: NDArray[Any],
) -> None:
    """Add the errors of a channel to the shots that have one.

    If `where` is not negative, it is the place of the row of the shots that may have one.
    """
    chance = errors.chance_of[channel]
    shot = left[chance]
    begin = np.int64(errors.begins[channel])
    count, width = np.uint64(errors.begins[channel + 1] - begin), errors.widths[channel]
    while shot < BLOCK:
        branch = begin
        if count > _ONE:
            # The high half selects a column of Walker's table, what is left of it the branch there.
            word = next_word(streams)
            scaled = (word >> np.uint64(32)) * count
            branch += np.int64(scaled >> np.uint64(32))
            if (scaled << np.uint64(32) | word & np.uint64(0xFFFFFFFF)) >= errors.limits[branch]:
                branch = np.int64(errors.others[branch])
        word_at, bit = shot >> 6, _ONE << np.uint64(shot & 63)
        if where < 0 or rows[where + word_at] & bit:
            x, z = np.uint64(errors.x[branch]), np.uint64(errors.z[branch])
            # Most channels have one or two qubits: the processor needn't guess which bits are set.
            _add_error(frame, 2 * np.int64(errors.targets[place]) * WORDS + word_at, bit, x, z)
            if width > 1:
                x, z = x >> _ONE, z >> _ONE
                _add_error(frame, 2 * np.int64(errors.targets[place + 1]) * WORDS + word_at, bit, x, z)
                target = place + 2
                while (x | z) > _ONE:
                    x, z = x >> _ONE, z >> _ONE
                    _add_error(frame, 2 * np.int64(errors.targets[target]) * WORDS + word_at, bit, x, z)
                    target += 1
        shot += 1 + places_before_error(streams, errors.per_log[chance])
    left[chance] = shot - BLOCK


@inner_code
def _add_error(frame: NDArray[Any], at: int, bit: Any, x: Any, z: Any) -> None:
    """Add X and Z to one shot, by the lowest bits.

    Args:
        frame: the frames.
        at: where the shot's bits of X are on the qubit; those of Z are in the next row.
        bit: the shot's.
        x: its lowest bit is for X.
        z: its lowest bit is for Z.
    """
    frame[at] ^= bit * (x & _ONE)
    frame[at + WORDS] ^= bit * (z & _ONE)


@built_in
def _flip(errors: Errors, kind: int, rows: NDArray[Any], row: int, streams: NDArray[Any], left: NDArray[Any]) -> None:
    """Let some shots read the opposite of what was measured."""
    chance = errors.flip_chance_of[kind]
    shot = left[chance]
    while shot < BLOCK:
        at, bit = row + (shot >> 6), _ONE << np.uint64(shot & 63)
        limit = errors.flip_limits[kind, 1 if rows[at] & bit else 0]
        if limit == _ONES or next_word(streams) < limit:
            rows[at] ^= bit
        shot += 1 + places_before_error(streams, errors.per_log[chance])
    left[chance] = shot - BLOCK


@built_in
def _transpose(
    rows: NDArray[Any], begin: int, square: NDArray[Any], outcomes: NDArray[Any], shot: int, column: int
) -> None:
    """Write the bits of 64 rows as a word for each shot.

    Each of the 16 words of the rows makes a square of 64 x 64 bits; halves of halves of it are exchanged: H. S. Warren,
    "Hacker's Delight", section 7-3.
    """
    for row in range(64):
        copy_row(square, row * WORDS, rows, begin + row * WORDS, _ZEROS)
    distance, mask = 32, np.uint64(0x00000000FFFFFFFF)
    while distance:
        low = 0
        while low < 64:
            exchange_bits(square, low * WORDS, (low + distance) * WORDS, np.uint64(distance), mask)
            low = (low + distance + 1) & ~distance
        distance >>= 1
        mask ^= mask << np.uint64(distance)
    for row in range(64):
        for word in range(WORDS):
            outcomes[shot + 64 * word + row, column] = square[row * WORDS + word]
