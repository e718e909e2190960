# SPDX-License-Identifier: Apache-2.0
"""Blocks of gates on the same two wires, in machine code.

As long as no other gate touches either wire, one- and two-qubit gates are multiplied into one matrix. When the block
ends, it becomes what is simplest: one-qubit gates, a diagonal between one-qubit gates, either of these after a SWAP, or
the matrix. So it doesn't matter of which gates a circuit makes, say, an RZZ.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.gates import codes
from qfleet_worker.engines.machine_code.registry import built_in, inner_code, machine_code
from qfleet_worker.engines.statevector.compiler.draft import (
    AT,
    DENSE,
    SIZE,
    TARGETS,
    Draft,
    add_gate,
    instruct,
    room,
)
from qfleet_worker.engines.statevector.compiler.gate_table import SHAPE, GateTable
from qfleet_worker.engines.statevector.compiler.row_matrices import one_qubit_matrix, pair_matrix
from qfleet_worker.engines.statevector.compiler.rows import Row, Rows, exchanges, target_of
from qfleet_worker.engines.statevector.compiler.shapes import DIAGONAL as IS_DIAGONAL
from qfleet_worker.engines.statevector.compiler.signs import Place
from qfleet_worker.engines.statevector.compiler.simple_blocks import add_simple
from qfleet_worker.engines.statevector.compiler.tape import PRODUCT
from qfleet_worker.engines.statevector.compiler.waiting import (
    multiply_into,
    take_wait,
)

#: What a row is to the block that it belongs to: not its last two-qubit gate; not its first.
CONTINUES, CONTINUED = 1, 2
#: Kernels that a two-qubit matrix takes the time of.
MATRIX_COST = 4
#: The columns of a kept row: those of a `Row`, and the block's next.
_NEXT = len(Row._fields)


class Blocks(NamedTuple):
    """The blocks of a stretch."""

    #: int64, shape (rows,): what each row is to its block
    links: NDArray[Any]
    #: int64, shape (rows, columns): rows of blocks that may be added one by one after all
    kept: NDArray[Any]
    #: int64, shape (wires,): the first and the last row of the block that is open on each lower wire
    first: NDArray[Any]
    last: NDArray[Any]
    #: int64, shape (wires,): kernels that the rows by themselves would take
    costs: NDArray[Any]


@machine_code
def new_blocks(rows: Rows, wires: NDArray[Any], num_wires: int) -> Blocks:
    """Return the blocks of some rows; none is open yet."""
    number = len(rows.codes)
    blocks = Blocks(
        np.zeros(number, np.int64), np.empty((number, _NEXT + 1), np.int64), np.full(num_wires, -1, np.int64),
        np.full(num_wires, -1, np.int64), np.zeros(num_wires, np.int64),
    )  # fmt: skip
    _find_links(rows, wires.copy(), blocks)
    blocks.last[:] = -1
    return blocks


@inner_code
def _find_links(rows: Rows, wires: NDArray[Any], blocks: Blocks) -> None:
    """Find the rows on two wires that follow each other on both."""
    links, last = blocks.links, blocks.last
    operand = 0
    for at in range(len(rows.codes)):
        code, controls, targets = rows.codes[at], rows.num_controls[at], rows.num_targets[at]
        begin, operand = operand, operand + controls + targets
        if controls == 0 and exchanges(code):
            a, b = rows.operands[begin], rows.operands[begin + 1]
            wires[a], wires[b] = wires[b], wires[a]
            if code == codes.SWAP:
                continue
        if controls + targets == 2 and targets:
            first, other = wires[_qubit(rows, begin)], wires[_qubit(rows, begin + 1)]
            if last[first] >= 0 and last[first] == last[other]:
                links[last[first]] |= CONTINUES
                links[at] |= CONTINUED
            last[first] = at
            last[other] = at
        elif controls + targets > 1 or targets == 0:
            for place in range(begin, operand):
                last[wires[_qubit(rows, place)]] = -1


@inner_code
def _qubit(rows: Rows, place: int) -> int:
    """Return an operand's qubit."""
    operand = rows.operands[place]
    return int(operand ^ operand >> 63)


@inner_code
def is_block(row: Row, link: int) -> bool:
    """Tell whether a row on several wires belongs to a block.

    The block may have no other row.
    """
    if link:
        return True
    if row.num_controls or row.num_targets != 2:
        return False
    code = row.code
    return not (code == codes.DIAGONAL or code == codes.RZZ or code == codes.ISWAP or code == codes.DCX)


@inner_code
def _keep(blocks: Blocks, row: Row, at: int, low: int, opens: bool) -> None:
    """Keep a row of a block."""
    kept = blocks.kept[at]
    for column in range(_NEXT):
        kept[column] = row[column]
    kept[_NEXT] = -1
    if opens:
        blocks.first[low] = at
    else:
        blocks.kept[blocks.last[low], _NEXT] = at
    blocks.last[low] = at


@inner_code
def kept_row(blocks: Blocks, at: int) -> tuple[Row, int]:
    """Return a kept row, and the number of its block's next.

    It is -1 behind the last one.
    """
    k = blocks.kept[at]
    return Row(k[0], k[1], k[2], k[3], k[4], k[5], k[6], k[7], k[8], k[9]), k[_NEXT]


@inner_code
def add_to_block(draft: Draft, blocks: Blocks, rows: Rows, gates: GateTable, row: Row, at: int) -> None:
    """Multiply a one-qubit row into the open block on its wire."""
    wire = target_of(row, 0)
    low, place = wire, draft.blocks[wire]
    other = 0
    while other == wire or draft.blocks[other] != place:
        other += 1
    low, bit = min(wire, other), 0 if wire < other else 1
    one, shape = one_qubit_matrix(draft, rows, gates, row, False)
    _keep(blocks, row, at, low, False)
    blocks.costs[low] += 0 if shape & IS_DIAGONAL else 1
    place = multiply_into(draft, place, 2, bit, one, True)
    draft.blocks[wire] = place
    draft.blocks[other] = place


@inner_code
def _cost(gates: GateTable, row: Row) -> int:
    """Return roughly how many kernels a row on two wires takes."""
    code = row.code
    if row.num_controls:
        return 1 if code == codes.X or gates.codes[code, SHAPE] & IS_DIAGONAL else 2
    return 1 if code == codes.RZZ or code == codes.DIAGONAL or code == codes.ISWAP else MATRIX_COST


@built_in
def add_pair(
    draft: Draft, blocks: Blocks, rows: Rows, gates: GateTable, row: Row, at: int, wires: NDArray[Any], from_zero: bool
) -> int:
    """Multiply a row on two wires into a block.

    The block ends if the row is its last one.

    Returns:
        The first of the kept rows, if these should be added one by one; else -1.
    """
    low = high = -1
    mask = row.changes | row.controls
    for wire in range(len(draft.last)):
        if mask >> wire & 1:
            low, high = (wire, high) if low < 0 else (low, wire)
    place = pair_matrix(draft, rows, gates, row, low)
    before = draft.blocks[low]
    _keep(blocks, row, at, low, before < 0)
    blocks.costs[low] = _cost(gates, row) + (blocks.costs[low] if before >= 0 else 0)
    if before >= 0:
        left = place
        place = room(draft, 16)
        instruct(draft, draft.varies[left] or draft.varies[before], PRODUCT, place, 16, left, before, 0)
    still = blocks.links[at] & CONTINUES != 0
    draft.blocks[low] = place if still else -1
    draft.blocks[high] = place if still else -1
    is_one_row = blocks.first[low] == at
    where = Place(row, at, rows, gates, wires)
    if still or add_simple(draft, place, where, low, high, from_zero and not is_one_row):
        return -1
    if blocks.costs[low] <= MATRIX_COST and not is_one_row:
        return int(blocks.first[low])
    gate_at = add_gate(draft, DENSE, mask, 0)
    for bit in range(2):
        one = take_wait(draft, high if bit else low)
        if one >= 0:
            place = multiply_into(draft, place, 2, bit, one, False)
    gate = draft.gates[gate_at]
    gate[AT] = place
    gate[SIZE] = 2
    gate[TARGETS] = low | high << 8
    return -1
