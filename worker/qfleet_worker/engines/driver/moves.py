# SPDX-License-Identifier: Apache-2.0
"""Errors moved to where they cost least.

A Pauli error is moved through the gates behind it as long as it stays a Pauli, and takes effect at the last beginning
of a stretch that it comes to. So stretches are run without errors, shots part late, and different errors become the
same. Behind the last gate an error flips what is measured, and needs no state of its own.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.operations import HAS_CHANNEL, IS_UNITARY
from qfleet.wire.program.program import Program
from qfleet_worker.engines.driver.noise import Errors, Noise
from qfleet_worker.engines.driver.patterns import Patterns, numbered, patterns_of
from qfleet_worker.engines.driver.pauli_images import GateImages

#: Qubits of a program at most: masks are numbers of 64 bits.
MOST_QUBITS: Final = 62

#: Gates at most that an error passes behind its own stretch: this many, and one for this many amplitudes of a state.
LEAST_WALK: Final = 16
AMPLITUDES: Final = 1024


class StretchErrors(NamedTuple):
    """The errors of shots at a stretch's beginning, and in it."""

    #: int64, ascending
    shots: NDArray[np.int64]
    #: int64, the number of each shot's errors
    numbers: NDArray[np.int64]
    #: int64, shape (errors,): the masks of X and Z at the beginning
    x_masks: NDArray[np.int64]
    z_masks: NDArray[np.int64]
    #: int64, shape (errors,): the number among the patterns inside, -1 for none
    inside: NDArray[np.int64]
    #: errors that can't be moved to the beginning of another stretch; ``None`` if there are none
    patterns: Patterns | None


class MovedErrors(NamedTuple):
    """The errors of some shots."""

    #: by stretch; ``None`` for one without
    stretches: list[StretchErrors | None]
    #: the qubit of each bit of a mask
    qubits: list[int]
    #: int64, shape (shots,): the qubits of each shot that are measured as their opposite
    flips: NDArray[np.int64]


class Moves:
    """The moves of a program's Pauli errors.

    Args:
        program: has no jumps, and its final measurements last.
        noise: that of the program.
        images: those of the program's gates.
        starts: the first row of each stretch.
    """

    def __init__(self, program: Program, noise: Noise, images: GateImages, starts: Sequence[int]) -> None:
        self._noise = noise
        self._images = images
        self._starts = list(starts)
        self._rows: list[int] = np.flatnonzero(HAS_CHANNEL[program.codes]).tolist()
        self._refs = program.channel_refs.astype(np.int64)
        self._sites = np.searchsorted(self._rows, [*starts, len(program)])
        #: the gates, as rows, and the stretch of each
        self._gates: list[int] = np.flatnonzero(IS_UNITARY[program.codes]).tolist()
        self._stretches: list[int] = (np.searchsorted(self._starts, self._gates, side="right") - 1).tolist()
        # The more amplitudes there are, the more a gate of the walk may save.
        self._most_gates = LEAST_WALK + (1 << len(images.named)) // AMPLITUDES
        self._known: dict[tuple[int, int], tuple[int, int, int]] = {}

    def moved(self, errors: Errors, shots: int) -> MovedErrors:
        """Move the errors of some shots."""
        num_stretches = len(self._starts)
        sites = np.repeat(np.arange(len(self._rows)), np.diff(errors.starts))
        codes, which = np.unique(sites << 32 | errors.branches, return_inverse=True)
        homes = np.array([self.home(code >> 32, code & 0xFFFFFFFF) for code in codes.tolist()], np.int64).reshape(-1, 3)
        stretch, x, z = homes[which.reshape(-1)].T
        stays = (stretch < 0) | self._passes_others(errors, sites, stretch)
        inside = _only(errors, stays)
        # Errors of a shot at the same place are one.
        keys = (stretch * shots + errors.shots)[~stays]
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        firsts = np.flatnonzero(np.diff(keys, prepend=-1))
        if len(keys):
            keys = keys[firsts]
            x, z = (np.bitwise_xor.reduceat(masks[~stays][order], firsts) for masks in (x, z))
        else:
            x = z = keys
        bounds = np.searchsorted(keys, np.arange(num_stretches + 1) * shots).tolist()
        found = []
        for number, (begin, end) in enumerate(pairwise(bounds)):
            patterns = patterns_of(inside, int(self._sites[number]), int(self._sites[number + 1]))
            found.append(_of_stretch(keys[begin:end] - number * shots, x[begin:end], z[begin:end], patterns))
        flips = np.zeros(shots, np.int64)
        flips[keys[bounds[-1] :] - num_stretches * shots] = x[bounds[-1] :]
        return MovedErrors(found, self._images.named.tolist(), flips)

    def _passes_others(self, errors: Errors, sites: NDArray[np.int64], stretch: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell of each error whether it would pass another sort.

        Args:
            errors: the errors.
            sites: their sites.
            stretch: where each would be moved to.
        """
        is_other = np.zeros(len(sites), np.bool_)
        for ref, channel in enumerate(self._noise.channels):
            others = np.array([branch.paulis is None for branch in channel.branches])
            if others.any():
                own = self._refs[sites] == ref
                is_other[own] = others[errors.branches[own]]
        if not is_other.any():
            return is_other
        number = len(self._rows)
        # The next error of the same shot that isn't a Pauli.
        keys = np.sort(errors.shots[is_other] * number + sites[is_other])
        keys = np.append(keys, (int(errors.shots.max()) + 1) * number)
        following = keys[np.searchsorted(keys, errors.shots * number + sites, side="right")]
        return ~is_other & (following < errors.shots * number + self._sites[stretch])

    def stay(self, stretch: int) -> list[int]:
        """Return the sites of a stretch with errors that can't be moved."""
        return [site for site in range(*self._sites[stretch : stretch + 2].tolist()) if self._may_stay(site)]

    def _may_stay(self, site: int) -> bool:
        branches = len(self._noise.channels[self._refs[site]].branches)
        return any(self.home(site, branch)[0] < 0 for branch in range(1, branches))

    def home(self, site: int, branch: int) -> tuple[int, int, int]:
        """Return where an error takes effect, and its masks there.

        It is the number of a stretch, or of stretches for the program's end; -1 for an error that can't be moved.
        """
        known = self._known.get((site, branch))
        if known is None:
            row = self._rows[site]
            masks = self._noise.channels[self._refs[site]].branches[branch].paulis
            known = self._known[site, branch] = (-1, 0, 0) if masks is None else self._walk(row, *masks)
        return known

    def _walk(self, row: int, own_x: int, own_z: int) -> tuple[int, int, int]:
        """Take a Pauli on a row's targets through later gates; see `home`."""
        targets = self._images.qubits(row)
        x, z = (sum([(own >> bit & 1) << rank for bit, rank in enumerate(targets)]) for own in (own_x, own_z))
        home, stretch = (-1, 0, 0), bisect_right(self._starts, row) - 1
        gates, stretches, masks = self._gates, self._stretches, self._images.masks
        own_end = bisect_left(stretches, stretch + 1)
        end = min(len(gates), own_end + self._most_gates)
        for place in range(bisect_right(gates, row), end):
            if not masks[gates[place]] & (x | z):
                continue
            if stretches[place] > stretch:
                stretch = stretches[place]
                home = stretch, x, z
            image = self._images.image(gates[place], x, z)
            if image is None:
                return home
            x, z = image
        reached = len(self._starts) if end == len(gates) else stretches[end]
        return (reached, x, z) if reached > stretch else home


def _only(errors: Errors, which: NDArray[np.bool_]) -> Errors:
    """Return some of the errors."""
    before = np.concatenate([[0], np.cumsum(which)])
    return Errors(errors.sites, before[errors.starts], errors.shots[which], errors.branches[which])


def _of_stretch(
    shots: NDArray[np.int64], x: NDArray[np.int64], z: NDArray[np.int64], patterns: Patterns | None
) -> StretchErrors | None:
    """Return the errors of a stretch.

    Args:
        shots: those with errors at its beginning, ascending.
        x: their masks of X.
        z: their masks of Z.
        patterns: the errors inside.
    """
    some = (x | z) != 0
    shots, x, z = shots[some], x[some], z[some]
    inside = np.full(len(shots), -1)
    if patterns is not None:
        every = np.union1d(shots, patterns.shots)
        columns = np.zeros((2, len(every)), np.int64)
        columns[:, np.searchsorted(every, shots)] = x, z
        inside = np.full(len(every), -1)
        inside[np.searchsorted(every, patterns.shots)] = patterns.numbers
        shots, (x, z) = every, columns
    if not len(shots):
        return None
    numbers, examples = numbered(x, z, inside)
    return StretchErrors(shots, numbers, x[examples], z[examples], inside[examples], patterns)
