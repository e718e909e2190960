# SPDX-License-Identifier: Apache-2.0
"""Noise models become rows of noise, for the gates and qubits that they name."""

from __future__ import annotations

import math

import numpy as np
import pytest
from noise_oracle import density_matrix, probabilities
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import AnnotatedOperation, Instruction, InverseModifier, Parameter, PowerModifier
from qiskit.circuit.library import QFTGate, UnitaryGate, XGate
from qiskit.quantum_info import Choi, DensityMatrix, Kraus, SparseObservable, SuperOp
from refusals import refused

from qfleet.errors import NoiseError, UnboundParameterError
from qfleet.lowering.lower import lower
from qfleet.noise import Channel, NoiseModel
from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.messages.request import Output
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program

FLIP = Channel.pauli({"X": 0.1})
TWO = Channel.pauli({"XI": 0.2})
READOUT = [[0.9, 0.1], [0.3, 0.7]]


def rows(circuit: QuantumCircuit, noise: NoiseModel | None, output: Output = Output.STATEVECTOR) -> list[str]:
    """Return each row's name and qubits, with the channel of a row of noise."""
    shown = []
    for operation in lower(circuit, output, noise=noise):
        qubits = [*[max(each, ~each) for each in operation.controls], *operation.targets]
        shown.append(" ".join([operation.code.name, *map(str, qubits)]))
    return shown


def test_noise_comes_after_its_gate() -> None:
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.cx(1, 0)
    circuit.y(1)
    circuit.x(1)
    noise = NoiseModel().add(FLIP, "x").add(TWO, "cx")
    assert rows(circuit, noise) == ["X 0", "NOISE 0", "X 1 0", "NOISE 1 0", "Y 1", "X 1", "NOISE 1"]
    program = lower(circuit, noise=noise)
    assert [operation.channel for operation in program if operation.channel] == [FLIP.wire, TWO.wire, FLIP.wire]
    assert len(program.channels) == 2


def test_without_noise_the_program_is_the_same() -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.h(0)
    circuit.measure(0, 0)
    program = lower(circuit, noise=NoiseModel().add(FLIP, "x").add_readout(READOUT, 1))
    assert not program.is_noisy()
    assert rows(circuit, NoiseModel().add(Channel.pauli({"I": 1.0}), "h")) == rows(circuit, None)


def test_local_noise_is_for_ordered_qubits() -> None:
    circuit = QuantumCircuit(2)
    circuit.cx(0, 1)
    circuit.cx(1, 0)
    assert rows(circuit, NoiseModel().add(TWO, "cx", [1, 0])) == ["X 0 1", "X 1 0", "NOISE 1 0"]


def test_labels_name_noise() -> None:
    circuit = QuantumCircuit(1)
    circuit.append(XGate(label="mine"), [0])
    circuit.append(UnitaryGate(np.diag([1, 1j]), label="other"), [0])
    circuit.append(UnitaryGate(np.diag([1, 1j])), [0])
    assert rows(circuit, NoiseModel().add(FLIP, ["x", "mine"])) == ["X 0", "NOISE 0", "UNITARY 0", "UNITARY 0"]
    assert rows(circuit, NoiseModel().add(FLIP, ["x"]))[:2] == ["X 0", "UNITARY 0"]
    assert rows(circuit, NoiseModel().add(FLIP, ["other"]))[2] == "NOISE 0"
    assert rows(circuit, NoiseModel().add(FLIP, ["unitary"]))[-1] == "NOISE 0"


def test_noise_of_measurements_and_resets() -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.reset(0)
    circuit.measure(0, 0)
    noise = NoiseModel().add(FLIP, ["measure", "reset"]).add_readout(READOUT)
    assert rows(circuit, noise) == ["RESET 0", "NOISE 0", "NOISE 0", "MEASURE 0"]
    assert lower(circuit, noise=noise).flips.tolist() == [0.1, 0.3]


def test_readout_errors_are_for_qubits() -> None:
    circuit = QuantumCircuit(3, 3)
    circuit.measure([2, 0, 1], [0, 1, 2])
    noise = NoiseModel().add_readout(READOUT, 0).add_readout([[1, 0], [0.5, 0.5]], 2)
    assert lower(circuit, Output.COUNTS, noise=noise).flips.tolist() == [0, 0.5, 0.1, 0.3, 0, 0]


def test_what_does_nothing_is_noisy() -> None:
    circuit = QuantumCircuit(2)
    circuit.id(0)
    circuit.delay(100, 1, unit="ns")
    circuit.barrier()
    assert rows(circuit, NoiseModel().add(FLIP, ["id", "delay"])) == ["NOISE 0", "NOISE 1"]
    assert rows(circuit, None) == []


@pytest.mark.parametrize(("unit", "duration"), [("s", 1e-5), ("ms", 1e-2), ("us", 10), ("ns", 1e4), ("dt", 5000)])
def test_relaxation_during_delays(unit: str, duration: float) -> None:
    circuit = QuantumCircuit(2)
    circuit.delay(duration, 1, unit=unit)
    noise = NoiseModel().add(FLIP, "delay").with_relaxation([math.inf, 50e-6], [math.inf, 70e-6], dt=2e-9)
    channels = [operation.channel for operation in lower(circuit, noise=noise)]
    assert channels[0] == FLIP.wire
    expected = Channel.thermal_relaxation(50e-6, 70e-6, 1e-5)
    assert channels[1] is not None
    assert np.abs(Channel(1, channels[1].branches).to_superop() - expected.to_superop()).max() < 1e-12
    circuit = QuantumCircuit(2)
    circuit.delay(duration, 0, unit=unit)
    assert rows(circuit, NoiseModel().with_relaxation([math.inf], [math.inf], dt=2e-9)) == []


def test_delays_of_unknown_duration() -> None:
    circuit = QuantumCircuit(1)
    circuit.delay(100, 0)
    text = refused(circuit, NoiseError, noise=NoiseModel().with_relaxation([1.0], [1.0]))
    assert "in dt; give the noise model the seconds of one, by `with_relaxation(..., dt=...)`" in text
    free = QuantumCircuit(1)
    free.delay(Parameter("t"), 0, unit="s")
    assert "(t)" in refused(free, UnboundParameterError, noise=NoiseModel().with_relaxation([1.0], [1.0]))
    wide = QuantumCircuit(2)
    wide.delay(1, 1, unit="s")
    assert "times of 1 qubits" in refused(wide, NoiseError, noise=NoiseModel().with_relaxation([1.0], [1.0]))


def composite() -> QuantumCircuit:
    inner = QuantumCircuit(2, name="inner")
    inner.x(1)
    inner.cx(0, 1)
    circuit = QuantumCircuit(3)
    circuit.append(inner.to_gate(), [2, 0])
    circuit.append(inner.to_gate(), [0, 1])
    return circuit


def test_composite_gates_are_their_gates() -> None:
    noise = NoiseModel().add(FLIP, "x", 0).add(TWO, "cx", [2, 0])
    assert rows(composite(), noise) == ["X 0", "NOISE 0", "X 2 0", "NOISE 2 0", "X 1", "X 0 1"]


def test_a_named_composite_gate_is_noisy_as_a_whole() -> None:
    noise = NoiseModel().add(FLIP, ["x"]).add(TWO, "inner")
    assert rows(composite(), noise) == ["X 0", "X 2 0", "NOISE 2 0", "X 1", "X 0 1", "NOISE 0 1"]


def test_gates_under_modifiers() -> None:
    inner = QuantumCircuit(1, name="inner")
    inner.x(0)
    inner.x(0)
    circuit = QuantumCircuit(2)
    circuit.append(AnnotatedOperation(inner.to_gate(), InverseModifier()), [0])
    assert rows(circuit, NoiseModel().add(FLIP, "x")) == ["X 0", "X 0"]
    circuit = QuantumCircuit(2)
    circuit.append(inner.to_gate().control(), [0, 1])
    noise = NoiseModel().add(FLIP, "x").add(TWO, "cx")
    assert rows(circuit, noise) == ["X 0 1", "NOISE 0 1", "X 0 1", "NOISE 0 1"]
    circuit = QuantumCircuit(5)
    circuit.mcx([0, 1, 2, 3], 4)
    assert rows(circuit, noise) == ["X 0 1 2 3 4"]


def test_controls_on_zero_are_gates() -> None:
    circuit = QuantumCircuit(2)
    circuit.cx(0, 1, ctrl_state=0)
    noise = NoiseModel().add(FLIP, "x").add(TWO, "cx")
    assert rows(circuit, noise) == ["X 0", "NOISE 0", "X 0 1", "NOISE 0 1", "X 0", "NOISE 0"]
    assert rows(circuit, None) == ["X 0 1"]


def test_a_state_preparation_is_its_gates() -> None:
    circuit = QuantumCircuit(2)
    circuit.prepare_state([0.6, 0, 0, 0.8])
    assert rows(circuit, None) == ["INITIALIZE 0 1"]
    names = {name.split()[0] for name in rows(circuit, NoiseModel().add(TWO, "cx"))}
    assert {"NOISE", "X"} <= names
    assert "INITIALIZE" not in names


def test_readout_errors_leave_the_rows_as_they_are() -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.prepare_state([0.6, 0, 0, 0.8])
    circuit.measure(0, 0)
    assert rows(circuit, NoiseModel().add_readout(READOUT)) == ["INITIALIZE 0 1", "MEASURE 0"]
    assert encode_program(lower(circuit, noise=NoiseModel())) == encode_program(lower(circuit))


def test_paulis_are_one_gate() -> None:
    circuit = QuantumCircuit(2)
    circuit.pauli("XX", [0, 1])
    assert "NOISE" not in " ".join(rows(circuit, NoiseModel().add(FLIP, "x")))
    assert rows(circuit, NoiseModel().add(TWO, "pauli"))[-1] == "NOISE 0 1"


def flow_circuit() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)) as otherwise:
        circuit.id(1)
    with otherwise:
        circuit.id(0)
        circuit.x(0)
    with circuit.for_loop(range(2)):
        circuit.y(0)
    with circuit.while_loop((1, 1)):
        circuit.x(1)
        circuit.measure(1, 1)
    return circuit


def test_noise_in_control_flow() -> None:
    """Rows without a channel are dropped, and jumps lead to where they led."""
    noise = NoiseModel().add(FLIP, ["id", "x", "measure"], 1).add(TWO, "cx")
    program = lower(flow_circuit(), noise=noise)
    shown = [operation.code.name for operation in program]
    assert shown == [
        *["MEASURE", "JUMP_UNLESS", "NOISE", "JUMP", "X", "Y", "Y"],
        *["JUMP_UNLESS", "X", "NOISE", "NOISE", "MEASURE", "JUMP"],
    ]
    assert program.jumps.tolist() == [4, 5, 13, 7]
    assert [row for row, _ in program.loops] == [7]
    everywhere = lower(flow_circuit(), noise=NoiseModel().add(FLIP, ["id", "x", "y", "measure"]))
    assert [operation.code.name for operation in everywhere][:6] == [
        *["NOISE", "MEASURE", "JUMP_UNLESS", "NOISE", "JUMP", "NOISE"]
    ]
    assert everywhere.jumps.tolist()[:2] == [5, 8]


def exact(circuit: QuantumCircuit) -> DensityMatrix:
    return DensityMatrix(circuit)


DAMPING = [np.diag([1, 0.8**0.5]), 0.2**0.5 * np.array([[0, 1], [0, 0]])]


@pytest.mark.parametrize("form", [Kraus, SuperOp, Choi])
def test_errors_of_qiskit_in_circuits(form: type) -> None:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.append(form(Kraus(DAMPING)), [0])
    circuit.cx(0, 1)
    circuit.append(form(SuperOp(Channel.depolarizing(0.3, 2).to_superop())).to_instruction(), [1, 0])
    program = lower(circuit)
    assert np.abs(density_matrix(program) - exact(circuit).data).max() < 1e-12
    assert rows(circuit, None)[1] == "NOISE 0"
    inside = QuantumCircuit(2)
    inside.append(circuit.to_instruction(), [1, 0])
    assert np.abs(density_matrix(lower(inside)) - DensityMatrix(inside.decompose()).data).max() < 1e-12


def test_powers_of_errors() -> None:
    noisy = QuantumCircuit(1, name="noisy")
    noisy.h(0)
    noisy.append(Kraus(DAMPING).to_instruction(), [0])
    circuit = QuantumCircuit(1)
    circuit.append(AnnotatedOperation(noisy.to_instruction(), PowerModifier(2)), [0])
    twice = noisy.compose(noisy)
    assert np.abs(density_matrix(lower(circuit)) - exact(twice).data).max() < 1e-12


def test_wrong_errors_in_circuits() -> None:
    circuit = QuantumCircuit(1)
    circuit.append(Instruction("kraus", 1, 0, [np.diag([1, 0.5])]), [0])
    text = refused(circuit, NoiseError)
    assert "'kraus' at position 0" in text
    assert "don't preserve the trace" in text
    controlled = QuantumCircuit(2)
    noisy = QuantumCircuit(1, name="noisy")
    noisy.append(Kraus(DAMPING).to_instruction(), [0])
    controlled.append(AnnotatedOperation(noisy.to_instruction(), InverseModifier()), [0])
    assert "can't be inverted" in refused(controlled)


def test_a_unitary_has_no_noise() -> None:
    circuit = QuantumCircuit(1)
    circuit.x(0)
    noise = NoiseModel().add(FLIP, "x")
    assert "has noise, so it has no unitary" in refused(circuit, NoiseError, output=Output.UNITARY, noise=noise)
    lower(circuit, Output.UNITARY, noise=NoiseModel().add(FLIP, "y"))
    circuit.append(Kraus(DAMPING), [0])
    assert "can't be part of a unitary" in refused(circuit, output=Output.UNITARY)


def test_a_channel_of_another_width() -> None:
    circuit = QuantumCircuit(2)
    circuit.append(UnitaryGate(np.eye(4), label="mine"), [0, 1])
    text = refused(circuit, NoiseError, noise=NoiseModel().add(FLIP, "mine"))
    assert text == f"circuit {circuit.name!r}: gate 'mine' acts on 2 qubits; its channel in the noise model has 1"


def test_transpiled_or_inlined_is_the_same() -> None:
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.append(QFTGate(3), [2, 0, 1])
    noise = NoiseModel().add(Channel.depolarizing(0.1), "h").add(Channel.depolarizing(0.2, 2), ["cp", "swap"])
    flat = transpile(circuit, basis_gates=["h", "cp", "swap"], optimization_level=0)
    difference = density_matrix(lower(circuit, noise=noise)) - density_matrix(lower(flat, noise=noise))
    assert np.abs(difference).max() < 1e-12


def test_gates_met() -> None:
    met: set[tuple[str, int]] = set()
    lower(composite(), noise=NoiseModel().add(FLIP, "y"), gates_met=met)
    assert met == {("x", 1), ("cx", 2)}


def test_readout_errors_in_circuits() -> None:
    circuit = QuantumCircuit(1, 2)
    circuit.x(0)
    circuit.measure(0, 0)
    circuit.measure(0, 1)
    circuit.append(readout_error(READOUT), [], [0])
    noise = NoiseModel().add_readout([[1, 0], [0.5, 0.5]])
    program = lower(circuit, noise=noise)
    assert probabilities(program) == pytest.approx({0b00: 0.3, 0b01: 0.2, 0b10: 0.3, 0b11: 0.2})
    outer = QuantumCircuit(1, 3)
    outer.measure(0, 0)
    outer.append(circuit.to_instruction(), [0], [2, 1])
    assert lower(outer).flips.tolist() == [0, 0, 0.1, 0.3, 0, 0]


def readout_error(matrix: list[list[float]]) -> object:
    return Instruction("roerror", 0, len(matrix).bit_length() - 1, [np.array(row) for row in matrix])


def test_readout_errors_that_cannot_be_run() -> None:
    circuit = QuantumCircuit(1, 2)
    circuit.append(readout_error(READOUT), [], [0])
    assert "isn't measured before it" in refused(circuit)
    circuit = QuantumCircuit(1, 2)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.x(0)
    circuit.append(readout_error(READOUT), [], [0])
    assert "isn't measured before it" in refused(circuit)
    circuit = QuantumCircuit(1, 2)
    circuit.measure(0, 0)
    circuit.append(readout_error([[0.25] * 4] * 4), [], [0, 1])
    assert "one clbit" in refused(circuit)
    circuit = QuantumCircuit(1, 2)
    circuit.measure(0, 0)
    circuit.append(readout_error([[0.9, 0.2], [0, 1]]), [], [0])
    assert "row 0" in refused(circuit, NoiseError)


def test_expectation_values_vary_with_noise() -> None:
    circuit = QuantumCircuit(1)
    circuit.x(0)

    def varies(noise: NoiseModel | None) -> bool:
        program: Program = lower(circuit, Output.EXPECTATION_VALUES, observables=[SparseObservable("Z")], noise=noise)
        return program.saves[-1].spec.squares

    assert not varies(None)
    assert varies(NoiseModel().add(FLIP, "x"))
    circuit = QuantumCircuit(1)
    circuit.id(0)
    assert varies(NoiseModel().add(FLIP, "id"))
    circuit.x(0)
    assert not varies(NoiseModel().add(FLIP, "y"))
    assert Op.NOISE in lower(circuit, noise=NoiseModel().add(FLIP, "x")).codes


def scheduled() -> QuantumCircuit:
    """Return a circuit with delays on more qubits than it measures."""
    circuit = QuantumCircuit(6, 1)
    circuit.h(1)
    circuit.cx(1, 2)
    circuit.rx(0.2, 4)
    circuit.cx(4, 5)
    circuit.ry(0.3, 2)
    circuit.unitary(np.diag([1, 1j]), 4)
    for qubit in range(6):
        circuit.delay(1000, qubit, unit="ns")
    circuit.measure(1, 0)
    return circuit


def test_qubits_that_nothing_observes_are_dropped() -> None:
    noise = NoiseModel().add(FLIP, "rx").with_relaxation([50e-6] * 6, [50e-6] * 6)
    program = lower(scheduled(), Output.COUNTS, noise=noise)
    assert program.num_qubits == 2
    assert [operation.code.name for operation in program] == ["H", "X", "RY", "NOISE", "NOISE", "MEASURE"]
    assert program.params.tolist() == [0.3]
    assert (program.tables, len(program.channels)) == ((), 1)
    assert lower(scheduled(), Output.STATEVECTOR, noise=noise).num_qubits == 6
    assert lower(scheduled(), Output.COUNTS).num_qubits == 4
    whole = probabilities(lower(scheduled(), Output.STATEVECTOR, noise=noise))
    assert probabilities(program) == pytest.approx(whole)


@pytest.mark.parametrize("measured", [0, 3])
def test_qubits_that_measured_ones_depend_on_stay(measured: int) -> None:
    circuit = QuantumCircuit(5, 1)
    circuit.cx(2, 3)
    circuit.cx(1, 2)
    circuit.cx(0, 1)
    circuit.x(4)
    circuit.measure(measured, 0)
    assert lower(circuit, Output.COUNTS, noise=NoiseModel().add(FLIP, "x").add(TWO, "cx")).num_qubits == 4


def test_observed_qubits_stay() -> None:
    noise = NoiseModel().with_relaxation([50e-6] * 6, [50e-6] * 6)
    circuit = scheduled().remove_final_measurements(inplace=False)
    observable = SparseObservable.from_sparse_list([("Z", [0], 1.0)], 6)
    program = lower(circuit, Output.EXPECTATION_VALUES, observables=[observable], noise=noise)
    assert [operation.code.name for operation in program] == ["NOISE", "SAVE"]


def test_slots_of_dropped_qubits() -> None:
    one, other = Parameter("a"), Parameter("b")
    circuit = QuantumCircuit(2, 1)
    circuit.x(0)
    circuit.rx(one, 0)
    circuit.rx(other, 1)
    circuit.measure(1, 0)
    program = lower(circuit, Output.COUNTS, noise=NoiseModel().add(FLIP, "x"))
    assert (program.slots.tolist(), len(program.slot_refs)) == ([0], 1)
    decoded = decode_program(encode_program(program))
    assert decoded.num_parameters == 2
