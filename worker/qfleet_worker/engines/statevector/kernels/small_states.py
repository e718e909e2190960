# SPDX-License-Identifier: Apache-2.0
"""Work on many small states, in machine code.

Each state is a row of an array.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import compiled_for, inner_code
from qfleet_worker.engines.statevector.kernels.bits import popcount

#: Amplitudes that are permuted together.
LANES = 8


@compiled_for("{complex}[:, ::1]", "int64", "float64[:, ::1]")
def weights(states: NDArray[Any], wire: int, sums: NDArray[Any]) -> None:
    """Write each row's sums of squares for both values of a wire.

    `wire` is the wire's bit. `sums` has shape (2, rows).
    """
    for row in range(states.shape[0]):
        zero = one = 0.0
        for high in range(0, states.shape[1], 2 * wire):
            for at in range(high, high + wire):
                value = states[row, at]
                zero += np.float64(value.real) * value.real + np.float64(value.imag) * value.imag
                value = states[row, at + wire]
                one += np.float64(value.real) * value.real + np.float64(value.imag) * value.imag
        sums[0, row] = zero
        sums[1, row] = one


@compiled_for("{complex}[:, ::1]", "float64[::1]")
def norms(states: NDArray[Any], sums: NDArray[Any]) -> None:
    """Write each row's sum of squares."""
    for row in range(states.shape[0]):
        # Rows have at least four amplitudes; the sums don't wait for each other.
        a = b = c = d = 0.0
        for at in range(0, states.shape[1], 4):
            first, second = states[row, at], states[row, at + 1]
            third, fourth = states[row, at + 2], states[row, at + 3]
            a += np.float64(first.real) * first.real + np.float64(first.imag) * first.imag
            b += np.float64(second.real) * second.real + np.float64(second.imag) * second.imag
            c += np.float64(third.real) * third.real + np.float64(third.imag) * third.imag
            d += np.float64(fourth.real) * fourth.real + np.float64(fourth.imag) * fourth.imag
        sums[row] = (a + b) + (c + d)


@compiled_for(
    "{complex}[:, ::1]", "int64[::1]", "boolean[::1]", "float64[::1]", "int64", "boolean", "{complex}[:, ::1]"
)
def collapse(
    states: NDArray[Any], sources: NDArray[Any], ones: NDArray[Any], factors: NDArray[Any], wire: int, reset: bool,
    out: NDArray[Any],
) -> None:  # fmt: skip
    """Project rows on values of a wire, and scale them.

    Row i of `out` gets the projection of row ``sources[i]``. With `reset` the wire is 0 afterwards.
    """
    for row in range(out.shape[0]):
        source, factor = sources[row], factors[row]
        taken = wire if ones[row] else 0
        given = 0 if reset else taken
        for high in range(0, states.shape[1], 2 * wire):
            for at in range(high, high + wire):
                out[row, at + given] = states[source, at + taken] * factor
                out[row, at + wire - given] = 0


@inner_code
def _scale(row: NDArray[Any], mask: int, places: NDArray[Any], matrix: NDArray[Any]) -> None:
    """Multiply a row by a diagonal matrix.

    ``places[i]`` is the index bits of value i of the wires in `mask`.
    """
    size, run = len(row), mask & -mask
    for place in range(len(places)):
        factor, base = matrix[place, place], places[place]
        free = size - 1 & ~mask & -run
        high = 0
        while True:
            for at in range(base | high, (base | high) + run):
                row[at] *= factor
            high = (high - free) & free
            if high == 0:
                break


@compiled_for("{complex}[:, ::1]", "int64[::1]", "float64[::1]", "int64[::1]", "complex128[:, ::1]")
def multiply(  # noqa: C901 - a kernel
    states: NDArray[Any], chosen: NDArray[Any], factors: NDArray[Any], wires: NDArray[Any], matrix: NDArray[Any]
) -> None:
    """Multiply some wires of some rows by a matrix and a number.

    Row ``chosen[i]`` is multiplied by ``factors[i]`` too. The first wire is the lowest bit of the matrix's index.
    """
    size, side = states.shape[1], matrix.shape[0]
    scaled = np.empty((side, side), states.dtype)
    mask = 0
    for wire in wires:
        mask |= 1 << wire
    places, before = np.zeros(side, np.int64), np.empty(side, states.dtype)
    for place in range(side):
        for bit in range(len(wires)):
            places[place] |= (place >> bit & 1) << wires[bit]
    is_diagonal = True
    for i in range(side):
        for j in range(side):
            is_diagonal &= i == j or matrix[i, j] == 0
    for number in range(len(chosen)):
        row = states[chosen[number]]
        for i in range(side):
            for j in range(side):
                scaled[i, j] = matrix[i, j] * factors[number]
        if is_diagonal:
            _scale(row, mask, places, scaled)
            continue
        if side == 2:
            half = places[1]
            a, b, c, d = scaled[0, 0], scaled[0, 1], scaled[1, 0], scaled[1, 1]
            for high in range(0, size, 2 * half):
                for at in range(high, high + half):
                    x, y = row[at], row[at + half]
                    row[at] = a * x + b * y
                    row[at + half] = c * x + d * y
            continue
        base = 0
        while base < size:
            for place in range(side):
                before[place] = row[base | places[place]]
            for i in range(side):
                total = scaled[i, 0] * before[0]
                for j in range(1, side):
                    total += scaled[i, j] * before[j]
                row[base | places[i]] = total
            base = ((base | mask) + 1) & ~mask


@compiled_for("{real}[:, ::1]", "int64[::1]", "int64[::1]", "int64[::1]", "{real}[:, ::1]")
def fork(
    states: NDArray[Any], sources: NDArray[Any], x_masks: NDArray[Any], z_masks: NDArray[Any], out: NDArray[Any]
) -> None:
    """Write copies of some rows with Paulis.

    Rows are real and imaginary parts. The masks are those of `paulis`.
    """
    size = states.shape[1] >> 1
    lanes = min(LANES, size)
    places, signs = np.empty(2 * lanes, np.int64), np.empty(2 * lanes, states.dtype)
    for number in range(len(sources)):
        source, target, x, z = states[sources[number]], out[number], x_masks[number], z_masks[number]
        ys = popcount(x & z) & 3
        lowest = (x | z) & -(x | z)
        run = size if lowest == 0 else max(lowest, lanes)
        low = x & (lanes - 1)
        for lane in range(2 * lanes):
            # The real part of i times a number is minus its imaginary part.
            place = lane >> 1 ^ low
            places[lane] = 2 * place + ((lane ^ ys) & 1)
            signs[lane] = -1.0 if (popcount(place & z) ^ (ys & ~lane) ^ ys >> 1) & 1 else 1.0
        high = ~(lanes - 1)
        for begin in range(0, size, run):
            sign = -1.0 if popcount(begin & z & high) & 1 else 1.0
            to = begin ^ (x & high)
            # Slices, for which no index can be negative, become vector instructions.
            given, taken = source[2 * begin : 2 * (begin + run)], target[2 * to : 2 * (to + run)]
            if lowest < lanes and lowest > 0:
                for lane in range(2 * lanes):
                    taken[lane] = sign * signs[lane] * given[places[lane]]
            elif ys & 1:
                sign *= signs[1]
                for pair in range(run):
                    taken[2 * pair] = -sign * given[2 * pair + 1]
                    taken[2 * pair + 1] = sign * given[2 * pair]
            else:
                sign *= signs[0]
                for place in range(2 * run):
                    taken[place] = sign * given[place]


@compiled_for("{complex}[:, ::1]", "int64[::1]", "int64[::1]", "int64[::1]")
def paulis(states: NDArray[Any], chosen: NDArray[Any], x_masks: NDArray[Any], z_masks: NDArray[Any]) -> None:
    """Apply a Pauli to each of some rows.

    Row ``chosen[i]`` gets X on the wires of ``x_masks[i]`` and Z on those of ``z_masks[i]``, which is Y on both.
    """
    for number in range(len(chosen)):
        row, x, z = states[chosen[number]], x_masks[number], z_masks[number]
        ys = popcount(x & z) & 3
        re, im = (1.0, 0.0) if ys == 0 else (0.0, 1.0) if ys == 1 else (-1.0, 0.0) if ys == 2 else (0.0, -1.0)
        lowest = x & -x
        for at in range(len(row)):
            sign = -1.0 if popcount(at & z) & 1 else 1.0
            if x == 0:
                if sign < 0:
                    row[at] = -row[at]
            elif at & lowest == 0:
                other = at ^ x
                other_sign = -1.0 if popcount(other & z) & 1 else 1.0
                a, b = row[at], row[other]
                row[other] = complex(a.real * re - a.imag * im, a.real * im + a.imag * re) * sign
                row[at] = complex(b.real * re - b.imag * im, b.real * im + b.imag * re) * other_sign


@compiled_for("{complex}[:, ::1]", "int64[::1]", "int64[::1]", "complex128[:, :, ::1]")
def densities(states: NDArray[Any], chosen: NDArray[Any], wires: NDArray[Any], found: NDArray[Any]) -> None:
    """Add the reduced density matrices of some rows to `found`.

    They are over some wires, the first of which is the lowest bit of a matrix's index.
    """
    size, side = states.shape[1], found.shape[1]
    mask = 0
    for wire in wires:
        mask |= 1 << wire
    places = np.zeros(side, np.int64)
    for place in range(side):
        for bit in range(len(wires)):
            places[place] |= (place >> bit & 1) << wires[bit]
    for number in range(len(chosen)):
        row, matrix = states[chosen[number]], found[number]
        base = 0
        while base < size:
            for i in range(side):
                x = np.complex128(row[base | places[i]])
                for j in range(i + 1):
                    matrix[i, j] += x * np.complex128(row[base | places[j]]).conjugate()
            base = ((base | mask) + 1) & ~mask
        for i in range(side):
            for j in range(i):
                matrix[j, i] = matrix[i, j].conjugate()


@compiled_for("{complex}[:, ::1]", "int64[::1]", "float64[:, ::1]")
def populations(states: NDArray[Any], wires: NDArray[Any], sums: NDArray[Any]) -> None:
    """Write each row's sums of squares by the values of some wires.

    `sums` has shape (rows, values); the first wire is the lowest bit of a value.
    """
    size = states.shape[1]
    mask = 0
    for wire in wires:
        mask |= 1 << wire
    run = mask & -mask
    free = size - 1 & ~mask & -run
    for value in range(sums.shape[1]):
        base = 0
        for bit in range(len(wires)):
            base |= (value >> bit & 1) << wires[bit]
        for row in range(states.shape[0]):
            total, high = 0.0, 0
            while True:
                for at in range(base | high, (base | high) + run):
                    number = states[row, at]
                    total += np.float64(number.real) * number.real + np.float64(number.imag) * number.imag
                high = (high - free) & free
                if high == 0:
                    break
            sums[row, value] = total


@compiled_for("{complex}[:, ::1]", "int64[::1]", "float64[::1]", "int64[::1]", "float64", "int64[::1]")
def lead(
    states: NDArray[Any], kinds: NDArray[Any], prints: NDArray[Any], order: NDArray[Any], tolerance: float,
    leaders: NDArray[Any],
) -> None:  # fmt: skip
    """Find an equal row of the same kind for each row.

    Rows are equal up to a global phase. `order` sorts the rows by kind, then by `prints`, which differ by less than
    `tolerance` for equal rows.
    """
    size = states.shape[1]
    for place in range(len(order)):
        row = order[place]
        leaders[row] = row
        before = place - 1
        while before >= 0:
            other = order[before]
            if kinds[other] != kinds[row] or prints[row] - prints[other] > 2 * tolerance:
                break
            before -= 1
            if leaders[other] != other:
                continue
            real = imag = 0.0
            for at in range(size):
                a, b = states[row, at], states[other, at]
                real += np.float64(a.real) * b.real + np.float64(a.imag) * b.imag
                imag += np.float64(a.imag) * b.real - np.float64(a.real) * b.imag
            length = np.sqrt(real * real + imag * imag)
            if abs(length - 1) > 1e-3:
                continue
            real /= length
            imag /= length
            apart = 0.0
            for at in range(size):
                a, b = states[row, at], states[other, at]
                x = a.real - (b.real * real - b.imag * imag)
                y = a.imag - (b.real * imag + b.imag * real)
                apart += x * x + y * y
            if apart <= tolerance * tolerance:
                leaders[row] = other
                break


@compiled_for("{complex}[:, ::1]", "float64[:, ::1]")
def accumulate(states: NDArray[Any], sums: NDArray[Any]) -> None:
    """Write running sums of the squares of each row.

    They are over as many amplitudes as `sums` has columns.
    """
    for row in range(sums.shape[0]):
        total = 0.0
        for at in range(sums.shape[1]):
            value = states[row, at]
            total += np.float64(value.real) * value.real + np.float64(value.imag) * value.imag
            sums[row, at] = total


@compiled_for("float64[:, ::1]", "Array(int64, 1, 'C', True)", "float64[::1]", "int64[::1]")
def find(sums: NDArray[Any], members: NDArray[Any], numbers: NDArray[Any], found: NDArray[Any]) -> None:
    """Find where the running sums of shots' rows pass their numbers.

    The numbers are uniform in [0, 1).
    """
    for shot in range(len(found)):
        row = members[shot]
        low, high = 0, sums.shape[1] - 1
        point = numbers[shot] * sums[row, high]
        while low < high:
            middle = (low + high) >> 1
            if sums[row, middle] > point:
                high = middle
            else:
                low = middle + 1
        # Rounding may put a point behind the last amplitude that has any probability.
        while low > 0 and sums[row, low] <= sums[row, low - 1]:
            low -= 1
        found[shot] = low
