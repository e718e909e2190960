# SPDX-License-Identifier: Apache-2.0
"""Branches cost time by the memory that they may use, and change nothing else."""

from __future__ import annotations

import engine_oracle as oracle
import numpy as np
import pytest
from engine_oracle import measure, op
from make_experiments import make_experiment

from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet_worker.engines.driver.limits import DEFAULT_LIMITS, DriverLimits
from qfleet_worker.engines.numpy.simulator import NumpySimulator
from qfleet_worker.engines.numpy.state import State

CODES = [Op.H, Op.RY, Op.X, Op.UNITARY, Op.MEASURE, Op.MEASURE, Op.RESET, Op.INITIALIZE, Op.RZZ, Op.SWAP]


def branching(seed: int) -> Program:
    rng = np.random.default_rng(seed)
    operations = [oracle.random_operation(rng, 5, 6, CODES) for _ in range(40)]
    return oracle.program(5, 6, [*operations, *(measure(qubit, qubit) for qubit in range(5))])


@pytest.mark.parametrize("output", ["counts", "statevector"])
@pytest.mark.parametrize("seed", range(12))
def test_replayed_branches_end_the_same(monkeypatch: pytest.MonkeyPatch, seed: int, output: str) -> None:
    saved = begun = 0
    projected, clear = State.projected, State.clear

    def saving(*args: object) -> object:
        nonlocal saved
        saved += 1
        return projected(*args)

    def beginning(*args: object) -> None:
        nonlocal begun
        begun += 1
        clear(*args)

    monkeypatch.setattr(State, "projected", saving)
    monkeypatch.setattr(State, "clear", beginning)
    experiment = make_experiment(branching(seed), 300, seed, memory=True, output=output)
    results, saves, begins = [], [], []
    # 300 bytes hold the states of a few small branches, so that the ways mix.
    for waiting in (1 << 30, 300, 0):
        saved = begun = 0
        results.append((NumpySimulator(DriverLimits(waiting_bytes=waiting)).run(experiment), saved))
        saves.append(saved)
        begins.append(begun)
    assert min(saves[:2]) > 0
    assert saves[2] == 0
    # Once when the state is made, and once for all branches that fit.
    assert begins[0] == 2 < begins[1] < begins[2]
    first = results[0][0]
    for other, _ in results[1:]:
        assert first.outcomes.tobytes() == other.outcomes.tobytes()
        assert first.counts.tobytes() == other.counts.tobytes()
        assert first.memory.tobytes() == other.memory.tobytes()
        assert output == "counts" or first.amplitudes.tobytes() == other.amplitudes.tobytes()


def test_the_budget_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state is kept, taken back and another kept, where one amplitude has room."""
    saved = []
    projected = State.projected
    monkeypatch.setattr(State, "projected", lambda *args: saved.append(1) or projected(*args))
    toss = [op(Op.H, [0]), measure(0, 0)]
    program = oracle.program(1, 1, [*toss * 3, op(Op.X, [0])])
    NumpySimulator(DriverLimits(waiting_bytes=16)).run(make_experiment(program, 100, 1))
    assert len(saved) > 1


def test_memory_and_output_do_not_change_the_counts() -> None:
    program = branching(3)
    runs = [
        NumpySimulator().run(make_experiment(program, 300, 1, memory=memory, output=output))
        for memory in (False, True)
        for output in ("counts", "statevector")
    ]
    assert len({run.counts.tobytes() + run.outcomes.tobytes() for run in runs}) == 1


@pytest.mark.parametrize("output", ["counts", "statevector"])
@pytest.mark.parametrize("seed", range(6))
def test_a_shot_finds_the_same_whatever_others_run_beside_it(seed: int, output: str) -> None:
    """Blocks of shots, as jobs and the engine itself cut them, give what the whole gives."""
    program = branching(seed)

    def run(first: int, shots: int, limits: DriverLimits = DEFAULT_LIMITS) -> list[bytes]:
        outcome = NumpySimulator(limits).run(make_experiment(program, shots, seed, first, memory=True, output=output))
        assert outcome.memory is not None
        if outcome.amplitudes is not None:
            states.append(outcome.amplitudes.tobytes())
        return [outcome.outcomes[row].tobytes() for row in outcome.memory]

    states: list[bytes] = []
    whole = run(0, 300)
    assert run(0, 1) + run(1, 120) + run(121, 179) == whole
    assert run(0, 300, DriverLimits(numbers=100)) == whole
    if output == "statevector":
        assert states[0] == states[3] == states[4]


def test_few_branches_for_many_shots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shots with the same history are simulated once."""
    applied = 0
    apply = State.apply

    def counting(*args: object) -> None:
        nonlocal applied
        applied += 1
        apply(*args)

    monkeypatch.setattr(State, "apply", counting)
    program = oracle.program(1, 2, [op(Op.H, [0]), measure(0, 0), op(Op.H, [0]), measure(0, 1)])
    NumpySimulator().run(make_experiment(program, 1_000_000, 1))
    assert applied == 3
