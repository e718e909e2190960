# SPDX-License-Identifier: Apache-2.0
"""The runs that errors take, for any number of shots."""

from __future__ import annotations

import density_oracle
import numpy as np
import pytest
from density_oracle import noise
from engine_oracle import measure, op
from engines import ENGINES
from make_experiments import make_experiment

from qfleet.wire.cost.branches import turns_of
from qfleet.wire.cost.constants import CONSTANTS
from qfleet.wire.cost.cost import cost, seconds_of
from qfleet.wire.cost.errors import error_runs
from qfleet.wire.messages.request import Request
from qfleet.wire.program.channels import Branch
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet_worker.engines.states.dense import DenseAnswers

X = np.array([[[0, 1], [1, 0]]], np.complex128)


def damping(error: float, identity: float = 0.0) -> list[Branch]:
    """Return amplitude damping, with a part that does nothing."""
    operators = np.array([[[1, 0], [0, np.sqrt(1 - error)]], [[0, np.sqrt(error)], [0, 0]]], np.complex128)
    return [Branch(identity), Branch(1 - identity, operators=operators)]


def with_noise(branches: list[Branch], layers: int = 10, num_qubits: int = 3) -> Program:
    """Return layers of rotations and CX with a channel behind each rotation."""
    operations = []
    for layer in range(layers):
        for qubit in range(num_qubits):
            operations += [op(Op.RY, [qubit], [0.4 + layer + qubit])]
            operations += [noise([qubit], branches)] if branches else []
        operations += [op(Op.X, [layer % num_qubits], controls=[(layer + 1) % num_qubits])]
    measured = [measure(qubit, qubit) for qubit in range(num_qubits)]
    return density_oracle.program(num_qubits, num_qubits, operations + measured)


@pytest.mark.parametrize(
    ("branches", "visits"),
    [
        (damping(0.9), 30),
        (damping(0.9, 0.5), 15),
        ([Branch(0.8), Branch(0.2, 0, 0, 1)], 6),
        ([Branch(0.5), Branch(0.5, 1)], 0),
        ([Branch(0.0), Branch(1.0, operators=X)], 0),
    ],
    ids=["damping", "damping at times", "reset", "Pauli", "unitary"],
)
def test_one_shot_asks_the_state_where_its_way_depends_on_it(branches: list[Branch], visits: float) -> None:
    program = with_noise(branches)
    errors = error_runs(program, turns_of(program))
    assert errors.visits(1, errors.runs(1)) == pytest.approx(visits)
    assert errors.draws(100) == pytest.approx(100 * visits)


def test_shots_ask_in_the_stretches_where_they_jump() -> None:
    program = with_noise(damping(0.01))
    errors = error_runs(program, turns_of(program))
    jumps = 30 * 0.005
    assert errors.mean == pytest.approx(jumps, rel=0.01)
    assert errors.draws(100) == pytest.approx(100 * jumps)
    # One shot in seven jumps, in one of two stretches of 15 places.
    assert jumps * 15 < errors.visits(1, errors.runs(1)) < 2 * jumps * 15
    assert errors.visits(1000, errors.runs(1000)) < 30 * 1000 * jumps
    never = with_noise(damping(1e-9))
    assert error_runs(never, turns_of(never)).visits(1000, 0.0) < 0.1


@pytest.mark.parametrize("branches", [damping(0.01), damping(0.1), damping(0.6), damping(0.05, 0.9)])
def test_shots_that_go_together_ask_once(monkeypatch: pytest.MonkeyPatch, branches: list[Branch]) -> None:
    asked = []

    def count(name: str) -> None:
        answer = getattr(DenseAnswers, name)

        def counted(self: DenseAnswers, wires: tuple[int, ...]) -> np.ndarray:
            asked.append(wires)
            return answer(self, wires)

        monkeypatch.setattr(DenseAnswers, name, counted)

    count("density_matrix")
    count("probabilities")
    program, shots = with_noise(branches), 300
    ENGINES["numpy"]().run(make_experiment(program, shots, 1))
    errors = error_runs(program, turns_of(program))
    assert len(asked) / 2 < errors.visits(shots, errors.runs(shots)) < 2 * len(asked)


@pytest.mark.parametrize("engine", ["statevector", "numpy"])
def test_time_grows_with_what_states_are_asked(engine: str) -> None:
    program, request = with_noise(damping(0.9)), Request()
    errors = error_runs(program, turns_of(program))
    constants = CONSTANTS[engine, "statevector"]
    found = cost(program, request, shots=1000, engine=engine).seconds
    assert (
        found
        > errors.visits(1000, errors.runs(1000)) * constants.seconds_per_visit + 30 * 1000 * constants.seconds_per_draw
    )


@pytest.mark.parametrize("method", ["statevector", "density_matrix"])
def test_seconds_of_any_number_of_shots_are_those_of_the_cost(method: str) -> None:
    program, request = with_noise([Branch(0.9), Branch(0.1, 1)]), Request(method=method)
    seconds = seconds_of(program, request, error_runs(program, turns_of(program)))
    for shots in (1, 10, 10_000):
        assert seconds(shots) == cost(program, request, shots=shots).seconds


def test_runs_with_unitary_errors_take_less_than_others() -> None:
    request, shots = Request(method="statevector"), 10_000
    unitary, reset = (with_noise([Branch(0.99), Branch(0.01, *masks)], 20, 10) for masks in ((1,), (0, 0, 1)))
    assert 3 * cost(unitary, request, shots=shots).seconds < cost(reset, request, shots=shots).seconds


def test_noise_takes_time_of_its_own() -> None:
    request = Request(method="statevector")
    noisy = with_noise([Branch(0.999), Branch(0.001, 1)])
    noiseless = with_noise([])
    apart = cost(noisy, request, shots=1).seconds - cost(noiseless, request, shots=1).seconds
    assert apart > CONSTANTS["statevector", "statevector"].seconds_per_noise
