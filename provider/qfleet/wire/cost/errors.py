# SPDX-License-Identifier: Apache-2.0
"""Estimates of the runs that the errors of a program's shots take.

What depends on the program alone is computed once, for any number of shots.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.channels import Channel
from qfleet.wire.program.jumps import Jumps, program_jumps
from qfleet.wire.program.operations import IS_UNITARY, Op
from qfleet.wire.program.program import Program

#: Gates between places where shots with errors part: with more, gates are fused better, and shots share less.
STRETCH_GATES: Final = 20
#: Errors per shot that are too few to count.
_NEGLIGIBLE: Final = 1e-12


class ErrorRuns(NamedTuple):
    """The runs of shots with errors, for any number of shots."""

    #: expected errors of a shot, an error being all that isn't the likeliest way of a channel
    mean: float
    #: for each other way of a channel, its rate where no other channel has an error, and the number of its sites
    rates: NDArray[np.float64]
    sites_of_rates: NDArray[np.float64]
    #: for each channel, the chance that its way depends on the state, and the number of its sites
    dependent: NDArray[np.float64]
    sites: NDArray[np.float64]
    #: expected jumps of a shot; sites where it may jump in a stretch, on average; and the number of stretches
    jumps: float
    sites_per_stretch: float
    stretches: float

    @property
    def are_unitary(self) -> bool:
        """Tell whether no error's operator depends on the state."""
        return self.jumps == 0 and not self.dependent.any()

    def runs(self, shots: int) -> float:
        """Return the expected number of runs for the errors of some shots.

        Shots with the same errors run once, and all share the part before their first error. A shot with one error
        needs half of a run on average. Of k errors the first is shared as well, and leaves (k - 1) / (k + 1) of a run.
        """
        mean, none = self.mean, math.exp(-self.mean)
        if mean < _NEGLIGIBLE:
            return 0.0
        # Shots that have one way of one channel, and no other error.
        distinct = -float(self.sites_of_rates @ np.expm1(-shots * self.rates))
        # The mean of (k - 1) / (k + 1) for a Poisson number k of errors, without the -1 for none of them.
        several = 1 - 2 * (1 - none) / mean + none
        return min(shots * (1 - none), min(distinct, shots * none * mean) / 2 + shots * max(several, 0.0))

    def visits(self, shots: int, runs: float) -> float:
        """Return the number of times that runs ask a state its way.

        A run does that where a channel's way depends on the state. Where shots may jump, only those that do ask, at all
        sites of the stretch where they jump. `runs` are those of `runs`.
        """
        asked = float(self.sites @ np.minimum(shots * self.dependent, 1 + runs))
        return asked + self._walks(shots) * self.sites_per_stretch

    def _walks(self, shots: int) -> float:
        """Return how often a run asks at all sites of a stretch.

        Shots that haven't jumped before do that together, and those with the same first jump do the rest together.
        """
        first = -math.expm1(-self.jumps)
        later = max(-self.stretches * math.expm1(-self.jumps / self.stretches) - first, 0.0)
        distinct = -float(self.sites_of_rates @ np.expm1(-shots * self.rates))
        together = min(self.stretches, shots * first)
        return together + min(distinct, shots * first) / 2 + shots * later

    def draws(self, shots: int) -> float:
        """Return the expected number of ways that states draw."""
        return shots * (float(self.sites @ self.dependent) + self.jumps)


def error_runs(program: Program, turns: NDArray[np.float64]) -> ErrorRuns:
    """Return the runs that the errors of a program's shots take.

    Args:
        program: the program.
        turns: how often each row runs in one pass.
    """
    noisy = turns[program.codes == Op.NOISE]
    sites = np.bincount(program.channel_refs, noisy, len(program.channels)).astype(np.float64)
    ways = [
        _ways(channel) if jumps is None else _with_jumps(jumps)
        for channel, jumps in zip(program.channels, program_jumps(program), strict=True)
    ]
    errs = np.array([each.err for each in ways])
    mean = -float(sites @ np.log1p(-errs))
    scale = math.exp(-mean) / (1 - errs)
    lengths = [len(each.others) for each in ways]
    others = np.concatenate([[], *[each.others for each in ways]])
    dependent = np.array([each.dependent for each in ways])
    stretches = max(1.0, np.count_nonzero(IS_UNITARY[program.codes]) / STRETCH_GATES)
    waits = sites * [each.waits for each in ways]
    rates = others * np.repeat(scale, lengths)
    jumps, per_stretch = float(waits @ errs), float(waits.sum()) / stretches
    return ErrorRuns(mean, rates, np.repeat(sites, lengths), dependent, sites, jumps, per_stretch, stretches)


class _Ways(NamedTuple):
    #: chance of all but the likeliest way
    err: float
    #: chance of each of them
    others: NDArray[np.float64]
    #: chance of the branches with several operators
    dependent: float
    #: whether shots wait for jumps: they don't ask the state at each site
    waits: bool = False


def _with_jumps(jumps: Jumps) -> _Ways:
    """Return the chances of a channel's jumps."""
    return _Ways(min(jumps.chance, 1 - 1e-9), jumps.chances[1:], 0.0, waits=True)


def _ways(channel: Channel) -> _Ways:
    """Return the chances of a channel's operators in a mixed state."""
    found, dependent = channel.chances(), 0.0
    if len(channel.operators) or any(channel.masks[2::3]):
        resets = np.bitwise_count(np.frombuffer(channel.masks, np.uint8)[2::3])
        counts = np.frombuffer(channel.counts, "<u2").astype(np.int64)
        dependent = float(found[(counts > 1) | (resets > 0)].sum())
        operators = np.abs(np.frombuffer(channel.operators, "<c16").reshape(-1, 4**channel.num_targets)) ** 2
        given = np.repeat(found, counts) * operators.sum(axis=1) / 2**channel.num_targets
        ways = np.where(counts == 0, 1 << resets.astype(np.int64), 0)
        found = np.concatenate([np.repeat(found / np.maximum(ways, 1), ways), given])
    likeliest = int(found.argmax())
    others = np.concatenate([found[:likeliest], found[likeliest + 1 :]])
    return _Ways(min(float(1 - found[likeliest]), 1 - 1e-9), others, dependent)
