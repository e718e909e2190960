# SPDX-License-Identifier: Apache-2.0
"""Programs of Clifford gates, Pauli noise and resets.

Rows that differ in their qubits alone are of one kind, and each kind is looked at once.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from qfleet.wire.program.cliffords import MOST_CLIFFORD_QUBITS, NEVER, OF_RIGHT_ANGLES, are_right, clifford_of
from qfleet.wire.program.operations import ANGLES, HAS_TABLE, IS_UNITARY, SPEC, Op, flags_by_code
from qfleet.wire.program.program import NOTHING, Operation, Program

_IS_NEVER: Final = flags_by_code(lambda spec: spec.op in NEVER)
_IS_OF_RIGHT_ANGLES: Final = flags_by_code(lambda spec: spec.op in OF_RIGHT_ANGLES)
#: The operations that `clifford_of` takes.
IS_GATE: Final = flags_by_code(lambda spec: bool(IS_UNITARY[spec.op]) or spec.op is Op.INITIALIZE)
#: Operations that give a state which isn't a stabilizer state.
_IS_OTHER: Final = flags_by_code(lambda spec: spec.op in (Op.SET_DENSITY_MATRIX, Op.SET_SUPEROP))


class Kinds(NamedTuple):
    """The kinds of some rows."""

    #: int64, shape (kinds,): the first row of each
    firsts: NDArray[np.int64]
    #: int64, shape (rows,): the kind of each row
    of_rows: NDArray[np.int64]


class Rows:
    """Rows of a program, found by their numbers.

    Args:
        program: the program.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._operands = _starts(program.num_controls.astype(np.int64) + program.num_targets)
        self._params = _starts(ANGLES[program.codes])
        self._tables = _starts(HAS_TABLE[program.codes].astype(np.int64))

    def gate(self, row: int) -> Operation:
        """Return a row that `clifford_of` takes."""
        program = self._program
        code = Op(program.codes[row])
        qubits = self.qubits(row)
        params = tuple(program.params[self._params[row] : self._params[row + 1]].tolist())
        matrix = program.tables[program.table_refs[self._tables[row]]] if HAS_TABLE[code] else None
        controls = int(program.num_controls[row])
        return Operation(code, qubits[:controls], qubits[controls:], params, matrix, -1)

    def qubits(self, row: int) -> tuple[int, ...]:
        """Return the qubits of a row, its controls first.

        An open control is ``~qubit``.
        """
        return tuple(self._program.operands[self._operands[row] : self._operands[row + 1]].tolist())

    def angles(self, rows: NDArray[np.int64], place: int) -> NDArray[np.float64]:
        """Return one angle of each row; 0 where a row has fewer."""
        found = np.zeros(len(rows))
        has = ANGLES[self._program.codes[rows]] > place
        found[has] = self._program.params[self._params[rows[has]] + place]
        return found

    def kinds(self, rows: NDArray[np.int64]) -> Kinds:
        """Return the kinds of some rows that `clifford_of` takes.

        Args:
            rows: in ascending order.
        """
        program = self._program
        codes, controls = program.codes[rows].astype(np.int64), program.num_controls[rows].astype(np.int64)
        opposed = np.zeros(len(rows), np.int64)
        for control in range(min(int(controls.max(initial=0)), MOST_CLIFFORD_QUBITS)):
            has = controls > control
            opposed[has] |= (program.operands[self._operands[rows[has]] + control] < 0).astype(np.int64) << control
        tables = np.full(len(rows), -1, np.int64)
        tables[HAS_TABLE[codes]] = program.table_refs[self._tables[rows[HAS_TABLE[codes]]]]
        angles = [self.angles(rows, place) for place in range(int(ANGLES[codes].max(initial=0)))]
        columns = [codes << 32 | controls << 16 | program.num_targets[rows], opposed, tables, *angles]
        columns = [column for column in columns if (column != column[:1]).any()] or [np.zeros(len(rows))]
        order = np.lexsort(columns)
        new = np.arange(len(rows)) == 0
        for column in columns:
            ordered = column[order]
            new[1:] |= ordered[1:] != ordered[:-1]
        of_rows = np.empty(len(rows), np.int64)
        of_rows[order] = np.cumsum(new) - 1
        # The sort is stable: the first row of a kind comes first.
        return Kinds(rows[order[new]], of_rows)


def clifford_refusal(program: Program, angles: NDArray[np.float64] | None = None) -> str:
    """Name the first row that isn't a Clifford operation.

    The text is empty without such a row. Noise counts if it is a mixture of Paulis and resets, and an initialization if
    it gives a stabilizer state.

    Args:
        program: the program.
        angles: those of its rows at several points, shape (points, len(program.params)). Without them, rows whose
            angles depend on parameters without values are left out.
    """
    rows = Rows(program)
    first = _first_other(program, rows)
    if first is not None:
        return _words(program, rows, first)
    if angles is None or not program.num_parameters:
        return ""
    free = _rows_of_angles(program, program.slots)
    # The rows with slots alone, once for each point.
    points = _repeated(program, free, angles[:, _places(_starts(ANGLES[program.codes]), free)])
    first = _first_other(points, Rows(points))
    if first is None:
        return ""
    point, place = divmod(first, len(free))
    at = replace(program, params=angles[point])
    return _words(at, Rows(at), int(free[place])) + (f" at point {point}" if len(angles) > 1 else "")


def _first_other(program: Program, rows: Rows) -> int | None:
    """Return the first row that isn't a Clifford operation; ``None`` without one."""
    codes = program.codes
    bound = np.ones(len(program), np.bool_)
    if program.num_parameters:
        bound[_rows_of_angles(program, program.slots)] = False
    refused = (_IS_NEVER[codes] & bound) | _IS_OTHER[codes]
    turns = np.flatnonzero(_IS_OF_RIGHT_ANGLES[codes] & bound)
    refused[turns[~are_right(rows.angles(turns, 0))]] = True
    if len(program.channels):
        mixtures = np.array([not any(channel.counts) for channel in program.channels])
        refused[np.flatnonzero(codes == Op.NOISE)[~mixtures[program.channel_refs]]] = True
    first = int(np.argmax(refused)) if refused.any() else len(program)
    gates = np.flatnonzero(IS_GATE[codes[:first]] & bound[:first])
    # A circuit of other gates mostly begins with some: they are found before all rows are sorted.
    for part in (gates[:_FIRST_ROWS], gates[_FIRST_ROWS:]):
        for row in np.sort(rows.kinds(part).firsts).tolist():
            if clifford_of(rows.gate(row)) is None:
                return int(row)
    return first if first < len(program) else None


def _rows_of_angles(program: Program, places: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the rows that have some angles, each once."""
    return np.unique(np.searchsorted(np.cumsum(ANGLES[program.codes]), places, side="right"))


def _places(starts: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of some rows' parts, row by row.

    Args:
        starts: where each row's part begins, and the end of the last.
        rows: the rows.
    """
    lengths = starts[rows + 1] - starts[rows]
    ends = np.cumsum(lengths)
    return np.asarray(np.arange(int(ends[-1])) + np.repeat(starts[rows] - (ends - lengths), lengths))


def _repeated(program: Program, rows: NDArray[np.int64], angles: NDArray[np.float64]) -> Program:
    """Return some rows without tables, once for each point."""
    points, widths = len(angles), program.num_controls.astype(np.int64) + program.num_targets
    return Program(
        program.num_qubits,
        0,
        codes=np.tile(program.codes[rows], points),
        num_controls=np.tile(program.num_controls[rows], points),
        num_targets=np.tile(program.num_targets[rows], points),
        operands=np.tile(program.operands[_places(_starts(widths), rows)], points),
        clbits=NOTHING,
        params=angles.reshape(-1),
        table_refs=NOTHING,
        tables=(),
    )


def _words(program: Program, rows: Rows, row: int) -> str:
    """Return why a row isn't a Clifford operation."""
    code, controls = Op(program.codes[row]), int(program.num_controls[row])
    qubits = [str(max(qubit, ~qubit)) for qubit in rows.qubits(row)]
    standard = {number: name for name, number in reversed(SPEC[code].gates)}
    name = standard.get(controls, code.name.lower() + (f" with {controls} controls" if controls else ""))
    if ANGLES[code]:
        name += f"({', '.join([f'{angle:.6g}' for angle in rows.gate(row).params])})"
    on = f"qubit{'s' * (len(qubits) > 1)} {', '.join(qubits[:_SHOWN])}{', ...' * (len(qubits) > _SHOWN)}"
    text = f"operation {row}, {name} on {on},"
    if code is Op.NOISE:
        return f"{text} isn't a mixture of Paulis and resets to |0>"
    if len(qubits) > MOST_CLIFFORD_QUBITS:
        return f"{text} has more than {MOST_CLIFFORD_QUBITS} qubits, and wider Clifford operations aren't recognised"
    if code is Op.INITIALIZE or _IS_OTHER[code]:
        return f"{text} gives no stabilizer state"
    return f"{text} isn't a Clifford gate"


#: Rows that are looked at before all others.
_FIRST_ROWS: Final = 256
#: Qubits that are named at most.
_SHOWN: Final = 8


def _starts(counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return where each row's part begins, and the end of the last."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
