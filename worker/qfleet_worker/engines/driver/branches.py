# SPDX-License-Identifier: Apache-2.0
"""Exact means over all outcomes of a program's random events.

In place of shots, all branches are followed, each with the probability of its outcomes. Branches that come to the same
place in the same state go on as one. So a loop ends when the probability of its next turn is negligible.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.cost.branches import MOST_BRANCHES
from qfleet.wire.program.saves import Saved
from qfleet_worker.engines.contract import EngineError, Experiment, Outcome
from qfleet_worker.engines.driver.draws import Draws
from qfleet_worker.engines.driver.flow import Flow
from qfleet_worker.engines.driver.front import ShotFront
from qfleet_worker.engines.driver.shot_records import ShotRecords
from qfleet_worker.engines.driver.stretches import AnyPlan
from qfleet_worker.engines.driver.trajectories import COPY, ShotRun
from qfleet_worker.engines.driver.ways import NEGLIGIBLE
from qfleet_worker.engines.randomness.uniforms import Uniforms
from qfleet_worker.engines.results.outcomes import Tally
from qfleet_worker.engines.results.saved import sum_terms
from qfleet_worker.engines.states.contract import Answers, StateSource
from qfleet_worker.engines.states.operators import OperatorStep
from qfleet_worker.engines.steps import EventStep, MeasureStep, SaveStep

#: Branches less probable than this aren't followed.
_NEGLIGIBLE_BRANCH: Final = 1e-15
_INSTEAD: Final = "give a precision above 0, with which shots are averaged"


def exact_means(experiment: Experiment, flow: Flow[Any], source: StateSource) -> Outcome:
    """Return the exact means of the expectation values that a program saves.

    Args:
        experiment: the circuit and its request.
        flow: the compiled program.
        source: makes the states.

    Raises:
        EngineError: there are too many branches, or a loop doesn't end.
    """
    if flow.noise is not None:
        raise EngineError(f"a state has no exact means with noise; take method='density_matrix', or {_INSTEAD}")
    save = experiment.program.saves[-1]
    run = _Branches(flow, source)
    means: list[NDArray[np.float64]] = []

    def take(
        step: SaveStep, answers: Answers, _phase: complex, branches: NDArray[np.int64], _clbits: ShotRecords
    ) -> None:
        values = sum_terms(save, answers.expectation_values(step.targets, *save.paulis()[:2]))
        means.append(values * float(run.probabilities[branches].sum()))

    run.follow(take)
    total = np.sum(means, axis=0) * experiment.shots
    one = np.array([experiment.shots], "<i8").tobytes()
    saved = Saved(save.kind, save.label, save.subtype, 1, total.astype("<f8").tobytes(), one)
    return Outcome(*Tally(0, None).result(), saved=(saved,))


class _Branches(ShotRun[AnyPlan]):
    """Branches on their way through a program: shots with probabilities."""

    def __init__(self, flow: Flow[AnyPlan], source: StateSource) -> None:
        records = ShotRecords(MOST_BRANCHES)
        uniforms = Uniforms(0, 0, 1)
        super().__init__(flow, source, uniforms, Draws(None, uniforms, 0), records, None, phases=False)
        self.probabilities = np.zeros(MOST_BRANCHES)
        self._number = 1

    def follow(self, take: Any) -> None:
        """Follow all branches, and call `take` at saves."""
        self._take = take
        self.probabilities[0] = 1
        for _ in self.run(np.zeros(1, np.int64), MOST_BRANCHES):
            pass

    def _divide(self, front: ShotFront, step: EventStep, weights: NDArray[np.float64]) -> None:
        weights = self._without_negligible(front, weights)
        if not len(weights):
            return
        if self._flow.loops:
            front.visits.add(step.event, front.groups)
        branches, ways = self._split(front, step, weights, weights)
        self._write(step, branches, ways, 0)

    def _without_negligible(self, front: ShotFront, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Drop negligible branches, which could be followed for ever.

        Returns:
            The weights of the others.
        """
        branches, states = front.groups.settle()
        dropped = np.zeros(len(weights), np.bool_)
        dropped[states] = self.probabilities[branches] < _NEGLIGIBLE_BRANCH
        if dropped.any():
            front.split_off(dropped).states.select(np.zeros(0, np.int64))
        return weights[~dropped]

    def _write(
        self,
        step: EventStep,
        shots: NDArray[np.int64],
        values: NDArray[np.generic],
        visit: int | NDArray[np.int32],  # noqa: ARG002 - another number for each visit is for random readings
    ) -> None:
        for clbit in step.clbits:
            self._records.write(clbit, shots, values)

    def _part_by_reading(self, front: ShotFront, step: MeasureStep, live: int) -> None:
        if step.flips is None or not self._is_read(step, live):
            return
        branches, states = front.groups.settle()
        true = self._records.clbits[step.clbits[0]][branches].astype(np.int64)
        chances = np.empty((len(front.states), 2))
        chances[states, 1] = np.array(step.flips)[true]
        chances[states, 0] = 1 - chances[states, 1]
        own, flips = self._split(front, COPY, np.ones((len(true), 2)), chances)
        before = self._records.clbits[step.clbits[0]][own]
        self._write(step, own, before ^ flips.astype(np.uint8), 0)

    def _split(
        self,
        front: ShotFront,
        step: EventStep | OperatorStep,
        weights: NDArray[np.float64],
        chances: NDArray[np.float64],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Split branches into the ways of a step.

        Args:
            front: has the branches.
            step: an event, or the reading of one.
            weights: what each way leaves of a state, shape (states, ways).
            chances: the probabilities of the ways, shape (states, ways).

        Returns:
            The branches, and the way of each.
        """
        branches, states = front.groups.settle()
        own = np.empty(len(weights), np.int64)
        own[states] = branches
        likely = (chances > NEGLIGIBLE) & (chances * self.probabilities[own, None] > _NEGLIGIBLE_BRANCH)
        likely[np.arange(len(chances)), chances.argmax(axis=1)] = True
        taken = self._allowed(likely, front)
        numbers = front.states.branch(step, taken, weights)
        if (numbers[likely] < 0).any():
            raise EngineError(f"its measurements lead to more states than memory holds; {_INSTEAD}")
        sources, ways = np.nonzero(likely)
        after = numbers[sources, ways]
        further = after >= len(weights)
        ids = own[sources]
        ids[further] = self._new(int(further.sum()))
        probabilities = self.probabilities[own[sources]] * chances[sources, ways]
        self._records.copy(own[sources[further]], ids[further])
        front.visits.copy_shots(own[sources[further]], ids[further])
        self.probabilities[ids] = probabilities
        order = np.argsort(ids)
        front.groups.replace(ids[order], after[order], len(front.states))
        parents = sources[further][np.argsort(after[further])]
        front.phases = np.concatenate([front.phases, front.phases[parents]])
        front.variables = front.variables + [front.variables[at] for at in parents.tolist()]
        return ids, ways

    def _new(self, count: int) -> NDArray[np.int64]:
        """Return the numbers of new branches."""
        first, self._number = self._number, self._number + count
        if self._number > MOST_BRANCHES:
            raise EngineError(f"its measurements have more than {MOST_BRANCHES} outcomes; {_INSTEAD}")
        return np.arange(first, self._number)

    def _merge(self, front: ShotFront, live: int) -> None:
        super()._merge(front, live)
        branches, states = front.groups.settle()
        count = len(front.states)
        if len(branches) == count:
            return
        # One branch stands for all that share a state: no expression tells them apart any more.
        sums = np.bincount(states, self.probabilities[branches], count)
        kept = front.groups.last_shots()
        self.probabilities[kept] = sums
        order = np.argsort(kept)
        front.groups.replace(kept[order], order, count)

    def _give_up(self, front: ShotFront) -> bool:
        if front.states.lost() is not None:
            raise EngineError(f"its measurements lead to more states than memory holds; {_INSTEAD}")
        return False
