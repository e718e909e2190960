# SPDX-License-Identifier: Apache-2.0
"""Noisy programs without control flow, cut into stretches between which shots part.

Shots without an error in a stretch run it as one. Others run it with their errors, from a copy of the same state. In
both, channels with jumps are the operators that leave a shot without a jump.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Final, Generic

import msgspec
import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.channels import Branch
from qfleet.wire.program.matrices import table
from qfleet.wire.program.operations import HAS_CHANNEL, HAS_TABLE, Op
from qfleet.wire.program.program import Operation, Program
from qfleet_worker.engines.driver.noise import Noise
from qfleet_worker.engines.driver.stretches import AnyPlan, Cutter, Stretch, last_uses
from qfleet_worker.engines.steps import NoiseStep

_PAULI_OPS: Final = {(1, 0): Op.X, (1, 1): Op.Y, (0, 1): Op.Z}


class NoisyStretch(Generic[AnyPlan]):
    """A stretch of gates and noise.

    Args:
        stretch: its rows.
        first_site: the number of its first row of noise.
        noise: that of the program.
        compile_stretch: returns the plan of a stretch.
    """

    def __init__(
        self, stretch: Stretch, first_site: int, noise: Noise, compile_stretch: Callable[[Stretch], AnyPlan]
    ) -> None:
        self._stretch = stretch
        self._noise = noise
        self._compile = compile_stretch
        self.first_site = first_site
        self.end_site = first_site + len(stretch.program.channel_refs)

    @property
    def qubits(self) -> set[int]:
        """Return the qubits that it names."""
        operands = self._stretch.program.operands
        return set(np.maximum(operands, ~operands).tolist())

    def channel(self, site: int) -> int:
        """Return the number of the channel at a site."""
        return int(self._stretch.program.channel_refs[site - self.first_site])

    @cached_property
    def waits(self) -> bool:
        """Tell whether shots may jump in it."""
        return bool(self._noise.waits[self.first_site : self.end_site].any())

    @cached_property
    def least(self) -> float:
        """Return what the squared norm of any state falls to at least."""
        found = [self._noise.jumps_at(site) for site in range(self.first_site, self.end_site)]
        return math.prod([jumps.least for jumps in found if jumps is not None])

    @cached_property
    def stops(self) -> Stops[AnyPlan]:
        """Return the stretch with a stop at each channel with errors."""
        if not self.waits:
            return self.walk
        program = without_jumps(self._stretch.program, self._noise, self.first_site, errors=True)
        part = dataclasses.replace(self._stretch, program=program)
        waits = self._noise.waits[self.first_site : self.end_site]
        return Stops(self._compile(part), self.first_site + np.flatnonzero(~waits), self._noise.events)

    @cached_property
    def walk(self) -> Stops[AnyPlan]:
        """Return the stretch with a stop at each channel."""
        return Stops(self._compile(self._stretch), np.arange(self.first_site, self.end_site), self._noise.events)

    def with_angles(self, sites: Container[int]) -> AnyPlan | None:
        """Return the stretch's plan with angles for errors at some sites.

        Each target of such a site has the angles of RY and of RZ. It has no other angles, and no global phase. It is
        ``None`` for a stretch with gates that have no table.
        """
        rows: list[Operation] = []
        for row, _, site in self._rows():
            if site in sites:
                for target in row.targets:
                    rows += [Operation(code, (), (target,), (0.0,), None, -1) for code in (Op.RY, Op.RZ)]
            elif site < 0 and row.code is Op.GLOBAL_PHASE:
                if row.controls:
                    return None
            elif site < 0 and row.params:
                entries = table(row)
                code = Op.DIAGONAL if entries.ndim == 1 else Op.UNITARY
                matrix = np.ascontiguousarray(entries, np.complex128).reshape(-1)
                rows.append(row._replace(code=code, params=(), table=matrix))
            elif site < 0:
                rows.append(row)
        program = _with_rows(self._stretch.program, rows)
        slots = np.arange(len(program.params), dtype=np.int32)
        return self._compile(Stretch(msgspec.structs.replace(program, slots=slots), self._stretch.first, False, 0))

    def with_errors(self, branches: Mapping[int, int]) -> Iterator[AnyPlan | NoiseStep]:
        """Give plans of the stretch with some errors among its gates.

        Errors with several outcomes are steps between two plans.

        Args:
            branches: the branch of each site with an error.
        """
        rows: list[Operation] = []
        first, last = self._stretch.first, self._stretch.last
        for row, channel, site in self._rows():
            if channel < 0:
                rows.append(row)
                continue
            jumps = self._noise.jumps[channel]
            if jumps is not None:
                rows.append(_matrix(jumps.stay, row.targets))
                continue
            branch = self._noise.channels[channel].branches[branches[site]].branch if site in branches else None
            if branch is None:
                continue
            if branch.is_unitary:
                rows += _gates(branch, row.targets)
                continue
            yield self._compile(Stretch(_with_rows(self._stretch.program, rows), first, False, 0))
            yield self.stops.noise[site]
            rows, first = [], False
        yield self._compile(Stretch(_with_rows(self._stretch.program, rows), first, last, 0))

    def _rows(self) -> Iterator[tuple[Operation, int, int]]:
        """Give each row, its channel, and its site; -1 for a gate."""
        refs, site = self._stretch.program.channel_refs.tolist(), self.first_site
        for row in self._stretch.program:
            if row.code is Op.NOISE:
                yield row, refs[site - self.first_site], site
                site += 1
            else:
                yield row, -1, -1


class Stops(Generic[AnyPlan]):
    """A compiled stretch that stops at rows of noise.

    Args:
        plan: has a step for each of them.
        sites: their sites, ascending.
        events: the event of each site of the program.
    """

    def __init__(self, plan: AnyPlan, sites: NDArray[np.int64], events: Sequence[int]) -> None:
        self.phase = plan.phase
        #: the engine's steps
        self.steps = [step for step in plan.steps if not isinstance(step, NoiseStep)]
        #: by site: the number of steps before its row
        self.places: dict[int, int] = {}
        self.noise: dict[int, NoiseStep] = {}
        left = iter(sites.tolist())
        for at, step in enumerate(plan.steps):
            if isinstance(step, NoiseStep):
                site = next(left)
                self.places[site] = at - len(self.places)
                self.noise[site] = dataclasses.replace(step, event=events[site])


def noisy_stretches(
    program: Program, noise: Noise, cuts: Sequence[int], compile_stretch: Callable[[Stretch], AnyPlan]
) -> Iterator[tuple[Stretch, NoisyStretch[AnyPlan] | None]]:
    """Give the stretches of a program without control flow.

    Each is given without its noise, and with it if it has any.

    Args:
        program: has its final measurements last.
        noise: that of the program.
        cuts: the rows at which stretches begin, and the number of rows.
        compile_stretch: returns the plan of a stretch.
    """
    is_noise = HAS_CHANNEL[program.codes]
    is_dropped = is_noise.copy()
    is_dropped[is_noise] = ~noise.waits
    kept = np.concatenate([[0], np.cumsum(~is_dropped)])
    sites = np.concatenate([[0], np.cumsum(is_noise)])
    cutter, quiet = Cutter(program), Cutter(without_jumps(program, noise, 0, errors=False))
    for start, end in pairwise(cuts):
        first, last = start == 0, end == len(program)
        whole = cutter.stretch(start, end, first=first, last=last)
        if sites[start] == sites[end]:
            yield whole, None
        else:
            clean = quiet.stretch(int(kept[start]), int(kept[end]), first=first, last=last)
            yield clean, NoisyStretch(whole, int(sites[start]), noise, compile_stretch)


def with_measurements_last(program: Program) -> Program:
    """Return a program without control flow whose final measurements come last.

    They commute with all that comes after them.
    """
    measured = np.flatnonzero(program.codes == Op.MEASURE)
    widths = program.num_controls.astype(np.int64) + program.num_targets
    rows = np.repeat(np.arange(len(widths)), widths)
    final = measured > last_uses(program)[program.operands[program.codes[rows] == Op.MEASURE]]
    # A clbit keeps what is written to it last.
    kept = {clbit: at for at, clbit in enumerate(program.clbits.tolist()) if not final[at]}
    final &= np.array([kept.get(clbit, -1) < at for at, clbit in enumerate(program.clbits.tolist())], np.bool_)
    is_final = np.zeros(len(program), np.bool_)
    is_final[measured[final]] = True
    if not is_final[: len(program) - np.count_nonzero(is_final)].any():
        return program
    order = np.argsort(is_final, kind="stable")
    measurements = np.argsort(final, kind="stable")
    return msgspec.structs.replace(
        program,
        codes=program.codes[order],
        num_controls=program.num_controls[order],
        num_targets=program.num_targets[order],
        operands=program.operands[np.argsort(is_final[rows], kind="stable")],
        clbits=program.clbits[measurements],
        flips=program.flips.reshape(-1, 2)[measurements].reshape(-1) if len(program.flips) else program.flips,
    )


def without_jumps(program: Program, noise: Noise, first_site: int, *, errors: bool) -> Program:
    """Return rows of a program in which no shot jumps.

    Channels with jumps are the operators of no jump.

    Args:
        program: the rows.
        noise: that of the whole program.
        first_site: the number of the first row of noise.
        errors: whether the other channels stay; else they are left out.
    """
    rows = np.flatnonzero(HAS_CHANNEL[program.codes])
    waits = noise.waits[first_site : first_site + len(rows)]
    codes, tables = program.codes.copy(), list(program.tables)
    codes[rows[waits]] = Op.UNITARY
    #: each row's table, -1 for none
    table_at = np.full(len(codes), -1, np.int32)
    table_at[HAS_TABLE[program.codes]] = program.table_refs
    refs = program.channel_refs[waits]
    for ref in np.unique(refs).tolist():
        jumps = noise.jumps[ref]
        if jumps is not None:
            table_at[rows[waits][refs == ref]] = len(tables)
            tables.append(jumps.stay.reshape(-1))
    kept = np.ones(len(codes), np.bool_)
    kept[rows[~waits]] = errors
    operands = np.repeat(kept, program.num_controls.astype(np.int64) + program.num_targets)
    return msgspec.structs.replace(
        program,
        codes=codes[kept],
        num_controls=program.num_controls[kept],
        num_targets=program.num_targets[kept],
        operands=program.operands[operands],
        table_refs=table_at[table_at >= 0],
        tables=tuple(tables),
        channel_refs=program.channel_refs[~waits][: None if errors else 0],
    )


def _gates(branch: Branch, targets: tuple[int, ...]) -> list[Operation]:
    """Return a unitary branch as gates."""
    if not branch.has_masks:
        return [_matrix(branch.operators[0], targets)]
    letters = [(branch.x_mask >> place & 1, branch.z_mask >> place & 1) for place in range(len(targets))]
    return [
        Operation(_PAULI_OPS[letter], (), (target,), (), None, -1)
        for letter, target in zip(letters, targets, strict=True)
        if letter in _PAULI_OPS
    ]


def _matrix(matrix: NDArray[np.complex128], targets: tuple[int, ...]) -> Operation:
    """Return a row that multiplies some qubits by a matrix."""
    return Operation(Op.UNITARY, (), targets, (), np.ascontiguousarray(matrix).reshape(-1), -1)


def _with_rows(program: Program, rows: list[Operation]) -> Program:
    """Return a stretch of other gates on the same qubits."""
    tables = [row.table for row in rows if row.table is not None and HAS_TABLE[row.code]]
    nothing: NDArray[np.int32] = program.channel_refs[:0]
    params = np.array([angle for row in rows for angle in row.params], np.float64)
    return msgspec.structs.replace(
        program,
        codes=np.array([row.code for row in rows], np.uint8),
        num_controls=np.array([len(row.controls) for row in rows], np.uint16),
        num_targets=np.array([len(row.targets) for row in rows], np.uint16),
        operands=np.array([qubit for row in rows for qubit in row.controls + row.targets], np.int32),
        params=params,
        slots=np.arange(len(params), dtype=np.int32) if len(program.slots) else nothing,
        table_refs=np.arange(len(tables), dtype=np.int32),
        tables=tuple(tables),
        channel_refs=nothing,
    )
