# SPDX-License-Identifier: Apache-2.0
"""Channels of a program, and the errors that they give to shots.

In a program without control flow, the errors of all shots are drawn before it is run; elsewhere, at each row of noise.
What a branch with several operators does is drawn when a shot's state is known. Channels that nearly always do the
same, but rarely nothing, have jumps instead of errors: see `qfleet.wire.program.jumps`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.channels import Branch, Channel
from qfleet.wire.program.events import ERRORS_EVENT, READOUT_EVENTS, event_numbers
from qfleet.wire.program.jumps import program_jumps
from qfleet.wire.program.operations import IS_FLOW, Op
from qfleet.wire.program.program import Program
from qfleet_worker.engines.driver.jumps import JumpOperators
from qfleet_worker.engines.driver.ways import weights_of
from qfleet_worker.engines.randomness.uniforms import Uniforms
from qfleet_worker.engines.states.operators import PAULIS, Factor

#: The chance of no error from which on sites are drawn in another part: numbers stay far from the smallest.
SMALLEST: Final = 1e-200
#: The most sites that are drawn together.
MOST_SITES: Final = 1 << 10
#: Visits of the errors' event that each part of the sites has for itself.
PART_VISITS: Final = 1 << 32
#: The visits of the errors' event from which on those are that draw the branches of errors that always happen.
CERTAIN_VISITS: Final = 1 << 60
#: In place of a random number of 0, which no chance is below.
_LEAST: Final = 2.0**-54

_PROJECTORS: Final = np.zeros((2, 2, 2), np.complex128)
_PROJECTORS[0, 0, 0] = _PROJECTORS[1, 0, 1] = 1
_NO_SHOTS: Final = np.zeros(0, np.int64)


class ChannelBranch:
    """A branch of a channel, as the driver uses it."""

    def __init__(self, branch: Branch, num_targets: int) -> None:
        self.branch = branch
        self._num_targets = num_targets
        #: the targets that are reset
        self._reset = [target for target in range(num_targets) if branch.reset_mask >> target & 1]

    @property
    def operators(self) -> int:
        """Return the number of operators."""
        return 1 << len(self._reset) if self.branch.has_masks else len(self.branch.operators)

    @property
    def targets(self) -> Sequence[int]:
        """Return the targets whose state decides on the operator."""
        return self._reset if self.branch.has_masks else range(self._num_targets)

    @cached_property
    def effects(self) -> NDArray[np.complex128]:
        """Return the effect of each operator on `targets`.

        Returns:
            Shape (operators, 2**targets, 2**targets).
        """
        if self.branch.has_masks:
            size = self.operators
            projectors = np.zeros((size, size, size), np.complex128)
            projectors[np.arange(size), np.arange(size), np.arange(size)] = 1
            return projectors
        effects: NDArray[np.complex128] = np.einsum("kij,kil->kjl", self.branch.operators.conj(), self.branch.operators)
        return effects

    @property
    def paulis(self) -> tuple[int, int] | None:
        """Return the masks of targets that get X and Z.

        Y is both. It is ``None`` for a branch of other operators.
        """
        branch = self.branch
        return (branch.x_mask, branch.z_mask) if branch.has_masks and not branch.reset_mask else None

    def weights(self, densities: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return the probability of each operator, shape (states, operators).

        Args:
            densities: the reduced density matrices of `targets`, shape (states, 2**targets, 2**targets).
        """
        return weights_of(self.effects, densities)

    def factors(self, operator: int, wires: Sequence[int]) -> tuple[Factor, ...]:
        """Return the factors of an operator, on these wires."""
        branch = self.branch
        if not branch.has_masks:
            # A copy: machine code is compiled for arrays that can be written to.
            return (Factor(tuple(wires), np.array(branch.operators[operator])),)
        found = [Factor((wires[target],), _PROJECTORS[operator >> bit & 1]) for bit, target in enumerate(self._reset)]
        for target, wire in enumerate(wires):
            letter = branch.x_mask >> target & 1, branch.z_mask >> target & 1
            if letter != (0, 0):
                found.append(Factor((wire,), PAULIS[letter]))
        return tuple(found)


class DrivenChannel:
    """A channel, as the driver uses it."""

    def __init__(self, channel: Channel) -> None:
        chances = channel.chances()
        self.num_targets = channel.num_targets
        self.branches = [ChannelBranch(branch, channel.num_targets) for branch in channel.branches()]
        # Sums in order: they are the same on all machines.
        ends, error_ends = np.cumsum(chances), np.cumsum(np.append(chances[1:], 0))
        last = int(np.flatnonzero(chances)[-1])
        #: the probability of an error
        self.error = float(error_ends[-1] / ends[-1])
        #: where each branch ends, in the unit interval
        self.ends = ends / ends[-1]
        self.ends[last:] = 1
        #: the same for all branches but the identity, if one of them has happened
        self.error_ends = error_ends / (error_ends[-1] or 1)
        self.error_ends[max(last - 1, 0) :] = 1


class Errors(NamedTuple):
    """Errors of some shots, sorted by site and then by shot."""

    #: the number of each row of noise by its event
    sites: dict[int, int]
    #: int64, shape (sites + 1,): where the errors of each site begin
    starts: NDArray[np.int64]
    #: int64, shape (errors,)
    shots: NDArray[np.int64]
    #: int64, shape (errors,): the branch of the site's channel, never the identity
    branches: NDArray[np.int64]

    def num_patterns(self, shots: int) -> int:
        """Return the number of distinct patterns of some shots.

        That without errors counts too.
        """
        sites = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        # A pattern is known by the sum of random numbers, one for each site and branch.
        codes = (sites.astype(np.uint64) << np.uint64(32)) + self.branches.astype(np.uint64)
        sums = np.zeros(shots, np.uint64)
        np.add.at(sums, self.shots, _mixed(codes))
        return len(np.unique(sums))

    def at(self, event: int, shots: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the errors of some shots at a row of noise.

        Args:
            event: that of the row.
            shots: in ascending order.

        Returns:
            Places in `shots`, and the branch of each.
        """
        site = self.sites[event]
        begin, end = int(self.starts[site]), int(self.starts[site + 1])
        if begin == end or not len(shots):
            return _NO_SHOTS, _NO_SHOTS
        wanted = self.shots[begin:end]
        places = np.minimum(np.searchsorted(shots, wanted), len(shots) - 1)
        own = shots[places] == wanted
        return places[own], self.branches[begin:end][own]


class Noise:
    """The channels of a program, and the rows that have them.

    Args:
        program: the program.
    """

    def __init__(self, program: Program) -> None:
        self.channels = [DrivenChannel(channel) for channel in program.channels]
        events = event_numbers(program)
        #: whether errors are drawn before the program is run
        self.up_front = not IS_FLOW[program.codes].any()
        #: the event of each row of noise, and the number of a row by its event
        self.events: list[int] = events[:-1][program.codes == Op.NOISE].tolist()
        self.sites = {event: site for site, event in enumerate(self.events)}
        self._refs = program.channel_refs.astype(np.int64)
        #: the jumps of each channel that has any
        self.jumps = [None if each is None else JumpOperators(each) for each in program_jumps(program)]
        #: bool, shape (sites,): True where shots jump instead of having errors
        self.waits = np.array([each is not None for each in self.jumps], np.bool_)[self._refs]
        self.chances = np.array([channel.error for channel in self.channels], np.float64)[self._refs]
        self.chances[self.waits] = 0
        #: the chance of no error of each site, and 1 where an error always happens: it is drawn by itself
        self._stays = np.where(self.chances == 1, 1.0, 1 - self.chances)

    @property
    def is_unitary(self) -> bool:
        """Tell whether no error depends on a state, and no shot jumps."""
        unitary = all(branch.branch.is_unitary for channel in self.channels for branch in channel.branches)
        return unitary and not self.waits.any()

    @property
    def errors_per_shot(self) -> float:
        """Return how many errors a shot has, on average; jumps aside."""
        return float(self.chances.sum())

    def jumps_at(self, site: int) -> JumpOperators | None:
        """Return the jumps at a site; ``None`` where there are errors."""
        return self.jumps[int(self._refs[site])]

    def draw(self, uniforms: Uniforms, shots: int) -> Errors:
        """Draw the errors of all rows of noise for some shots.

        Each shot goes from error to error: where the chance of no error so far falls below a random number, the next
        one is.
        """
        found = self._draw_certain(uniforms, shots)
        for part, (begin, survival) in enumerate(self._parts()):
            found += self._draw_part(uniforms, shots, begin, survival, part * PART_VISITS)
        at, who, which = (np.concatenate([_NO_SHOTS, *[each[place] for each in found]]) for place in range(3))
        order = np.lexsort((who, at))
        starts = np.searchsorted(at[order], np.arange(len(self.sites) + 1))
        return Errors(self.sites, starts, who[order], which[order])

    def _parts(self) -> list[tuple[int, NDArray[np.float64]]]:
        """Return parts of the sites that are drawn by themselves.

        Each has its first site, and the chances of no error before each of its sites and after the last.
        """
        parts: list[tuple[int, NDArray[np.float64]]] = []
        begin = 0
        while begin < len(self.chances):
            survival = np.concatenate([[1.0], np.cumprod(self._stays[begin : begin + MOST_SITES])])
            small = np.flatnonzero(survival < SMALLEST)
            sites = int(small[0]) if len(small) else len(survival) - 1
            parts.append((begin, survival[: sites + 1]))
            begin += sites
        return parts

    def _draw_certain(
        self, uniforms: Uniforms, shots: int
    ) -> list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
        """Return the sites, shots and branches of errors that always happen."""
        every, found = np.arange(shots), []
        for site in np.flatnonzero(self.chances == 1).tolist():
            branches = np.ones(shots, np.int64)
            if len(self.channels[self._refs[site]].branches) > 2:
                numbers = uniforms.of(ERRORS_EVENT, every, CERTAIN_VISITS + site)
                branches = self._branches(np.full(shots, self._refs[site]), numbers)
            found.append((np.full(shots, site), every, branches))
        return found

    def _draw_part(
        self, uniforms: Uniforms, shots: int, begin: int, survival: NDArray[np.float64], visit: int
    ) -> list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
        """Return the sites, shots and branches of errors in one part."""
        who, reached, ascending = np.arange(shots), np.ones(shots), -survival[1:]
        found = []
        while len(who):
            numbers = np.maximum(uniforms.of(ERRORS_EVENT, who, visit), _LEAST)
            # The first site after which the chance is below the number.
            sites = np.searchsorted(ascending, -numbers * reached, side="right")
            hit = sites < len(ascending)
            who, sites = who[hit], sites[hit]
            if not len(who):
                break
            reached = survival[sites + 1]
            numbers = uniforms.of(ERRORS_EVENT, who, visit + 1)
            found.append((sites + begin, who, self._branches(self._refs[sites + begin], numbers)))
            visit += 2
        return found

    def _branches(self, refs: NDArray[np.int64], numbers: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the branches of errors of some channels."""
        branches = np.empty(len(refs), np.int64)
        for ref in np.unique(refs).tolist():
            own = refs == ref
            branches[own] = 1 + np.searchsorted(self.channels[ref].error_ends, numbers[own], side="right")
        return branches


def flipped(
    uniforms: Uniforms,
    event: int,
    flips: tuple[float, float],
    shots: NDArray[np.int64],
    values: NDArray[np.generic],
    visit: int | NDArray[np.int32] = 0,
) -> NDArray[np.uint8]:
    """Return measured values as they are read.

    Args:
        uniforms: the random numbers of the shots.
        event: that of the measurement.
        flips: the probabilities that 0 is read as 1, and 1 as 0.
        shots: in ascending order.
        values: the measured values, shape (shots,).
        visit: how often the shots have met the measurement before.
    """
    bits = values.astype(np.uint8)
    if not len(shots):
        return bits
    chances = np.where(bits, flips[1], flips[0])
    return bits ^ (uniforms.of(event + READOUT_EVENTS, shots, visit) < chances)


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return numbers that look random, one for each (SplitMix64)."""
    mixed = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
