# SPDX-License-Identifier: Apache-2.0
"""A simulator of Clifford circuits, by frames or by tableaus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.clifford_programs import clifford_refusal
from qfleet.wire.program.saves import Quantity
from qfleet_worker.engines.contract import EngineError, Experiment, Outcome
from qfleet_worker.engines.driver.flow import compile_flow
from qfleet_worker.engines.driver.limits import DEFAULT_LIMITS, DriverLimits
from qfleet_worker.engines.driver.run import run_shots, sweep_one_by_one
from qfleet_worker.engines.stabilizer.frames.run import run_frames
from qfleet_worker.engines.stabilizer.plan import compile_stretch
from qfleet_worker.engines.stabilizer.room import Room
from qfleet_worker.engines.stabilizer.states import COMPARED, StabilizerSource
from qfleet_worker.engines.stabilizer.tableau import words_for
from qfleet_worker.engines.threads import ThreadTeam


class StabilizerSimulator:
    """A simulator of Clifford circuits.

    Args:
        limits: those of the shots' way through a program.
        frames: whether frames run what they can.
        compared_from: the number of tableaus from which on equal states are looked for.
    """

    def __init__(
        self, limits: DriverLimits = DEFAULT_LIMITS, *, frames: bool = True, compared_from: int = COMPARED
    ) -> None:
        self._limits = limits
        self._compared_from = compared_from
        self._frames = frames
        self._teams: dict[int, ThreadTeam] = {}

    def run(self, experiment: Experiment) -> Outcome:
        """Run one circuit; see `qfleet_worker.engines.contract.Simulator`."""
        try:
            outcome = run_frames(experiment, self._team(experiment)) if self._frames else None
            return self._run_states(experiment) if outcome is None else outcome
        except EngineError as exc:
            # The rows of the program are known to users, those of a stretch aren't.
            raise EngineError(clifford_refusal(experiment.program) or str(exc)) from exc

    def sweep(self, experiment: Experiment, params: NDArray[np.float64], seeds: Sequence[int]) -> Iterator[Outcome]:
        """Run one circuit with many parameter sets, in order.

        See `qfleet_worker.engines.contract.Simulator`.
        """
        return sweep_one_by_one(self.run, experiment, params, seeds)

    def _run_states(self, experiment: Experiment) -> Outcome:
        flow = compile_flow(experiment.program, compile_stretch, self._limits)
        return run_shots(experiment, flow, lambda: StabilizerSource(self._room(experiment)))

    def _room(self, experiment: Experiment) -> Room:
        num_qubits = experiment.program.num_qubits
        budget = self._limits.state_budget(experiment.request, 32 * num_qubits * words_for(num_qubits))
        room = Room(num_qubits, budget, self._limits.waiting_states)
        if not any(save.spec.quantity is Quantity.TABLEAU for save in experiment.program.saves):
            # Equal states may have other destabilizers.
            room.compared_from = self._compared_from
        return room

    def _team(self, experiment: Experiment) -> ThreadTeam:
        if experiment.threads not in self._teams:
            self._teams[experiment.threads] = ThreadTeam(experiment.threads)
        return self._teams[experiment.threads]
