# SPDX-License-Identifier: Apache-2.0
"""Stretches of a program without control flow, compiled one by one.

In a stretch, SWAPs are matrices. If they exchanged names only, as in a program of one stretch, the names would have to
be put back at the end of each stretch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.events import event_numbers
from qfleet.wire.program.matrices import table
from qfleet.wire.program.operations import ANGLES, CLBITS, EXCHANGES, HAS_CHANNEL, HAS_TABLE, Op
from qfleet.wire.program.program import Operation, Program
from qfleet_worker.engines.steps import EventStep, SaveStep

#: Tables of the operations that exchange their targets, by code.
_EXCHANGES: dict[int, NDArray[np.complex128]] = {
    code: table(Operation(Op(code), (), (0, 1), (), None, -1)).astype(np.complex128).reshape(-1)
    for code in np.flatnonzero(EXCHANGES).tolist()
}
_NO_ROWS = np.zeros(0, np.int32)


class CompiledPlan(Protocol):
    """The part of any engine's plan that the driver reads."""

    @property
    def steps(self) -> tuple[Any, ...]:
        """Return the steps: those of the driver, and the engine's own."""
        ...

    @property
    def wires(self) -> tuple[int, ...]:
        """Return the wire of each qubit at the end."""
        ...

    @property
    def measured(self) -> tuple[int, ...]:
        """Return the wires that are measured at the end."""
        ...

    @property
    def readout(self) -> tuple[tuple[int, int], ...]:
        """Return pairs of a wire measured at the end and its clbit."""
        ...

    @property
    def phase(self) -> complex:
        """Return the factor of the whole state."""
        ...


AnyPlan = TypeVar("AnyPlan", bound=CompiledPlan)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows of a program that are always run together."""

    program: Program
    #: whether they are run at most once, and first of all
    first: bool
    #: whether the program ends after them
    last: bool
    #: the number of random events before them
    events_before: int


def events_of(plan: CompiledPlan) -> tuple[int, ...]:
    """Return the places of the driver's own steps.

    These steps are random events and saves.
    """
    return tuple([at for at, step in enumerate(plan.steps) if isinstance(step, EventStep | SaveStep)])


class CompileOnce(Generic[AnyPlan]):
    """A compiler of stretches that compiles equal ones once.

    Unrolled loops repeat their stretches.
    """

    def __init__(self, compile_stretch: Callable[[Stretch], AnyPlan]) -> None:
        self._compile = compile_stretch
        #: the plans, and the events before each
        self._plans: dict[tuple[Any, ...], tuple[AnyPlan, int]] = {}

    def __call__(self, stretch: Stretch) -> AnyPlan:
        """Return the plan of a stretch."""
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
            part.slots.tobytes(),
            part.save_refs.tobytes(),
            part.channel_refs.tobytes(),
            part.flips.tobytes(),
            tuple([id(table) for table in part.tables]),
        )
        known = self._plans.get(key)
        if known is None:
            plan = self._compile(stretch)
            self._plans[key] = plan, stretch.events_before
            return plan
        plan, events_before = known
        later = stretch.events_before - events_before
        if not later or not events_of(plan):
            return plan
        steps = [
            dataclasses.replace(step, event=step.event + later) if isinstance(step, EventStep) else step
            for step in plan.steps
        ]
        again: AnyPlan = dataclasses.replace(plan, steps=tuple(steps))  # type: ignore[type-var]
        return again


class Cutter:
    """A maker of programs from the stretches of a program."""

    def __init__(self, program: Program) -> None:
        plain = program.num_controls == 0
        self._tables = list(program.tables)
        #: each row's table, -1 for none
        self._table_at = np.full(len(program), -1, np.int64)
        self._table_at[HAS_TABLE[program.codes]] = program.table_refs
        codes = program.codes.copy()
        for code, matrix in _EXCHANGES.items():
            rows = plain & (program.codes == code)
            self._table_at[rows] = len(self._tables)
            self._tables.append(matrix)
            codes[rows] = Op.UNITARY
        self._program = msgspec.structs.replace(program, codes=codes)
        widths = program.num_controls.astype(np.int64) + program.num_targets
        self._operands = _starts(widths)
        self._params = _starts(ANGLES[codes])
        self._clbits = _starts(CLBITS[codes])
        self._saves = _starts(codes == Op.SAVE)
        self._channels = _starts(HAS_CHANNEL[codes])
        self._events = event_numbers(program)

    def stretch(self, start: int, end: int, *, first: bool, last: bool) -> Stretch:
        """Return the stretch of rows `start` to ``end - 1``.

        No row of it is a jump or a store.
        """
        program, rows = self._program, slice(start, end)
        numbers = [number for number in self._table_at[rows].tolist() if number >= 0]
        first_param, end_param = self._params[start], self._params[end]
        slots = program.slots[(program.slots >= first_param) & (program.slots < end_param)]
        part = msgspec.structs.replace(
            program,
            codes=program.codes[rows],
            num_controls=program.num_controls[rows],
            num_targets=program.num_targets[rows],
            operands=program.operands[self._operands[start] : self._operands[end]],
            clbits=program.clbits[self._clbits[start] : self._clbits[end]],
            params=program.params[first_param:end_param],
            slots=slots - np.int32(first_param),
            table_refs=np.arange(len(numbers), dtype=np.int32),
            tables=tuple([self._tables[number] for number in numbers]),
            jumps=_NO_ROWS,
            expression_refs=_NO_ROWS,
            expressions=(),
            variables=(),
            loops=(),
            save_refs=program.save_refs[self._saves[start] : self._saves[end]],
            channel_refs=program.channel_refs[self._channels[start] : self._channels[end]],
            flips=program.flips[2 * self._clbits[start] : 2 * self._clbits[end]],
        )
        return Stretch(part, first, last, int(self._events[start]) - 1)


def last_uses(program: Program) -> NDArray[np.int64]:
    """Return each qubit's last row that isn't a measurement.

    A save uses all qubits. The row is -1 for a qubit without one.
    """
    widths = program.num_controls.astype(np.int64) + program.num_targets
    rows = np.repeat(np.arange(len(widths)), widths)
    used = program.codes[rows] != Op.MEASURE
    last = np.full(program.num_qubits, -1)
    last[np.maximum(program.operands, ~program.operands)[used]] = rows[used]
    last[last < program.last_save()] = program.last_save()
    return last


def _starts(counts: NDArray[np.generic]) -> NDArray[np.int64]:
    """Return the place where each row's items begin.

    The last entry is the end of the last row's items.
    """
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
