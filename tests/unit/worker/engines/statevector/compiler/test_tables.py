# SPDX-License-Identifier: Apache-2.0
"""The operations that a circuit comes to have its matrix, in one call or in stages, and with other angles filled in."""

from __future__ import annotations

import drafts
import engine_oracle as oracle
import msgspec
import numpy as np
import pytest
from engine_oracle import UNITARY_OPS
from hypothesis import given, settings
from hypothesis import strategies as st

from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet_worker.engines.machine_code.loading import load_if_ready
from qfleet_worker.engines.statevector.compiler.binding import bind
from qfleet_worker.engines.statevector.compiler.cache import Cache
from qfleet_worker.engines.statevector.compiler.gate_table import GATES
from qfleet_worker.engines.statevector.compiler.rows import count_entries
from qfleet_worker.engines.statevector.compiler.small import compile_small
from qfleet_worker.engines.statevector.compiler.tables import Limits, compile_rows
from qfleet_worker.engines.statevector.kernels.layout import STAGE_END_OP, STAGE_FIRST_OP, STAGE_LOCAL, Tables
from qfleet_worker.engines.statevector.kernels.stage import NO_SUMS, ONE_STATE, Stage, run_stage

#: The first test may have to compile.
pytestmark = pytest.mark.timeout(600)
SPECIAL = [0.0, np.pi, np.pi / 2, -np.pi / 2, 2 * np.pi, 1e-9]
GROUPS = [Op.X, Op.RX, Op.RY, Op.RZ, Op.H, Op.P, Op.RZZ]


@pytest.fixture(autouse=True, scope="module")
def loaded() -> None:
    load_if_ready()


def matrix_of(made: Tables, num_wires: int) -> np.ndarray:
    """Return the matrix of some tables: what they make of each basis state."""
    columns = []
    for state in np.eye(1 << num_wires, dtype=complex):
        for row in made.stages:
            local, every = int(row[STAGE_LOCAL]), (1 << num_wires) - 1
            stage = Stage(local, every, int(row[STAGE_FIRST_OP]), int(row[STAGE_END_OP]), num_wires)
            room = np.empty(2 << local.bit_count())
            chunks = 1 << num_wires - local.bit_count()
            run_stage(state.view(np.float64), stage, made.operations, made.values, room, ONE_STATE, NO_SUMS, 0, chunks)
        columns.append(state * made.values.phases[0])
    return np.array(columns).T


def random_program(rng: np.random.Generator, num_qubits: int, codes: list[Op]) -> Program:
    operations = [oracle.random_operation(rng, num_qubits, 0, codes) for _ in range(int(rng.integers(1, 25)))]
    return oracle.program(num_qubits, 0, operations)


def exchanged(wires: np.ndarray) -> np.ndarray:
    """Return the matrix that takes each wire to the qubit that ends on it."""
    index = np.arange(1 << len(wires))
    return np.eye(len(index))[sum((index >> int(wire) & 1) << qubit for qubit, wire in enumerate(wires))].T


def other_angles(rng: np.random.Generator, number: int) -> np.ndarray:
    return np.where(rng.random(number) < 0.5, rng.choice(SPECIAL, number), rng.uniform(-7, 7, number))


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32), num_qubits=st.integers(4, 6), local_bits=st.integers(4, 6))
@pytest.mark.parametrize("codes", [UNITARY_OPS, GROUPS], ids=["all", "groups"])
def test_stages_and_other_angles(codes: list[Op], seed: int, num_qubits: int, local_bits: int) -> None:
    rng = np.random.default_rng(seed)
    program = random_program(rng, num_qubits, codes)
    if local_bits < num_qubits:
        program = oracle.program(num_qubits, 0, [each for each in program if len(each.targets) <= 2])
    fixed = rng.random(len(program.params)) < rng.choice([0.0, 0.5, 1.0])
    rows, wires = drafts.rows_of(program, fixed), np.arange(num_qubits)
    limits = Limits(num_qubits, 2, local_bits, 2, *count_entries(rows, GATES), 0)
    made = compile_rows(rows, GATES, wires, limits)
    after = exchanged(wires)
    assert np.abs(after @ matrix_of(made, num_qubits) - oracle.unitary(program)).max() < 4e-12
    params = np.where(fixed, program.params, other_angles(rng, len(fixed)))
    expected = oracle.unitary(msgspec.structs.replace(program, params=params))
    assert np.abs(after @ matrix_of(bind(made, params, 0), num_qubits) - expected).max() < 4e-12


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32), num_qubits=st.integers(2, 5))
def test_small_circuits(seed: int, num_qubits: int) -> None:
    rng = np.random.default_rng(seed)
    program = random_program(rng, num_qubits, UNITARY_OPS)
    slots = np.arange(len(program.params), dtype=np.int32)
    made = compile_small(msgspec.structs.replace(program, slots=slots), 2, Cache())
    assert made is not None
    for _ in range(2):
        params = other_angles(rng, len(program.params))
        expected = oracle.unitary(msgspec.structs.replace(program, params=params))[:, 0]
        found = matrix_of(bind(made, params, 0), max(num_qubits, 2))[:, 0]
        assert np.abs(found[: len(expected)] - expected).max() < 4e-12
