# SPDX-License-Identifier: Apache-2.0
"""Gates of a device's basis become what they were made from, at all angles."""

from __future__ import annotations

import engine_oracle as oracle
import msgspec
import numpy as np
import pytest
from engine_oracle import op
from hypothesis import given, settings
from hypothesis import strategies as st
from make_experiments import make_experiment
from small_chunks import small_chunks

from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation, Program
from qfleet_worker.engines.statevector.compiler.fixed_angles import MANY_QUBITS
from qfleet_worker.engines.statevector.compiler.plan import compile_program
from qfleet_worker.engines.statevector.kernels import kinds
from qfleet_worker.engines.statevector.kernels.layout import OP_KERNEL
from qfleet_worker.engines.statevector.simulator import DEFAULT_SIZES, Sizes, StatevectorSimulator

SPECIAL = [0.0, np.pi / 2, np.pi, -np.pi / 2, np.pi / 4, 2 * np.pi, 4 * np.pi]
#: The gates of each basis: on one qubit, and on two, of which the first may be a control.
BASES: dict[str, tuple[list[Op], list[tuple[Op, bool]]]] = {
    "cx": ([Op.RZ, Op.SX, Op.X], [(Op.X, True)]),
    "cz": ([Op.RZ, Op.SX, Op.X], [(Op.Z, True)]),
    "ecr": ([Op.RZ, Op.SX, Op.X], [(Op.ECR, False)]),
    "native": (
        [Op.RY, Op.RX, Op.H, Op.U, Op.P, Op.T, Op.UNITARY],
        [
            (Op.X, True), (Op.P, True), (Op.RZZ, False), (Op.RXX, False), (Op.RZX, False), (Op.SWAP, False),
            (Op.ISWAP, False), (Op.UNITARY, False), (Op.DIAGONAL, False), (Op.RY, True), (Op.DCX, False),
        ],
    ),
}  # fmt: skip


def gate(rng: np.random.Generator, code: Op, controlled: bool, qubits: list[int]) -> Operation:
    controls, targets = (qubits[:1], qubits[1:]) if controlled else ([], qubits)
    if controlled and rng.random() < 0.2:
        controls = [~controls[0]]
    table = oracle.random_table(rng, code, len(targets)) if code in (Op.UNITARY, Op.DIAGONAL) else None
    angles = {Op.U: 3, Op.RZ: 1, Op.RX: 1, Op.RY: 1, Op.P: 1, Op.RZZ: 1, Op.RXX: 1, Op.RZX: 1}.get(code, 0)
    params = np.where(rng.random(angles) < 0.5, rng.choice(SPECIAL, angles), rng.uniform(-7, 7, angles))
    return op(code, targets, params.tolist(), controls, table)


def conjugated(pair: list[int], inner: Operation) -> list[Operation]:
    """Return an operation between two CX."""
    return [op(Op.X, pair[1:], controls=pair[:1]), inner, op(Op.X, pair[1:], controls=pair[:1])]


def random_circuit(rng: np.random.Generator, num_qubits: int, basis: str) -> Program:
    """Return gates that often follow each other on the same two qubits."""
    ones, twos = BASES[basis]
    operations: list[Operation] = []
    for _ in range(int(rng.integers(1, 14))):
        pair = rng.permutation(num_qubits)[:2].tolist()
        kind = rng.random()
        if basis == "cx" and kind < 0.3:
            operations += conjugated(pair, op(Op.RZ, pair[1:], [float(rng.uniform(-7, 7))]))
        elif basis == "cx" and kind < 0.4:
            operations += conjugated(pair, op(Op.X, pair[:1], controls=pair[1:]))
        for _ in range(int(rng.integers(0, 9))):
            if rng.random() < 0.5:
                code, controlled = twos[int(rng.integers(len(twos)))]
                operations.append(gate(rng, code, controlled, pair[:: 1 if rng.random() < 0.7 else -1]))
            else:
                operations.append(gate(rng, ones[int(rng.integers(len(ones)))], False, [pair[int(rng.integers(2))]]))
    return oracle.program(num_qubits, 0, operations)


def with_slots(program: Program, slots: np.ndarray) -> Program:
    return msgspec.structs.replace(program, slots=slots.astype(np.int32))


def amplitudes(engine: StatevectorSimulator, program: Program) -> np.ndarray:
    return engine.run(make_experiment(program, 1, 1, output="statevector")).amplitudes


def check(rng: np.random.Generator, program: Program, sizes: Sizes) -> None:
    """Compare a circuit with plain numpy, at its angles and with some of them replaced."""
    assert np.abs(amplitudes(StatevectorSimulator(sizes=sizes), program) - oracle.statevector(program)).max() < 1e-12
    params = program.params
    slots = np.flatnonzero(rng.random(len(params)) < rng.choice([0.3, 1.0]))
    program = with_slots(program, slots)
    engine = StatevectorSimulator(sizes=sizes)
    for _ in range(3):
        angles = params.copy()
        angles[slots] = np.where(
            rng.random(len(slots)) < 0.6, rng.choice(SPECIAL, len(slots)), rng.uniform(-7, 7, len(slots))
        )
        bound = msgspec.structs.replace(program, params=angles)
        assert np.abs(amplitudes(engine, bound) - oracle.statevector(bound)).max() < 1e-12


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), num_qubits=st.integers(2, 11), stages=st.booleans())
@pytest.mark.parametrize("basis", BASES)
def test_circuits_in_each_basis(basis: str, seed: int, num_qubits: int, stages: bool) -> None:
    rng = np.random.default_rng(seed)
    sizes = small_chunks(9, 3) if stages else DEFAULT_SIZES
    check(rng, random_circuit(rng, num_qubits, basis), sizes)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), num_qubits=st.integers(2, 6))
@pytest.mark.parametrize("basis", BASES)
def test_matrices_in_each_basis(basis: str, seed: int, num_qubits: int) -> None:
    """Each qubit begins where it ends, so that SWAPs which are found stay matrices."""
    program = random_circuit(np.random.default_rng(seed), num_qubits, basis)
    experiment = make_experiment(program, 1, 1, output="unitary")
    found = StatevectorSimulator().run(experiment).amplitudes
    assert np.abs(found - oracle.unitary(program)).max() < 1e-12


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("seed", range(3))
def test_constant_angles_of_larger_circuits(basis: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    check(rng, random_circuit(rng, MANY_QUBITS, basis), small_chunks(10, 3))


def rotated(pair: list[int], angle: float, basis: str) -> list[Operation]:
    """Return an RZZ in a basis."""
    first, second = pair
    if basis == "cx":
        return conjugated(pair, op(Op.RZ, [second], [angle]))
    hadamard = [op(Op.RZ, [second], [np.pi / 2]), op(Op.SX, [second]), op(Op.RZ, [second], [np.pi / 2])]
    between = [*hadamard, op(Op.Z, [second], controls=[first]), *hadamard]
    return [*between, op(Op.RZ, [second], [angle]), *between]


def kernels_of(program: Program) -> list[int]:
    """Return the kinds of the kernels that a circuit is compiled to; -1 for diagonals."""
    (segment,) = compile_program(program, 2).steps
    codes = segment.tables.operations.rows[:, OP_KERNEL].tolist()
    return [kinds.specs(2)[code].kind if code >= 0 else -1 for code in codes]


@pytest.mark.parametrize("is_slot", [False, True])
@pytest.mark.parametrize("num_qubits", [4, MANY_QUBITS])
@pytest.mark.parametrize("basis", ["cx", "cz"])
def test_a_rotation_becomes_a_diagonal(basis: str, num_qubits: int, is_slot: bool) -> None:
    gates = [each for first in range(num_qubits - 1) for each in rotated([first, first + 1], 0.3, basis)]
    program = oracle.program(num_qubits, 0, gates)
    if is_slot:
        program = with_slots(program, np.flatnonzero(program.params == 0.3))
    assert kernels_of(program) == [-1]


@pytest.mark.parametrize("num_qubits", [4, MANY_QUBITS])
def test_swaps_of_three_gates_exchange_wires(num_qubits: int) -> None:
    layer = [op(Op.RY, [qubit], [0.3 + qubit]) for qubit in range(num_qubits)]
    swaps = []
    for first in range(num_qubits - 1):
        pair = [first, first + 1]
        swaps += conjugated(pair, op(Op.X, pair[:1], controls=pair[1:]))
    program = oracle.program(num_qubits, 0, [*layer, *swaps])
    assert len(kernels_of(program)) == len(kernels_of(oracle.program(num_qubits, 0, layer)))
    assert np.abs(amplitudes(StatevectorSimulator(), program) - oracle.statevector(program)).max() < 1e-12


@pytest.mark.parametrize("num_qubits", [4, MANY_QUBITS])
def test_hadamards_around_cz_become_cx(num_qubits: int) -> None:
    gates = [op(Op.H, [0])]
    for target in range(1, num_qubits):
        gates += [op(Op.H, [target]), op(Op.Z, [target], controls=[target - 1]), op(Op.H, [target])]
    native = [op(Op.H, [0])] + [op(Op.X, [target], controls=[target - 1]) for target in range(1, num_qubits)]
    assert kernels_of(oracle.program(num_qubits, 0, gates)) == kernels_of(oracle.program(num_qubits, 0, native))


def test_gates_that_are_faster_by_themselves_stay() -> None:
    gates = [op(Op.RY, [1], [0.3], controls=[0]), op(Op.RX, [0], [0.4], controls=[1])]
    program = oracle.program(5, 0, [*(op(Op.RY, [qubit], [0.2]) for qubit in range(5)), *gates])
    assert len(kernels_of(program)) == len(kernels_of(oracle.program(5, 0, [*program][:5]))) + 2
