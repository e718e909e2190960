# SPDX-License-Identifier: Apache-2.0
"""Qubits that no operation names are dropped, and nothing else."""

from __future__ import annotations

import engine_oracle as oracle
import msgspec
import numpy as np
import pytest
from engine_oracle import measure, op
from hypothesis import given, settings
from hypothesis import strategies as st
from make_experiments import make_experiment
from qiskit import QuantumCircuit

from qfleet.lowering.lower import lower
from qfleet.lowering.passes.idle_qubits import drop_idle_qubits
from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Save, SaveKind
from qfleet_worker.engines.numpy.simulator import NumpySimulator

CODES = [Op.H, Op.RY, Op.X, Op.SWAP, Op.UNITARY, Op.RZZ, Op.MEASURE, Op.RESET, Op.GLOBAL_PHASE]


def stretched(program: Program, places: list[int], num_qubits: int) -> Program:
    """Return the program with its qubits at some places of a larger register."""
    table = np.array(places)
    operands = program.operands
    moved = np.where(operands < 0, ~table[~operands], table[operands])
    return msgspec.structs.replace(program, num_qubits=num_qubits, operands=moved.astype(np.int32))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.data())
def test_circuits_give_the_same_shots_without_them(seed: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    operations = [oracle.random_operation(rng, 4, 5, CODES) for _ in range(15)]
    program = oracle.program(4, 5, [*operations, *map(measure, range(4), range(4))])
    places = sorted(data.draw(st.sets(st.integers(0, 200), min_size=4, max_size=4)))
    wide = stretched(program, places, 201)
    found = drop_idle_qubits(wide)
    assert found.num_qubits == 4
    np.testing.assert_array_equal(found.operands, program.operands)
    assert found.operands.dtype == np.int32
    assert encode_program(found) == encode_program(program)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32))
def test_a_circuit_with_idle_qubits_samples_as_before(seed: int) -> None:
    rng = np.random.default_rng(seed)
    operations = [oracle.random_operation(rng, 3, 4, CODES) for _ in range(12)]
    wide = stretched(oracle.program(3, 4, [*operations, measure(1, 0)]), [1, 4, 5], 7)
    engine = NumpySimulator()
    shots = []
    for program in (wide, drop_idle_qubits(wide)):
        outcome = engine.run(make_experiment(program, 50, seed, memory=True))
        assert outcome.memory is not None
        shots.append(outcome.outcomes[outcome.memory].tolist())
    assert shots[0] == shots[1]


def test_controls_keep_their_kind() -> None:
    program = oracle.program(9, 0, [op(Op.X, [7], controls=[2, ~5])])
    found = drop_idle_qubits(program)
    (row,) = found
    assert (found.num_qubits, row.targets, row.controls) == (3, (2,), (0, ~1))


def test_an_open_control_alone_names_its_qubit() -> None:
    found = drop_idle_qubits(oracle.program(3, 0, [op(Op.H, [2], controls=[~0])]))
    assert (found.num_qubits, found.operands.tolist()) == (2, [~0, 1])


@pytest.mark.parametrize("program", [oracle.program(5, 2, []), oracle.program(5, 2, [op(Op.GLOBAL_PHASE, [], [1.5])])])
def test_one_qubit_stays_where_nothing_is_done(program: Program) -> None:
    found = drop_idle_qubits(program)
    assert (found.num_qubits, found.num_clbits, len(found)) == (1, 2, len(program))
    decode_program(encode_program(found))


def test_a_circuit_without_idle_qubits_is_left() -> None:
    program = oracle.program(2, 0, [op(Op.SWAP, [0, 1])])
    assert drop_idle_qubits(program) is program


def saving(kind: SaveKind, targets: list[int]) -> Program:
    save = Save(kind=kind, label="x", subtype="single" if kind is SaveKind.STATEVECTOR else "average")
    operations = oracle.program(4, 0, [op(Op.H, [2])])
    return msgspec.structs.replace(
        operations,
        codes=np.append(operations.codes, np.uint8(Op.SAVE)),
        num_controls=np.append(operations.num_controls, np.uint16(0)),
        num_targets=np.append(operations.num_targets, np.uint16(len(targets))),
        operands=np.append(operations.operands, np.array(targets, np.int32)),
        save_refs=np.zeros(1, np.int32),
        saves=(save,),
    )


def test_what_is_saved_of_all_qubits_needs_all() -> None:
    program = saving(SaveKind.STATEVECTOR, [0, 1, 2, 3])
    assert drop_idle_qubits(program) is program


def test_what_is_saved_of_some_qubits_needs_those() -> None:
    found = drop_idle_qubits(saving(SaveKind.PROBABILITIES, [3, 1]))
    assert (found.num_qubits, found.operands.tolist()) == (3, [1, 2, 0])


def test_of_a_circuit_that_was_laid_out_for_a_large_device_little_is_left() -> None:
    circuit = QuantumCircuit(127, 2)
    circuit.h(63)
    circuit.cx(63, 100)
    circuit.measure([63, 100], [0, 1])
    found = drop_idle_qubits(lower(circuit))
    assert found.num_qubits == 2
    outcome = NumpySimulator().run(make_experiment(found, 100, 1))
    assert outcome.outcomes.reshape(-1).tolist() == [0, 3]
