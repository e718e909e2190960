# SPDX-License-Identifier: Apache-2.0
"""Blocks of a program, and the blocks that may follow each.

A program is cut at its jumps and stores, and at the rows that are jumped to. Each stretch is compiled by itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple

import numpy as np

from qfleet.wire.program.events import event_numbers
from qfleet.wire.program.expressions import FLOAT, Expression, Index
from qfleet.wire.program.operations import IS_FLOW, Op
from qfleet.wire.program.program import Operation, Program
from qfleet_worker.engines.driver.cuts import cuts_of
from qfleet_worker.engines.driver.expressions import Compiler, Evaluate, Memory, Value
from qfleet_worker.engines.driver.limits import DEFAULT_LIMITS, DriverLimits
from qfleet_worker.engines.driver.liveness import NOTHING, BlockNames, NameEffects, live_names
from qfleet_worker.engines.driver.moves import MOST_QUBITS, Moves
from qfleet_worker.engines.driver.noise import Noise
from qfleet_worker.engines.driver.noisy_flow import NoisyStretch, noisy_stretches, with_measurements_last
from qfleet_worker.engines.driver.pauli_images import GateImages
from qfleet_worker.engines.driver.scope import Scope
from qfleet_worker.engines.driver.stretches import AnyPlan, CompileOnce, Cutter, Stretch, events_of
from qfleet_worker.engines.steps import EventStep


@dataclass(frozen=True, slots=True)
class Block(Generic[AnyPlan]):
    """A compiled stretch, and what comes after it."""

    plan: AnyPlan
    #: writes the values that are stored at its end
    store: Callable[[Memory], None] | None = None
    condition: Evaluate | None = None
    #: the block to go on with, if there is no condition or it holds; ``None`` at the program's end
    following: int | None = None
    #: the block to go on with if the condition doesn't hold
    otherwise: int = 0
    #: what is done with names at its end
    names: NameEffects = NOTHING
    #: the steps that the driver carries out itself: random events and saves
    events: tuple[int, ...] = ()
    #: the stretch with its noise, in a program without control flow
    noisy: NoisyStretch[AnyPlan] | None = None

    def goals(self) -> Iterator[int]:
        """Give the blocks that may come next."""
        if self.following is not None:
            yield self.following
        if self.condition is not None:
            yield self.otherwise


class Reachable(NamedTuple):
    """Events that shots may still meet, again or for the first time."""

    #: events with a lower number are behind them
    first_event: int
    #: whether they may go back to an earlier operation
    back: bool


@dataclass(frozen=True, slots=True)
class Flow(Generic[AnyPlan]):
    """A compiled program."""

    blocks: tuple[Block[AnyPlan], ...]
    #: the clbits and variables that have a name
    scope: Scope
    #: for each block the names that may still be read, before each step and after the last; see `liveness`
    live: list[list[int]]
    #: the variables that have a name, as they begin
    variables: tuple[Value, ...] = ()
    #: the events that may still be met from each block on; empty if no block may be run again
    ahead: tuple[Reachable, ...] = ()
    #: the name of the loop that begins with a block, for errors
    names: dict[int, str] = dataclasses.field(default_factory=dict)
    limits: DriverLimits = DEFAULT_LIMITS
    #: ``None`` for a program without noise
    noise: Noise | None = None
    #: the moves of errors, in a program whose states decide on nothing before its end
    moves: Moves | None = None
    #: the readout error of each clbit that is measured at the end, with the event of its last measurement
    flips: dict[int, tuple[int, tuple[float, float]]] = dataclasses.field(default_factory=dict)

    @property
    def loops(self) -> bool:
        """Tell whether any block may be run again."""
        return bool(self.ahead)


def compile_flow(
    program: Program,
    compile_stretch: Callable[[Stretch], AnyPlan],
    limits: DriverLimits = DEFAULT_LIMITS,
    *,
    draws_errors: bool = True,
) -> Flow[AnyPlan]:
    """Compile the blocks of a program.

    Args:
        program: the program.
        compile_stretch: returns the plan of a stretch.
        limits: those under which the program is compiled and run.
        draws_errors: whether each shot has errors of its own; else the engine's steps have the noise.
    """
    is_drawn = draws_errors and len(program.channel_refs) > 0
    if not IS_FLOW[program.codes].any():
        if is_drawn:
            return _compile_noisy(with_measurements_last(program), compile_stretch, limits)
        stretch = Stretch(program, True, True, 0)
        plan = compile_stretch(stretch)
        live = [[0] * (len(plan.steps) + 1)]
        block = Block(plan, events=events_of(plan))
        return Flow((block,), Scope(), live, limits=limits, flips=_final_flips(stretch))
    rows = [row for row in program if IS_FLOW[row.code]]
    at = np.flatnonzero(IS_FLOW[program.codes])
    starts = np.unique([0, *(at + 1).tolist(), *program.jumps.tolist()])
    block_of = {start: number for number, start in enumerate(starts.tolist())}
    scope = Scope.of(program.expressions, program.variables)
    compiler = Compiler(scope)
    ends = dict(zip(at.tolist(), rows, strict=True))
    targets = set(program.jumps.tolist())
    blocks: list[Block[AnyPlan]] = []
    events_before = []
    cutter = Cutter(program)
    compile_once = CompileOnce(compile_stretch)
    for number, start in enumerate(starts.tolist()):
        end = int(starts[number + 1]) if number + 1 < len(starts) else len(program)
        tail = ends.get(end - 1) if end > start else None
        last = number + 1 == len(starts)
        stretch = cutter.stretch(start, end - (tail is not None), first=not number and 0 not in targets, last=last)
        plan = compile_once(stretch)
        block = _block(plan, tail, None if last else number + 1, block_of, compiler)
        blocks.append(block)
        events_before.append(stretch.events_before)
    return Flow(
        tuple(blocks),
        scope,
        live_names([_names_in(block, scope) for block in blocks], len(scope), limits),
        variables=tuple([0.0 if kind == FLOAT else 0 for kind in scope.types]),
        ahead=_ahead(blocks, events_before),
        names={block_of[row]: name for row, name in program.loops if row in block_of},
        limits=limits,
        noise=Noise(program) if is_drawn else None,
        flips=_final_flips(stretch),
    )


def _compile_noisy(
    program: Program, compile_stretch: Callable[[Stretch], AnyPlan], limits: DriverLimits
) -> Flow[AnyPlan]:
    """Compile the stretches of a noisy program without control flow."""
    noise = Noise(program)
    images = GateImages(program) if noise.is_unitary else None
    cuts = cuts_of(program, noise, images)
    blocks: list[Block[AnyPlan]] = []
    for stretch, noisy in noisy_stretches(program, noise, cuts, compile_stretch):
        plan = compile_stretch(stretch)
        following = None if stretch.last else len(blocks) + 1
        blocks.append(Block(plan, following=following, events=events_of(plan), noisy=noisy))
    live = [[0] * (len(block.plan.steps) + 1) for block in blocks]
    moves = None
    if images is not None and not any(block.events for block in blocks) and len(images.named) <= MOST_QUBITS:
        moves = Moves(program, noise, images, cuts[:-1])
    return Flow(tuple(blocks), Scope(), live, limits=limits, noise=noise, moves=moves, flips=_final_flips(stretch))


def _final_flips(stretch: Stretch) -> dict[int, tuple[int, tuple[float, float]]]:
    """Return the readout error of each clbit's last measurement in a stretch.

    Errors that never happen are left out.
    """
    program = stretch.program
    if not program.flips.any():
        return {}
    events = event_numbers(program)[np.flatnonzero(program.codes == Op.MEASURE)] + stretch.events_before
    pairs = program.flips.reshape(-1, 2).tolist()
    last = {clbit: at for at, clbit in enumerate(program.clbits.tolist())}
    return {clbit: (int(events[at]), (pairs[at][0], pairs[at][1])) for clbit, at in last.items() if any(pairs[at])}


def _ahead(blocks: Sequence[Block[AnyPlan]], events_before: Sequence[int]) -> tuple[Reachable, ...]:
    """Return the events that may still be met from each block on.

    `events_before` counts the events before each block.
    """
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
            # A block that was visited before leads to an earlier block.
            if earliest[number] < 0:
                earliest[number] = goal
                waiting += before[number]
    return tuple([Reachable(events_before[block] + 1, block <= back) for block in earliest])


def _block(
    plan: AnyPlan,
    tail: Operation | None,
    following: int | None,
    block_of: dict[int, int],
    compiler: Compiler,
) -> Block[AnyPlan]:
    events = events_of(plan)
    if tail is None:
        return Block(plan, following=following, events=events)
    if tail.code is Op.STORE:
        store, names = compiler.store(*tail.expressions), _of_store(compiler, *tail.expressions)
        return Block(plan, store=store, following=following, names=names, events=events)
    if tail.code is Op.JUMP:
        return Block(plan, following=block_of[tail.jump], events=events)
    condition, names = compiler.value(*tail.expressions), NameEffects((compiler.names(*tail.expressions),))
    return Block(plan, None, condition, following, block_of[tail.jump], names, events)


def _of_store(compiler: Compiler, place: Expression, value: Expression) -> NameEffects:
    """Return the names of a value that is stored."""
    reads = compiler.names(value)
    if isinstance(place, Index):
        return NameEffects((reads, compiler.names(place)), compiler.names(place.target))
    whole = compiler.names(place)
    return NameEffects((reads,), whole, whole)


def _names_in(block: Block[AnyPlan], scope: Scope) -> BlockNames:
    """Return the names that a block reads and changes."""
    nothing = frozenset[int]()
    steps = [scope.among(step.clbits) if isinstance(step, EventStep) else nothing for step in block.plan.steps]
    return BlockNames(steps, block.names, list(block.goals()))
