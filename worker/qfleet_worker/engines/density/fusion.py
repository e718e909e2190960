# SPDX-License-Identifier: Apache-2.0
"""Products of the rows of long programs, many at a time.

Rows on one qubit that nothing parts are one matrix, which joins the next row on two qubits. So are rows on the same two
qubits. Equal rows have the matrix of the first of them. All products are made in a few calls, as a call for each would
take longer than the product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.operations import ANGLES, CLBITS, HAS_CHANNEL, HAS_TABLE, IS_UNITARY, Op
from qfleet.wire.program.program import Operation, Program
from qfleet_worker.engines.density.transfer import Transfer, of_operations

Rows = NDArray[np.int64]

#: Fewest rows that are multiplied together: the calls take as long as some 40 rows one by one.
FEWEST_ROWS: Final = 64
#: Most rows that are multiplied together. Each takes up to 6 KiB meanwhile.
MOST_ROWS: Final = 4096
_SIZE = 16


class Fused(NamedTuple):
    """A product of rows."""

    qubits: tuple[int, ...]
    matrix: Transfer


def fuse(program: Program, *, outcomes: bool) -> Iterator[tuple[int, Fused | Operation]]:
    """Yield what a program does, with the row where each part begins.

    Args:
        program: has no jumps.
        outcomes: whether outcomes of measurements matter; if not, a measurement is a channel.
    """
    if len(program) < FEWEST_ROWS:
        yield from enumerate(program)
        return
    for start in range(0, len(program), MOST_ROWS):
        rows = np.arange(start, min(start + MOST_ROWS, len(program)))
        part = program if len(rows) == len(program) else _some_rows(program, rows)
        for row, item in _fused(part, outcomes):
            yield start + row, item


def _fused(program: Program, outcomes: bool) -> list[tuple[int, Fused | Operation]]:
    """Return the products of a program, and its other rows, in order."""
    controls = program.num_controls.astype(np.int64)
    widths = controls + program.num_targets
    multiplied = _multiplied(program, widths, outcomes)
    kinds, firsts = _kinds(program, np.flatnonzero(multiplied), widths)
    needed = np.union1d(firsts, np.flatnonzero(~multiplied))
    operations = dict(zip(needed.tolist(), _some_rows(program, needed), strict=True))
    found: dict[int, Fused | Operation] = {row: operations[row] for row in np.flatnonzero(~multiplied).tolist()}

    def matrices(rows: Rows, width: int) -> Transfer:
        """Return the matrices of rows on some qubits."""
        chosen, places = np.unique(kinds[rows], return_inverse=True)
        return of_operations([operations[row] for row in firsts[chosen].tolist()], width)[places]

    ways = _ways(program, widths, multiplied & (widths == 1))
    lengths = np.bincount(ways.runs[ways.alone])
    runs = _products(matrices(ways.rows[ways.alone], 1), lengths)
    pairs = np.flatnonzero(multiplied & (widths == 2))
    # The targets come before the controls in a matrix, and behind them among the operands.
    starts = (np.cumsum(widths) - widths)[pairs]
    at = ways.at[np.stack([starts + (controls[pairs] + place) % 2 for place in (0, 1)], axis=1)]
    left = np.ones(len(runs), np.bool_)
    left[ways.run_before[at][ways.run_before[at] >= 0]] = False
    begins = ways.begins
    for row, qubit, run in zip(
        ways.rows[begins][left].tolist(), ways.qubits[begins][left].tolist(), runs[left], strict=True
    ):
        found[row] = Fused((qubit,), run)
    found |= _of_pairs(pairs, _with_runs(matrices(pairs, 2), runs, ways.run_before[at]), ways, at)
    return sorted(found.items(), key=lambda item: item[0])


def _multiplied(program: Program, widths: Rows, outcomes: bool) -> NDArray[np.bool_]:
    """Mark the rows that become parts of products."""
    codes = program.codes
    renames = (codes == Op.SWAP) & (program.num_controls == 0)
    channels = [Op.NOISE, Op.RESET] if outcomes else [Op.NOISE, Op.RESET, Op.MEASURE]
    found = (IS_UNITARY[codes] & ~renames) | np.isin(codes, channels)
    return np.asarray(found & (widths >= 1) & (widths <= 2))


def _kinds(program: Program, rows: Rows, widths: Rows) -> tuple[Rows, Rows]:
    """Give numbers to rows by what they do, whatever their qubits.

    Returns:
        For each row of the program its number, -1 for other rows; and the first row of each number.
    """
    codes = program.codes
    angles = ANGLES[codes].astype(np.int64)
    cells = np.zeros((len(program), 2 + int(angles.max(initial=0))), np.int64)
    opened = (program.operands < 0).astype(np.int64)
    starts = np.cumsum(widths) - widths
    cells[:, 0] = codes + (program.num_targets.astype(np.int64) << 8) + (program.num_controls.astype(np.int64) << 32)
    cells[rows, 0] += (opened[starts[rows]] << 24) + (opened[starts[rows] + widths[rows] - 1] << 25)
    cells[HAS_TABLE[codes], 1] = program.table_refs
    cells[HAS_CHANNEL[codes], 1] = program.channel_refs
    first_angles = np.cumsum(angles) - angles
    owners = np.repeat(np.arange(len(program)), angles)
    cells[owners, 2 + np.arange(len(owners)) - first_angles[owners]] = np.ascontiguousarray(program.params).view("<i8")
    numbers: dict[bytes, int] = {}
    names = cells[rows].view(f"V{8 * cells.shape[1]}").reshape(-1).tolist()
    found = np.full(len(program), -1)
    found[rows] = [numbers.setdefault(name, len(numbers)) for name in names]
    firsts = np.zeros(len(numbers), np.int64)
    firsts[found[rows[::-1]]] = rows[::-1]
    return found, firsts


class _Ways(NamedTuple):
    """The rows that each qubit meets, qubit by qubit.

    The arrays have an entry for each qubit of each row.
    """

    qubits: Rows
    rows: Rows
    #: whether the row is multiplied, and is on this qubit alone
    alone: NDArray[np.bool_]
    #: whether it begins a run of such rows
    begins: NDArray[np.bool_]
    #: the number of its run
    runs: Rows
    #: the run right before a row, -1 for none
    run_before: Rows
    #: the last row before that isn't in a run, -1 for none
    row_before: Rows
    #: the entry of each operand of the program
    at: Rows


def _ways(program: Program, widths: Rows, is_alone: NDArray[np.bool_]) -> _Ways:
    """Return the ways of all qubits through a program."""
    # These concern all qubits, whatever their targets.
    whole = np.flatnonzero(np.isin(program.codes, [Op.SAVE, Op.SET_SUPEROP]))
    owners = np.concatenate([np.repeat(np.arange(len(program)), widths), np.repeat(whole, program.num_qubits)])
    operands = np.maximum(program.operands, ~program.operands).astype(np.int64)
    every = np.concatenate([operands, np.tile(np.arange(program.num_qubits), len(whole))])
    order = np.lexsort((owners, every))
    rows, qubits = owners[order], every[order]
    alone = is_alone[rows]
    changes = np.ones(len(rows), np.bool_)
    changes[1:] = qubits[1:] != qubits[:-1]
    follows = np.zeros(len(rows), np.bool_)
    follows[1:] = alone[:-1] & ~changes[1:]
    begins = alone & ~follows
    runs = np.cumsum(begins) - 1
    others = np.maximum.accumulate(np.where(alone, -1, np.arange(len(rows))))
    before = np.concatenate([[-1], others[:-1]])
    known = (before >= 0) & (qubits[before] == qubits)
    at = np.empty(len(rows), np.int64)
    at[order] = np.arange(len(rows))
    row_before = np.where(known, rows[before], -1)
    return _Ways(qubits, rows, alone, begins, runs, np.where(follows, np.roll(runs, 1), -1), row_before, at)


def _with_runs(matrices: Transfer, runs: Transfer, before: Rows) -> Transfer:
    """Multiply matrices by the runs before them on either qubit."""
    some = np.flatnonzero((before >= 0).any(axis=1))
    padded = np.concatenate([runs, np.eye(4)[None]])
    low, high = padded[before[some, 0]], padded[before[some, 1]]
    both = high[:, :, None, :, None] * low[:, None, :, None, :]
    matrices[some] = matrices[some] @ both.reshape(-1, _SIZE, _SIZE)
    return matrices


def _of_pairs(rows: Rows, matrices: Transfer, ways: _Ways, at: Rows) -> dict[int, Fused]:
    """Return products of rows that follow each other on two qubits.

    Args:
        rows: the rows.
        matrices: theirs, with what comes before on one qubit.
        ways: the ways of all qubits.
        at: the entries of each row's qubits, shape (rows, 2).
    """
    numbers = np.full(int(ways.rows.max(initial=0)) + 2, -1)
    numbers[rows] = np.arange(len(rows))
    qubits, before = ways.qubits[at], ways.row_before[at]
    goes_on = (before[:, 0] == before[:, 1]) & (numbers[before[:, 0]] >= 0)
    roots = np.where(goes_on, numbers[before[:, 0]], np.arange(len(rows)))
    while not np.array_equal(further := roots[roots], roots):
        roots = further
    turned = qubits[:, 0] != qubits[roots, 0]
    exchanged = matrices[turned].reshape(-1, 4, 4, 4, 4).transpose(0, 2, 1, 4, 3)
    matrices[turned] = exchanged.reshape(-1, _SIZE, _SIZE)
    lengths = np.bincount(roots, minlength=len(rows))
    products = _products(matrices[np.argsort(roots, kind="stable")], lengths[lengths > 0])
    firsts = np.flatnonzero(lengths)
    wires: list[tuple[int, int]] = [(low, high) for low, high in qubits[firsts].tolist()]
    return {row: Fused(on, each) for row, on, each in zip(rows[firsts].tolist(), wires, products, strict=True)}


def _products(matrices: Transfer, lengths: Rows) -> Transfer:
    """Return the product of each chain, the last matrix leftmost.

    Args:
        matrices: chain after chain; shape (matrices, size, size).
        lengths: the length of each chain, at least 1.
    """
    while len(matrices) > len(lengths):
        ends = np.cumsum(lengths)
        places = np.arange(len(matrices)) - np.repeat(ends - lengths, lengths)
        firsts = np.flatnonzero(places % 2 == 0)
        halves = (lengths + 1) // 2
        paired = firsts + 1 < np.repeat(ends, halves)
        kept = matrices[firsts]
        kept[paired] = matrices[firsts[paired] + 1] @ kept[paired]
        matrices, lengths = kept, halves
    return matrices


def _some_rows(program: Program, rows: Rows | Sequence[int]) -> Program:
    """Return the program of some rows, in order."""

    def items(counts: NDArray[np.generic]) -> Rows:
        """Return the places of the items of some rows."""
        every = counts.astype(np.int64)
        starts, each = (np.cumsum(every) - every)[rows], every[rows]
        firsts = np.cumsum(each) - each
        return np.repeat(starts - firsts, each) + np.arange(int(each.sum()))

    codes = program.codes
    clbits = items(CLBITS[codes])
    flips = program.flips.reshape(-1, 2)
    return msgspec.structs.replace(
        program,
        codes=codes[rows],
        num_controls=program.num_controls[rows],
        num_targets=program.num_targets[rows],
        operands=program.operands[items(program.num_controls.astype(np.int64) + program.num_targets)],
        clbits=program.clbits[clbits],
        params=program.params[items(ANGLES[codes])],
        table_refs=program.table_refs[items(HAS_TABLE[codes])],
        save_refs=program.save_refs[items(codes == Op.SAVE)],
        channel_refs=program.channel_refs[items(HAS_CHANNEL[codes])],
        flips=(flips[clbits] if len(flips) else flips).reshape(-1),
    )
