# SPDX-License-Identifier: Apache-2.0
"""Which few gates does a stretch of a program come down to? In machine code.

One-qubit gates wait on their wire until another gate needs it, and are multiplied with each other or into that gate;
SWAPs exchange the wires of two qubits; two-qubit matrices take up what follows and precedes on the same two wires.
What comes out are rows of four kinds: a matrix on up to four targets with any controls, an X with controls, a diagonal
as a product of *terms*, each a factor for the amplitudes whose index has a value under a mask, and nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.statevector import matrices as m
from qfleet_worker.engines.statevector.machine_code import machine_code
from qfleet_worker.engines.statevector.matrices import (
    NUM_PARAMS,
    fill_many,
    fill_one,
    one_times,
    product4,
    times_one,
    turn,
)

NOTHING, DENSE, FLIP, DIAGONAL = range(4)
#: The columns of a gate: its kind; the wires that it changes, and those it only looks at, as masks; its controls and
#: the values they must have; where its matrix or its terms begin; how many targets or terms; the targets, 8 bits each.
KIND, CHANGES, READS, CONTROLS, VALUES, AT, SIZE, TARGETS = range(8)
COLUMNS = 8

#: Rows of the counters.
GATES, POOL, TERMS = range(3)

_DIAGONAL_ONE = np.zeros(64, np.bool_)
_DIAGONAL_ONE[[m.Z, m.S, m.SDG, m.T, m.TDG, m.P, m.RZ]] = True


@machine_code
def is_real(one: NDArray[Any]) -> bool:
    """Whether a one-qubit matrix has real entries only."""
    return bool(one[0].imag == 0 and one[1].imag == 0 and one[2].imag == 0 and one[3].imag == 0)


@machine_code
def is_mixed(one: NDArray[Any]) -> bool:
    """Whether a one-qubit matrix is real on its diagonal and imaginary off it."""
    return bool(one[0].imag == 0 and one[1].real == 0 and one[2].real == 0 and one[3].imag == 0)


@machine_code
def _append(gates: NDArray[Any], counts: NDArray[Any], last: NDArray[Any], kind: int, changes: int, reads: int) -> int:
    """A new gate, as the last one on its wires."""
    at = int(counts[GATES])
    counts[GATES] += 1
    gates[at, KIND] = kind
    gates[at, CHANGES] = changes
    gates[at, READS] = reads
    gates[at, CONTROLS] = 0
    gates[at, VALUES] = 0
    gates[at, SIZE] = 0
    gates[at, TARGETS] = 0
    gates[at, AT] = counts[TERMS] if kind == DIAGONAL else counts[POOL]
    left = changes | reads
    wire = 0
    while left:
        if left & 1:
            last[wire] = at
        left >>= 1
        wire += 1
    return at


@machine_code
def _term(gates: NDArray[Any], counts: NDArray[Any], masks: NDArray[Any], factors: NDArray[Any], at: int,
          mask: int, value: int, factor: complex) -> None:  # fmt: skip
    """Another term of the diagonal that is the last gate."""
    if factor == 1:
        return
    place = counts[TERMS]
    masks[place, 0] = mask
    masks[place, 1] = value
    factors[place] = factor
    counts[TERMS] += 1
    gates[at, SIZE] += 1


@machine_code
def _flush(gates: NDArray[Any], counts: NDArray[Any], last: NDArray[Any], pool: NDArray[Any], masks: NDArray[Any],
           factors: NDArray[Any], waits: NDArray[Any], ones: NDArray[Any], diagonals: NDArray[Any],
           wire: int) -> None:  # fmt: skip
    """Turn what waits on a wire into gates."""
    if waits[wire, 0]:
        at = _append(gates, counts, last, DENSE, 1 << wire, 0)
        gates[at, SIZE] = 1
        gates[at, TARGETS] = wire
        pool[gates[at, AT] : gates[at, AT] + 4] = ones[wire]
        counts[POOL] += 4
        waits[wire, 0] = 0
    if waits[wire, 1]:
        at = _append(gates, counts, last, DIAGONAL, 0, 1 << wire)
        _term(gates, counts, masks, factors, at, 1 << wire, 0, diagonals[wire, 0])
        _term(gates, counts, masks, factors, at, 1 << wire, 1 << wire, diagonals[wire, 1])
        waits[wire, 1] = 0


@machine_code
def _small_matrix(gates: NDArray[Any], pool: NDArray[Any], masks: NDArray[Any], factors: NDArray[Any], at: int,
                  low: int, high: int, out: NDArray[Any]) -> None:  # fmt: skip
    """The matrix of a gate that acts on two wires only, with `low` as the lower bit of its index."""
    out[:] = 0
    kind = gates[at, KIND]
    for column in range(4):
        index = (column & 1) << low | (column >> 1) << high
        if kind == DIAGONAL:
            factor = 1 + 0j
            for term in range(gates[at, AT], gates[at, AT] + gates[at, SIZE]):
                if index & masks[term, 0] == masks[term, 1]:
                    factor *= factors[term]
            out[5 * column] = factor
            continue
        if index & gates[at, CONTROLS] != gates[at, VALUES]:
            out[5 * column] = 1
        elif kind == FLIP:
            out[4 * (column ^ (1 if gates[at, TARGETS] == low else 2)) + column] = 1
        elif gates[at, SIZE] == 1:
            bit = 0 if gates[at, TARGETS] == low else 1
            inside = column >> bit & 1
            for row in range(2):
                out[4 * (column & ~(1 << bit) | row << bit) + column] = pool[gates[at, AT] + 2 * row + inside]
        else:
            same = gates[at, TARGETS] & 255 == low
            inside = column if same else (column & 1) << 1 | column >> 1
            for row in range(4):
                to = row if same else (row & 1) << 1 | row >> 1
                out[4 * to + column] = pool[gates[at, AT] + 4 * row + inside]


@machine_code
def _merge_pair(gates: NDArray[Any], counts: NDArray[Any], pool: NDArray[Any], masks: NDArray[Any],
                factors: NDArray[Any], before: int) -> None:  # fmt: skip
    """Multiply the last gate with the one before it where both act on the same two wires and one is a plain matrix."""
    at = counts[GATES] - 1
    wires = gates[at, CHANGES] | gates[at, READS]
    if before < 0 or gates[before, KIND] == NOTHING or gates[before, CHANGES] | gates[before, READS] != wires:
        return
    plain = gates[at, KIND] == DENSE and gates[at, SIZE] == 2
    plain_before = gates[before, KIND] == DENSE and gates[before, SIZE] == 2
    if not (plain or plain_before):
        return
    low = high = -1
    for wire in range(64):
        if wires >> wire & 1:
            if low < 0:
                low = wire
            else:
                high = wire
                break
    left, right = np.empty(16, np.complex128), np.empty(16, np.complex128)
    _small_matrix(gates, pool, masks, factors, at, low, high, left)
    _small_matrix(gates, pool, masks, factors, before, low, high, right)
    if gates[at, KIND] == DIAGONAL:
        counts[TERMS] = gates[at, AT]
    else:
        counts[POOL] = gates[at, AT]
    gates[before, KIND] = NOTHING
    place = counts[POOL]
    counts[POOL] += 16
    product4(left, pool, place, right)
    gates[at, KIND] = DENSE
    gates[at, CHANGES] = wires
    gates[at, READS] = 0
    gates[at, CONTROLS] = 0
    gates[at, VALUES] = 0
    gates[at, AT] = place
    gates[at, SIZE] = 2
    gates[at, TARGETS] = low | high << 8


@machine_code
def _one(gates: NDArray[Any], counts: NDArray[Any], last: NDArray[Any], pool: NDArray[Any], masks: NDArray[Any],
         factors: NDArray[Any], waits: NDArray[Any], ones: NDArray[Any], diagonals: NDArray[Any],
         wire: int, one: NDArray[Any], split: bool) -> None:  # fmt: skip
    """A one-qubit gate without controls."""
    diagonal = one[1] == 0 and one[2] == 0
    at = last[wire]
    if at >= 0 and not waits[wire, 0] and not waits[wire, 1]:
        wide = gates[at, KIND] == DENSE and gates[at, SIZE] > 1
        if wide and gates[at, CONTROLS] == 0 and gates[at, CHANGES] >> wire & 1:
            bit = 0
            while gates[at, TARGETS] >> (8 * bit) & 255 != wire:
                bit += 1
            one_times(pool, gates[at, AT], gates[at, SIZE], bit, one)
            return
    if diagonal:
        if waits[wire, 0] and split and (is_real(ones[wire]) or is_mixed(ones[wire])):
            _flush(gates, counts, last, pool, masks, factors, waits, ones, diagonals, wire)
        if waits[wire, 0]:
            ones[wire, 0] *= one[0]
            ones[wire, 1] *= one[0]
            ones[wire, 2] *= one[3]
            ones[wire, 3] *= one[3]
        elif waits[wire, 1]:
            diagonals[wire, 0] *= one[0]
            diagonals[wire, 1] *= one[3]
        else:
            diagonals[wire, 0] = one[0]
            diagonals[wire, 1] = one[3]
            waits[wire, 1] = 1
        return
    if waits[wire, 1]:
        if split and (is_real(one) or is_mixed(one)):
            _flush(gates, counts, last, pool, masks, factors, waits, ones, diagonals, wire)
        else:
            one[0] *= diagonals[wire, 0]
            one[1] *= diagonals[wire, 1]
            one[2] *= diagonals[wire, 0]
            one[3] *= diagonals[wire, 1]
            waits[wire, 1] = 0
    if waits[wire, 0]:
        a, b, c, d = ones[wire, 0], ones[wire, 1], ones[wire, 2], ones[wire, 3]
        ones[wire, 0] = one[0] * a + one[1] * c
        ones[wire, 1] = one[0] * b + one[1] * d
        ones[wire, 2] = one[2] * a + one[3] * c
        ones[wire, 3] = one[2] * b + one[3] * d
    else:
        ones[wire] = one
        waits[wire, 0] = 1


@machine_code
def fuse(codes: NDArray[Any], num_controls: NDArray[Any], num_targets: NDArray[Any], operands: NDArray[Any],
         params: NDArray[Any], table_at: NDArray[Any], tables: NDArray[Any], wires: NDArray[Any],
         num_wires: int, split: bool, gates: NDArray[Any], pool: NDArray[Any], masks: NDArray[Any],
         factors: NDArray[Any]) -> tuple[int, complex]:  # fmt: skip
    """Fuse rows of unitary operations; `wires` holds each qubit's wire and is changed by SWAPs.

    ``split`` keeps real gates and diagonals apart instead of making complex matrices of them. Returns how many gates
    there are, and the factor of the whole state.
    """
    n = num_wires
    waits = np.zeros((n, 2), np.uint8)
    ones = np.empty((n, 4), np.complex128)
    diagonals = np.empty((n, 2), np.complex128)
    last = np.full(n, -1, np.int64)
    counts = np.zeros(3, np.int64)
    one = np.empty(4, np.complex128)
    target = np.empty(4, np.int64)
    phase = 1 + 0j
    operand = param = 0
    for row in range(len(codes)):
        code, width, k = codes[row], num_controls[row], num_targets[row]
        controls = values = 0
        for at in range(operand, operand + width):
            if operands[at] >= 0:
                controls |= 1 << wires[operands[at]]
                values |= 1 << wires[operands[at]]
            else:
                controls |= 1 << wires[~operands[at]]
        operand += width
        changes = 0
        for at in range(k):
            wire = wires[operands[operand + at]]
            changes |= 1 << wire
            if at < 4:
                target[at] = wire
        first = operand
        operand += k
        angle = param
        param += NUM_PARAMS[code]
        if code == m.GLOBAL_PHASE:
            if width == 0:
                phase *= turn(params[angle])
                continue
        elif width == 0 and code == m.SWAP:
            a, b = operands[first], operands[first + 1]
            wires[a], wires[b] = wires[b], wires[a]
            continue
        elif k == 1 and code != m.UNITARY and code != m.DIAGONAL:
            fill_one(code, params, angle, one)
        elif k == 1:
            start = table_at[row]
            one[0] = tables[start]
            one[1] = tables[start + 1] if code == m.UNITARY else 0
            one[2] = tables[start + 2] if code == m.UNITARY else 0
            one[3] = tables[start + (3 if code == m.UNITARY else 1)]
        if k == 1 and width == 0:
            _one(gates, counts, last, pool, masks, factors, waits, ones, diagonals, target[0], one, split)
            continue
        diagonal = code == m.RZZ or code == m.DIAGONAL or code == m.GLOBAL_PHASE or (width == 0 and code == m.ISWAP)
        diagonal = diagonal or (k == 1 and one[1] == 0 and one[2] == 0)
        plain = width == 0 and not diagonal and code != m.DCX
        for wire in range(n):
            if changes >> wire & 1:
                # What waits is multiplied into a plain matrix, and commutes with a diagonal if it is one itself.
                if not plain and (waits[wire, 0] or (waits[wire, 1] and not diagonal)):
                    _flush(gates, counts, last, pool, masks, factors, waits, ones, diagonals, wire)
            elif controls >> wire & 1 and waits[wire, 0]:
                _flush(gates, counts, last, pool, masks, factors, waits, ones, diagonals, wire)
        before = -1
        if k == 2 and width == 0:
            before = last[target[0]] if last[target[0]] == last[target[1]] else -1
        elif k == 1 and width == 1:
            for wire in range(n):
                if controls >> wire & 1 and last[wire] == last[target[0]]:
                    before = last[wire]
        if diagonal:
            at = _append(gates, counts, last, DIAGONAL, 0, changes | controls)
            mask = changes | controls
            if code == m.GLOBAL_PHASE:
                _term(gates, counts, masks, factors, at, controls, values, turn(params[angle]))
            elif k == 1:
                _term(gates, counts, masks, factors, at, mask, values, one[0])
                _term(gates, counts, masks, factors, at, mask, values | changes, one[3])
            elif code == m.RZZ and width == 0:
                phase *= turn(-params[angle] / 2)
                _term(gates, counts, masks, factors, at, 1 << target[0], 1 << target[0], turn(params[angle]))
                _term(gates, counts, masks, factors, at, 1 << target[1], 1 << target[1], turn(params[angle]))
                _term(gates, counts, masks, factors, at, changes, changes, turn(-2 * params[angle]))
            elif code == m.ISWAP:
                a, b = operands[first], operands[first + 1]
                wires[a], wires[b] = wires[b], wires[a]
                _term(gates, counts, masks, factors, at, 1 << target[0], 1 << target[0], 1j)
                _term(gates, counts, masks, factors, at, 1 << target[1], 1 << target[1], 1j)
                _term(gates, counts, masks, factors, at, changes, changes, -1 + 0j)
            else:
                for index in range(1 << k):
                    value = values
                    for bit in range(k):
                        value |= (index >> bit & 1) << wires[operands[first + bit]]
                    if code == m.RZZ:
                        odd = (index ^ index >> 1) & 1
                        factor = turn(params[angle] / 2 if odd else -params[angle] / 2)
                    else:
                        factor = tables[table_at[row] + index]
                    _term(gates, counts, masks, factors, at, mask, value, factor)
        elif k == 1 and code == m.X:
            at = _append(gates, counts, last, FLIP, changes, controls)
            gates[at, TARGETS] = target[0]
        elif code == m.DCX and width == 0:
            for control in range(2):
                at = _append(gates, counts, last, FLIP, 1 << target[1 - control], 1 << target[control])
                gates[at, TARGETS] = target[1 - control]
                gates[at, CONTROLS] = 1 << target[control]
                gates[at, VALUES] = 1 << target[control]
            continue
        else:
            at = _append(gates, counts, last, DENSE, changes, controls)
            place, size = gates[at, AT], 1 << 2 * k
            if k == 1:
                pool[place : place + 4] = one
            elif code == m.UNITARY:
                pool[place : place + size] = tables[table_at[row] : table_at[row] + size]
            else:
                fill_many(code, params, angle, pool[place : place + size])
            counts[POOL] += size
            gates[at, SIZE] = k
            for bit in range(k):
                gates[at, TARGETS] |= target[bit] << (8 * bit)
                wire = target[bit]
                if plain and (waits[wire, 0] or waits[wire, 1]):
                    if not waits[wire, 0]:
                        ones[wire] = 0
                        ones[wire, 0] = diagonals[wire, 0]
                        ones[wire, 3] = diagonals[wire, 1]
                    elif waits[wire, 1]:
                        ones[wire, :2] *= diagonals[wire, 0]
                        ones[wire, 2:] *= diagonals[wire, 1]
                    times_one(pool, place, k, bit, ones[wire])
                    waits[wire] = 0
        if not diagonal:
            gates[at, CONTROLS] = controls
            gates[at, VALUES] = values
        if before >= 0:
            _merge_pair(gates, counts, pool, masks, factors, before)
    for wire in range(n):
        _flush(gates, counts, last, pool, masks, factors, waits, ones, diagonals, wire)
    return counts[GATES], phase
