# SPDX-License-Identifier: Apache-2.0
"""Do dynamic circuits give what their blocks, loops, conditions and variables say? Judged by an oracle of its own."""

from __future__ import annotations

import flow_oracle
import numpy as np
import pytest
from dynamic_circuits import CIRCUITS
from engines import ENGINES
from make_experiments import make_experiment
from qiskit import QuantumCircuit
from qiskit.circuit import Clbit
from qiskit.circuit.classical import expr, types
from reference import assert_drawn_from

from qfleet.lowering.lower import lower
from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet_worker.engines.contract import EngineError, Outcome, Simulator
from qfleet_worker.engines.driver.limits import DriverLimits
from qfleet_worker.engines.numpy.simulator import NumpySimulator
from qfleet_worker.engines.statevector.simulator import StatevectorSimulator


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Simulator:
    return ENGINES[request.param]()


def run(engine: Simulator, circuit: QuantumCircuit, shots: int = 4000, seed: int = 11, **options) -> Outcome:
    program = decode_program(encode_program(lower(circuit)))
    return engine.run(make_experiment(program, shots, seed, **options))


def counts(outcome: Outcome) -> dict[int, int]:
    numbers = [int.from_bytes(row.tobytes(), "little") for row in outcome.outcomes]
    return dict(zip(numbers, outcome.counts.tolist(), strict=True))


def check(engine: Simulator, circuit: QuantumCircuit, shots: int = 4000) -> None:
    seen = counts(run(engine, circuit, shots))
    assert sum(seen.values()) == shots
    exact = flow_oracle.probabilities(circuit)
    assert_drawn_from({str(key): n for key, n in seen.items()}, {str(key): p for key, p in exact.items()})


@pytest.mark.parametrize("name", CIRCUITS)
def test_counts_are_drawn_from_what_the_circuit_means(engine: Simulator, name: str) -> None:
    check(engine, CIRCUITS[name]())


@pytest.mark.parametrize("name", CIRCUITS)
def test_shots_cut_anyhow_find_the_same(engine: Simulator, name: str) -> None:
    made = CIRCUITS[name]()

    def rows(first: int, shots: int) -> list[bytes]:
        outcome = run(engine, made, shots, memory=True, first_shot=first)
        return [outcome.outcomes[row].tobytes() for row in outcome.memory]

    whole = rows(0, 200)
    assert rows(0, 1) + rows(1, 90) + rows(91, 109) == whole


@pytest.mark.parametrize("name", CIRCUITS)
def test_replayed_branches_end_the_same(name: str) -> None:
    whole, small, none = (
        run(NumpySimulator(DriverLimits(waiting_bytes=waiting)), CIRCUITS[name](), 200) for waiting in (1 << 30, 100, 0)
    )
    assert counts(whole) == counts(small) == counts(none)


@pytest.mark.parametrize("name", CIRCUITS)
def test_the_state_after_the_last_shot(engine: Simulator, name: str) -> None:
    made = CIRCUITS[name]()
    ways = flow_oracle.ways(made)
    for seed in range(4):
        outcome = run(engine, made, 3, seed, memory=True, output="statevector")
        last = int.from_bytes(outcome.outcomes[outcome.memory[-1]].tobytes(), "little")
        assert np.linalg.norm(outcome.amplitudes) == pytest.approx(1)
        assert any(
            np.abs(way.state / np.linalg.norm(way.state) - outcome.amplitudes).max() < 1e-7
            for way in ways
            if way.clbits == last
        )


@pytest.mark.parametrize("simulator", [NumpySimulator, StatevectorSimulator])
def test_an_endless_loop_is_named(simulator: type[NumpySimulator | StatevectorSimulator]) -> None:
    qc = QuantumCircuit(1, 1)
    qc.h(0)
    with qc.if_test((qc.clbits[0], 0)), qc.while_loop((qc.clbits[0], 0), label="forever"):
        qc.x(0)
    with pytest.raises(
        EngineError, match=r"^while_loop at position 0 \('forever'\) in if_else at position 1 didn't end: .* 50 times"
    ):
        run(simulator(DriverLimits(passes=50)), qc)


@pytest.mark.parametrize("simulator", [NumpySimulator, StatevectorSimulator])
def test_a_loop_may_end_at_the_limit(simulator: type[NumpySimulator | StatevectorSimulator]) -> None:
    engine = simulator(DriverLimits(passes=50))
    for passes in (50, 51):
        qc = QuantumCircuit(1, 6)
        n = qc.add_var("n", expr.lift(0, types.Uint(6)))
        with qc.while_loop(expr.less(n, passes)):
            qc.store(n, expr.add(n, 1))
        qc.store(qc.cregs[0], n)
        if passes == 50:
            assert counts(run(engine, qc)) == {50: 4000}
        else:
            with pytest.raises(EngineError, match="didn't end"):
                run(engine, qc)


def test_each_pass_of_a_loop_has_random_numbers_of_its_own(engine: Simulator) -> None:
    """Sixteen tosses of one coin in a loop are as many bits."""
    qc = QuantumCircuit(1, 16)
    n = qc.add_var("n", expr.lift(0, types.Uint(16)))
    bit = Clbit()
    qc.add_bits([bit])
    with qc.while_loop(expr.less(n, 16)):
        qc.h(0)
        qc.measure(0, bit)
        qc.store(expr.index(qc.cregs[0], n), bit)
        qc.store(n, expr.add(n, 1))
    outcome = run(engine, qc, 600, memory=True)
    bits = np.unpackbits(outcome.outcomes[outcome.memory][:, :2], axis=1)
    assert abs(bits.mean() - 0.5) < 0.03
    correlations = np.corrcoef(bits.T) - np.eye(16)
    assert np.abs(correlations).max() < 0.25


@pytest.mark.parametrize("num_qubits", [11, 14, 18])
def test_blocks_on_many_qubits(num_qubits: int) -> None:
    """Conditions that always hold, around the same gates as in a circuit without any."""
    rng = np.random.default_rng(num_qubits)
    plain = QuantumCircuit(num_qubits)
    qc = QuantumCircuit(num_qubits, 1)
    number = qc.add_var("number", expr.lift(0, types.Uint(4)))

    def layer(on: list[QuantumCircuit]) -> None:
        for _ in range(2 * num_qubits):
            a, b, c = (int(qubit) for qubit in rng.permutation(num_qubits)[:3])
            angle = rng.uniform(0, 6)
            for each in on:
                each.ry(angle, a)
                each.cp(angle, a, b)
                each.swap(b, c)
                each.iswap(a, c)
                each.ccx(a, b, c)

    layer([plain, qc])
    with qc.if_test(expr.equal(number, 0)):
        layer([plain, qc])
    with qc.while_loop(expr.less(number, 1)):
        layer([plain, qc])
        qc.store(number, expr.add(number, 1))
    with qc.if_test(expr.equal(number, 0)):
        layer([qc])
    layer([plain, qc])
    exact = StatevectorSimulator().run(make_experiment(lower(plain), 1, 1, output="statevector")).amplitudes
    for engine, threads in ((NumpySimulator(), 1), (StatevectorSimulator(), 1), (StatevectorSimulator(), 2)):
        amplitudes = run(engine, qc, 1, output="statevector", threads=threads).amplitudes
        assert np.abs(amplitudes - exact).max() < 1e-11
