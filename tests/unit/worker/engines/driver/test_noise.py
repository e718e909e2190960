# SPDX-License-Identifier: Apache-2.0
"""Noisy programs against exact density matrices; blocks of shots, and both engines, to the bit."""

from __future__ import annotations

import tracemalloc

import density_oracle
import numpy as np
import pytest
from engine_oracle import op
from engines import ENGINES, counts
from make_experiments import make_experiment
from noise_oracle import (
    assert_states_average_to_density,
    chi_square,
    damping,
    depolarizing,
    drifting,
    jump_unless,
    measure,
    noise,
    probabilities,
    program_of,
    random_channel,
    resetting,
)
from same_outcomes import assert_same

from qfleet.wire.cost.methods import choose_method
from qfleet.wire.messages.request import Request
from qfleet.wire.program.channels import Branch, Channel
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation, Program
from qfleet_worker.engines.driver.limits import DriverLimits
from qfleet_worker.engines.driver.noise import DrivenChannel, Noise
from qfleet_worker.engines.numpy.simulator import NumpySimulator
from qfleet_worker.engines.randomness.uniforms import Uniforms
from qfleet_worker.engines.statevector.simulator import Sizes, StatevectorSimulator

#: The many of the fast engine show errors that are a fifth too likely. The NumPy engine has the same shots, see below.
SHOTS = {"numpy": 4000, "statevector": 60_000}
HALF = Channel.of(1, [Branch(0.5), Branch(0.5, x_mask=1)])
NEVER = Channel.of(1, [Branch(0.0), Branch(1.0, x_mask=1)])


def gates(rng: np.random.Generator) -> list[Operation]:
    """Return some gates on three qubits that entangle them."""
    angles = rng.uniform(-3, 3, 9)
    turns = [op(Op.U, [qubit], angles[3 * qubit : 3 * qubit + 3]) for qubit in range(3)]
    return [*turns, op(Op.X, [1], controls=[0]), op(Op.RXX, [1, 2], [0.7]), op(Op.X, [2], controls=[~1])]


def straight(seed: int) -> Program:
    """Return a program without jumps that has every kind of branch, and readout errors."""
    rng = np.random.default_rng(seed)
    rows = [op(Op.H, [0])]
    for _ in range(3):
        rows += gates(rng)
        rows += [noise(random_channel(rng, 1), 1), noise(random_channel(rng, 2), 2, 0)]
        rows += [noise(resetting(0.8, 0.5, 0.1), 0, 2), noise(damping(0.2), 1), noise(depolarizing(0.1, 2), 1, 0)]
    rows += [measure(1, 3, (0.1, 0.2)), noise(depolarizing(0.3), 1), op(Op.RESET, [2]), *gates(rng)]
    rows += [noise(random_channel(rng, 3), 2, 0, 1)]
    rows += [measure(qubit, qubit, (0.05 * qubit, 0.3)) for qubit in range(3)]
    return program_of(3, 4, rows)


def dynamic(seed: int) -> Program:
    """Return a program that repeats noise until a flawed readout ends the loop, and then branches by another."""
    rng = np.random.default_rng(seed)
    rows = [
        *gates(rng),
        noise(random_channel(rng, 2), 0, 1),  # row 6, to which the loop goes back
        op(Op.RY, [0], [1.1]),
        noise(damping(0.3), 0),
        measure(0, 0, (0.2, 0.1)),
        jump_unless(0, 13),
        op(Op.SX, [1]),
        Operation(Op.JUMP, (), (), (), None, -1, 6),
        measure(1, 1, (0.4, 0.0)),
        jump_unless(1, 17),
        op(Op.H, [2]),
        noise(resetting(0.3, 0.5, 0.2), 2, 0),
        measure(2, 2, (0.1, 0.1)),
        measure(0, 3),
    ]
    return program_of(3, 4, rows)


def waiting(seed: int, *, errors: bool) -> Program:
    """Return a program whose shots wait for jumps, in several stretches, and may have errors as well."""
    rng = np.random.default_rng(seed)
    rows = [op(Op.H, [0])]
    for layer in range(5):
        rows += gates(rng)
        rows += [noise(damping(0.02), 0), noise(drifting(rng, 2, 0.05), 2, 1), noise(damping(0.1), 1)]
        rows += [op(Op.SX, [2]), noise(drifting(rng, 1, 0.1), 2)]
        if errors:
            rows += [noise(depolarizing(0.1, 2), 1, 0), noise(random_channel(rng, 1), 2)]
            rows += [measure(1, 3, (0.1, 0.0)), op(Op.RESET, [layer % 3])] if layer % 2 else []
    rows += [noise(drifting(rng, 3, 0.02), 1, 2, 0), *gates(rng)]
    return program_of(3, 4, [*rows, *[measure(qubit, qubit) for qubit in range(3)]])


READ = [measure(0, 0), measure(1, 1)]
PROGRAMS = {
    "straight": straight(1),
    "straight, other channels": straight(2),
    "dynamic": dynamic(3),
    "dynamic, other channels": dynamic(4),
    "waiting": waiting(5, errors=False),
    "waiting, with errors": waiting(6, errors=True),
    "certain errors": program_of(1, 1, [noise(NEVER, 0)] * 3 + [noise(HALF, 0), noise(NEVER, 0), measure(0, 0)]),
    # The chance of no error is far below the smallest float.
    "underflow": program_of(2, 2, [op(Op.H, [0])] + [noise(HALF, 1)] * 800 + [noise(damping(0.2), 0)] * 9 + READ),
    "readout alone": program_of(2, 2, [op(Op.H, [0]), measure(0, 0, (0.2, 0.1)), measure(1, 1, (0.3, 0.0))]),
    "measured early": program_of(
        3,
        3,
        [
            *gates(np.random.default_rng(0)),
            measure(0, 0, (0.1, 0.2)),
            measure(1, 1),
            noise(depolarizing(0.5), 2),
            measure(2, 0),
            op(Op.H, [2]),
            measure(1, 2, (0.3, 0.0)),
            noise(depolarizing(0.2), 2),
            op(Op.RY, [2], [0.5]),
            measure(2, 1),
        ],
    ),
    "two readings": program_of(1, 2, [op(Op.H, [0]), measure(0, 0, (0.2, 0.1)), measure(0, 1, (0.3, 0.0))]),
    "a branch that is read wrongly": program_of(
        2, 2, [measure(0, 0, (0.3, 0.0)), jump_unless(0, 3), op(Op.X, [1]), measure(1, 1, (0.0, 0.2))]
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("engine", ENGINES)
def test_counts_have_the_exact_distribution(engine: str, name: str) -> None:
    program = PROGRAMS[name]
    shots = SHOTS[engine] if name != "underflow" else 500
    outcome = ENGINES[engine]().run(make_experiment(program, shots, 7))
    value, freedom = chi_square(counts(outcome), probabilities(program))
    # Beyond it lies one seed among many thousands.
    assert value < freedom + 4 * np.sqrt(2 * freedom) + 8


@pytest.mark.parametrize("name", PROGRAMS)
def test_all_engines_give_the_same_shots_in_any_packing(name: str) -> None:
    program, shots = PROGRAMS[name], 150 if name != "underflow" else 20
    engines = {
        "statevector": StatevectorSimulator(),
        "one by one": StatevectorSimulator(sizes=Sizes(batch_wires=0, noisy_batch_wires=0)),
        "few states": StatevectorSimulator(DriverLimits(waiting_bytes=1 << 9)),
        "replaying": NumpySimulator(DriverLimits(waiting_bytes=0)),
        "few shots at once": NumpySimulator(DriverLimits(numbers=1 << 9)),
        "a branch at a time": NumpySimulator(DriverLimits(ways=1)),
        "a branch at a time, together": StatevectorSimulator(DriverLimits(ways=1, waiting_bytes=1 << 12)),
    }
    experiments = (
        make_experiment(program, shots, 5, memory=True),
        make_experiment(program, shots, 5, memory=True, output="statevector"),
    )
    for experiment in experiments:
        whole = NumpySimulator().run(experiment)
        for engine in engines.values():
            assert_same([whole, engine.run(experiment)])
    whole = NumpySimulator().run(experiments[0])
    rows = whole.outcomes[whole.memory]
    for engine in engines.values():
        for first in (0, 1, shots // 2, shots - 1):
            count = min(shots // 3, shots - first)
            part = engine.run(make_experiment(program, count, 5, first, memory=True))
            assert (part.outcomes[part.memory] == rows[first : first + count]).all()


def test_larger_states_give_the_same_shots() -> None:
    # Of so many qubits that errors are compiled into the gates around them, unless states run together.
    rng, rows = np.random.default_rng(8), []
    for layer in range(4):
        for qubit in range(11):
            rows += [op(Op.U, [qubit], rng.uniform(-3, 3, 3)), noise(depolarizing(0.01), qubit)]
        for qubit in range(layer % 2, 10, 2):
            rows += [op(Op.X, [qubit + 1], controls=[qubit]), noise(depolarizing(0.05, 2), qubit, qubit + 1)]
        rows += [noise(random_channel(rng, 2), 3, 7), noise(damping(0.1), 5), noise(resetting(0.9, 0.5, 0.02), 0, 9)]
    program = program_of(11, 11, [*rows, *[measure(qubit, qubit, (0.01, 0.02)) for qubit in range(11)]])
    experiment = make_experiment(program, 60, 5, memory=True, output="statevector")
    one_by_one = Sizes(noisy_batch_wires=0)
    whole = StatevectorSimulator().run(experiment)
    assert_same([whole, StatevectorSimulator(sizes=one_by_one).run(experiment), NumpySimulator().run(experiment)])
    for states in (1, 3):
        limits = DriverLimits(waiting_bytes=states << 15)
        assert_same([whole, StatevectorSimulator(limits, one_by_one).run(experiment)])
        assert_same([whole, StatevectorSimulator(DriverLimits(waiting_bytes=states << 17)).run(experiment)])
    several = make_experiment(program, 400, 5, memory=True)
    threads = make_experiment(program, 400, 5, memory=True, threads=3)
    one, three = StatevectorSimulator().run(several), StatevectorSimulator().run(threads)
    assert one.memory.tolist() == three.memory.tolist()
    part = StatevectorSimulator().run(make_experiment(program, 20, 5, 30, memory=True))
    assert (part.outcomes[part.memory] == whole.outcomes[whole.memory[30:50]]).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_final_states_average_to_the_density_matrix(engine: str) -> None:
    # Without measurements: the last shot's state is one pure trajectory.
    assert_states_average_to_density(ENGINES[engine](), program_of(2, 0, _unmeasured()), 3000)


def _unmeasured() -> list[Operation]:
    rng = np.random.default_rng(3)
    return [
        op(Op.H, [0]),
        op(Op.X, [1], controls=[0]),
        noise(random_channel(rng, 2), 1, 0),
        op(Op.RX, [1], [0.4]),
        noise(resetting(0.6, 0.5, 0.1), 0, 1),
        noise(damping(0.4), 1),
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_single_precision_has_the_same_distribution(engine: str) -> None:
    program = PROGRAMS["straight"]
    outcome = ENGINES[engine]().run(make_experiment(program, SHOTS[engine], 3, precision="single"))
    value, freedom = chi_square(counts(outcome), probabilities(program))
    assert value < freedom + 4 * np.sqrt(2 * freedom) + 8


@pytest.mark.parametrize("num_qubits", [4, 5])
@pytest.mark.parametrize("engine", ENGINES)
def test_channels_on_four_qubits_have_the_exact_distribution(engine: str, num_qubits: int) -> None:
    """They are on more qubits than channels of a density matrix."""
    rng = np.random.default_rng(num_qubits)
    targets = rng.permutation(num_qubits)[:4].tolist()
    channel = Channel.of(4, density_oracle.random_branches(rng, 4))
    rows = [*gates(rng), op(Op.X, [3], controls=[1]), noise(channel, *targets), op(Op.H, [targets[1]])]
    rows += [op(Op.X, [num_qubits - 1], controls=[0])] if num_qubits == 5 else []
    program = program_of(num_qubits, num_qubits, [*rows, *[measure(qubit, qubit) for qubit in range(num_qubits)]])
    assert choose_method(program, Request(method="automatic"), SHOTS[engine])[0] == "statevector"
    outcome = ENGINES[engine]().run(make_experiment(program, SHOTS[engine], 3))
    value, freedom = chi_square(counts(outcome), probabilities(program))
    assert value < freedom + 4 * np.sqrt(2 * freedom) + 8


@pytest.mark.parametrize("engine", ENGINES)
def test_distinct_patterns_of_errors_are_counted(engine: str) -> None:
    def patterns(*channels: Channel, shots: int = 200) -> int:
        rows = [op(Op.H, [0]), *[noise(channel, 0) for channel in channels], measure(0, 0)]
        return ENGINES[engine]().run(make_experiment(program_of(1, 1, rows), shots=shots)).patterns

    assert patterns() == 0
    assert patterns(NEVER) == 1
    assert patterns(NEVER, HALF) == 2
    assert patterns(HALF, HALF, HALF) == 8
    assert patterns(depolarizing(0.75), HALF) == 8
    assert patterns(HALF, HALF, HALF, shots=1) == 1
    # Where errors wait for jumps, nothing is known before.
    assert ENGINES[engine]().run(make_experiment(dynamic(1), shots=50)).patterns == 0


@pytest.mark.parametrize("channel", [NEVER, damping(0.9), Channel.of(1, [Branch(1e-9), Branch(1 - 1e-9, x_mask=1)])])
def test_errors_at_many_places_take_memory_in_proportion(channel: Channel) -> None:
    """Where no place is likely without an error, each is drawn by itself."""
    sites, shots = 6000, 3
    drawn = Noise(program_of(1, 0, [noise(channel, 0)] * sites))
    tracemalloc.start()
    try:
        errors = drawn.draw(Uniforms(1, 0, shots), shots)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(errors.branches) > 0.5 * sites * shots
    assert peak < 1000 * sites


def test_a_machine_code_is_compiled_for_the_operators_of_channels() -> None:
    """Arrays that can't be written to would have code of their own."""
    (_, branch) = DrivenChannel(damping(0.2)).branches[-2:]
    assert all(factor.matrix.flags.writeable for operator in range(2) for factor in branch.factors(operator, [0]))
