# SPDX-License-Identifier: Apache-2.0
"""Every engine applies gates with controls, matrices and diagonals, on any qubits."""

from __future__ import annotations

import engine_oracle as oracle
import msgspec
import numpy as np
import pytest
from engine_oracle import UNITARY_OPS, measure, op, sample_gate
from engines import ENGINES, PRECISIONS, counts, programs
from hypothesis import given, settings
from hypothesis import strategies as st
from make_experiments import make_experiment

from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.messages.request import Output, Precision
from qfleet.wire.program.operations import HAS_TABLE, Op
from qfleet.wire.program.program import Operation, Program
from qfleet_worker.engines.contract import Simulator

#: A first circuit never waits for the compiler.
pytestmark = pytest.mark.usefixtures("nothing_compiles")


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("code", UNITARY_OPS, ids=lambda code: code.name)
def test_gates_with_controls_anywhere(engine: Simulator, code: Op, precision: Precision) -> None:
    dtype, tolerance = PRECISIONS[precision]
    width = oracle.width(code)
    num_qubits = min(width + 3, 6)
    rng = np.random.default_rng(5)
    for controls in range(num_qubits - width + 1):
        for pattern in range(1 << controls):
            order = rng.permutation(num_qubits).tolist()
            signed = [
                qubit if pattern >> at & 1 else ~qubit for at, qubit in enumerate(order[width : width + controls])
            ]
            program = oracle.program(num_qubits, 0, [sample_gate(code, order[:width], signed)])
            outcome = engine.run(make_experiment(program, 1, 1, output="unitary", precision=precision))
            assert outcome.amplitudes.dtype == dtype
            assert np.abs(outcome.amplitudes - oracle.unitary(program)).max() < tolerance


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("open_control", [False, True])
@pytest.mark.parametrize("code", UNITARY_OPS, ids=lambda code: code.name)
def test_many_controls(engine: Simulator, code: Op, open_control: bool, precision: Precision) -> None:
    """A gate with twelve controls acts on the few amplitudes that they select, and only there."""
    dtype, tolerance = PRECISIONS[precision]
    width, controls = oracle.width(code), 12
    num_qubits = width + controls
    layer = [op(Op.RY, [qubit], [0.3 + 0.1 * qubit]) for qubit in range(num_qubits)]
    order = np.random.default_rng(7).permutation(num_qubits).tolist()
    signed = [~qubit if open_control and at % 2 else qubit for at, qubit in enumerate(order[width:])]
    gate = sample_gate(code, order[:width], signed)

    def run(operations: list[Operation]) -> np.ndarray:
        program = oracle.program(num_qubits, 0, operations)
        return engine.run(make_experiment(program, 1, 1, output="statevector", precision=precision)).amplitudes

    expected, state = run(layer).copy(), run([*layer, gate])
    fixed = sum(1 << qubit for qubit in signed if qubit >= 0)
    places = [
        fixed + sum((value >> bit & 1) << qubit for bit, qubit in enumerate(order[:width]))
        for value in range(1 << width)
    ]
    expected[places] = oracle.matrix(gate) @ expected[places]
    assert state.dtype == dtype
    assert np.abs(state - expected).max() < tolerance


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("output", ["counts", "statevector"])
@pytest.mark.parametrize("targets", [1, 4, 5, 9])
# A state has no place for a density matrix or a superoperator.
@pytest.mark.parametrize(
    "code",
    [op for op in Op if HAS_TABLE[op] and op not in (Op.SET_DENSITY_MATRIX, Op.SET_SUPEROP)],
    ids=lambda code: code.name,
)
def test_tables_from_the_wire(engine: Simulator, code: Op, targets: int, output: Output, precision: Precision) -> None:
    """They are read-only, and may lie at any address; those that were made here may be strided."""
    table = oracle.random_table(np.random.default_rng(targets), code, targets)
    layer = [op(Op.RY, [qubit], [0.3 + 0.1 * qubit]) for qubit in range(10)]
    program = oracle.program(
        10, 10, [op(code, range(targets), table=table), *layer, *map(measure, range(10), range(10))]
    )
    decoded = decode_program(encode_program(program))
    strided = msgspec.structs.replace(program, tables=tuple(np.repeat(each, 2)[::2] for each in program.tables))
    outcomes = [
        engine.run(make_experiment(each, 100, 1, output=output, precision=precision))
        for each in (program, decoded, strided)
    ]
    assert all(counts(outcome) == counts(outcomes[0]) for outcome in outcomes)


@settings(max_examples=250, deadline=None)
@given(programs(UNITARY_OPS, qubits=5, clbits=0, length=30))
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", ENGINES)
def test_random_programs_against_the_oracle(name: str, precision: Precision, program: Program) -> None:
    engine, (dtype, tolerance) = ENGINES[name](), PRECISIONS[precision]
    expected = oracle.unitary(program)
    state = engine.run(make_experiment(program, 1, 1, output="statevector", precision=precision)).amplitudes
    matrix = engine.run(make_experiment(program, 1, 1, output="unitary", precision=precision)).amplitudes
    assert state.dtype == matrix.dtype == dtype
    assert np.abs(state - expected[:, 0]).max() < tolerance
    assert np.abs(matrix - expected).max() < tolerance


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), num_qubits=st.integers(10, 13))
@pytest.mark.parametrize("name", ENGINES)
def test_random_programs_on_more_qubits(name: str, seed: int, num_qubits: int) -> None:
    """Wide enough for every way of moving axes; compared gate by gate with a plain tensor contraction."""
    rng = np.random.default_rng(seed)
    operations = [oracle.random_operation(rng, num_qubits, 0, UNITARY_OPS) for _ in range(60)]
    program = oracle.program(num_qubits, 0, operations)
    state = ENGINES[name]().run(make_experiment(program, 1, 1, output="statevector")).amplitudes
    assert np.abs(state - oracle.statevector(program)).max() < 1e-11


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("seed", range(4))
def test_a_matrix_on_nine_of_eleven_qubits(engine: Simulator, seed: int, precision: Precision) -> None:
    dtype, tolerance = PRECISIONS[precision]
    rng = np.random.default_rng(seed)
    gates = [oracle.random_operation(rng, 11, 0, UNITARY_OPS) for _ in range(20)]
    table = oracle.random_table(rng, Op.UNITARY, 9)
    for before in ([], gates):
        operations = [*before, op(Op.UNITARY, rng.permutation(11)[:9].tolist(), table=table), *gates]
        program = oracle.program(11, 0, operations)
        state = engine.run(make_experiment(program, 1, 1, output="statevector", precision=precision)).amplitudes
        assert state.dtype == dtype
        assert np.abs(state - oracle.statevector(program)).max() < tolerance
