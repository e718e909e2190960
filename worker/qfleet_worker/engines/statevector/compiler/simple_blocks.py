# SPDX-License-Identifier: Apache-2.0
"""Two-qubit matrices as something simpler, in machine code.

They may be one-qubit gates, a diagonal between one-qubit gates, or either of these after a SWAP. It is so at all angles
if it is so at two random ones, with the same one-qubit gates: these would have to meet both by chance.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import inner_code
from qfleet_worker.engines.statevector.compiler.draft import (
    CHANGES,
    CONTROLS,
    DENSE,
    DIAGONAL,
    FLIP,
    GATES,
    KIND,
    POOL,
    READS,
    SIZE,
    TARGETS,
    TERMS,
    VALUES,
    Draft,
    add_gate,
    add_term,
    flip_last,
    instruct,
    is_one,
    room,
    turn_all,
    write,
)
from qfleet_worker.engines.statevector.compiler.factors import (
    BOTH,
    HIGH_LEFT,
    HIGH_RIGHT,
    LOW_LEFT,
    LOW_RIGHT,
    NUM_LOCALS,
    NUM_PHASES,
    OF_HIGH,
    OF_LOW,
    ROUNDING,
    WORK,
    find_locals,
    find_rank,
    is_product,
    write_one_qubit_factors,
    write_phases,
)
from qfleet_worker.engines.statevector.compiler.signs import Place, add_as_flip
from qfleet_worker.engines.statevector.compiler.tape import MULTIPLY, PHASES, PRODUCT
from qfleet_worker.engines.statevector.compiler.waiting import (
    add_one,
    flush,
    shape_of_wait,
)
from qfleet_worker.engines.statevector.kernels.layout import TERM_MASK, TERM_VALUE


@inner_code
def add_simple(draft: Draft, place: int, where: Place, low: int, high: int, from_zero: bool) -> bool:
    """Add a block as something simpler than a matrix.

    Returns:
        Whether it is that.
    """
    begin = int(draft.counts[POOL])
    found = room(draft, NUM_LOCALS)
    if _is_diagonal(draft, place):
        for entry in range(NUM_LOCALS):
            write(draft, found + entry, 1 + 0j if entry & 3 == 0 or entry & 3 == 3 else 0j)
        _add_between(draft, place, found, where, low, high)
        return True
    work = room(draft, WORK)
    rank = find_rank(draft.pool, place, False, work)
    exchanged = rank > 2 and from_zero
    if exchanged:
        rank = find_rank(draft.pool, place, True, work)
    if rank > 2 or (rank == 1 and draft.varies[place]):
        draft.counts[POOL] = begin
        return False
    if exchanged:
        place = _without_swap(draft, place)
    if rank == 2:
        fits = find_locals(draft.pool, work, found)
        for entry in range(NUM_LOCALS):
            write(draft, found + entry, draft.pool[found + entry])
        fits = fits and _fits(draft, place, found)
    else:
        fits = write_one_qubit_factors(draft.pool, place, work, found, found + LOW_LEFT)
    if not exchanged:
        # What was worked in is free again; the matrix without a SWAP lies behind it.
        draft.counts[POOL] = found + NUM_LOCALS
    if not fits:
        return False
    if exchanged:
        _exchange_wires(draft, where.wires, low, high)
        low, high = high, low
    if rank == 2:
        _add_between(draft, place, found, where, low, high)
    else:
        _add_constant(draft, high, found)
        _add_constant(draft, low, found + LOW_LEFT)
    return True


@inner_code
def _is_diagonal(draft: Draft, place: int) -> bool:
    """Tell whether a two-qubit matrix is a unitary diagonal at all angles."""
    for entry in range(16):
        row, column = entry >> 2, entry & 3
        for number in range(2 if draft.varies[place] else 1):
            value = draft.pool[place + entry] if number == 0 else draft.second_pool[place + entry]
            if not (abs(value) < ROUNDING if row != column else abs(abs(value) - 1) < ROUNDING):
                return False
    return True


@inner_code
def _fits(draft: Draft, place: int, found: int) -> bool:
    """Tell whether a matrix has the same locals at all angles."""
    phases = room(draft, NUM_PHASES)
    write_phases(draft.pool, place, found, phases)
    if not is_product(draft.pool, place, found, phases):
        return False
    if not draft.varies[place]:
        return True
    write_phases(draft.second_pool, place, found, phases)
    return is_product(draft.second_pool, place, found, phases)


@inner_code
def _without_swap(draft: Draft, place: int) -> int:
    """Return the place of a two-qubit matrix without the SWAP before it."""
    swap, product = room(draft, 16), room(draft, 16)
    for entry in range(16):
        write(draft, swap + entry, 1 + 0j if entry == 0 or entry == 6 or entry == 9 or entry == 15 else 0j)
    instruct(draft, draft.varies[place], PRODUCT, product, 16, place, swap, 0)
    return product


@inner_code
def _exchange_wires(draft: Draft, wires: NDArray[Any], low: int, high: int) -> None:
    """Exchange the qubits of two wires, and note where they belong."""
    a = b = -1
    for qubit in range(len(wires)):
        a = qubit if wires[qubit] == low else a
        b = qubit if wires[qubit] == high else b
    wires[a], wires[b] = wires[b], wires[a]
    draft.labels[low], draft.labels[high] = draft.labels[high], draft.labels[low]


@inner_code
def _add_constant(draft: Draft, wire: int, place: int) -> None:
    """Add a copy of a constant one-qubit matrix.

    The identity isn't added.
    """
    if place < 0 or (is_one(draft, place) and is_one(draft, place + 3) and draft.pool[place + 1] == 0):
        return
    one = room(draft, 4)
    for entry in range(4):
        write(draft, one + entry, draft.pool[place + entry])
    add_one(draft, wire, one, shape_of_wait(draft, one))


@inner_code
def _add_between(draft: Draft, place: int, found: int, where: Place, low: int, high: int) -> None:
    """Add a two-qubit matrix as a diagonal between its locals."""
    phases, varies = room(draft, NUM_PHASES), draft.varies[place]
    instruct(draft, varies, PHASES, phases, NUM_PHASES, place, found, 0)
    turn_all(draft, phases)
    _add_constant(draft, high, found + HIGH_RIGHT)
    _add_constant(draft, low, found + LOW_RIGHT)
    after_low, after_high = found + LOW_LEFT, found + HIGH_LEFT
    if not varies:
        after_low = _after(draft, phases + OF_LOW, after_low)
        after_high = _after(draft, phases + OF_HIGH, after_high)
    if not is_one(draft, phases + BOTH):
        is_sign = not varies and abs(draft.pool[phases + BOTH] + 1) < ROUNDING
        if not is_sign or not (
            add_as_flip(draft, where, low, high, after_low) or add_as_flip(draft, where, high, low, after_high)
        ):
            mask = 1 << low | 1 << high
            flips = flush(draft, low, True) | flush(draft, high, True)
            add_term(draft, add_gate(draft, DIAGONAL, 0, mask), mask, mask, phases + BOTH)
            flip_last(draft, flips)
    if varies and not is_one(draft, phases + OF_LOW + 3):
        add_one(draft, low, phases + OF_LOW, shape_of_wait(draft, phases + OF_LOW))
    if varies and not is_one(draft, phases + OF_HIGH + 3):
        add_one(draft, high, phases + OF_HIGH, shape_of_wait(draft, phases + OF_HIGH))
    _add_constant(draft, low, after_low)
    _add_constant(draft, high, after_high)


@inner_code
def _after(draft: Draft, diagonal: int, left: int) -> int:
    """Return the place of a local with a constant diagonal before it."""
    to = room(draft, 4)
    instruct(draft, False, MULTIPLY, to, 4, left, diagonal, 0)
    return to


@inner_code
def relabel(draft: Draft, wires: NDArray[Any]) -> None:
    """Let each qubit end on the wire where it belongs.

    That is where it would end without the SWAPs that were found.

    In the state |0...0>, it doesn't matter where qubits begin.
    """
    labels, moved = draft.labels, False
    for wire in range(len(labels)):
        moved |= labels[wire] != wire
    if not moved:
        return
    for qubit in range(len(wires)):
        if wires[qubit] < len(labels):
            wires[qubit] = labels[wires[qubit]]
    for at in range(draft.counts[GATES]):
        gate = draft.gates[at]
        for column in (CHANGES, READS, CONTROLS, VALUES):
            gate[column] = _relabelled(labels, gate[column])
        targets = 0
        for bit in range(gate[SIZE] if gate[KIND] == DENSE else 1 if gate[KIND] == FLIP else 0):
            targets |= labels[gate[TARGETS] >> 8 * bit & 255] << 8 * bit
        gate[TARGETS] = targets
    for at in range(draft.counts[TERMS]):
        for column in (TERM_MASK, TERM_VALUE):
            draft.terms[at, column] = _relabelled(labels, draft.terms[at, column])


@inner_code
def _relabelled(labels: NDArray[Any], mask: int) -> int:
    """Return a mask of wires by their labels."""
    new = 0
    for wire in range(len(labels)):
        new |= (mask >> wire & 1) << labels[wire]
    return new
