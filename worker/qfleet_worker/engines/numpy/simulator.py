# SPDX-License-Identifier: Apache-2.0
"""A simulator of statevectors that needs numpy alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.messages.request import EXACT_METHODS
from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.contract import EngineError, Experiment, Outcome, dtype_of
from qfleet_worker.engines.density.kernels import NumpyKernels
from qfleet_worker.engines.density.simulator import run_exactly
from qfleet_worker.engines.driver.flow import Flow, compile_flow
from qfleet_worker.engines.driver.limits import DEFAULT_LIMITS, DriverLimits
from qfleet_worker.engines.driver.run import run_shots, sweep_one_by_one
from qfleet_worker.engines.driver.stretches import Stretch
from qfleet_worker.engines.driver.unitary import run_unitary, unitary_refusal
from qfleet_worker.engines.numpy.compiler import compile_program
from qfleet_worker.engines.numpy.plan import Plan
from qfleet_worker.engines.numpy.state import State
from qfleet_worker.engines.states.one_by_one import OneByOneSource
from qfleet_worker.engines.states.store import StateStore


class NumpySimulator:
    """A simulator of statevectors that needs numpy alone.

    Args:
        limits: those of the shots' way through a program.
    """

    def __init__(self, limits: DriverLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits

    def run(self, experiment: Experiment) -> Outcome:
        """Run one circuit; see `qfleet_worker.engines.contract.Simulator`."""
        if experiment.request.method in EXACT_METHODS:
            return run_exactly(experiment, NumpyKernels(), self._limits)
        # A hostile table may overflow; the check of the norm catches that.
        with np.errstate(all="ignore"):
            unitary = experiment.request.method == "unitary"
            return _unitary(experiment) if unitary else self._simulate(experiment)

    def sweep(self, experiment: Experiment, params: NDArray[np.float64], seeds: Sequence[int]) -> Iterator[Outcome]:
        """Run one circuit with many parameter sets, in order.

        See `qfleet_worker.engines.contract.Simulator`.
        """
        return sweep_one_by_one(self.run, experiment, params, seeds)

    def _simulate(self, experiment: Experiment) -> Outcome:
        flow = compile_flow(experiment.program, _compile, self._limits)
        return run_shots(experiment, flow, lambda: self._source(experiment, flow))

    def _source(self, experiment: Experiment, flow: Flow[Plan]) -> OneByOneSource:
        active = set().union(*[block.plan.active() for block in flow.blocks])
        active.update(*[block.noisy.qubits for block in flow.blocks if block.noisy is not None])
        state = State(len(active), dtype_of(experiment.request.precision))
        store = StateStore(
            state,
            self._limits.state_budget(experiment.request, state.capacity_bytes),
            lambda plan: state.arrange(plan.wires) if plan.measured else None,
            lambda plan, phase: state.statevector(plan.wires, phase),
            self._limits.waiting_states,
        )
        return OneByOneSource(store)


def _compile(stretch: Stretch) -> Plan:
    return compile_program(stretch.program, stretch.first, stretch.last, stretch.events_before)


def _unitary(experiment: Experiment) -> Outcome:
    refusal = unitary_refusal(experiment.program)
    if refusal:
        raise EngineError(refusal)
    size = experiment.program.num_qubits
    plan = compile_program(experiment.program, from_zero=False)
    state = State(2 * size, dtype_of(experiment.request.precision))
    state.set_identity(size)
    columns = range(size, 2 * size)

    def take_matrix() -> ComplexArray:
        return state.statevector((*columns, *plan.wires), plan.phase).reshape(1 << size, -1)

    return run_unitary(experiment, plan.steps, state, columns, take_matrix)
