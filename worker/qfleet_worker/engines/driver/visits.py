# SPDX-License-Identifier: Apache-2.0
"""Numbers of visits of shots to events that they may meet again.

In most cases, all shots of a front have met an event equally often, and one number is enough. Events that can't be met
again are forgotten, so that shots that leave a loop one after the other don't stay apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.driver.shot_groups import ShotGroups

#: Counted beside the events of a program: a shot goes back to an earlier operation.
GOING_BACK = 0


class Visits:
    """Counts by event, 0 at first, of groups of shots.

    Args:
        shots: the number of shots in these groups and all others.
    """

    def __init__(self, shots: int) -> None:
        self._shots = shots
        #: ``None`` where it isn't the same for all shots: then `_planes` has it
        self._counts: dict[int, int | None] = {}
        #: shared with those that came from these: int32, shape (shots,)
        self._planes: dict[int, NDArray[np.int32]] = {}

    def copy(self) -> Visits:
        """Return the visits of groups that are divided from these."""
        other = Visits(self._shots)
        other._counts, other._planes = self._counts.copy(), self._planes
        return other

    def copy_shots(self, sources: NDArray[np.int64], shots: NDArray[np.int64]) -> None:
        """Give shots the counts of others."""
        for plane in self._planes.values():
            plane[shots] = plane[sources]

    def add(self, event: int, groups: ShotGroups) -> int | NDArray[np.int32]:
        """Count a visit to an event, and return the earlier visits.

        All shots of the groups meet the event.

        Returns:
            One number if it is the same for all, else int32 of shape (shots,).
        """
        count = self._counts.get(event, 0)
        if count is not None:
            self._counts[event] = count + 1
            return count
        plane, shots = self._planes[event], groups.settle()[0]
        if not len(shots):
            return 0
        before = plane[shots]
        first = int(before[0])
        if (before == first).all():
            self._counts[event] = first + 1
            return first
        plane[shots] = before + 1
        return before

    def join(self, others: Sequence[Visits], groups: Sequence[ShotGroups]) -> None:
        """Take in the visits of other groups of shots.

        `groups` are those of these visits and of each of the others.
        """
        every = [self, *others]
        for event in {event for each in every for event in each._counts}:
            counts = [each._counts.get(event, 0) for each in every]
            if all([count == counts[0] for count in counts]):
                continue
            plane = self._planes.get(event)
            if plane is None:
                plane = self._planes[event] = np.empty(self._shots, np.int32)
            for count, each in zip(counts, groups, strict=True):
                if count is not None:
                    plane[each.settle()[0]] = count
            self._counts[event] = None

    def forget(self, before: int, back: bool) -> None:
        """Forget events that shots can't meet again.

        Args:
            before: events with a lower number are forgotten.
            back: whether shots may still go back; if not, `GOING_BACK` is forgotten.
        """
        if self._counts:
            for event in [event for event in self._counts if (not back if event == GOING_BACK else event < before)]:
                del self._counts[event]
