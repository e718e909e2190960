# SPDX-License-Identifier: Apache-2.0
"""A simulator of matrix product states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from qfleet.wire.cost.chains import bounds
from qfleet_worker.engines.contract import EngineError, Experiment, Outcome, dtype_of
from qfleet_worker.engines.driver.flow import compile_flow
from qfleet_worker.engines.driver.limits import DEFAULT_LIMITS, DriverLimits
from qfleet_worker.engines.driver.run import run_shots, sweep_one_by_one
from qfleet_worker.engines.mps.chain import Losses
from qfleet_worker.engines.mps.compiler import compile_stretch
from qfleet_worker.engines.mps.splitting import Cut
from qfleet_worker.engines.mps.state import ChainState
from qfleet_worker.engines.mps.states import ChainSource
from qfleet_worker.engines.states.store import StateStore


class ChainSimulator:
    """A simulator of matrix product states; see `qfleet_worker.engines.contract.Simulator`.

    Args:
        limits: those of the shots' way through a program.
    """

    def __init__(self, limits: DriverLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits

    def run(self, experiment: Experiment) -> Outcome:
        """Run one circuit; see `Simulator.run`."""
        # A hostile table may overflow; the check of the norm, or a decomposition, catches that.
        with np.errstate(all="ignore"):
            try:
                losses = Losses()
                flow = compile_flow(experiment.program, compile_stretch, self._limits)
                outcome = run_shots(experiment, flow, lambda: self._source(experiment, losses))
                return replace(outcome, truncation=(losses.discarded, losses.widest))
            except np.linalg.LinAlgError as exc:
                raise EngineError(f"the circuit isn't unitary: the decomposition of its state failed: {exc}") from exc

    def sweep(self, experiment: Experiment, params: NDArray[np.float64], seeds: Sequence[int]) -> Iterator[Outcome]:
        """Run one circuit with many parameter sets; see `Simulator.sweep`."""
        return sweep_one_by_one(self.run, experiment, params, seeds)

    def _source(self, experiment: Experiment, losses: Losses) -> ChainSource:
        request = experiment.request
        bonds = bounds(experiment.program, request)
        capacity = int(2 * request.amplitude_bytes * float(bonds[:-1] @ bonds[1:]))
        cut = Cut(request.bond, request.threshold)
        state = ChainState(experiment.program.num_qubits, dtype_of(request.precision), cut, losses, capacity)
        store = StateStore(
            state,
            self._limits.state_budget(request, capacity),
            lambda _: None,
            lambda plan, phase: state.answers().amplitudes(plan.wires, phase),
            self._limits.waiting_states,
        )
        return ChainSource(store)
