# SPDX-License-Identifier: Apache-2.0
"""The method density_matrix on both engines, against plain matrices."""

from __future__ import annotations

import density_oracle
import engine_oracle as oracle
import msgspec
import numpy as np
import pytest
from density_oracle import noise
from engine_oracle import UNITARY_OPS, measure, op
from engines import ENGINES, counts
from hypothesis import given, settings
from hypothesis import strategies as st

from qfleet.wire.messages.request import Request
from qfleet.wire.program.channels import Branch
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation, Program
from qfleet.wire.program.saves import Save, SaveKind, Subtype
from qfleet_worker.engines.contract import EngineError, Experiment, Outcome
from qfleet_worker.shards.simulation import resolve

pytestmark = pytest.mark.usefixtures("nothing_compiles")


def run(name: str, program: Program, shots: int = 1, seed: int = 1, first_shot: int = 0, threads: int = 1) -> Outcome:
    """Run a program by the method density_matrix."""
    request = resolve(program, Request(method="density_matrix", memory=True))
    return ENGINES[name]().run(Experiment(program, shots, seed, first_shot, request, threads))


def saving(program: Program, *saves: tuple[Save, tuple[int, ...]]) -> Program:
    """Return a program that saves at its end."""
    rows = [Operation(Op.SAVE, (), qubits, (), None, -1) for _, qubits in saves]
    return msgspec.structs.replace(
        density_oracle.program(program.num_qubits, program.num_clbits, [*program, *rows]),
        save_refs=np.arange(len(saves), dtype=np.int32),
        saves=tuple([save for save, _ in saves]),
    )


def density_save(label: str = "rho", subtype: Subtype = "average") -> Save:
    """Return a save of a density matrix."""
    return Save(kind=SaveKind.DENSITY_MATRIX, label=label, subtype=subtype)


def matrices(outcome: Outcome, number: int = 0) -> np.ndarray:
    """Return the density matrices that a save has."""
    saved = outcome.saved[number]
    values = np.frombuffer(saved.values, "<c16").reshape(saved.entries, -1)
    if saved.weights:
        values = values / np.frombuffer(saved.weights, "<i8")[:, None]
    size = round(values.shape[1] ** 0.5)
    return values.reshape(-1, size, size)


def random_program(rng: np.random.Generator, num_qubits: int, length: int) -> Program:
    """Return a program of gates, resets, initializations and all kinds of channels."""
    operations: list[Operation] = [op(Op.RY, [qubit], [rng.uniform(0, 3)]) for qubit in range(num_qubits)]
    for _ in range(length):
        if rng.random() < 0.4:
            width = int(rng.integers(1, min(num_qubits, 3) + 1))
            targets = rng.permutation(num_qubits)[:width].tolist()
            operations.append(noise(targets, density_oracle.random_branches(rng, width)))
        else:
            codes = [*UNITARY_OPS, Op.RESET, Op.INITIALIZE]
            operations.append(oracle.random_operation(rng, num_qubits, 0, codes))
    return density_oracle.program(num_qubits, 0, operations)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
@pytest.mark.parametrize("name", ENGINES)
def test_the_density_matrix_is_that_of_plain_matrices(name: str, seed: int, num_qubits: int) -> None:
    rng = np.random.default_rng(seed)
    program = random_program(rng, num_qubits, int(rng.integers(1, 14)))
    exact = density_oracle.density_matrix(program)
    some = tuple(rng.permutation(num_qubits)[: rng.integers(1, num_qubits + 1)].tolist())
    outcome = run(name, saving(program, (density_save(), tuple(range(num_qubits))), (density_save("some"), some)))
    assert np.abs(matrices(outcome)[0] - exact).max() < 1e-10
    assert np.abs(matrices(outcome, 1)[0] - density_oracle.reduced(exact, some)).max() < 1e-10


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("width", [4, 5])
def test_wide_gates(name: str, width: int) -> None:
    """Matrices, diagonals and controls of both values on more qubits than a transfer matrix has."""
    rng = np.random.default_rng(width)
    plain = density_oracle.random_operators(rng, width - 1, 1)[0]
    phases = np.exp(1j * rng.uniform(0, 6, 2**width))
    qubits = rng.permutation(6).tolist()
    operations = [
        *[op(Op.RY, [qubit], [rng.uniform(0, 3)]) for qubit in range(6)],
        noise([1, 4], density_oracle.random_branches(rng, 2)),
        op(Op.UNITARY, qubits[:-6 + width - 1], table=plain, controls=[~qubits[-1]]),
        op(Op.DIAGONAL, qubits[1 : 1 + width], table=phases),
        op(Op.ISWAP, [2, 5], controls=[0, ~1, 3][: width - 2]),
    ]  # fmt: skip
    program = density_oracle.program(6, 0, operations)
    outcome = run(name, saving(program, (density_save(), tuple(range(6)))))
    assert np.abs(matrices(outcome)[0] - density_oracle.density_matrix(program)).max() < 1e-10


@pytest.mark.parametrize("name", ENGINES)
def test_other_saves(name: str) -> None:
    rng = np.random.default_rng(5)
    program = random_program(rng, 4, 12)
    exact = density_oracle.density_matrix(program)
    x, z = np.array([0, 1, 6, 7], "<u8"), np.array([1, 1, 4, 2], "<u8")
    observable = Save(
        SaveKind.EXPECTATION_VALUE, "value", "average", b"", x.tobytes(), z.tobytes(), np.ones(4, "<c16").tobytes()
    )
    squares = Save(SaveKind.AMPLITUDES_SQUARED, "squares", "average", np.array([3, 9, 0], "<i8").tobytes())
    outcome = run(
        name,
        saving(
            program,
            (Save(SaveKind.PROBABILITIES, "p", "average"), (2, 0)),
            (observable, (3, 0, 1)),
            (squares, (0, 1, 2, 3)),
        ),
    )
    found = [np.frombuffer(saved.values, "<f8") for saved in outcome.saved]
    assert found[0] == pytest.approx(np.diag(density_oracle.reduced(exact, [2, 0])).real, abs=1e-12)
    paulis = {
        "Z": np.diag([1, -1]),
        "Y": np.array([[0, -1j], [1j, 0]]),
        "X": np.array([[0, 1], [1, 0]]),
        "I": np.eye(2),
    }
    value = 0
    for letters in ("IIZ", "IIY", "YXI", "XYX"):
        whole = np.kron(np.kron(paulis[letters[0]], paulis[letters[1]]), paulis[letters[2]])
        value += np.trace(whole @ density_oracle.reduced(exact, [3, 0, 1])).real
    assert found[1][0] == pytest.approx(value, abs=1e-12)
    assert found[2] == pytest.approx(np.diag(exact).real[[3, 9, 0]], abs=1e-12)


def noisy_with_measurements() -> Program:
    """Return a program that measures, and goes on with the qubit."""
    rng = np.random.default_rng(3)
    return density_oracle.program(
        3,
        5,
        [
            op(Op.H, [0]),
            op(Op.X, [1], controls=[0]),
            noise([0, 1], density_oracle.random_branches(rng, 2)),
            measure(1, 4),
            op(Op.RY, [1], [0.8]),
            op(Op.RESET, [0]),
            op(Op.SWAP, [1, 2]),
            noise([2], density_oracle.random_branches(rng, 1)),
            measure(2, 1),
            measure(0, 0),
            measure(1, 2),
        ],
    )


def exact_counts(program: Program) -> dict[int, float]:
    """Return the probabilities of all outcomes: each measurement is copied to a qubit of its own."""
    operations, clbits = [], {}
    for operation in program:
        if operation.code is Op.MEASURE:
            clbits[operation.clbit] = program.num_qubits + len(clbits)
            operations.append(op(Op.X, [clbits[operation.clbit]], controls=operation.targets))
        else:
            operations.append(operation)
    whole = density_oracle.density_matrix(density_oracle.program(program.num_qubits + len(clbits), 0, operations))
    chances = np.diag(density_oracle.reduced(whole, list(clbits.values()))).real
    spread = [sum((at >> bit & 1) << clbit for bit, clbit in enumerate(clbits)) for at in range(len(chances))]
    return {key: float(p) for key, p in zip(spread, chances, strict=True) if p > 1e-12}


@pytest.mark.parametrize("name", ENGINES)
def test_counts_follow_the_exact_probabilities(name: str) -> None:
    program = noisy_with_measurements()
    exact, shots = exact_counts(program), 40_000
    seen = counts(run(name, program, shots, 11))
    assert set(seen) <= set(exact)
    chi_square = sum((seen.get(key, 0) - shots * p) ** 2 / (shots * p) for key, p in exact.items())
    assert chi_square < len(exact) + 5 * np.sqrt(2 * len(exact))


def test_shots_are_the_same_on_both_engines_and_in_blocks() -> None:
    program = noisy_with_measurements()
    whole = run("statevector", program, 3000, 8)
    assert counts(run("numpy", program, 3000, 8)) == counts(whole)
    rows = whole.outcomes[whole.memory]
    part = run("statevector", program, 1000, 8, first_shot=1500)
    assert (part.outcomes[part.memory] == rows[1500:2500]).all()


def test_threads_change_nothing() -> None:
    rng = np.random.default_rng(2)
    program = random_program(rng, 8, 30)
    saves = saving(program, (density_save(), tuple(range(8))))
    assert (matrices(run("statevector", saves)) == matrices(run("statevector", saves, threads=2))).all()


@pytest.mark.parametrize("name", ENGINES)
def test_saves_after_a_measurement_are_of_the_states_after_it(name: str) -> None:
    program = density_oracle.program(2, 1, [op(Op.H, [0]), op(Op.X, [1], controls=[0]), measure(0, 0)])
    outcome = run(name, saving(program, (density_save(subtype="c_average"), (0, 1))), 2000)
    found = dict(zip(outcome.saved[0].clbits, matrices(outcome), strict=True))
    for value, place in ((0, 0), (1, 3)):
        assert found[value] == pytest.approx(np.diag(np.eye(4)[place]).astype(complex), abs=1e-12)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("kind", [SaveKind.STATEVECTOR, SaveKind.AMPLITUDES])
def test_amplitudes_are_refused(name: str, kind: SaveKind) -> None:
    indices = np.zeros(1, "<i8").tobytes() if kind is SaveKind.AMPLITUDES else b""
    program = density_oracle.program(1, 0, [op(Op.H, [0]), noise([0], [Branch(0.9), Branch(0.1, 1)])])
    with pytest.raises(EngineError, match=r"save_.*density_matrix"):
        run(name, saving(program, (Save(kind, "psi", "single", indices), (0,))))
