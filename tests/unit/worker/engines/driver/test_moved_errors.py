# SPDX-License-Identifier: Apache-2.0
"""Errors moved through gates act as they did before, and shots that share them keep their outcomes to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from engine_oracle import UNITARY_OPS, full_matrix, op, width
from engines import ENGINES, counts
from make_experiments import make_experiment
from noise_oracle import chi_square, depolarizing, measure, noise, probabilities, program_of
from same_outcomes import assert_same

from qfleet.wire.messages.request import Precision
from qfleet.wire.program.channels import Branch, Channel
from qfleet.wire.program.operations import ANGLES, HAS_TABLE, Op
from qfleet.wire.program.program import Operation, Program
from qfleet_worker.engines.contract import dtype_of
from qfleet_worker.engines.driver.flow import compile_flow
from qfleet_worker.engines.driver.limits import DriverLimits
from qfleet_worker.engines.driver.moves import Moves
from qfleet_worker.engines.driver.noise import Noise
from qfleet_worker.engines.driver.pauli_images import GateImages
from qfleet_worker.engines.numpy.compiler import compile_program
from qfleet_worker.engines.numpy.simulator import NumpySimulator
from qfleet_worker.engines.states.operators import Paulis
from qfleet_worker.engines.statevector.runtime.batch import Batch, BatchSource
from qfleet_worker.engines.statevector.runtime.state import State
from qfleet_worker.engines.statevector.simulator import Sizes, StatevectorSimulator
from qfleet_worker.engines.threads import ThreadTeam

#: The many of the fast engine show errors that are a fifth too likely.
SHOTS = {"numpy": 4000, "statevector": 60_000}
FLIP = Channel.of(1, [Branch(0.7), Branch(0.3, x_mask=1)])
#: A unitary that isn't a Pauli, and has no part of the identity: it is an error, not a jump.
HADAMARD = np.array([[[1, 1], [1, -1]]], np.complex128) / np.sqrt(2)
QUARTERS = np.arange(1, 4) * np.pi / 2
OTHERS = np.array([0.4, 1.1, -0.7])


def pauli(num_qubits: int, x: int, z: int) -> np.ndarray:
    """Return a Pauli's matrix, up to a factor."""
    at = np.arange(1 << num_qubits)
    matrix = np.zeros((len(at), len(at)))
    matrix[at, at ^ x] = (-1.0) ** np.bitwise_count(at & z)
    return matrix


def mixed() -> Channel:
    """Return a channel with a Pauli and a unitary that isn't one."""
    return Channel.of(1, [Branch(0.8), Branch(0.1, operators=HADAMARD), Branch(0.1, x_mask=1, z_mask=1)])


def layered(seed: int, num_qubits: int, layers: int, turn: Op, error: float, last: Channel | None = None) -> Program:
    """Return layers of turns and CX, each with its errors; one qubit is read twice, and one not at all."""
    rng, rows = np.random.default_rng(seed), []
    for layer in range(layers):
        for qubit in range(num_qubits):
            rows += [op(turn, [qubit], rng.uniform(-3, 3, ANGLES[turn])), noise(depolarizing(error), qubit)]
            if layer == 1:
                rows += [op(Op.RZ, [qubit], [0.3 + qubit]), noise(last or FLIP, qubit)]
        for qubit in range(layer % 2, num_qubits - 1, 2):
            rows += [op(Op.X, [qubit + 1], controls=[qubit]), noise(depolarizing(4 * error, 2), qubit + 1, qubit)]
    rows += [op(Op.SWAP, [0, 1]), op(Op.X, [1], controls=[~0])]
    ends = [measure(qubit, qubit, (0.01 * qubit, 0.1)) for qubit in range(num_qubits - 1)]
    return program_of(num_qubits, num_qubits, [*rows, *ends, measure(0, num_qubits - 1)])


def between_others() -> Program:
    """Return a program in which Paulis come before and behind errors that aren't Paulis."""
    other = Channel.of(1, [Branch(0.5), Branch(0.3, operators=HADAMARD), Branch(0.2, z_mask=1)])
    flip, rows = Channel.of(1, [Branch(0.6), Branch(0.4, z_mask=1)]), [op(Op.H, [0]), op(Op.H, [1])]
    for qubit in (0, 1, 0):
        rows += [noise(flip, qubit), op(Op.X, [1 - qubit]), noise(other, qubit), op(Op.X, [1], controls=[0])]
    rows += [noise(flip, 1), noise(other, 0), noise(FLIP, 1), op(Op.X, [0], controls=[1])]
    return program_of(2, 2, [*rows, measure(0, 0), measure(1, 1)])


def many_angles() -> Program:
    """Return a program of gates with angles, controls and tables, each of which stops the errors before it."""
    rng, rows = np.random.default_rng(6), []
    gates = [
        op(Op.RXX, [0, 1], [0.3]),
        op(Op.GLOBAL_PHASE, [], [0.4]),
        op(Op.RX, [2], [0.7], [0]),
        op(Op.XX_PLUS_YY, [2, 1], [0.5, 0.2]),
        op(Op.P, [1], [1.1], [~2]),
        op(Op.UNITARY, [0], table=HADAMARD),
        op(Op.R, [1], [0.8, 0.2]),
        op(Op.DIAGONAL, [2, 0], table=np.exp(1j * np.arange(4))),
    ]
    for qubit in range(3):
        rows += [op(Op.U, [qubit], rng.uniform(-3, 3, 3)), noise(FLIP, qubit)]
    for gate in gates:
        rows += [gate, noise(depolarizing(0.05), 0), noise(depolarizing(0.1, 2), 2, 1)]
    return program_of(3, 3, [*rows, *[measure(qubit, qubit) for qubit in range(3)]])


#: Copies of states for 2000 shots.
COPIES = {
    "many angles": 889,
    "others": 368,
    "turns": 723,
    "Cliffords": 35,
    "turns and unitaries": 1185,
    "errors alone": 0,
    "errors at the end": 0,
}
PROGRAMS = {
    "many angles": many_angles(),
    "others": between_others(),
    "turns": layered(1, 3, 6, Op.U, 0.02),
    "Cliffords": layered(2, 3, 6, Op.H, 0.02),
    "turns and unitaries": layered(3, 3, 5, Op.RY, 0.05, mixed()),
    "errors alone": program_of(2, 2, [noise(depolarizing(0.4, 2), 1, 0), measure(0, 1), measure(1, 0)]),
    "errors at the end": program_of(
        2, 2, [op(Op.U, [0], OTHERS), noise(FLIP, 0), noise(FLIP, 1), measure(1, 1), measure(0, 0)]
    ),
}


def is_pauli(matrix: np.ndarray) -> bool:
    """Tell whether a matrix over five qubits is a Pauli up to a factor."""
    x = int(np.argmax(np.abs(matrix[0])))
    return max(abs(np.vdot(pauli(5, x, z), matrix)) for z in range(32)) > 32 * (1 - 1e-9)


@pytest.mark.parametrize("code", [code for code in UNITARY_OPS if not HAS_TABLE[code]])
@pytest.mark.parametrize("controls", [(), (4,), (~4,), (4, ~3)])
def test_a_pauli_has_its_image_behind_each_gate(code: Op, controls: tuple[int, ...]) -> None:
    size, rng = width(code), np.random.default_rng(code)
    if size + len(controls) > 4:
        controls = controls[: 4 - size]
    for angles in (QUARTERS, OTHERS):
        row = op(code, [2, 0, 1, 3][:size], angles[: ANGLES[code]], controls)
        images = GateImages(program_of(5, 0, [op(Op.H, [qubit]) for qubit in range(5)] + [row]))
        gate = full_matrix(row, 5)
        for x, z in [(0, 1 << 4), (1 << 4, 0), *rng.integers(0, 32, (20, 2)).tolist()]:
            behind, found = gate @ pauli(5, x, z) @ gate.conj().T, images.image(5, x, z)
            assert (found is not None) == is_pauli(behind)
            if found is not None:
                assert abs(abs(np.vdot(pauli(5, *found), behind)) - 32) < 1e-8


@pytest.mark.parametrize("row", [op(Op.UNITARY, [0, 1], table=np.eye(4)), op(Op.X, [0], controls=[1, 2, 3, 4])])
def test_gates_without_known_images_let_pass_what_is_on_other_qubits_and_controls(row: Operation) -> None:
    images = GateImages(program_of(5, 0, [*[op(Op.H, [qubit]) for qubit in range(5)], row]))
    assert images.image(5, 1, 0) is None
    assert images.image(5, 0, 0b11000) == (0, 0b11000)
    diagonal = op(Op.DIAGONAL, [1, 0], table=[1, 1j, -1, 1])
    assert GateImages(program_of(2, 0, [diagonal])).image(0, 0, 3) == (0, 3)


def test_errors_move_to_the_last_beginning_of_a_stretch_where_they_are_paulis() -> None:
    rows = [noise(FLIP, 0), op(Op.X, [1], controls=[0]), noise(FLIP, 2), op(Op.H, [2])]
    rows += [op(Op.RZ, [1], [0.3]), noise(FLIP, 1), measure(0, 0), measure(1, 1)]
    program = program_of(3, 2, rows)
    moves = Moves(program, Noise(program), GateImages(program), [0, 3, 4])
    # X on 0 becomes X on both before the rotation stops it; that on 2 is Z behind H; that on 1 comes to the end.
    assert [moves.home(site, 1) for site in range(3)] == [(2, 0b011, 0), (3, 0, 0b100), (3, 0b010, 0)]
    moves = Moves(program, Noise(program), GateImages(program), [0])
    assert [moves.home(site, 1) for site in range(3)] == [(-1, 0, 0), (1, 0, 0b100), (1, 0b010, 0)]


def test_errors_of_small_states_pass_few_gates() -> None:
    """In a long Clifford circuit, the way to its end would take longer than the states."""
    rows = [row for _ in range(500) for row in (op(Op.H, [0]), op(Op.X, [1], controls=[0]), noise(FLIP, 0))]
    program = program_of(2, 1, [*rows, measure(0, 0)])
    moves = Moves(program, Noise(program), GateImages(program), range(0, len(program), 30))
    homes = [moves.home(site, 1)[0] for site in range(500)]
    assert homes[-1] == len(range(0, len(program), 30))
    assert all(site // 10 < home <= site // 10 + 2 for site, home in enumerate(homes[:-10]))


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("engine", ENGINES)
def test_counts_have_the_exact_distribution(engine: str, name: str) -> None:
    program = PROGRAMS[name]
    assert compile_flow(program, lambda part: compile_program(part.program)).moves is not None
    outcome = ENGINES[engine]().run(make_experiment(program, SHOTS[engine], 7))
    value, freedom = chi_square(counts(outcome), probabilities(program))
    # Beyond it lies one seed among many thousands.
    assert value < freedom + 4 * np.sqrt(2 * freedom) + 8


@pytest.mark.parametrize("name", PROGRAMS)
def test_all_engines_give_the_same_shots_in_any_packing(name: str) -> None:
    program, shots = PROGRAMS[name], 300
    one_by_one = Sizes(noisy_batch_wires=0)
    engines = [
        StatevectorSimulator(),
        StatevectorSimulator(sizes=one_by_one),
        *[StatevectorSimulator(DriverLimits(waiting_bytes=rows << 8)) for rows in (1, 2, 3, 6, 12, 50)],
        *[StatevectorSimulator(DriverLimits(waiting_bytes=rows << 7), one_by_one) for rows in (0, 1, 3)],
        NumpySimulator(DriverLimits(waiting_bytes=0)),
        NumpySimulator(DriverLimits(waiting_bytes=3 << 7)),
        NumpySimulator(DriverLimits(numbers=1 << 9)),
    ]
    experiment = make_experiment(program, shots, 5, memory=True)
    whole = NumpySimulator().run(experiment)
    assert_same([whole, *[engine.run(experiment) for engine in engines]])
    threads = make_experiment(program, shots, 5, memory=True, threads=2)
    assert_same([whole, StatevectorSimulator().run(threads)])
    rows = whole.outcomes[whole.memory]
    for engine in engines:
        for first, count in ((0, 1), (shots // 2, 90), (shots - 1, 1)):
            part = engine.run(make_experiment(program, count, 5, first, memory=True))
            assert (part.outcomes[part.memory] == rows[first : first + count]).all()


@pytest.mark.parametrize("name", PROGRAMS)
def test_few_states_are_simulated(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of copies of states, of 2000 shots."""
    forked = 0
    fork = Batch.fork

    def counting(self: Batch, which: np.ndarray, *masks: Any) -> Batch:
        nonlocal forked
        forked += len(which)
        return fork(self, which, *masks)

    monkeypatch.setattr(Batch, "fork", counting)
    outcome = StatevectorSimulator().run(make_experiment(PROGRAMS[name], 2000, 3))
    assert forked == COPIES[name]
    assert outcome.patterns > COPIES[name]


@pytest.mark.parametrize("precision", ["double", "single"])
def test_a_copy_with_a_pauli_is_that_of_a_pauli_on_a_copy(precision: Precision) -> None:
    rng, dtype, team = np.random.default_rng(1), dtype_of(precision), ThreadTeam(1)
    source = BatchSource(State(5, dtype, team), 1 << 20, team, pooled=True)
    states = (rng.normal(size=(3, 32)) + 1j * rng.normal(size=(3, 32))).astype(dtype)
    which, (x, z), wires = rng.integers(0, 3, 40), rng.integers(0, 8, (2, 40)), (1, 4, 2)
    first, paulis = source.copies(states, np.arange(3)), Paulis(wires, x, z)
    copies, plain = first.fork(which, paulis), first.fork(which)
    plain.paulis(np.arange(40), paulis)
    for number, (_, with_pauli), (_, after) in zip(range(40), copies.answers(), plain.answers(), strict=True):
        expected = states[which[number]]
        for bit, wire in enumerate(wires):
            letter = (x[number] >> bit & 1) << wire, (z[number] >> bit & 1) << wire
            expected = (-1j if all(letter) else 1) * (pauli(5, *letter) @ expected)
        for found in (with_pauli, after):
            assert np.allclose(found.amplitudes(range(5), 1), expected, atol=1e-6)
