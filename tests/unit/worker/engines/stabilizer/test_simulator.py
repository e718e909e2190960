# SPDX-License-Identifier: Apache-2.0
"""Clifford circuits by tableaus have the outcomes of their statevectors, and of Aer's stabilizer method."""

from __future__ import annotations

import math

import numpy as np
import pytest
from clifford_circuits import random_circuit
from engines import counts
from make_experiments import make_experiment
from qiskit import QuantumCircuit
from qiskit_aer import AerSimulator

from qfleet.lowering.lower import lower
from qfleet.noise import Channel, NoiseModel
from qfleet.wire.program.program import Program
from qfleet_worker.engines.contract import EngineError, Outcome
from qfleet_worker.engines.driver.limits import DriverLimits
from qfleet_worker.engines.numpy.simulator import NumpySimulator
from qfleet_worker.engines.stabilizer.simulator import StabilizerSimulator
from qfleet_worker.engines.stabilizer.states import StabilizerStates

SHOTS = 4000
KNOWN_TO_AER = ("h", "s", "sdg", "x", "y", "z", "sx", "sxdg", "cx", "cy", "cz", "swap", "ecr", "measure", "reset")


def run(
    program: Program, shots: int = SHOTS, seed: int = 1, first_shot: int = 0, *, frames: bool = False, **limits: int
) -> Outcome:
    experiment = make_experiment(program, shots, seed, first_shot, memory=True)
    return StabilizerSimulator(DriverLimits(**limits), frames=frames).run(experiment)


def rows(outcome: Outcome) -> np.ndarray:
    assert outcome.memory is not None
    return outcome.outcomes[outcome.memory]


def assert_alike(one: dict[int, int], other: dict[int, int]) -> None:
    """Compare two samples by a chi-square test at six standard deviations."""
    first, second = sum(one.values()), sum(other.values())
    pairs = [(one.get(key, 0), other.get(key, 0)) for key in one.keys() | other.keys()]
    pairs = [pair for pair in pairs if sum(pair) >= 10]
    distance = sum((a * math.sqrt(second / first) - b * math.sqrt(first / second)) ** 2 / (a + b) for a, b in pairs)
    assert distance < len(pairs) + 6 * math.sqrt(2 * len(pairs)) + 10


def measured(circuit: QuantumCircuit) -> QuantumCircuit:
    size = min(circuit.num_qubits, circuit.num_clbits)
    circuit.measure(range(size), range(size))
    return circuit


def sample(seed: int, *, flow: bool = True, most: int = 6) -> QuantumCircuit:
    rng = np.random.default_rng(seed)
    qubits, clbits = int(rng.integers(1, most + 1)), int(rng.integers(1, 7))
    circuit = random_circuit(rng, qubits, clbits, int(rng.integers(1, 40)), flow=flow)
    return measured(circuit) if seed % 2 else circuit


@pytest.mark.parametrize("seed", range(60))
def test_counts_are_those_of_statevectors(seed: int) -> None:
    program = lower(sample(seed, most=12 if seed % 10 == 0 else 6))
    theirs = NumpySimulator().run(make_experiment(program, SHOTS, seed + 1))
    for frames in (False, True):
        assert_alike(counts(run(program, seed=seed, frames=frames)), counts(theirs))


@pytest.mark.parametrize("seed", range(1, 40, 2))
def test_counts_are_those_of_aer(seed: int) -> None:
    circuit = sample(seed, flow=False)
    bare = QuantumCircuit(circuit.qubits, circuit.clbits)
    for each in circuit.data:
        if each.operation.name in KNOWN_TO_AER:
            bare.append(each)
    theirs = AerSimulator(method="stabilizer").run(bare, shots=SHOTS, seed_simulator=seed).result().get_counts()
    found = {int(bits.replace(" ", ""), 2): number for bits, number in theirs.items()}
    assert_alike(counts(run(lower(bare), seed=seed)), found)


@pytest.mark.parametrize("seed", range(12))
def test_a_shot_depends_on_its_number_alone(seed: int) -> None:
    program = lower(sample(2 * seed + 1))
    whole = rows(run(program, 1000, seed))
    parts = [run(program, shots, seed, first) for first, shots in ((0, 1), (1, 136), (137, 500), (637, 363))]
    assert np.array_equal(np.concatenate([rows(part) for part in parts]), whole)
    # Shots that have no room for a state run once more, and a few at a time.
    assert np.array_equal(rows(run(program, 1000, seed, waiting_bytes=0)), whole)
    assert np.array_equal(rows(run(program, 1000, seed, waiting_states=2)), whole)
    assert np.array_equal(rows(run(program, 1000, seed, numbers=300)), whole)


@pytest.mark.parametrize("seed", range(12))
def test_states_are_compared_without_a_change_of_any_shot(seed: int) -> None:
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(4, 4)
    for _ in range(6):
        circuit.compose(random_circuit(rng, 4, 4, 6), inplace=True)
        with circuit.if_test((circuit.clbits[0], 1)):
            circuit.h(1)
        circuit.measure(1, 1)
    program = lower(measured(circuit))
    experiment = make_experiment(program, 1000, seed, memory=True)
    often, never = (StabilizerSimulator(frames=False, compared_from=number).run(experiment) for number in (2, 1 << 30))
    assert np.array_equal(rows(often), rows(never))
    theirs = NumpySimulator().run(make_experiment(program, SHOTS, seed + 1))
    assert_alike(counts(often), counts(theirs))


def test_shots_that_went_other_ways_share_a_tableau_again(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    compare = StabilizerStates.first_equal

    def first_equal(states: StabilizerStates, kinds: np.ndarray) -> np.ndarray:
        firsts = compare(states, kinds)
        held.append(states.num_tableaus)
        return firsts

    monkeypatch.setattr(StabilizerStates, "first_equal", first_equal)
    circuit = QuantumCircuit(2, 2)
    for _ in range(20):
        circuit.h([0, 1])
        circuit.measure(0, 0)
        with circuit.if_test((circuit.clbits[0], 1)):
            circuit.h(1)
        circuit.measure(1, 1)
    run(lower(circuit), 1000)
    assert max(held) <= 8


def noisy(circuit: QuantumCircuit) -> Program:
    model = (
        NoiseModel()
        .add(Channel.depolarizing(0.1, 2), ["cx", "ecr", "cz"])
        .add(Channel.thermal_relaxation(50.0, 40.0, 20.0), ["h", "x", "sx"])
        .add_readout([[0.95, 0.05], [0.2, 0.8]])
    )
    return lower(circuit, noise=model)


@pytest.mark.parametrize("seed", range(30))
def test_errors_and_resets_are_those_of_statevectors(seed: int) -> None:
    program = noisy(measured(sample(2 * seed, flow=seed % 3 == 0, most=5)))
    theirs = NumpySimulator().run(make_experiment(program, SHOTS, seed + 1))
    assert_alike(counts(run(program, seed=seed)), counts(theirs))


def ghz(size: int) -> QuantumCircuit:
    circuit = QuantumCircuit(size, size)
    circuit.h(0)
    for qubit in range(size - 1):
        circuit.cx(qubit, qubit + 1)
    return measured(circuit)


@pytest.mark.parametrize("frames", [False, True])
@pytest.mark.parametrize("size", [63, 64, 65, 1000, 10_000])
def test_wide_states_have_all_their_bits(size: int, frames: bool) -> None:
    outcome = run(lower(ghz(size)), 1000, frames=frames)
    assert list(counts(outcome)) == [0, (1 << size) - 1]
    assert abs(int(outcome.counts[0]) - 500) < 6 * math.sqrt(250)


def test_wide_states_have_independent_bits() -> None:
    circuit = QuantumCircuit(300, 300)
    circuit.h(range(300))
    circuit.cz(range(299), range(1, 300))
    circuit.h(range(300))
    bits = np.unpackbits(rows(run(lower(measured(circuit)))), axis=1, bitorder="little")[:, :300].astype(float)
    correlations = np.corrcoef(bits.T) - np.eye(300)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 6 * 0.5 / math.sqrt(SHOTS)
    assert np.abs(correlations).max() < 6 / math.sqrt(SHOTS)


def test_feedback_on_many_qubits() -> None:
    circuit = QuantumCircuit(200, 200)
    circuit.h(range(200))
    for qubit in range(200):
        circuit.measure(qubit, qubit)
        with circuit.if_test((circuit.clbits[qubit], 1)):
            circuit.x(qubit)
    measured(circuit)
    assert counts(run(lower(circuit))) == {0: SHOTS}


def test_another_gate_is_named() -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.h(0)
    circuit.t(1)
    with pytest.raises(EngineError, match=r"operation 1, t on qubit 1, isn't a Clifford gate"):
        run(lower(measured(circuit)))
