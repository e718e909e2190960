# SPDX-License-Identifier: Apache-2.0
"""Shots at the same place of a program, and their states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.driver.expressions import Value
from qfleet_worker.engines.driver.shot_groups import ShotGroups
from qfleet_worker.engines.driver.visits import Visits
from qfleet_worker.engines.states.contract import States


@dataclass(slots=True)
class ShotFront:
    """Shots that have come to the same place of a program."""

    #: the block that they are in, or have come to the end of
    block: int
    groups: ShotGroups
    states: States
    #: factors of the states, shape (states,)
    phases: NDArray[np.complex128]
    #: the variables beside each state
    variables: list[tuple[Value, ...]]
    visits: Visits

    def split_off(self, out: NDArray[np.bool_]) -> ShotFront:
        """Take some states out, with their shots."""
        other = ShotFront(
            self.block,
            self.groups.divide(out, np.where(out, np.cumsum(out), np.cumsum(~out)) - 1),
            self.states.take_out(out),
            self.phases[out],
            [values for values, leaves in zip(self.variables, out.tolist(), strict=True) if leaves],
            self.visits.copy(),
        )
        self.phases = self.phases[~out]
        self.variables = [values for values, leaves in zip(self.variables, out.tolist(), strict=True) if not leaves]
        return other

    def join(self, others: list[ShotFront]) -> None:
        """Take in the shots and states of other fronts."""
        fronts = [self, *others]
        self.visits.join([front.visits for front in others], [front.groups for front in fronts])
        self.groups.join([front.groups for front in others], [len(front.states) for front in fronts])
        for front in others:
            self.states.join(front.states)
        self.phases = np.concatenate([front.phases for front in fronts])
        self.variables = [values for front in fronts for values in front.variables]
