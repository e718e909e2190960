# SPDX-License-Identifier: Apache-2.0
"""Which stretches without jumps does a program consist of, and which follows which?

A program is cut at its jumps and stores, and at the rows that are jumped to. Each stretch is compiled by itself. In
these, SWAPs are matrices: to exchange names only, as in a program of one stretch, one would have to put them back at
the end of each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.expressions import FLOAT, Expression, Index
from qfleet.wire.program.program import FLOW_OPS, PARAMS, TABLE_OPS, Op, Operation, Program
from qfleet_worker.engines.driver.expressions import Compiler, Evaluate, Memory, Value
from qfleet_worker.engines.driver.liveness import NOTHING, InNames, Names, live_names
from qfleet_worker.engines.driver.scope import Scope
from qfleet_worker.engines.numpy.plan import Measure, Reset, Save


class CompiledPlan(Protocol):
    """What any engine's plan tells of itself."""

    @property
    def steps(self) -> tuple[Any, ...]: ...
    @property
    def measured(self) -> tuple[int, ...]: ...
    @property
    def readout(self) -> tuple[tuple[int, int], ...]: ...
    @property
    def phase(self) -> complex: ...


AnyPlan = TypeVar("AnyPlan", bound=CompiledPlan)

_SWAP = np.eye(4, dtype=np.complex128)[[0, 2, 1, 3]]
_EXCHANGES = {Op.SWAP: _SWAP, Op.ISWAP: _SWAP * np.array([1, 1j, 1j, 1])}


#: By code, the operations on what is classical.
_IS_FLOW = np.isin(np.arange(256), [int(op) for op in FLOW_OPS])
_TAKES_TABLE = [int(op) for op in TABLE_OPS]
_NUM_PARAMS = np.zeros(256, np.int64)
for _op, _count in PARAMS.items():
    _NUM_PARAMS[_op] = _count
_NO_ROWS = np.zeros(0, np.int32)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows of a program that are always run together."""

    program: Program
    #: whether they are run at most once, and first of all
    first: bool
    #: whether the program ends after them
    last: bool
    #: random events before them
    events: int


@dataclass(frozen=True, slots=True)
class Block(Generic[AnyPlan]):
    """A compiled stretch, and what comes after it."""

    plan: AnyPlan
    #: what is done at its end
    store: Callable[[Memory], None] | None = None
    condition: Evaluate | None = None
    #: the block to go on with, if there is no condition or it holds; ``None`` at the program's end
    following: int | None = None
    #: the block to go on with if the condition doesn't hold
    otherwise: int = 0
    #: what is done with names at its end
    names: Names = NOTHING
    #: the steps that are measurements, resets and saves
    events: tuple[int, ...] = ()

    def goals(self) -> Iterator[int]:
        """The blocks that may come next."""
        if self.following is not None:
            yield self.following
        if self.condition is not None:
            yield self.otherwise


class Ahead(NamedTuple):
    """What shots may still meet, again or for the first time."""

    #: events with a lower number are behind them
    first_event: int
    #: whether they may go back to an earlier operation
    back: bool


@dataclass(frozen=True, slots=True)
class Flow(Generic[AnyPlan]):
    """A program, compiled."""

    blocks: tuple[Block[AnyPlan], ...]
    #: what has a name
    scope: Scope
    #: for each block the names that may still be read, before each step and after the last; see `liveness`
    live: list[list[int]]
    #: the variables that have a name, as they begin
    variables: tuple[Value, ...] = ()
    #: what may still be met from each block on; empty if no block may be run again
    ahead: tuple[Ahead, ...] = ()
    #: what to call the loop that begins with a block
    names: dict[int, str] = dataclasses.field(default_factory=dict)

    @property
    def loops(self) -> bool:
        """Whether any block may be run again."""
        return bool(self.ahead)


def compile_flow(program: Program, compile_stretch: Callable[[Stretch], AnyPlan]) -> Flow[AnyPlan]:
    """The blocks of a program, their plans made by `compile_stretch`."""
    if not _IS_FLOW[program.codes].any():
        plan = compile_stretch(Stretch(program, True, True, 0))
        return Flow((Block(plan, events=_events(plan)),), Scope(), [[0] * (len(plan.steps) + 1)])
    rows = [row for row in program if row.code in FLOW_OPS]
    at = np.flatnonzero(_IS_FLOW[program.codes])
    starts = np.unique([0, *(at + 1).tolist(), *program.jumps.tolist()])
    block_of = {start: number for number, start in enumerate(starts.tolist())}
    scope = Scope.of(program.expressions, program.variables)
    compiler = Compiler(scope)
    ends = dict(zip(at.tolist(), rows, strict=True))
    targets = set(program.jumps.tolist())
    blocks: list[Block[AnyPlan]] = []
    events = []
    cutter = _Cutter(program)
    compile_once = _Once(compile_stretch)
    for number, start in enumerate(starts.tolist()):
        end = int(starts[number + 1]) if number + 1 < len(starts) else len(program)
        tail = ends.get(end - 1) if end > start else None
        last = number + 1 == len(starts)
        stretch = cutter.stretch(start, end - (tail is not None), first=not number and 0 not in targets, last=last)
        plan = compile_once(stretch)
        block = _block(plan, tail, None if last else number + 1, block_of, compiler)
        blocks.append(block)
        events.append(stretch.events)
    return Flow(
        tuple(blocks),
        scope,
        live_names([_in_names(block, scope) for block in blocks], len(scope)),
        variables=tuple([0.0 if kind == FLOAT else 0 for kind in scope.types]),
        ahead=_ahead(blocks, events),
        names={block_of[row]: name for row, name in program.loops if row in block_of},
    )


def _ahead(blocks: Sequence[Block[AnyPlan]], events: Sequence[int]) -> tuple[Ahead, ...]:
    """What may still be met from each block on; `events`: how many there are before each."""
    back = max(
        [number for number, block in enumerate(blocks) if any(goal <= number for goal in block.goals())], default=-1
    )
    if back < 0:
        return ()
    before: list[list[int]] = [[] for _ in blocks]
    for number, block in enumerate(blocks):
        for goal in block.goals():
            before[goal].append(number)
    #: the earliest block that one may come to; -1 where it isn't known yet
    earliest = [-1] * len(blocks)
    for goal in range(len(blocks)):
        waiting = [goal]
        while waiting:
            number = waiting.pop()
            # A block that was met before comes to an earlier one.
            if earliest[number] < 0:
                earliest[number] = goal
                waiting += before[number]
    return tuple([Ahead(events[block] + 1, block <= back) for block in earliest])


def _block(
    plan: AnyPlan,
    tail: Operation | None,
    following: int | None,
    block_of: dict[int, int],
    compiler: Compiler,
) -> Block[AnyPlan]:
    events = _events(plan)
    if tail is None:
        return Block(plan, following=following, events=events)
    if tail.code is Op.STORE:
        store, names = compiler.store(*tail.expressions), _of_store(compiler, *tail.expressions)
        return Block(plan, store=store, following=following, names=names, events=events)
    if tail.code is Op.JUMP:
        return Block(plan, following=block_of[tail.jump], events=events)
    condition, names = compiler.value(*tail.expressions), Names((compiler.names(*tail.expressions),))
    return Block(plan, None, condition, following, block_of[tail.jump], names, events)


def _events(plan: CompiledPlan) -> tuple[int, ...]:
    return tuple([at for at, step in enumerate(plan.steps) if isinstance(step, Measure | Reset | Save)])


def _of_store(compiler: Compiler, place: Expression, value: Expression) -> Names:
    """Return the names of a value that is stored."""
    reads = compiler.names(value)
    if isinstance(place, Index):
        return Names((reads, compiler.names(place)), compiler.names(place.target))
    whole = compiler.names(place)
    return Names((reads,), whole, whole)


def _in_names(block: Block[AnyPlan], scope: Scope) -> InNames:
    """Return what a block means for names."""
    nothing = frozenset[int]()
    steps = [scope.among(step.clbits) if isinstance(step, Measure) else nothing for step in block.plan.steps]
    return InNames(steps, block.names, list(block.goals()))


class _Once(Generic[AnyPlan]):
    """Compiles stretches, equal ones once: what is unrolled repeats."""

    def __init__(self, compile_stretch: Callable[[Stretch], AnyPlan]) -> None:
        self._compile = compile_stretch
        #: the plans, and the events before each
        self._plans: dict[tuple[Any, ...], tuple[AnyPlan, int]] = {}

    def __call__(self, stretch: Stretch) -> AnyPlan:
        part = stretch.program
        key = (
            stretch.first,
            stretch.last,
            part.codes.tobytes(),
            part.num_controls.tobytes(),
            part.num_targets.tobytes(),
            part.operands.tobytes(),
            part.clbits.tobytes(),
            part.params.tobytes(),
            part.save_refs.tobytes(),
            tuple([id(table) for table in part.tables]),
        )
        known = self._plans.get(key)
        if known is None:
            plan = self._compile(stretch)
            self._plans[key] = plan, stretch.events
            return plan
        plan, events = known
        later = stretch.events - events
        if not later or not _events(plan):
            return plan
        steps = [
            dataclasses.replace(step, event=step.event + later) if isinstance(step, Measure | Reset) else step
            for step in plan.steps
        ]
        again: AnyPlan = dataclasses.replace(plan, steps=tuple(steps))  # type: ignore[type-var]
        return again


class _Cutter:
    """Makes programs of stretches of a program."""

    def __init__(self, program: Program) -> None:
        plain = program.num_controls == 0
        self._tables = list(program.tables)
        #: each row's table, -1 for none
        self._table_at = np.full(len(program), -1, np.int64)
        self._table_at[np.isin(program.codes, _TAKES_TABLE)] = program.table_refs
        codes = program.codes.copy()
        for op, matrix in _EXCHANGES.items():
            rows = plain & (codes == op)
            self._table_at[rows] = len(self._tables)
            self._tables.append(matrix.reshape(-1))
            codes[rows] = Op.UNITARY
        self._program = msgspec.structs.replace(program, codes=codes)
        widths = program.num_controls.astype(np.int64) + program.num_targets
        self._operands = _starts(widths)
        self._params = _starts(_NUM_PARAMS[codes])
        self._clbits = _starts(codes == Op.MEASURE)
        self._saves = _starts(codes == Op.SAVE)
        random = (codes == Op.MEASURE) | (codes == Op.RESET)
        self._events = _starts(np.where(codes == Op.INITIALIZE, program.num_targets, random))

    def stretch(self, start: int, end: int, *, first: bool, last: bool) -> Stretch:
        """Rows `start` to ``end - 1``, none of which is a jump or a store."""
        program, rows = self._program, slice(start, end)
        numbers = [number for number in self._table_at[rows].tolist() if number >= 0]
        part = msgspec.structs.replace(
            program,
            codes=program.codes[rows],
            num_controls=program.num_controls[rows],
            num_targets=program.num_targets[rows],
            operands=program.operands[self._operands[start] : self._operands[end]],
            clbits=program.clbits[self._clbits[start] : self._clbits[end]],
            params=program.params[self._params[start] : self._params[end]],
            table_refs=np.arange(len(numbers), dtype=np.int32),
            tables=tuple([self._tables[number] for number in numbers]),
            jumps=_NO_ROWS,
            expression_refs=_NO_ROWS,
            expressions=(),
            variables=(),
            loops=(),
            save_refs=program.save_refs[self._saves[start] : self._saves[end]],
        )
        return Stretch(part, first, last, int(self._events[start]))


def _starts(counts: NDArray[np.generic]) -> NDArray[np.int64]:
    """Where each row's items begin, and where the last row's end."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
