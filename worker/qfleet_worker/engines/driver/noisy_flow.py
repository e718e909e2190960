# SPDX-License-Identifier: Apache-2.0
"""Noisy programs without jumps, cut into stretches between which shots part.

Shots without an error in a stretch run it as one. Others run it with their errors, from a copy of the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from itertools import pairwise
from typing import Final, Generic

import msgspec
import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.channels import Branch
from qfleet.wire.program.operations import HAS_CHANNEL, HAS_TABLE, IS_UNITARY, Op
from qfleet.wire.program.program import Operation, Program
from qfleet_worker.engines.driver.noise import Noise
from qfleet_worker.engines.driver.stretches import AnyPlan, Cutter, Stretch, last_uses
from qfleet_worker.engines.steps import NoiseStep

#: Gates of a stretch: with more, they are fused better, and shots that part there share less.
STRETCH_GATES: Final = 20

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

    @cached_property
    def stops(self) -> Stops[AnyPlan]:
        """Return the stretch with a stop at each row of noise."""
        return Stops(self._compile(self._stretch))

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
            branch = self._noise.channels[channel].branches[branches[site]].branch if site in branches else None
            if branch is None:
                continue
            if branch.is_unitary:
                rows += _gates(branch, row.targets)
                continue
            yield self._compile(Stretch(_with_rows(self._stretch.program, rows), first, False, 0))
            yield self.stops.noise[site - self.first_site]
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
    """A compiled stretch that stops at each row of noise."""

    def __init__(self, plan: AnyPlan) -> None:
        self.phase = plan.phase
        #: the engine's steps, and the number of them before each row of noise
        self.steps = [step for step in plan.steps if not isinstance(step, NoiseStep)]
        self.places: list[int] = []
        self.noise: list[NoiseStep] = []
        before = 0
        for step in plan.steps:
            if isinstance(step, NoiseStep):
                self.places.append(before)
                self.noise.append(step)
            else:
                before += 1


def noisy_stretches(
    program: Program, noise: Noise, compile_stretch: Callable[[Stretch], AnyPlan]
) -> Iterator[tuple[Stretch, NoisyStretch[AnyPlan] | None]]:
    """Give the stretches of a program without jumps.

    Each is given without its noise, and with it if it has any.

    Args:
        program: has its final measurements last.
        noise: that of the program.
        compile_stretch: returns the plan of a stretch.
    """
    is_noise = HAS_CHANNEL[program.codes]
    kept = np.concatenate([[0], np.cumsum(~is_noise)])
    sites = np.concatenate([[0], np.cumsum(is_noise)])
    cutter, quiet = Cutter(program), Cutter(_without_noise(program))
    cuts = _cuts(program)
    for start, end in pairwise(cuts):
        first, last = start == 0, end == len(program)
        whole = cutter.stretch(start, end, first=first, last=last)
        if sites[start] == sites[end]:
            yield whole, None
        else:
            clean = quiet.stretch(int(kept[start]), int(kept[end]), first=first, last=last)
            yield clean, NoisyStretch(whole, int(sites[start]), noise, compile_stretch)


def with_measurements_last(program: Program) -> Program:
    """Return a program without jumps whose final measurements come last.

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


def _cuts(program: Program) -> list[int]:
    """Return the rows at which stretches begin, and the number of rows.

    A stretch has noise, or random events and saves, and not both.
    """
    cuts, gates, noisy, others = [0], 0, False, False
    for at, code in enumerate(program.codes.tolist()):
        is_noise, is_gate = bool(HAS_CHANNEL[code]), bool(IS_UNITARY[code])
        if (is_noise and others) or (noisy and not is_noise and not is_gate) or (is_gate and gates == STRETCH_GATES):
            cuts.append(at)
            gates, noisy, others = 0, False, False
        gates += is_gate
        noisy |= is_noise
        others |= not is_noise and not is_gate
    return [*cuts, len(program)]


def _without_noise(program: Program) -> Program:
    kept = ~HAS_CHANNEL[program.codes]
    operands = np.repeat(kept, program.num_controls.astype(np.int64) + program.num_targets)
    return msgspec.structs.replace(
        program,
        codes=program.codes[kept],
        num_controls=program.num_controls[kept],
        num_targets=program.num_targets[kept],
        operands=program.operands[operands],
        channel_refs=program.channel_refs[:0],
    )


def _gates(branch: Branch, targets: tuple[int, ...]) -> list[Operation]:
    """Return a unitary branch as gates."""
    if not branch.has_masks:
        return [Operation(Op.UNITARY, (), targets, (), np.ascontiguousarray(branch.operators[0]).reshape(-1), -1)]
    letters = [(branch.x_mask >> place & 1, branch.z_mask >> place & 1) for place in range(len(targets))]
    return [
        Operation(_PAULI_OPS[letter], (), (target,), (), None, -1)
        for letter, target in zip(letters, targets, strict=True)
        if letter in _PAULI_OPS
    ]


def _with_rows(program: Program, rows: list[Operation]) -> Program:
    """Return a stretch of other gates on the same qubits."""
    tables = [row.table for row in rows if row.table is not None and HAS_TABLE[row.code]]
    nothing: NDArray[np.int32] = program.channel_refs[:0]
    return msgspec.structs.replace(
        program,
        codes=np.array([row.code for row in rows], np.uint8),
        num_controls=np.array([len(row.controls) for row in rows], np.uint16),
        num_targets=np.array([len(row.targets) for row in rows], np.uint16),
        operands=np.array([qubit for row in rows for qubit in row.controls + row.targets], np.int32),
        params=np.array([angle for row in rows for angle in row.params], np.float64),
        table_refs=np.arange(len(tables), dtype=np.int32),
        tables=tuple(tables),
        channel_refs=nothing,
    )
