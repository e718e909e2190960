# SPDX-License-Identifier: Apache-2.0
"""Shots that nothing to come can tell apart are simulated together."""

from __future__ import annotations

import numpy as np
import pytest
from make_experiments import make_experiment
from qiskit import QuantumCircuit
from qiskit.circuit.classical import expr, types

from qfleet.lowering.lower import lower
from qfleet_worker.engines.contract import Simulator
from qfleet_worker.engines.driver.limits import DriverLimits
from qfleet_worker.engines.numpy.simulator import NumpySimulator
from qfleet_worker.engines.states.comparison import ComparableState
from qfleet_worker.engines.states.contract import States
from qfleet_worker.engines.states.one_by_one import OneByOne
from qfleet_worker.engines.statevector.runtime import batch
from qfleet_worker.engines.statevector.simulator import Sizes, StatevectorSimulator

TOGETHER, ONE_BY_ONE = Sizes(), Sizes(batch_wires=-1)


class Most:
    """The most states that were alive after any measurement or reset."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.states = 0
        #: measurements and resets, each for all states at its place
        self.events = 0
        for ensemble in (OneByOne, batch.Batch):
            self._watch(monkeypatch, ensemble)

    def _watch(self, monkeypatch: pytest.MonkeyPatch, ensemble: type) -> None:
        branch = ensemble.branch

        def watched(states: States, *args: object) -> object:
            numbers = branch(states, *args)
            self.events += 1
            self.states = max(self.states, len(states))
            return numbers

        monkeypatch.setattr(ensemble, "branch", watched)


@pytest.fixture
def most(monkeypatch: pytest.MonkeyPatch) -> Most:
    return Most(monkeypatch)


@pytest.fixture(params=["numpy", "statevector", "statevector, one by one"])
def engine(request: pytest.FixtureRequest) -> Simulator:
    if request.param == "numpy":
        return NumpySimulator()
    return StatevectorSimulator(sizes=ONE_BY_ONE if request.param.endswith("one") else TOGETHER)


def rounds(number: int) -> QuantumCircuit:
    qc = QuantumCircuit(2, 2)
    for _ in range(number):
        qc.h(0)
        qc.measure(0, 0)
        with qc.if_test((qc.clbits[0], 1)):
            qc.x(0)
    qc.measure(1, 1)
    return qc


def total(engine: Simulator, circuit: QuantumCircuit, shots: int = 1000) -> int:
    return int(engine.run(make_experiment(lower(circuit), shots, 5)).counts.sum())


def test_a_qubit_put_right_by_its_measurement(engine: Simulator, most: Most) -> None:
    """One state before each of a thousand measurements, and two behind it."""
    assert total(engine, rounds(1000)) == 1000
    assert (most.states, most.events) == (2, 1000)


def test_a_thousand_tosses(engine: Simulator, most: Most) -> None:
    qc = QuantumCircuit(1, 1)
    for _ in range(1000):
        qc.h(0)
        qc.measure(0, 0)
    qc.h(0)
    assert total(engine, qc) == 1000
    # Two states, each of which becomes two before they are merged.
    assert (most.states, most.events) == (4, 1000)


def test_a_reset_forgets(engine: Simulator, most: Most) -> None:
    qc = QuantumCircuit(2, 20)
    for at in range(20):
        qc.ry(0.3 + at, 0)
        qc.measure(0, at)
        qc.reset(0)
    qc.h(1)
    assert total(engine, qc) == 1000
    assert most.states == 2


def test_a_loop_is_left_by_all_together(engine: Simulator, most: Most) -> None:
    qc = QuantumCircuit(2, 2)
    qc.x(0)
    qc.measure(0, 0)
    with qc.while_loop((qc.clbits[0], 1)):
        qc.reset(0)
        qc.ry(2.0, 0)
        qc.measure(0, 0)
    qc.ry(0.5, 1)
    qc.measure(1, 1)
    qc.h(1)
    assert total(engine, qc) == 1000
    assert most.states == 2


@pytest.mark.parametrize("read_later", [False, True])
def test_clbits_that_are_read_later_keep_states_apart(engine: Simulator, most: Most, read_later: bool) -> None:
    qc = QuantumCircuit(2, 5)
    for at in range(4):
        qc.h(0)
        qc.measure(0, at)
        qc.reset(0)
    if read_later:
        with qc.if_test((qc.cregs[0], 7)):
            qc.x(1)
    qc.measure(1, 4)
    assert total(engine, qc) == 1000
    assert most.states == (16 if read_later else 2)


def test_variables_that_are_read_later_keep_states_apart(engine: Simulator, most: Most) -> None:
    qc = QuantumCircuit(2, 2)
    heads = qc.add_var("heads", expr.lift(0, types.Uint(4)))
    for _ in range(6):
        qc.h(0)
        qc.measure(0, 0)
        qc.reset(0)
        qc.store(heads, expr.add(heads, expr.cast(qc.clbits[0], types.Uint(4))))
    with qc.if_test(expr.equal(heads, 3)):
        qc.x(1)
    qc.measure(1, 1)
    outcome = engine.run(make_experiment(lower(qc), 20_000, 5))
    ones = sum(int(n) for row, n in zip(outcome.outcomes, outcome.counts, strict=True) if row[0] & 2)
    assert abs(ones / 20_000 - 20 / 64) < 0.02
    # Six sums before the last toss.
    assert most.states == 12


def test_what_differs_by_a_phase_between_amplitudes_is_kept_apart(engine: Simulator) -> None:
    qc = QuantumCircuit(2, 2)
    qc.h([0, 1])
    qc.measure(0, 0)
    with qc.if_test((qc.clbits[0], 1)):
        qc.z(1)
    qc.reset(0)
    qc.h(1)
    qc.measure(1, 1)
    outcome = engine.run(make_experiment(lower(qc), 200, 5))
    assert outcome.outcomes[:, 0].tolist() == [0, 3]


def test_pictures_know_a_wire_in_a_basis_state_however_it_is_held() -> None:
    plus = np.array([1, 1], np.complex128) / np.sqrt(2)
    half = ComparableState(plus * 1j, (0,), {1: 1})
    whole = ComparableState(np.array([0, 0, *plus]), (1, 0), {})
    turned = ComparableState(np.array([0, plus[0], 0, plus[1]]), (0, 1), {})
    assert all(one.equals(whole) for one in (half, turned))
    assert whole.equals(half)
    assert half.fingerprint() == pytest.approx(whole.fingerprint()) == pytest.approx(turned.fingerprint())
    assert not half.equals(ComparableState(plus, (0,), {1: 0}))
    assert not half.equals(ComparableState(plus * [1, -1], (0,), {1: 1}))
    assert not half.equals(ComparableState(plus * [1, 1 + 1e-9j], (0,), {1: 1}))


@pytest.mark.parametrize("sizes", [TOGETHER, ONE_BY_ONE], ids=["together", "one by one"])
@pytest.mark.parametrize("output", ["counts", "statevector"])
@pytest.mark.parametrize("seed", range(4))
def test_shots_that_were_put_off_find_the_same(
    monkeypatch: pytest.MonkeyPatch, seed: int, output: str, sizes: Sizes
) -> None:
    """All states but one or a few are run again, where only these have room."""
    rng = np.random.default_rng(seed)
    qc = QuantumCircuit(4, 6)
    for at in range(6):
        qc.ry(float(rng.uniform(0, 3)), at % 3)
        qc.cx(at % 3, 3)
        qc.measure(at % 4, at)
        with qc.if_test((qc.clbits[at], 1)):
            qc.rx(0.4, (at + 1) % 4)
            qc.reset(at % 4)
    experiment = make_experiment(lower(qc), 200, seed, memory=True, output=output)
    whole = StatevectorSimulator(sizes=sizes).run(experiment)
    most = Most(monkeypatch)
    # A state has 256 bytes.
    waiting = DriverLimits(waiting_bytes=256 if output == "counts" else 0)
    again = StatevectorSimulator(waiting, sizes).run(experiment)
    assert (most.states > 1) == (sizes == ONE_BY_ONE and output == "counts")
    assert again.outcomes[again.memory].tobytes() == whole.outcomes[whole.memory].tobytes()
    if output == "statevector":
        assert again.amplitudes.tobytes() == whole.amplitudes.tobytes()
