# SPDX-License-Identifier: Apache-2.0
"""Compiled stretches of Clifford circuits: arrays of gates, and events."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.events import event_numbers
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Quantity
from qfleet_worker.engines.driver.stretches import Stretch, last_uses
from qfleet_worker.engines.stabilizer.codes import Elementary
from qfleet_worker.engines.stabilizer.elementary import Elementaries, elementary
from qfleet_worker.engines.steps import MeasureStep, NoiseStep, ResetStep, SaveStep

_PAULIS: Final = (Elementary.X, Elementary.Y, Elementary.Z)


@dataclass(frozen=True, slots=True, eq=False)
class Gates:
    """Elementary gates, one after the other."""

    #: uint8, shape (gates,)
    codes: NDArray[np.uint8]
    #: int32, shape (gates,)
    first: NDArray[np.int32]
    second: NDArray[np.int32]
    #: names the gates that aren't Paulis; empty if all are
    name: bytes

    @classmethod
    def of(cls, codes: NDArray[np.uint8], first: NDArray[np.int32], second: NDArray[np.int32]) -> Gates:
        """Return a step of some gates."""
        others = ~np.isin(codes, _PAULIS)
        columns = [column[others].tobytes() for column in (codes, first, second)]
        name = blake2b(b"".join(columns), digest_size=16).digest() if columns[0] else b""
        return cls(codes, first, second, name)


Step: TypeAlias = Gates | MeasureStep | ResetStep | NoiseStep | SaveStep


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled stretch; see `qfleet_worker.engines.driver.stretches.CompiledPlan`."""

    steps: tuple[Step, ...]
    #: the wire of each qubit, which is always its own
    wires: tuple[int, ...]
    #: the wires measured at the end
    measured: tuple[int, ...]
    #: pairs of a wire measured at the end and a clbit whose last writer that measurement is
    readout: tuple[tuple[int, int], ...]
    #: global phases aren't known
    phase: complex = 1 + 0j


def compile_stretch(stretch: Stretch) -> Plan:
    """Return the plan of a stretch.

    Raises:
        EngineError: a row isn't a Clifford operation.
    """
    return _Compiler(stretch).plan()


class _Compiler:
    """A stretch that is cut at its events and saves."""

    def __init__(self, stretch: Stretch) -> None:
        program = stretch.program
        self._program = program
        self._rows = elementary(program)
        if any(save.spec.quantity is Quantity.TABLEAU for save in program.saves):
            # Frames don't know the signs of destabilizers: Z is S twice.
            self._rows = _without_paulis(self._rows)
        self._events = (event_numbers(program) + stretch.events_before).tolist()
        self._last_use = last_uses(program) if stretch.last else np.full(program.num_qubits, len(program))
        #: the ordinal of each measurement, by its row
        self._ordinals = np.cumsum(program.codes == Op.MEASURE) - 1
        self._writer = {clbit: ordinal for ordinal, clbit in enumerate(program.clbits.tolist())}
        #: whether a save may read a clbit before the end
        self._clbits_read = any(save.conditional for save in program.saves)
        self._final: dict[int, list[int]] = {}
        self._steps: list[Step] = []

    def plan(self) -> Plan:
        """Return the plan."""
        rows, program = self._rows, self._program
        at_end = self._take_final()
        kept = Elementaries(rows.codes[~at_end], rows.first[~at_end], rows.second[~at_end], rows.rows[~at_end])
        saves = np.flatnonzero(program.codes == Op.SAVE)
        save_targets = _targets(program, saves)
        stops = np.flatnonzero(kept.codes >= Elementary.MEASURE)
        before_saves = np.searchsorted(kept.rows, saves)
        begin = 0
        places = [(place, 1, -1) for place in stops.tolist()]
        # A save in front of an event comes first.
        places += [(place, 0, number) for number, place in enumerate(before_saves.tolist())]
        for place, length, save in sorted(places):
            self._gates(kept, begin, place)
            if save < 0:
                self._event(kept, place)
            else:
                every = tuple(range(program.num_qubits))
                self._steps.append(SaveStep(int(program.save_refs[save]), save_targets[save], every, 1 + 0j))
            begin = place + length
        self._gates(kept, begin, len(kept.codes))
        readout = tuple([(wire, clbit) for wire, clbits in self._final.items() for clbit in clbits])
        return Plan(tuple(self._steps), tuple(range(program.num_qubits)), tuple(self._final), readout)

    def _take_final(self) -> NDArray[np.bool_]:
        """Mark the measurements of qubits that nothing uses afterwards."""
        codes, first, second, rows = self._rows
        at_end: NDArray[np.bool_] = codes == Elementary.MEASURE
        at_end[at_end] = rows[at_end] > self._last_use[first[at_end]]
        found = zip(first[at_end].tolist(), second[at_end].tolist(), self._ordinals[rows[at_end]].tolist(), strict=True)
        for wire, clbit, ordinal in found:
            # If nothing reads a clbit before the end, only its last writer counts.
            self._final.setdefault(wire, []).extend([clbit] if self._writer[clbit] == ordinal else [])
        return at_end

    def _gates(self, rows: Elementaries, begin: int, end: int) -> None:
        if end > begin:
            part = slice(begin, end)
            self._steps.append(Gates.of(rows.codes[part], rows.first[part], rows.second[part]))

    def _event(self, rows: Elementaries, place: int) -> None:
        program, row = self._program, int(rows.rows[place])
        event, first, second = self._events[row], int(rows.first[place]), int(rows.second[place])
        if rows.codes[place] == Elementary.NOISE:
            wires = program.operands[first : first + int(program.num_targets[row])]
            self._steps.append(NoiseStep(event=event, wires=tuple(wires.tolist()), channel=second))
        elif rows.codes[place] == Elementary.RESET:
            # An initialization resets its targets one after the other.
            before = place - int(np.searchsorted(rows.rows, row))
            self._steps.append(ResetStep(event=event + before, wire=first))
        else:
            ordinal = int(self._ordinals[row])
            is_read = self._clbits_read or self._writer[second] == ordinal
            flips = tuple(program.flips[2 * ordinal : 2 * ordinal + 2].tolist())
            step = MeasureStep(event=event, wire=first, clbits=(second,) if is_read else (), flips=flips or None)
            self._steps.append(step)


def _without_paulis(rows: Elementaries) -> Elementaries:
    """Return operations with gates that aren't Paulis in place of these."""
    every = [[code] for code in Elementary]
    every[Elementary.X], every[Elementary.Z] = [Elementary.SX] * 2, [Elementary.S] * 2
    every[Elementary.Y] = [*every[Elementary.X], *every[Elementary.Z]]
    counts = np.array([len(codes) for codes in every])[rows.codes]
    at = np.repeat(np.arange(len(counts)), counts)
    places = np.arange(len(at)) - np.repeat(np.cumsum(counts) - counts, counts)
    table = np.array([codes + [0] * (4 - len(codes)) for codes in every], np.uint8)
    return Elementaries(table[rows.codes[at], places], rows.first[at], rows.second[at], rows.rows[at])


def _targets(program: Program, rows: NDArray[np.int64]) -> list[tuple[int, ...]]:
    """Return the targets of some rows without controls."""
    ends = np.cumsum(program.num_controls.astype(np.int64) + program.num_targets)
    return [
        tuple(program.operands[end - width : end].tolist())
        for end, width in zip(ends[rows].tolist(), program.num_targets[rows].tolist(), strict=True)
    ]
