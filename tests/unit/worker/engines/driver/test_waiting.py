# SPDX-License-Identifier: Apache-2.0
"""Shots that wait for jumps: made programs against exact density matrices, and what is shared."""

from __future__ import annotations

import numpy as np
import pytest
from engine_oracle import op
from engines import ENGINES, counts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from make_experiments import make_experiment
from noise_oracle import (
    assert_states_average_to_density,
    chi_square,
    damping,
    depolarizing,
    drifting,
    measure,
    noise,
    probabilities,
    program_of,
)

from qfleet.wire.program.channels import Branch, Channel
from qfleet.wire.program.jumps import jumps_of
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation, Program
from qfleet_worker.engines.statevector.runtime.batch import Batch
from qfleet_worker.engines.statevector.simulator import Sizes, StatevectorSimulator

ONE_BY_ONE = Sizes(batch_wires=0, noisy_batch_wires=0)


def assert_exact(program: Program, shots: int, seed: int, **settings: str) -> None:
    for simulator in (StatevectorSimulator(), StatevectorSimulator(sizes=ONE_BY_ONE)):
        outcome = simulator.run(make_experiment(program, shots, seed, **settings))
        value, freedom = chi_square(counts(outcome), probabilities(program))
        # Beyond it lies one seed among many thousands.
        assert value < freedom + 4 * np.sqrt(2 * freedom) + 8
        shots = shots // 10


def row_of(kind: int, rng: np.random.Generator, num_qubits: int) -> list[Operation]:
    """Return a gate with noise, or something else that happens to a qubit."""
    qubits = rng.permutation(num_qubits).tolist()
    first, pair = qubits[0], qubits[: min(2, num_qubits)]
    if kind == 0:
        return [op(Op.U, [first], rng.uniform(-3, 3, 3)), noise(damping(float(10 ** rng.uniform(-3, -0.35))), first)]
    if kind == 1 and num_qubits > 1:
        row = op(Op.X, [pair[0]], controls=[pair[1]])
        return [row, noise(drifting(rng, 2, float(rng.uniform(0.001, 0.08))), *pair)]
    if kind == 2:
        return [op(Op.SX, [first]), noise(depolarizing(float(rng.uniform(0, 0.2)), len(pair)), *pair)]
    if kind == 3:
        return [measure(first, num_qubits, (0.1, 0.05))]
    if kind == 4:
        return [op(Op.RESET, [first])]
    return [op(Op.H, [first]), noise(drifting(rng, 1, float(rng.uniform(0.001, 0.15))), first)]


# The examples are always the same: a test of chance must not fail by chance.
@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    num_qubits=st.integers(1, 3),
    kinds=st.lists(st.sampled_from([0, 0, 0, 1, 1, 2, 3, 4, 5]), min_size=4, max_size=60),
    seed=st.integers(0, 1 << 16),
)
def test_made_programs_have_the_exact_distribution(num_qubits: int, kinds: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [op(Op.X, [0]), *[row for kind in kinds for row in row_of(kind, rng, num_qubits)]]
    rows += [measure(qubit, qubit) for qubit in range(num_qubits)]
    assert_exact(program_of(num_qubits, num_qubits + 1, rows), 20_000, seed)


def decaying(gamma: float, places: int) -> Program:
    return program_of(1, 1, [op(Op.X, [0]), *[noise(damping(gamma), 0)] * places, measure(0, 0)])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_norm_that_underflows_has_fallen_below_all_numbers(engine: str) -> None:
    assert 0.8**4000 == 0
    assert counts(ENGINES[engine]().run(make_experiment(decaying(0.2, 4000), 50, 3))) == {0: 50}


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize(("gamma", "places"), [(0.001, 400), (0.01, 100), (0.45, 2)])
def test_an_excited_state_decays_exponentially(gamma: float, places: int, precision: str) -> None:
    assert_exact(decaying(gamma, places), 40_000, 2, precision=precision)


def turning(*angles: float) -> Channel:
    """Return a channel that turns by one of some angles: nearly the same unitary each time."""
    cos, sin = np.cos(angles), np.sin(angles)
    turns = np.array([[cos, -sin], [sin, cos]], np.complex128).transpose(2, 0, 1)
    return Channel.of(1, [Branch(0.0), *[Branch(1 / len(angles), operators=turn[None]) for turn in turns]])


@pytest.mark.parametrize("channel", [turning(0.4), turning(0.4, 0.5, 0.6)], ids=["one", "several"])
def test_paulis_before_and_behind_unitaries_that_are_nearly_certain(channel: Channel) -> None:
    assert jumps_of(channel) is not None
    flip = Channel.of(1, [Branch(0.9), Branch(0.1, z_mask=1)])
    rows = [op(Op.H, [0])]
    for _ in range(6):
        rows += [op(Op.X, [1]), noise(flip, 0), noise(channel, 0), noise(depolarizing(0.01, 2), 0, 1)]
        rows += [op(Op.X, [0], controls=[1])]
    assert_exact(program_of(2, 2, [*rows, measure(0, 0), measure(1, 1)]), 40_000, 1)


def layers(gamma: float) -> Program:
    rng, rows = np.random.default_rng(1), []
    for layer in range(8):
        for qubit in range(4):
            rows += [op(Op.U, [qubit], rng.uniform(-3, 3, 3)), noise(damping(gamma), qubit)]
        rows += [op(Op.X, [layer % 4], controls=[(layer + 1) % 4])]
    return program_of(4, 4, [*rows, *[measure(qubit, qubit) for qubit in range(4)]])


def test_only_shots_that_jump_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    populations = Batch.populations

    def counted(self: Batch, wires: tuple[int, ...]) -> np.ndarray:
        asked.append(len(self))
        return populations(self, wires)

    monkeypatch.setattr(Batch, "populations", counted)
    assert jumps_of(damping(1e-9)) is not None
    StatevectorSimulator().run(make_experiment(layers(1e-9), 5000, 1))
    assert asked == []
    # A shot in six jumps once, most at a place where others jump too.
    StatevectorSimulator().run(make_experiment(layers(0.01), 5000, 1))
    assert 32 < sum(asked) < 3000


@pytest.mark.parametrize("sizes", [Sizes(), ONE_BY_ONE], ids=["together", "one by one"])
def test_final_states_average_to_the_density_matrix(sizes: Sizes) -> None:
    rng = np.random.default_rng(4)
    rows = [op(Op.H, [0]), op(Op.X, [1], controls=[0])]
    for _ in range(3):
        rows += [noise(damping(0.1), 0), noise(drifting(rng, 2, 0.1), 1, 0), op(Op.U, [1], rng.uniform(-3, 3, 3))]
    assert_states_average_to_density(StatevectorSimulator(sizes=sizes), program_of(2, 0, rows), 2000)
