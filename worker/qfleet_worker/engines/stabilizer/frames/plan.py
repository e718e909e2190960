# SPDX-License-Identifier: Apache-2.0
"""Programs that frames can run, and where their shots part.

Jumps go forwards, and only Paulis, noise and stores stand in rows that some shots skip: a Pauli in some shots is an
error in those that differ from the reference. A row of bits has the shots that are at the present place of the program.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.expressions import Bit, Expression
from qfleet.wire.program.operations import EXPRESSIONS, IS_FLOW, JUMPS, Op
from qfleet.wire.program.program import Program
from qfleet_worker.engines.stabilizer.codes import Elementary
from qfleet_worker.engines.stabilizer.elementary import Elementaries, elementary
from qfleet_worker.engines.stabilizer.frames.errors import is_pauli
from qfleet_worker.engines.stabilizer.frames.logic import ONE, ZERO, Logic, NotBitwiseError, Step, opposite
from qfleet_worker.engines.stabilizer.kernels.frames import AND, XOR

#: Clbits that are kept for each shot at most.
MOST_CLBITS = 1 << 20


class NotFramesError(Exception):
    """Frames can't run a program; the text says why."""


class Place(NamedTuple):
    """A place of a program where rows of bits are computed."""

    #: the elementary operation that comes next
    at: int
    steps: list[Step]
    #: whether only some shots are there afterwards
    parted: bool


class FramePlan(NamedTuple):
    """A program, as frames run it."""

    elementaries: Elementaries
    #: bytes of clbits that are written, in ascending order: rows of bits belong to them, eight to each
    columns: list[int]
    #: the row of the shots that are at the present place
    where: int
    num_rows: int
    #: in order
    places: list[Place]


def row_of_clbits(columns: list[int], clbits: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the rows of clbits, whose bytes are among the columns."""
    return (8 * np.searchsorted(columns, clbits >> 3) + (clbits & 7)).astype(np.int32)


def frame_plan(program: Program) -> FramePlan:
    """Return how frames run a program of Clifford operations.

    Raises:
        NotFramesError: they can't.
    """
    codes = program.codes
    if (codes == Op.SAVE).any():
        raise NotFramesError("it saves data of its states")
    if not all([is_pauli(channel) for channel in program.channels]):
        raise NotFramesError("it has noise with resets")
    stored = [_stored(program.expressions[ref]) for ref in _expressions(program, Op.STORE)[:, 0].tolist()]
    columns = np.unique(np.concatenate([program.clbits, np.array(stored, np.int32)]) >> 3).tolist()
    if 8 * len(columns) > MOST_CLBITS:
        raise NotFramesError(f"it writes more than {MOST_CLBITS} clbits")
    elementaries = elementary(program)
    where = -(-len(columns) // 8) * 64
    if not IS_FLOW[codes].any():
        return FramePlan(elementaries, columns, where, where, [])
    return _Parting(program, elementaries, columns, where).plan()


def _expressions(program: Program, code: Op) -> NDArray[np.int32]:
    """Return the expressions of all rows with a code.

    Returns:
        int32, shape (rows, expressions of each).
    """
    counts = EXPRESSIONS[program.codes]
    own: NDArray[np.int32] = program.expression_refs[np.repeat(program.codes == code, counts)]
    return own.reshape(-1, int(EXPRESSIONS[code]))


def _stored(place: Expression) -> int:
    """Return the clbit that a store writes."""
    if isinstance(place, Bit):
        return place.clbit
    raise NotFramesError("it stores values other than single bits")


def _waiting_rows(targets: Mapping[int, int], first: int) -> dict[int, int]:
    """Return a row of bits for each target of a jump.

    It is free again behind the target.

    Args:
        targets: by the rows of jumps; all go forwards.
        first: the first row of bits that is free.
    """
    found: dict[int, int] = {}
    free: list[int] = []
    for row in sorted({*targets, *targets.values()}):
        if row in found:
            free.append(found[row])
        if row in targets and targets[row] not in found:
            if not free:
                free.append(first)
                first += 1
            found[targets[row]] = free.pop()
    return found


class _Parting:
    """The way of a program whose shots part."""

    def __init__(self, program: Program, elementaries: Elementaries, columns: list[int], where: int) -> None:
        self._program, self._elementaries, self._columns, self._where = program, elementaries, columns, where
        rows = np.flatnonzero(IS_FLOW[program.codes])
        self._rows: list[int] = rows.tolist()
        jumping = rows[JUMPS[program.codes[rows]] > 0]
        if (program.jumps <= jumping).any():
            raise NotFramesError("it has a loop")
        #: the row that each jump goes to, by its own row
        self._targets = dict(zip(jumping.tolist(), program.jumps.tolist(), strict=True))
        #: the row of bits of the shots that wait at the target of a jump, by that target
        self._waiting = _waiting_rows(self._targets, where + 1)
        #: targets at which shots wait
        self._outstanding: set[int] = set()
        written = [column * 8 + bit for column in columns for bit in range(8)]
        row_of = {clbit: row for row, clbit in enumerate(written)}
        self._logic = Logic(row_of, max([where, *self._waiting.values()]) + 1)
        self._row_of = row_of
        self._parted = False
        self._places: list[Place] = []

    def plan(self) -> FramePlan:
        """Return the program's plan."""
        refs = iter(self._program.expression_refs.tolist())
        for row in sorted({*self._rows, *self._waiting}):
            begin = self._places[-1].at if self._places else 0
            at = int(np.searchsorted(self._elementaries.rows, row))
            if self._parted:
                self._check(begin, at)
            if row in self._waiting:
                self._arrive(row)
            if row < len(self._program) and IS_FLOW[self._program.codes[row]]:
                code = Op(self._program.codes[row])
                own = [self._program.expressions[next(refs)] for _ in range(int(EXPRESSIONS[code]))]
                try:
                    self._pass(row, code, own)
                except NotBitwiseError as exc:
                    raise NotFramesError(f"operation {row} depends on an expression that isn't bitwise: {exc}") from exc
            self._places.append(Place(at, self._logic.take(), self._parted))
        return FramePlan(self._elementaries, self._columns, self._where, self._logic.num_rows, self._places)

    def _check(self, begin: int, end: int) -> None:
        """Check the operations that only some shots have."""
        codes = self._elementaries.codes[begin:end]
        fits = (codes == Elementary.NOISE) | ((codes >= Elementary.X) & (codes <= Elementary.Z))
        if not fits.all():
            row = int(self._elementaries.rows[begin + int(np.argmin(fits))])
            name = Op(self._program.codes[row]).name.lower()
            raise NotFramesError(f"operation {row}, {name}, isn't a Pauli and depends on a measurement")

    def _pass(self, row: int, code: Op, expressions: list[Expression]) -> None:
        """Take the shots through a row of control flow."""
        here = 2 * self._where if self._parted else ONE
        if code is Op.STORE:
            place, value = expressions
            if isinstance(place, Bit):
                self._store(self._row_of[place.clbit], self._logic.condition(value), here)
            return
        leaving = here
        if code is Op.JUMP_UNLESS:
            condition = self._logic.condition(expressions[0])
            leaving = self._logic.both(here, opposite(condition))
            here = self._logic.both(here, condition)
        else:
            here = ZERO
        target = self._targets[row]
        self._wait(target, leaving)
        self._logic.give(self._where, here)
        self._parted = True

    def _wait(self, target: int, leaving: int) -> None:
        """Let shots wait at the target of a jump."""
        row = self._waiting[target]
        if target in self._outstanding:
            # No shot waits there twice.
            leaving = self._logic.differ(2 * row, leaving)
        self._logic.give(row, leaving)
        self._outstanding.add(target)

    def _arrive(self, target: int) -> None:
        """Take in the shots that wait at a row."""
        self._outstanding.discard(target)
        # Where no shot is elsewhere, all are here.
        self._parted = bool(self._outstanding)
        if self._parted:
            self._logic.emit(XOR, self._where, self._waiting[target])

    def _store(self, row: int, value: int, here: int) -> None:
        """Give a clbit a value in the shots that are here."""
        if here != ONE:
            changes = self._logic.copied(self._logic.differ(2 * row, value))
            self._logic.emit(AND, changes, self._where)
            value = self._logic.differ(2 * row, 2 * changes)
        self._logic.give(row, value)
