# SPDX-License-Identifier: Apache-2.0
"""The first row that isn't a Clifford operation is named; each kind of row is looked at once."""

from __future__ import annotations

import math
import time
from unittest.mock import patch

import engine_oracle as oracle
import numpy as np
import pytest
from msgspec.structs import replace
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qfleet.lowering.lower import lower
from qfleet.noise import Channel, NoiseModel
from qfleet.wire.messages.request import Output
from qfleet.wire.program import clifford_programs
from qfleet.wire.program.angles import fill, filled
from qfleet.wire.program.clifford_programs import IS_GATE, Rows, clifford_refusal
from qfleet.wire.program.cliffords import clifford_of
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program


def lowered(circuit: QuantumCircuit, noise: NoiseModel | None = None) -> Program:
    return lower(circuit, Output.COUNTS, noise=noise)


def random_program(seed: int, rows: int = 40) -> Program:
    rng = np.random.default_rng(seed)
    codes = [code for code in Op if IS_GATE[code] and code not in (Op.T, Op.TDG, Op.RCCX, Op.RC3X, Op.INITIALIZE)]
    found = []
    for _ in range(rows):
        each = oracle.random_operation(rng, 5, 0, codes)
        if rng.random() < 0.9:
            each = each._replace(params=tuple([round(angle) * math.pi / 2 for angle in each.params]))
        found.append(each)
    return oracle.program(5, 0, found)


@pytest.mark.parametrize("seed", range(30))
def test_the_first_row_that_is_none_is_found(seed: int) -> None:
    program = random_program(seed)
    plain = [row for row, operation in enumerate(program) if clifford_of(operation) is None]
    text = clifford_refusal(program)
    assert text.startswith(f"operation {plain[0]}, ") if plain else not text


@pytest.mark.parametrize("seed", range(10))
def test_rows_of_one_kind_differ_in_their_qubits_alone(seed: int) -> None:
    program = random_program(seed, 120)
    rows = Rows(program)
    wanted = np.arange(0, len(program), 2)
    kinds = rows.kinds(wanted)
    numbers: dict[object, int] = {}
    for row, kind in zip(wanted.tolist(), kinds.of_rows.tolist(), strict=True):
        each = rows.gate(row)
        table = None if each.table is None else each.table.tobytes()
        key = each.code, tuple(c < 0 for c in each.controls), len(each.targets), each.params, table
        assert numbers.setdefault(key, kind) == kind
    assert len(set(numbers.values())) == len(numbers)
    first = {kind: row for row, kind in reversed(list(zip(wanted.tolist(), kinds.of_rows.tolist(), strict=True)))}
    assert kinds.firsts.tolist() == [first[kind] for kind in range(len(first))]


def test_a_gate_is_named_with_its_angles_and_qubits() -> None:
    circuit = QuantumCircuit(4)
    circuit.h(range(4))
    circuit.cp(0.25, 1, 3)
    assert clifford_refusal(lowered(circuit)) == "operation 4, cp(0.25) on qubits 1, 3, isn't a Clifford gate"
    circuit = QuantumCircuit(4)
    circuit.h(range(4))
    circuit.t(3)
    assert clifford_refusal(lowered(circuit)) == "operation 4, t on qubit 3, isn't a Clifford gate"
    circuit = QuantumCircuit(9)
    circuit.mcx(list(range(8)), 8)
    assert clifford_refusal(lowered(circuit)) == (
        "operation 0, x with 8 controls on qubits 0, 1, 2, 3, 4, 5, 6, 7, ..., has more than 6 qubits, and wider "
        "Clifford operations aren't recognised"
    )


def test_states_that_are_none_are_named() -> None:
    circuit = QuantumCircuit(2)
    circuit.initialize("+r")
    assert clifford_refusal(lowered(circuit)) == ""
    circuit.initialize([0.6, 0.8], 1)
    assert clifford_refusal(lowered(circuit)) == "operation 2, initialize on qubit 1, gives no stabilizer state"
    program = oracle.program(1, 0, [oracle.op(Op.SET_DENSITY_MATRIX, [0], table=[1, 0, 0, 0])])
    assert clifford_refusal(program) == "operation 0, set_density_matrix on qubit 0, gives no stabilizer state"


def test_mixtures_of_paulis_and_resets_count_and_other_noise_is_named() -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.x(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    noise = NoiseModel().add(Channel.depolarizing(0.1), "x").add(Channel.depolarizing(0.1, 2), "cx")
    assert len(lowered(circuit, noise).channels) == 2
    assert clifford_refusal(lowered(circuit, noise)) == ""
    noise = NoiseModel().add(Channel.thermal_relaxation(50, 30, 1), "x")
    assert clifford_refusal(lowered(circuit, noise)) == ""
    noise = NoiseModel().add(Channel.amplitude_damping(0.1), "x")
    assert clifford_refusal(lowered(circuit, noise)) == (
        "operation 1, noise on qubit 0, isn't a mixture of Paulis and resets to |0>"
    )


def test_angles_without_values_are_left_out() -> None:
    theta = Parameter("theta")
    circuit = QuantumCircuit(1)
    circuit.rz(theta, 0)
    circuit.u(theta, 0.0, 0.0, 0)
    program = lowered(circuit)
    assert clifford_refusal(program) == ""
    bound = replace(program, num_parameters=0, params=np.array([math.pi / 2, math.pi, 0.0, 0.0]))
    assert clifford_refusal(bound) == ""
    bound = replace(program, num_parameters=0, params=np.array([math.pi / 2, 0.1, 0.0, 0.0]))
    assert clifford_refusal(bound) == "operation 1, u(0.1, 0, 0) on qubit 0, isn't a Clifford gate"


def test_many_rows_of_few_kinds_take_milliseconds() -> None:
    circuit = QuantumCircuit(1000)
    for layer in range(30):
        for qubit in range(0, 999, 2):
            circuit.rz((qubit + layer) % 5 * math.pi / 2, qubit)
            circuit.ecr(qubit, qubit + 1)
    program = lowered(circuit)
    with patch.object(clifford_programs, "clifford_of", wraps=clifford_of) as looked:
        start = time.process_time()
        assert clifford_refusal(program) == ""
        seconds = time.process_time() - start
    assert len(program) == 30_000
    assert looked.call_count <= 2 * 6
    assert seconds < 1


@pytest.mark.parametrize("seed", range(12))
def test_angles_at_several_points_are_looked_at_together(seed: int) -> None:
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(3)
    free = [Parameter(f"p{number}") for number in range(4)]
    circuit.h(0)
    circuit.rzz(free[0], 0, 2)
    circuit.cx(0, 1)
    circuit.u(free[1], free[2] + math.pi, 0.0, 1)
    circuit.cry(2 * free[3], 2, 0)
    program = lowered(circuit)
    values = rng.integers(-4, 5, (20, 4)) * math.pi / 2
    if seed % 2:
        values[rng.integers(20), rng.integers(4)] += 0.1
    angles = fill(program, values)
    expected = ""
    for point, params in enumerate(angles):
        refusal = clifford_refusal(filled(program, params))
        if refusal:
            expected = f"{refusal} at point {point}"
            break
    assert bool(expected) == bool(seed % 2)
    assert clifford_refusal(program, angles) == expected
    assert clifford_refusal(program, angles[:1]) == clifford_refusal(filled(program, angles[0]))


def test_a_row_without_parameters_comes_first() -> None:
    circuit = QuantumCircuit(1)
    circuit.rz(Parameter("p"), 0)
    circuit.t(0)
    assert clifford_refusal(lowered(circuit), np.zeros((2, 1))) == "operation 1, t on qubit 0, isn't a Clifford gate"


@pytest.mark.parametrize("place", [0, 255, 256, 700])
def test_other_gates_are_found_among_the_first_rows_and_behind_them(place: int) -> None:
    circuit = QuantumCircuit(2)
    for row in range(800):
        circuit.u(0.0, 0.1 if row == place else 0.0, 0.0, row % 2)
    assert clifford_refusal(lowered(circuit)).startswith(f"operation {place}, u(0, 0.1, 0) on qubit {place % 2}")
