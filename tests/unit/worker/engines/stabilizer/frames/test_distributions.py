# SPDX-License-Identifier: Apache-2.0
"""Shots of frames have the right distribution: against exact probabilities, closed forms and stim."""

from __future__ import annotations

import numpy as np
import pytest
import stim
from clifford_programs import bits_of, counts_of, frames, gate, noisy_program, pauli_channel, random_rows
from noise_oracle import chi_square, depolarizing, jump_unless, measure, noise, probabilities
from scipy.stats import chi2
from stim_programs import program_of_stim

from qfleet.wire.program.channels import Branch, Channel
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation, Program

#: Seeds are fixed: what passes once passes always.
LEAST_CHANCE = 1e-4


def assert_distributed(program: Program, shots: int = 20_000, seed: int = 3) -> None:
    """Compare counts with the exact probabilities."""
    statistic, freedom = chi_square(counts_of(frames(program, shots, seed)), probabilities(program))
    assert freedom == 0 or chi2.sf(statistic, freedom) > LEAST_CHANCE


@pytest.mark.parametrize("seed", range(24))
def test_random_programs_against_density_matrices(seed: int) -> None:
    rng = np.random.default_rng(seed)
    width, num_clbits = int(rng.integers(1, 5)), 5
    rows = random_rows(rng, width, num_clbits, 40)
    rows += [measure(qubit, qubit, (0.05, 0.2)) for qubit in range(width)]
    assert_distributed(noisy_program(width, num_clbits, rows), seed=seed)


@pytest.mark.parametrize("seed", range(8))
def test_feedback_against_density_matrices(seed: int) -> None:
    rng = np.random.default_rng(seed)
    width, rows = 3, []
    for _ in range(4):
        rows += random_rows(rng, width, 4, 6)
        rows.append(measure(int(rng.integers(width)), int(rng.integers(4)), (0.1, 0.2)))
        inner = [gate(Op.X, 0), noise(depolarizing(0.3, 2), 0, 2), gate(Op.Y, 1), gate(Op.Z, 2)]
        other = [gate(Op.Z, 0), gate(Op.X, 2)]
        begin = len(rows)
        rows.append(jump_unless(int(rng.integers(4)), begin + len(inner) + 2))
        rows += inner
        rows.append(Operation(Op.JUMP, (), (), (), None, -1, begin + len(inner) + len(other) + 2))
        rows += other
    rows += [measure(qubit, qubit) for qubit in range(width)]
    assert_distributed(noisy_program(width, 4, rows), seed=seed)


def test_teleportation_with_feedback_is_exact() -> None:
    """A third qubit gets the state of the first: Z and X of it are measured without an error."""
    for prepared in ([], [gate(Op.X, 0)], [gate(Op.H, 0)], [gate(Op.H, 0), gate(Op.Z, 0)]):
        rows = [*prepared, gate(Op.H, 1), gate(Op.X, 2, controls=[1]), gate(Op.X, 1, controls=[0]), gate(Op.H, 0)]
        rows += [measure(0, 0), measure(1, 1)]
        rows += [jump_unless(1, len(rows) + 2), gate(Op.X, 2)]
        rows += [jump_unless(0, len(rows) + 2), gate(Op.Z, 2)]
        if any(row.code is Op.H for row in prepared):
            rows.append(gate(Op.H, 2))
        rows.append(measure(2, 2))
        bits = bits_of(noisy_program(3, 3, rows), 4000)
        assert (bits[:, 2] == any(row.code in (Op.X, Op.Z) for row in prepared)).all()
        assert abs(bits[:, :2].mean() - 0.5) < 0.03


def test_branches_of_a_wide_channel_have_their_probabilities() -> None:
    rng = np.random.default_rng(2)
    masks = rng.permutation(1 << 8)[:200].tolist()
    weights = rng.exponential(size=200) ** 3
    weights *= 0.9 / weights.sum()
    branches = [Branch(chance, mask) for chance, mask in zip(weights.tolist(), masks, strict=True)]
    channel = Channel.of(8, [Branch(0.1), *branches])
    program = noisy_program(8, 8, [noise(channel, *range(8)), *[measure(qubit, qubit) for qubit in range(8)]])
    exact = dict.fromkeys(range(256), 0.0)
    exact[0] = 0.1
    for branch in branches:
        exact[branch.x_mask] += branch.probability
    statistic, freedom = chi_square(counts_of(frames(program, 200_000)), exact)
    assert chi2.sf(statistic, freedom) > LEAST_CHANCE


@pytest.mark.parametrize("chance", [1e-300, 1e-9, 1e-5, 0.01, 0.5, 0.999, 1.0])
def test_errors_are_as_frequent_as_their_chance(chance: float) -> None:
    channel = Channel.of(1, [Branch(1 - chance), Branch(chance, 1)])
    rows = [noise(channel, qubit % 5) for qubit in range(400)]
    rows = [
        each
        for number, row in enumerate(rows)
        for each in (row, measure(number % 5, number), gate(Op.RESET, number % 5))
    ]
    shots = 20_000
    found, sites = bits_of(noisy_program(5, 400, rows), shots), shots * 400
    deviation = np.sqrt(sites * chance * (1 - chance))
    assert abs(found.sum() - sites * chance) <= 4 * deviation + 1e-6 + (chance < 1e-8)
    # Neither shots nor sites are preferred.
    for sums, size in ((found.sum(axis=0), shots), (found.sum(axis=1), 400)):
        if size * chance * (1 - chance) > 1:
            assert 0.8 < sums.var() / (size * chance * (1 - chance)) < 1.25


def test_readout_errors_depend_on_what_was_measured() -> None:
    rows = [gate(Op.X, 1), gate(Op.H, 2)]
    rows += [measure(qubit, qubit, (0.02, 0.3)) for qubit in range(3)] + [
        measure(qubit, 3 + qubit) for qubit in range(3)
    ]
    bits = bits_of(noisy_program(3, 6, rows), 100_000)
    assert (bits[:, 3:5] == [False, True]).all()
    read, real = bits[:, 2], bits[:, 5]
    found = [bits[:, 0].mean(), 1 - bits[:, 1].mean(), read[~real].mean(), 1 - read[real].mean()]
    assert np.abs(np.array(found) - [0.02, 0.3, 0.02, 0.3]).max() < 0.008


def test_the_parity_of_a_noisy_ghz_state() -> None:
    """Each of n qubits flips with a chance p: parities of X and of neighbours are those of n and of 2 flips."""
    size, chance, shots = 100, 0.004, 40_000
    flip = Channel.of(1, [Branch(1 - chance), Branch(chance, 1, 1)])
    rows = [gate(Op.H, 0), *[gate(Op.X, qubit + 1, controls=[qubit]) for qubit in range(size - 1)]]
    rows += [noise(flip, qubit) for qubit in range(size)]
    ends = [measure(qubit, qubit) for qubit in range(size)]
    plain = bits_of(noisy_program(size, size, [*rows, *ends]), shots)
    turned = bits_of(noisy_program(size, size, [*rows, *[gate(Op.H, qubit) for qubit in range(size)], *ends]), shots)
    parity = 1 - 2 * (turned.sum(axis=1) & 1).mean()
    assert abs(parity - (1 - 2 * chance) ** size) < 4 / np.sqrt(shots)
    neighbours = 1 - 2 * (plain[:, 1:] ^ plain[:, :-1]).mean()
    assert abs(neighbours - (1 - 2 * chance) ** 2) < 0.001
    assert abs(plain[:, 0].mean() - 0.5) < 2 / np.sqrt(shots)


def test_the_decay_of_randomized_benchmarking() -> None:
    """Depolarizing noise of strength 4p/3 after each of m gates: 0 survives with (1 + (1 - 4p/3)**m) / 2."""
    chance, rng = 0.01, np.random.default_rng(4)
    for length in (1, 20, 100):
        rows: list[Operation] = []
        choices = rng.integers(2, size=length).tolist()
        for choice in choices:
            rows += [gate((Op.H, Op.SX)[choice], 0), noise(depolarizing(chance), 0)]
        rows += [gate((Op.H, Op.SXDG)[choice], 0) for choice in reversed(choices)]
        bits = bits_of(noisy_program(1, 1, [*rows, measure(0, 0)]), 50_000)
        assert abs(1 - bits.mean() - (1 + (1 - 4 * chance / 3) ** length) / 2) < 0.01


@pytest.mark.parametrize(
    ("task", "distance"),
    [("rotated_memory_z", 3), ("rotated_memory_x", 3), ("unrotated_memory_z", 3), ("rotated_memory_z", 5)],
)
def test_surface_codes_against_stim(task: str, distance: int) -> None:
    shots = 40_000
    circuit = stim.Circuit.generated(
        f"surface_code:{task}",
        distance=distance,
        rounds=4,
        after_clifford_depolarization=0.01,
        after_reset_flip_probability=0.02,
        before_measure_flip_probability=0.03,
        before_round_data_depolarization=0.005,
    )
    ours = bits_of(program_of_stim(circuit), shots, seed=5)
    theirs = circuit.compile_sampler(seed=11).sample(shots)
    parities = circuit.compile_m2d_converter()
    for one, other in (
        (ours, theirs),
        (ours[:, 1:] ^ ours[:, :-1], theirs[:, 1:] ^ theirs[:, :-1]),
        [parities.convert(measurements=each, append_observables=True) for each in (ours, theirs)],
    ):
        a, b = one.mean(axis=0), other.mean(axis=0)
        z = (a - b) / np.sqrt((a * (1 - a) + b * (1 - b)) / shots + 1e-12)
        assert np.abs(z).max() < 4.5
        assert np.sqrt((z**2).mean()) < 1.35


def test_colour_and_repetition_codes_against_stim() -> None:
    shots = 40_000
    for task in ("repetition_code:memory", "color_code:memory_xyz"):
        circuit = stim.Circuit.generated(
            task, distance=3, rounds=3, after_clifford_depolarization=0.02, before_measure_flip_probability=0.03
        )
        ours = bits_of(program_of_stim(circuit), shots, seed=6)
        theirs = circuit.compile_sampler(seed=12).sample(shots)
        parities = circuit.compile_m2d_converter()
        a, b = (parities.convert(measurements=each, append_observables=True).mean(axis=0) for each in (ours, theirs))
        z = (a - b) / np.sqrt((a * (1 - a) + b * (1 - b)) / shots + 1e-12)
        assert np.abs(z).max() < 4.5


def test_correlated_errors_of_eight_qubits() -> None:
    rng = np.random.default_rng(8)
    channel = pauli_channel(rng, 4, 30, 0.5)
    rows = [gate(Op.H, qubit) for qubit in range(2)] + [gate(Op.X, 2, controls=[0]), gate(Op.Z, 3, controls=[1])]
    rows += [noise(channel, 3, 1, 0, 2), gate(Op.H, 1), *[measure(qubit, qubit) for qubit in range(4)]]
    assert_distributed(noisy_program(4, 4, rows), 100_000)
