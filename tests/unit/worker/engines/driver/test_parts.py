# SPDX-License-Identifier: Apache-2.0
"""Shots that are run part by part have the outcomes of all at once."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.circuit import QuantumCircuit

from qfleet.lowering.lower import lower
from qfleet.wire.messages.request import Output, Request
from qfleet_worker.engines.contract import Experiment, Outcome
from qfleet_worker.engines.driver.limits import DriverLimits
from qfleet_worker.engines.numpy.simulator import NumpySimulator
from qfleet_worker.engines.numpy.state import State
from qfleet_worker.engines.statevector.simulator import StatevectorSimulator

SHOTS = 3000


def circuit(resets: bool) -> QuantumCircuit:
    made = QuantumCircuit(4, 3)
    made.h(range(4))
    made.cp(0.4, 0, 3)
    made.ry(0.7, 2)
    if resets:
        made.measure(1, 2)
        made.reset(1)
        made.h(1)
    made.measure([0, 3], [1, 0])
    return made


def outcome(simulator: NumpySimulator | StatevectorSimulator, resets: bool, request: Request) -> Outcome:
    return simulator.run(Experiment(lower(circuit(resets)), SHOTS, seed=3, request=request, first_shot=11))


@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("engine", [NumpySimulator, StatevectorSimulator])
@pytest.mark.parametrize("request_", [Request(), Request(memory=True), Request(Output.STATEVECTOR)])
def test_outcomes(engine: type, resets: bool, request_: Request) -> None:
    whole = outcome(engine(), resets, request_)
    parts = outcome(engine(DriverLimits(numbers=700)), resets, request_)
    assert (whole.outcomes.tolist(), whole.counts.tolist()) == (parts.outcomes.tolist(), parts.counts.tolist())
    assert whole.counts.sum() == SHOTS
    if request_.memory:
        assert whole.memory is not None
        assert parts.memory is not None
        assert whole.memory.tolist() == parts.memory.tolist()
    if request_.returns_amplitudes:
        assert whole.amplitudes is not None
        assert parts.amplitudes is not None
        assert np.abs(whole.amplitudes - parts.amplitudes).max() < 1e-12


def test_a_state_that_all_shots_share_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    cleared = []
    clear = State.clear
    monkeypatch.setattr(State, "clear", lambda state: cleared.append(state) or clear(state))
    simulator = NumpySimulator(DriverLimits(numbers=700))
    outcome(simulator, False, Request())
    once = len(cleared)
    outcome(simulator, True, Request())
    assert once <= 2 < len(cleared) - once
