# SPDX-License-Identifier: Apache-2.0
"""A stretch while its gates are fused, in machine code."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.contract import CompilerError
from qfleet_worker.engines.machine_code.registry import inner_code, machine_code
from qfleet_worker.engines.statevector.compiler.factors import ROUNDING
from qfleet_worker.engines.statevector.compiler.half_angles import half_angle_phases
from qfleet_worker.engines.statevector.compiler.shapes import REAL
from qfleet_worker.engines.statevector.compiler.tape import (
    CONSTANT_PHASE,
    COPY,
    FIRST_FREE,
    MULTIPLY,
    ONE,
    OP,
    PHASE,
    SCALE,
    TAPE_COLUMNS,
    TO,
    A,
    B,
    C,
    perform,
)
from qfleet_worker.engines.statevector.kernels.layout import TERM_COLUMNS, TERM_FACTOR, TERM_MASK, TERM_VALUE

NOTHING, DENSE, FLIP, DIAGONAL = range(4)
#: The columns of a gate: its kind; the wires that it changes, and those it only looks at, as masks; its controls and
#: the values they must have; where its matrix or its terms begin; how many targets or terms; the targets, 8 bits each;
#: the shape of its matrix.
KIND, CHANGES, READS, CONTROLS, VALUES, AT, SIZE, TARGETS, SHAPE = range(9)
COLUMNS = 9

#: What is counted: gates, places of the pool that are taken, terms, instructions.
GATES, POOL, TERMS, TAPE = range(4)
#: Places of the pool that a matrix takes at most.
LARGEST = 256
#: How many times the usual room any stretch may need.
PLENTY = 4


class Draft(NamedTuple):
    """A stretch that is being compiled, in arrays of fixed size.

    The arrays have room for what its rows usually need; `new_draft` can make more.
    """

    gates: NDArray[Any]
    terms: NDArray[Any]
    #: all matrices and factors; while gates are fused, those that depend on angles are at random angles
    pool: NDArray[Any]
    #: the same at other random angles: what is so in both pools is so at all angles
    second_pool: NDArray[Any]
    #: complex128, shape (2, angles): the half-angle phases of these angles; of constant ones, their own
    half_phases: NDArray[Any]
    #: whether a place of the pool depends on angles
    varies: NDArray[Any]
    #: instructions that depend on angles
    tape: NDArray[Any]
    counts: NDArray[Any]
    #: the last gate on each wire, -1 for none
    last: NDArray[Any]
    #: where the one-qubit matrix lies that waits on each wire, -1 for none; and its shape
    waits: NDArray[Any]
    wait_shapes: NDArray[Any]
    #: where the diagonals lie that wait before and after a matrix that isn't diagonal, -1 for none
    leading: NDArray[Any]
    trailing: NDArray[Any]
    #: where the matrix of the block lies that is open on each wire, -1 for none
    blocks: NDArray[Any]
    #: the wire that each wire's content belongs on, as SWAPs were found among other gates
    labels: NDArray[Any]
    #: whether real gates and diagonals are kept apart
    split: bool


@machine_code
def new_draft(
    params: NDArray[Any], fixed: NDArray[Any], number: int, num_wires: int, matrix_entries: int, num_terms: int,
    split: bool, plenty: int,
) -> Draft:  # fmt: skip
    """Return an empty draft with room for some rows.

    Args:
        params: float64: the angles.
        fixed: bool: which of them are constants.
        number: how many rows there are.
        num_wires: wires of the state.
        matrix_entries: entries of the rows' matrices; see `rows.count_entries`.
        num_terms: terms of the rows.
        split: keep real gates and diagonals apart.
        plenty: how many times the usual room there is, up to `PLENTY`.
    """
    # A matrix that is copied to depend on angles takes its size again; a block takes some matrices of two qubits and of
    # one.
    size = 2 * matrix_entries + 2 * num_terms + 40 * number + 16 * num_wires
    pool = np.empty(plenty * size + FIRST_FREE + LARGEST, np.complex128)
    half_phases = np.empty((2, len(params)), np.complex128)
    second_pool = np.empty(len(pool) if _write_half_phases(params, fixed, half_phases) else LARGEST, np.complex128)
    pool[:FIRST_FREE] = 1
    second_pool[:FIRST_FREE] = 1
    counts = np.zeros(4, np.int64)
    counts[POOL] = FIRST_FREE
    return Draft(
        np.empty((plenty * (3 * number + 2 * num_wires) + 8, COLUMNS), np.int64),
        np.empty((plenty * (num_terms + 6 * number + 2 * num_wires) + 8, TERM_COLUMNS), np.int64),
        pool,
        second_pool,
        half_phases,
        np.zeros(len(pool), np.bool_),
        np.empty((plenty * (num_terms + 12 * number + 4 * num_wires) + 1, TAPE_COLUMNS), np.int64),
        counts,
        np.full(num_wires, -1, np.int64),
        np.full(num_wires, -1, np.int64),
        np.full(num_wires, REAL, np.int64),
        np.full(num_wires, -1, np.int64),
        np.full(num_wires, -1, np.int64),
        np.full(num_wires, -1, np.int64),
        np.arange(num_wires),
        split,
    )


@machine_code
def without_second_pool(draft: Draft) -> Draft:
    """Return a draft of fused gates without its second pool."""
    return Draft(
        draft.gates, draft.terms, draft.pool, draft.pool[:LARGEST], draft.half_phases, draft.varies, draft.tape,
        draft.counts, draft.last, draft.waits, draft.wait_shapes, draft.leading, draft.trailing, draft.blocks,
        draft.labels, draft.split,
    )  # fmt: skip


@machine_code
def _write_half_phases(params: NDArray[Any], fixed: NDArray[Any], half_phases: NDArray[Any]) -> bool:
    """Write the half-angle phases of constants, and of random angles.

    Each angle that isn't constant gets one for each pool.

    Returns:
        Whether there is an angle that isn't constant.
    """
    angles = params.copy()
    number, free = np.uint64(1), False
    for pool in range(2):
        for at in range(len(params)):
            if not fixed[at]:
                # Any relation between the angles would be taken for one that always holds.
                number = number * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
                angles[at] = (number >> np.uint64(33)) * 2.0**-29
                free = True
        half_angle_phases(angles, half_phases[pool])
    return free


@inner_code
def has_room(draft: Draft) -> bool:
    """Tell whether all that was written fits.

    So must what is written later, a matrix for each term.
    """
    return has_room_for(draft, 0)


@inner_code
def has_room_for(draft: Draft, more: int) -> bool:
    """Tell whether some more terms fit.

    The factor of each may be copied, and then be a product.
    """
    counts = draft.counts
    terms = counts[TERMS] + more
    return bool(
        counts[GATES] < len(draft.gates) and terms < len(draft.terms)
        and counts[POOL] + 2 * more + 4 * terms < len(draft.pool) and counts[TAPE] + 2 * more + terms < len(draft.tape)
    )  # fmt: skip


@inner_code
def check_capacity(draft: Draft) -> None:
    """Raise `CompilerError` if anything that was written didn't fit into its array.

    What doesn't fit is written to the end of the array instead of beyond it, and fills it: each has room for more than
    any circuit needs. If the functions below raised by themselves, compiling would take a tenth longer.
    """
    counts = draft.counts
    if (
        counts[GATES] >= len(draft.gates) or counts[TERMS] >= len(draft.terms)
        or counts[POOL] >= len(draft.pool) or counts[TAPE] >= len(draft.tape)
    ):  # fmt: skip
        raise CompilerError("a defect of qfleet, please report it: an array of a compiled circuit is too small")


@inner_code
def room(draft: Draft, size: int) -> int:
    """Return the place of `size` new entries of the pool.

    `size` is at most `LARGEST`.
    """
    place = min(int(draft.counts[POOL]), len(draft.pool) - size)
    draft.counts[POOL] = place + size
    return place


@inner_code
def write(draft: Draft, place: int, value: complex) -> None:
    """Write a constant into the pool."""
    draft.pool[place] = value
    if place < len(draft.second_pool):
        draft.second_pool[place] = value


@inner_code
def instruct(draft: Draft, varies: bool, op: int, to: int, size: int, a: int, b: int, c: int) -> None:
    """Let an instruction write `size` entries of the pool.

    It is executed at once, and what depends on angles also goes to the tape. `varies` says whether the entries do.
    """
    perform(op, to, a, b, c, draft.pool, draft.half_phases[0])
    if not varies:
        if len(draft.second_pool) == len(draft.pool):
            for entry in range(to, to + size):
                draft.second_pool[entry] = draft.pool[entry]
        return
    if len(draft.second_pool) == len(draft.pool):
        perform(op, to, a, b, c, draft.second_pool, draft.half_phases[1])
    at = min(int(draft.counts[TAPE]), len(draft.tape) - 1)
    draft.counts[TAPE] = at + 1
    row = draft.tape[at]
    row[OP] = op
    row[TO] = to
    row[A] = a
    row[B] = b
    row[C] = c
    draft.varies[to : to + size] = True


@inner_code
def varying(draft: Draft, place: int, size: int) -> int:
    """Return the place of a matrix that may depend on angles.

    It is the matrix's own place, or that of a copy.
    """
    if draft.varies[place]:
        return place
    copy = room(draft, size)
    instruct(draft, True, COPY, copy, size, place, 0, size)
    return copy


@inner_code
def is_one(draft: Draft, place: int) -> bool:
    """Tell whether an entry of the pool is 1 at all angles."""
    if not abs(draft.pool[place] - 1) < ROUNDING:
        return False
    return not draft.varies[place] or abs(draft.second_pool[place] - 1) < ROUNDING


@inner_code
def product(draft: Draft, left: int, right: int) -> int:
    """Return the place of the product of two one-qubit matrices.

    It is the place of one of them, which is lost.
    """
    varies = draft.varies[left] or draft.varies[right]
    to = left if draft.varies[left] or not varies else right
    instruct(draft, varies, MULTIPLY, to, 4, left, right, 0)
    return to


@inner_code
def add_gate(draft: Draft, kind: int, changes: int, reads: int) -> int:
    """Add the last gate on some wires, and return its number."""
    at = min(int(draft.counts[GATES]), len(draft.gates) - 1)
    draft.counts[GATES] = at + 1
    gate = draft.gates[at]
    gate[:] = 0
    gate[KIND] = kind
    gate[CHANGES] = changes
    gate[READS] = reads
    gate[AT] = draft.counts[TERMS]
    left = changes | reads
    wire = 0
    while left:
        if left & 1:
            draft.last[wire] = at
        left >>= 1
        wire += 1
    return at


@inner_code
def add_term(draft: Draft, at: int, mask: int, value: int, factor: int) -> None:
    """Add a term to the diagonal that is the last gate.

    `factor` is a place of the pool.
    """
    if factor == ONE or (draft.pool[factor] == 1 and not draft.varies[factor]):
        return
    place = min(int(draft.counts[TERMS]), len(draft.terms) - 1)
    draft.counts[TERMS] = place + 1
    term = draft.terms[place]
    term[TERM_MASK] = mask
    term[TERM_VALUE] = value
    term[TERM_FACTOR] = factor
    draft.gates[at, SIZE] = place + 1 - draft.gates[at, AT]


@inner_code
def add_flip(draft: Draft, target: int, controls: int, values: int) -> None:
    """Add an X with controls."""
    at = add_gate(draft, FLIP, 1 << target, controls)
    draft.gates[at, TARGETS] = target
    draft.gates[at, CONTROLS] = controls
    draft.gates[at, VALUES] = values


@inner_code
def flip_last(draft: Draft, flips: int) -> None:
    """Exchange 0 and 1 on wires that the last gate reads."""
    at = int(draft.counts[GATES]) - 1
    gate = draft.gates[at]
    gate[VALUES] ^= gate[CONTROLS] & flips
    if gate[KIND] == DIAGONAL:
        for term in range(gate[AT], gate[AT] + gate[SIZE]):
            draft.terms[term, TERM_VALUE] ^= draft.terms[term, TERM_MASK] & flips


@inner_code
def turn_all(draft: Draft, factor: int) -> None:
    """Multiply the whole state by a factor in the pool."""
    if draft.varies[factor]:
        instruct(draft, True, SCALE, PHASE, 1, factor, 1, 0)
    else:
        draft.pool[CONSTANT_PHASE] *= draft.pool[factor]


@inner_code
def constant(draft: Draft, value: complex) -> int:
    """Return the place of a constant."""
    if value == 1:
        return ONE
    place = room(draft, 1)
    write(draft, place, value)
    return place
