# SPDX-License-Identifier: Apache-2.0
"""Runs of the exact methods, on the kernels of an engine."""

from __future__ import annotations

from functools import partial

import numpy as np

from qfleet.wire.messages.request import has_exact_means
from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.contract import EngineError, Experiment, Outcome
from qfleet_worker.engines.density.compiler import compile_stretch
from qfleet_worker.engines.density.kernels import Kernels
from qfleet_worker.engines.density.plan import Plan
from qfleet_worker.engines.density.state import DensityState
from qfleet_worker.engines.density.superop import run_superop
from qfleet_worker.engines.driver.flow import compile_flow
from qfleet_worker.engines.driver.limits import DriverLimits
from qfleet_worker.engines.driver.run import run_shots
from qfleet_worker.engines.states.one_by_one import OneByOneSource
from qfleet_worker.engines.states.store import StateStore


def run_exactly(experiment: Experiment, kernels: Kernels, limits: DriverLimits) -> Outcome:
    """Run a circuit by the method ``density_matrix`` or ``superop``.

    Args:
        experiment: the circuit, its shots and its request.
        kernels: do the work on density matrices.
        limits: those of the shots' way through the program.

    Raises:
        EngineError: the circuit can't be run.
        MemoryError: it doesn't fit.
    """
    # A hostile table may overflow; the check of the trace catches that.
    with np.errstate(all="ignore"):
        if experiment.request.method == "superop":
            return run_superop(experiment, kernels)
        return _run_density(experiment, kernels, limits)


def _run_density(experiment: Experiment, kernels: Kernels, limits: DriverLimits) -> Outcome:
    def source() -> OneByOneSource:
        state = DensityState(experiment.program.num_qubits, kernels)

        def settle(plan: Plan) -> None:
            state.arrange(plan.wires)

        budget = limits.state_budget(experiment.request, state.capacity_bytes)
        return OneByOneSource(StateStore(state, budget, settle, _no_statevector, limits.waiting_states))

    program = experiment.program
    outcomes = not has_exact_means(program, experiment.request.output) or bool(len(program.jumps))
    flow = compile_flow(program, partial(compile_stretch, outcomes=outcomes), limits, draws_errors=False)
    return run_shots(experiment, flow, source)


def _no_statevector(_plan: Plan, _phase: complex) -> ComplexArray:
    raise EngineError("a density matrix has no statevector")
