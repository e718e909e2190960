# SPDX-License-Identifier: Apache-2.0
"""Random programs in small chunks, and the parts of a state, against plain numpy."""

from __future__ import annotations

import engine_oracle as oracle
import numpy as np
import pytest
from engine_oracle import UNITARY_OPS, op
from hypothesis import given, settings
from hypothesis import strategies as st
from make_experiments import make_experiment
from small_chunks import small_chunks

from qfleet.wire.program import matrices as reference
from qfleet.wire.program.expansions import Expansion
from qfleet.wire.program.operations import HAS_TABLE, Op
from qfleet.wire.program.program import Operation
from qfleet_worker.engines.statevector.compiler import matrices, shapes
from qfleet_worker.engines.statevector.compiler.gate_table import ANGLES, GATES, MATRIX_AT, POWERS_AT, SHAPE, TERMS
from qfleet_worker.engines.statevector.compiler.plan import Segment, Wide, compile_program
from qfleet_worker.engines.statevector.kernels import layout, parts
from qfleet_worker.engines.statevector.runtime.state import State
from qfleet_worker.engines.statevector.simulator import StatevectorSimulator
from qfleet_worker.engines.steps import MeasureStep
from qfleet_worker.engines.threads import ThreadTeam

DIAGONAL_OPS = [Op.Z, Op.T, Op.P, Op.RZ, Op.RZZ, Op.DIAGONAL, Op.GLOBAL_PHASE, Op.H]
FLIP_OPS = [Op.X, Op.H, Op.SWAP, Op.RZ]


@pytest.mark.parametrize("code", [code for code in UNITARY_OPS if not HAS_TABLE[code]], ids=lambda code: code.name)
def test_matrices_are_those_of_the_numpy_engine(code: Op) -> None:
    if code is Op.GLOBAL_PHASE:
        return
    row, targets = GATES.codes[code], oracle.width(code)
    size = 1 << targets
    rng = np.random.default_rng(int(code))
    for angles in rng.uniform(-7, 7, (200 if row[ANGLES] else 1, row[ANGLES])):
        table = reference.table(Operation(code, (), tuple(range(targets)), tuple(angles.tolist()), None, -1))
        out = np.empty(size * size, np.complex128)
        if row[MATRIX_AT] < 0:
            (matrices.fill_one if size == 2 else matrices.fill_two)(int(code), np.exp(0.5j * angles), 0, out)
        elif row[TERMS]:
            # Its factors, then its matrices.
            powers = GATES.powers[row[POWERS_AT] : row[POWERS_AT] + row[TERMS], : len(angles)]
            block = [np.exp(0.5j * (powers @ angles)), GATES.matrices[row[MATRIX_AT] :][: row[TERMS] * size * size]]
            matrices.combine(np.concatenate(block), int(row[TERMS]), out)
        else:
            out = GATES.matrices[row[MATRIX_AT] : row[MATRIX_AT] + size * size]
        matrix = np.diag(table) if table.ndim == 1 else table
        assert np.abs(out.reshape(size, size) - matrix).max() < 1e-15


@pytest.mark.parametrize(("code", "letters"), [(Op.RXX, "XX"), (Op.RYY, "YY"), (Op.RZZ, "ZZ"), (Op.RZX, "XZ")])
def test_rotations_about_paulis_are_expansions(code: Op, letters: str) -> None:
    for angle in np.random.default_rng(1).uniform(-7, 7, 200).tolist():
        table = reference.table(Operation(code, (), (0, 1), (angle,), None, -1))
        matrix = np.diag(table) if table.ndim == 1 else table
        assert np.abs(Expansion.of_pauli(letters).matrix(angle) - matrix).max() < 1e-15


@pytest.mark.parametrize(
    ("code", "shape"),
    [
        (Op.X, shapes.REAL), (Op.RY, shapes.REAL), (Op.H, shapes.REAL), (Op.Y, shapes.MIXED), (Op.RX, shapes.MIXED),
        (Op.Z, shapes.REAL | shapes.MIXED | shapes.DIAGONAL | shapes.FIRST_IS_ONE), (Op.RZ, shapes.DIAGONAL),
        (Op.T, shapes.DIAGONAL | shapes.FIRST_IS_ONE), (Op.P, shapes.DIAGONAL | shapes.FIRST_IS_ONE),
        (Op.SX, 0), (Op.R, 0), (Op.U, 0), (Op.RZZ, 0), (Op.SWAP, 0),
    ],
)  # fmt: skip
def test_shapes_are_those_of_the_matrices_at_all_angles(code: Op, shape: int) -> None:
    assert GATES.codes[code, SHAPE] == shape


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    num_qubits=st.integers(3, 11),
    local_bits=st.integers(8, 10),
    run_bits=st.integers(3, 4),
    precision=st.sampled_from(["double", "single"]),
)
@pytest.mark.parametrize(
    "codes", [UNITARY_OPS, DIAGONAL_OPS, [Op.X, Op.H, Op.SWAP, Op.RZ]], ids=["all", "diagonal", "flips"]
)
def test_random_programs_in_stages(
    codes: list[Op], seed: int, num_qubits: int, local_bits: int, run_bits: int, precision: str
) -> None:
    rng = np.random.default_rng(seed)
    program = oracle.program(
        num_qubits, 0, [oracle.random_operation(rng, num_qubits, 0, codes) for _ in range(int(rng.integers(1, 50)))]
    )
    experiment = make_experiment(program, 1, 1, output="statevector", precision=precision, threads=2)
    state = StatevectorSimulator(sizes=small_chunks(local_bits, run_bits)).run(experiment).amplitudes
    assert np.abs(state - oracle.statevector(program)).max() < (1e-11 if precision == "double" else 2e-5)


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
@pytest.mark.parametrize("seed", range(8))
def test_chunks_of_zeros(seed: int, dtype: type) -> None:
    rng, num_qubits = np.random.default_rng(seed), 12
    superposed = [op(Op.H, [int(qubit)]) for qubit in rng.permutation(num_qubits)[:3]]
    flips = [oracle.random_operation(rng, num_qubits, 0, [Op.X, Op.X, Op.Y, Op.SWAP, Op.T, Op.RZZ]) for _ in range(60)]
    # The last qubits come last, when most of what is known is zero.
    ladder = [op(Op.X, [qubit + 1], controls=[qubit]) for qubit in range(num_qubits - 1)]
    program = oracle.program(num_qubits, 0, [*superposed, *ladder, *(flips if seed % 2 else [])])
    plan = compile_program(program, 2 if dtype is np.complex128 else 3, chunks=small_chunks(8, 4).chunks)
    for threads in (1, 2):
        state = State(plan.num_wires, np.dtype(dtype), ThreadTeam(threads))
        state.amplitudes[:] = np.nan
        state.clear()
        for at in range(len(plan.steps)):
            state.apply(plan.steps, at)
        found = state.statevector(plan, plan.phase)
        assert np.abs(found - oracle.statevector(program)).max() < (1e-12 if dtype is np.complex128 else 1e-5)


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("local_bits", [8, 13])
@pytest.mark.parametrize("layers", [1, 2])
def test_networks_of_controlled_x(layers: int, local_bits: int, precision: str) -> None:
    rng, num_qubits = np.random.default_rng(layers), 12
    gates = []
    for _ in range(layers):
        gates += [op(Op.RY, [qubit], [float(angle)]) for qubit, angle in enumerate(rng.uniform(-3, 3, num_qubits))]
        # In stages, each window is local in one of them.
        for window in [*[range(8)] * 20, *[range(4, 12)] * 20]:
            target, control = rng.permutation(window)[:2].tolist()
            gates.append(op(Op.X, [target], controls=[control if rng.integers(2) else ~control]))
    program = oracle.program(num_qubits, 0, gates)
    sizes = small_chunks(local_bits, 3)
    plan = compile_program(program, 2 if precision == "double" else 3, chunks=sizes.chunks)
    (segment,) = plan.steps
    found = segment.tables.operations.rows[:, layout.OP_KERNEL].tolist().count(layout.PERMUTATION)
    assert found >= layers
    experiment = make_experiment(program, 1, 1, output="statevector", precision=precision, threads=2)
    state = StatevectorSimulator(sizes=sizes).run(experiment).amplitudes
    assert np.abs(state - oracle.statevector(program)).max() < (1e-12 if precision == "double" else 1e-5)


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("targets", [5, 6, 8, 9, 10])
@pytest.mark.parametrize("code", [Op.UNITARY, Op.DIAGONAL], ids=lambda code: code.name)
def test_wide_tables(code: Op, targets: int, precision: str) -> None:
    rng = np.random.default_rng(targets)
    order = rng.permutation(12).tolist()
    wide = op(code, order[:targets], table=oracle.random_table(rng, code, targets), controls=[order[10], ~order[11]])
    layer = [op(Op.RY, [qubit], [0.3 + qubit]) for qubit in range(12)]
    program = oracle.program(12, 0, [*layer[:9], wide, *layer, wide])
    steps = compile_program(program, 2).steps
    assert any(isinstance(step, Wide) for step in steps) == (code is Op.UNITARY or targets > 8)
    experiment = make_experiment(program, 1, 1, output="statevector", precision=precision, threads=2)
    state = StatevectorSimulator().run(experiment).amplitudes
    assert np.abs(state - oracle.statevector(program)).max() < (1e-11 if precision == "double" else 2e-5)


def test_qubits_that_no_operation_names_take_no_memory() -> None:
    program = oracle.program(40, 1, [op(Op.H, [7]), op(Op.X, [33], controls=[7]), oracle.measure(33, 0)])
    plan = compile_program(program, 2)
    assert plan.num_wires == 2
    assert (plan.wires[7], plan.wires[33]) == (0, 1)
    outcome = StatevectorSimulator().run(make_experiment(program, 1000, 1))
    assert outcome.counts.sum() == 1000


def test_swaps_end_where_they_should_without_a_step() -> None:
    program = oracle.program(3, 0, [op(Op.X, [0]), op(Op.SWAP, [0, 1]), op(Op.SWAP, [1, 2])])
    plan = compile_program(program, 2)
    assert plan.wires == (0, 1, 2)
    (segment,) = plan.steps
    assert isinstance(segment, Segment)
    assert len(segment.tables.operations.rows) == 1


def test_measurements_of_qubits_that_are_not_used_again_are_no_steps() -> None:
    program = oracle.program(2, 2, [op(Op.H, [0]), oracle.measure(0, 0), op(Op.H, [1]), oracle.measure(1, 1)])
    plan = compile_program(program, 2)
    assert not any(isinstance(step, MeasureStep) for step in plan.steps)
    assert sorted(plan.readout) == [(0, 0), (1, 1)]


def test_a_team_shares_all_of_its_work_once() -> None:
    for threads in (1, 2, 3):
        team = ThreadTeam(threads)
        for count in (1, 2, 7, 64, 1000):
            seen: list[int] = []
            team.share(count, lambda begin, end, seen=seen: seen.extend(range(begin, end)))
            assert sorted(seen) == list(range(count))


def test_an_error_in_a_team_comes_out() -> None:
    def fail(begin: int, _end: int) -> None:
        raise ZeroDivisionError(begin)

    with pytest.raises(ZeroDivisionError):
        ThreadTeam(2).share(8, fail)


@pytest.mark.parametrize("known", [0b1111, 0b1011, 0b0110])
def test_parts_of_a_state(known: int) -> None:
    rng = np.random.default_rng(known)
    values = rng.normal(size=16) + 1j * rng.normal(size=16)
    inside = [index for index in range(16) if index & ~known == 0]
    values[[index for index in range(16) if index not in inside]] = np.nan
    values /= np.linalg.norm(values[inside])
    state = State(4, np.dtype(np.complex128), ThreadTeam(1))
    state.amplitudes[:] = values
    state.known = known
    for wire in range(4):
        if not known >> wire & 1:
            assert state.value(wire) == 0
            continue
        exact = [sum(abs(values[index]) ** 2 for index in inside if index >> wire & 1 == bit) for bit in (0, 1)]
        assert state.weights(wire) == pytest.approx(exact)
        snapshot = state.projected(wire, 1, exact[1])
        assert np.linalg.norm(snapshot.amplitudes) == pytest.approx(1)
        other = State(4, np.dtype(np.complex128), ThreadTeam(1))
        other.restore(snapshot)
        assert other.value(wire) == 1
        other.settle()
        wanted = np.array([values[index] if index in inside and index >> wire & 1 else 0 for index in range(16)])
        assert np.abs(other.amplitudes - wanted / np.sqrt(exact[1])).max() < 1e-12
    packed = np.empty(len(inside), np.complex128)
    parts.gather(state.amplitudes, packed, known, 0, 1.0)
    assert packed.tolist() == values[inside].tolist()
