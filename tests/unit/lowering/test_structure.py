# SPDX-License-Identifier: Apache-2.0
"""Measurements, registers, phases, preparations and nested definitions become the right rows."""

import math
import time

import numpy as np
import program_oracle
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Clbit, Delay, Gate, Parameter, Qubit
from qiskit.circuit import library as lib
from qiskit.quantum_info import Operator, Statevector, SuperOp, random_statevector

from qfleet.lowering import gates
from qfleet.lowering.lower import lower
from qfleet.wire.codec.programs import encode_program
from qfleet.wire.program.operations import Op


def codes(circuit: QuantumCircuit, **options) -> list[Op]:
    return [row.code for row in lower(circuit, **options)]


def test_an_empty_circuit():
    program = lower(QuantumCircuit())
    assert (len(program), program.num_qubits, program.num_clbits, program.tables) == (0, 0, 0, ())


def test_array_types():
    circuit = QuantumCircuit(2, 1)
    circuit.rx(0.1, 0)
    circuit.unitary(np.eye(2), 1)
    circuit.measure(0, 0)
    program = lower(circuit)
    dtypes = {name: getattr(program, name).dtype for name in ("codes", "num_controls", "num_targets", "operands")}
    assert dtypes == {
        "codes": np.uint8,
        "num_controls": np.uint16,
        "num_targets": np.uint16,
        "operands": np.int32,
    }
    assert (program.clbits.dtype, program.params.dtype, program.table_refs.dtype) == (np.int32, np.float64, np.int32)
    assert program.tables[0].dtype == np.complex128


def test_measure_and_reset_anywhere():
    circuit = QuantumCircuit(3, 4)
    circuit.measure(2, 3)
    circuit.h(2)
    circuit.reset(1)
    circuit.measure(2, 0)
    rows = [(row.code, row.targets, row.clbit) for row in lower(circuit)]
    assert rows == [(Op.MEASURE, (2,), 3), (Op.H, (2,), -1), (Op.RESET, (1,), -1), (Op.MEASURE, (2,), 0)]


def test_nested_instructions_with_clbits():
    inner = QuantumCircuit(2, 2, name="inner")
    inner.cx(1, 0)
    inner.measure([0, 1], [1, 0])
    middle = QuantumCircuit(2, 2, name="middle")
    middle.reset(0)
    middle.append(inner.to_instruction(), [1, 0], [1, 0])
    circuit = QuantumCircuit(4, 5)
    circuit.append(middle.to_instruction(), [3, 1], [4, 2])
    rows = [(row.code, row.controls, row.targets, row.clbit) for row in lower(circuit)]
    # middle: 0 -> 3, 1 -> 1, clbits 0 -> 4, 1 -> 2; inner: 0 -> 1, 1 -> 3, clbits 0 -> 2, 1 -> 4
    assert rows == [
        (Op.RESET, (), (3,), -1),
        (Op.X, (3,), (1,), -1),
        (Op.MEASURE, (), (1,), 4),
        (Op.MEASURE, (), (3,), 2),
    ]


def test_loose_bits_and_registers_that_share_them():
    qubits, clbits = [Qubit() for _ in range(3)], [Clbit() for _ in range(3)]
    circuit = QuantumCircuit(qubits, clbits)
    circuit.add_register(QuantumRegister(name="a", bits=[qubits[2], qubits[0]]))
    circuit.add_register(QuantumRegister(name="b", bits=[qubits[0], qubits[1]]))
    circuit.add_register(ClassicalRegister(name="c", bits=[clbits[2], clbits[1]]))
    circuit.cx(circuit.qregs[0][0], circuit.qregs[1][1])
    circuit.measure(circuit.qregs[0][1], circuit.cregs[0][0])
    rows = [(row.controls, row.targets, row.clbit) for row in lower(circuit)]
    assert rows == [((2,), (1,), -1), ((), (0,), 2)]


@pytest.mark.parametrize("unit", ["dt", "s", "ms", "us", "ns", "ps"])
def test_delays_barriers_and_identities_are_dropped(unit):
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.append(Delay(100, unit), [0])
    circuit.barrier()
    circuit.id(1)
    circuit.x(1)
    assert codes(circuit, output="unitary") == [Op.H, Op.X]


def test_a_delay_of_a_stretch_is_dropped():
    circuit = QuantumCircuit(1)
    circuit.delay(circuit.add_stretch("a"), 0)
    assert codes(circuit) == []


P = Parameter("p")


@pytest.mark.parametrize("phase", [0.5, np.float32(0.5), (P / 2).bind({P: 1})])
def test_a_global_phase_is_the_first_row(phase):
    circuit = QuantumCircuit(1, global_phase=phase)
    circuit.h(0)
    first, second = lower(circuit)
    assert (first.code, first.params, first.targets, second.code) == (Op.GLOBAL_PHASE, (0.5,), (), Op.H)


def test_all_global_phases_are_one_row():
    inner = QuantumCircuit(1, global_phase=1.0)
    inner.h(0)
    circuit = QuantumCircuit(2, global_phase=0.25)
    circuit.append(inner.to_gate(), [0])
    circuit.append(inner.to_gate(), [1])
    circuit.append(lib.GlobalPhaseGate(0.5), [])
    rows = list(lower(circuit))
    assert [row.code for row in rows] == [Op.GLOBAL_PHASE, Op.H, Op.H]
    assert rows[0].params[0] == pytest.approx(2.75)


@pytest.mark.parametrize("phases", [(math.pi, math.pi), (1.0, -1.0), (0.0, 0.0)])
def test_phases_that_cancel_leave_no_row(phases):
    circuit = QuantumCircuit(1)
    for phase in phases:
        circuit.append(lib.GlobalPhaseGate(phase), [])
    assert codes(circuit) == []


def test_a_phase_under_controls_stays_where_it_is():
    inner = QuantumCircuit(1, global_phase=1.0)
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.append(inner.to_gate().control(2, ctrl_state=1, annotated=True), [2, 0, 1])
    _, row = lower(circuit)
    assert (row.code, row.controls, row.targets, row.params) == (Op.GLOBAL_PHASE, (2, ~0), (), (1.0,))


@pytest.mark.parametrize(
    "value", [2, 2.0, np.float32(2), np.float64(2), np.int8(2), (2 * P).bind({P: 1}), (P + 1j - 1j).bind({P: 2})]
)
def test_bound_parameters(value):
    circuit = QuantumCircuit(1)
    circuit.rx(value, 0)
    circuit.append(lib.UGate(value, value, value), [0])
    circuit.append(lib.U2Gate(value, value), [0])
    assert lower(circuit).params.tolist() == [2, 2, 2, 2, math.pi / 2, 2, 2]


def test_initialize_with_amplitudes():
    state = random_statevector(4, seed=1).data
    circuit = QuantumCircuit(3)
    circuit.h(range(3))
    circuit.initialize(state, [2, 0])
    row = list(lower(circuit))[-1]
    assert (row.code, row.targets) == (Op.INITIALIZE, (2, 0))
    np.testing.assert_array_equal(row.table, state)


@pytest.mark.parametrize(
    ("params", "qubits"),
    [("01+", [2, 0, 1]), ("-rl", [1, 2, 0]), (2, [2, 1]), (0, [0, 1, 2]), ([0.6, 0, 0, 0.8j], [1, 2])],
)
def test_initialize_is_the_same_channel(params, qubits):
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.ry(0.3, 2)
    circuit.append(lib.Initialize(params, len(qubits) if isinstance(params, int) else None), qubits)
    same_channel(circuit)


def test_a_wide_label_makes_no_wide_table():
    circuit = QuantumCircuit(40)
    circuit.initialize("01+-" * 10)
    program = lower(circuit)
    assert program.num_targets.tolist() == [1] * 40
    assert len(program.tables) == 4
    assert [row.targets for row in program] == [(qubit,) for qubit in range(40)]


def test_initialize_inside_an_instruction():
    inner = QuantumCircuit(2)
    inner.x(0)
    inner.initialize([0.6, 0.8], [1])
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.append(inner.to_instruction(), [1, 0])
    same_channel(circuit)


def same_channel(circuit: QuantumCircuit) -> None:
    again = program_oracle.circuit(lower(circuit))
    np.testing.assert_allclose(SuperOp(again).data, SuperOp(circuit).data, atol=1e-9)


def preparation() -> lib.StatePreparation:
    return lib.StatePreparation(random_statevector(4, seed=2).data)


def test_a_state_preparation_of_untouched_qubits_is_an_initialization():
    circuit = QuantumCircuit(4)
    circuit.h(0)
    circuit.barrier()
    circuit.append(preparation(), [3, 1])
    assert codes(circuit) == [Op.H, Op.INITIALIZE]
    assert list(lower(circuit))[1].targets == (3, 1)
    zeros = Statevector.from_label("0000")
    exact = zeros.evolve(circuit).data
    np.testing.assert_allclose(zeros.evolve(program_oracle.circuit(lower(circuit))).data, exact, atol=1e-9)


@pytest.mark.parametrize("open_control", [False, True])
def test_a_state_preparation_of_touched_qubits_is_a_unitary(open_control):
    circuit = QuantumCircuit(3)
    circuit.cx(1, 2, ctrl_state=0 if open_control else 1)
    circuit.append(preparation(), [0, 1])
    assert Op.INITIALIZE not in codes(circuit)
    np.testing.assert_allclose(program_oracle.unitary(lower(circuit)), Operator(circuit).data, atol=1e-9)


def test_a_preparation_touches_its_qubits():
    circuit = QuantumCircuit(6)
    circuit.append(preparation(), [0, 1])
    for qubits in ([0, 2], [3, 4], [3, 5]):
        circuit.append(preparation(), qubits)
    initialized = [row.targets for row in lower(circuit) if row.code is Op.INITIALIZE]
    assert initialized == [(0, 1), (3, 4)]


@pytest.mark.parametrize("gate", [preparation().inverse(), lib.StatePreparation("+0"), preparation().control(1)])
def test_other_preparations_stay_unitary(gate):
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate, range(gate.num_qubits))
    assert Op.INITIALIZE not in codes(circuit)
    np.testing.assert_allclose(program_oracle.unitary(lower(circuit)), Operator(circuit).data, atol=1e-9)


def test_a_preparation_stays_unitary_where_a_unitary_is_wanted():
    circuit = QuantumCircuit(2)
    circuit.append(preparation(), [0, 1])
    program = lower(circuit, "unitary")
    np.testing.assert_allclose(program_oracle.unitary(program), Operator(circuit).data, atol=1e-9)


class Counted(Gate):
    """Counts how often its definition is asked for."""

    made = 0

    @property
    def definition(self):
        type(self).made += 1
        body = QuantumCircuit(1)
        body.h(0)
        return body

    @definition.setter
    def definition(self, value):
        pass


def test_a_definition_is_lowered_once():
    gate = Counted("counted", 1, [])
    circuit = QuantumCircuit(3)
    for _ in range(100):
        circuit.append(gate, [2])
    Counted.made = 0
    assert codes(circuit) == [Op.H] * 100
    assert Counted.made == 1


def test_a_definition_that_gates_share_is_lowered_once():
    class Read(QuantumCircuit):
        """Counts how often its instructions are asked for."""

        times = 0

        @property
        def data(self):
            type(self).times += 1
            return super().data

    body = Read(1)
    body.h(0)
    circuit = QuantumCircuit(1)
    for number in range(10):
        gate = Gate(f"gate{number}", 1, [])
        gate.definition = body
        circuit.append(gate, [0])
    Read.times = 0
    assert codes(circuit) == [Op.H] * 10
    assert Read.times == 1


def test_a_standard_gate_of_a_later_qiskit_is_its_definition(monkeypatch):
    monkeypatch.delitem(gates.STANDARD_SHAPES, "rzx")
    circuit = QuantumCircuit(2)
    circuit.rzx(0.3, 0, 1)
    assert Op.RZX not in codes(circuit)
    np.testing.assert_allclose(program_oracle.unitary(lower(circuit)), Operator(circuit).data, atol=1e-9)


def test_the_circuit_stays_as_it_is():
    circuit = QuantumCircuit(3, 1, global_phase=0.3, metadata={"a": 1})
    circuit.append(lib.QFTGate(3), range(3))
    circuit.append(lib.CUGate(0.1, 0.2, 0.3, 0.4, ctrl_state=0), [0, 1])
    circuit.unitary(np.eye(4), [0, 1])
    circuit.measure(0, 0)
    copy = circuit.copy()
    lower(circuit)
    assert circuit == copy
    assert (circuit.name, circuit.metadata, circuit.global_phase) == (copy.name, copy.metadata, copy.global_phase)


def test_equal_circuits_have_equal_blobs():
    def make(name):
        circuit = QuantumCircuit(3, 1, name=name, global_phase=0.3)
        circuit.append(lib.QFTGate(3), range(3))
        circuit.unitary(np.diag([1, 1j]), 0)
        circuit.measure(0, 0)
        return circuit

    assert encode_program(lower(make("a"))) == encode_program(lower(make("b")))


def test_ten_thousand_gates_are_quick():
    """The budget is 2.5 us per gate; ten times that fails when something is wrong, not when the machine is busy."""
    circuit = QuantumCircuit(20)
    for step in range(2500):
        circuit.h(step % 20)
        circuit.cx(step % 20, (step + 3) % 20)
        circuit.rz(0.1 * step, step % 20)
        circuit.rzz(0.1, step % 20, (step + 7) % 20)
    began = time.process_time()
    lower(circuit)
    assert time.process_time() - began < 0.25


def test_a_wide_gate_that_is_called_unitary_and_has_no_matrix():
    inner = QuantumCircuit(40, name="unitary")
    inner.h(range(40))
    circuit = QuantumCircuit(40)
    circuit.append(inner.to_gate(), range(40))
    assert len(lower(circuit)) == 40
