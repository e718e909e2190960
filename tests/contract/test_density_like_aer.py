# SPDX-License-Identifier: Apache-2.0
"""Density matrices element by element against Aer's: every kind of channel on one to three qubits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from density_oracle import random_operators
from engines import ENGINES
from in_process import run_in_process
from qiskit import QuantumCircuit
from qiskit.circuit import Instruction
from qiskit.quantum_info import Kraus, SuperOp, random_quantum_channel

from qfleet.errors import UnsupportedCircuitError

aer = pytest.importorskip("qiskit_aer", reason="pip install -e '.[dev]' installs it")
errors = pytest.importorskip("qiskit_aer.noise")
#: A first circuit never waits for the compiler.
pytestmark = pytest.mark.usefixtures("nothing_compiles")


def _alike(make: Callable[[], object]) -> Callable[[int], object]:
    """Return a maker of the same error on each of several qubits."""

    def made(num_qubits: int) -> object:
        error = make()
        for _ in range(num_qubits - 1):
            error = error.expand(make())
        return error

    return made


def _random_kraus(num_qubits: int) -> object:
    rng = np.random.default_rng(num_qubits)
    return errors.kraus_error(list(random_operators(rng, num_qubits, 3)))


def _coherent(num_qubits: int) -> object:
    return errors.coherent_unitary_error(random_operators(np.random.default_rng(4), num_qubits, 1)[0])


CHANNELS: dict[str, Callable[[int], object]] = {
    "pauli": lambda n: errors.pauli_error([("I" * n, 0.7), ("XYZ"[:n], 0.2), ("ZXY"[:n], 0.1)]),
    "depolarizing": lambda n: errors.depolarizing_error(0.2, n),
    "mixture with reset": _alike(lambda: errors.thermal_relaxation_error(50, 30, 20, 0.2)),
    "relaxation with Kraus operators": _alike(lambda: errors.thermal_relaxation_error(50, 80, 20, 0.1)),
    "amplitude damping": _alike(lambda: errors.amplitude_damping_error(0.3, 0.1)),
    "phase damping": _alike(lambda: errors.phase_damping_error(0.4)),
    "reset": _alike(lambda: errors.reset_error(0.1, 0.2)),
    "Kraus": _random_kraus,
    "coherent": _coherent,
    "composed": lambda n: errors.depolarizing_error(0.1, n).compose(_random_kraus(n)),
}


def circuit_with(instruction: object, num_qubits: int) -> QuantumCircuit:
    """Return a circuit with an instruction between gates, on its qubits backwards."""
    circuit = QuantumCircuit(max(3, num_qubits))
    for qubit in range(circuit.num_qubits):
        circuit.u(0.3 + qubit, 0.7, 1.9 - qubit, qubit)
    circuit.cx(0, 1)
    circuit.cz(1, 2)
    circuit.append(instruction, list(reversed(range(num_qubits))))
    circuit.rzz(0.3, 0, 2)
    circuit.sx(1)
    return circuit


def saved(circuit: QuantumCircuit, name: str, **options: object) -> np.ndarray:
    """Return the density matrix that an engine saves."""
    result = run_in_process(circuit, ENGINES[name](), method="density_matrix", **options)
    assert result.results[0].metadata["method"] == "density_matrix"
    return np.asarray(result.data(circuit)["density_matrix"])


def of_aer(circuit: QuantumCircuit, **options: object) -> np.ndarray:
    """Return the density matrix that Aer saves."""
    return np.asarray(
        aer.AerSimulator(method="density_matrix", **options).run(circuit).result().data()["density_matrix"]
    )


@pytest.mark.parametrize("num_qubits", [1, 2, 3])
@pytest.mark.parametrize("kind", CHANNELS)
@pytest.mark.parametrize("name", ENGINES)
def test_errors_in_circuits(name: str, kind: str, num_qubits: int) -> None:
    circuit = circuit_with(CHANNELS[kind](num_qubits).to_instruction(), num_qubits)
    circuit.save_density_matrix()
    assert np.abs(saved(circuit, name) - of_aer(circuit)).max() < 1e-10


@pytest.mark.parametrize("num_qubits", [1, 2, 3])
@pytest.mark.parametrize("name", ENGINES)
def test_channels_of_qiskit(name: str, num_qubits: int) -> None:
    channel = SuperOp(random_quantum_channel(2**num_qubits, seed=num_qubits))
    for instruction in (channel.to_instruction(), Kraus(channel).to_instruction()):
        circuit = circuit_with(instruction, num_qubits)
        circuit.save_density_matrix([2, 0])
        assert np.abs(saved(circuit, name) - of_aer(circuit)).max() < 1e-10


@pytest.mark.parametrize("name", ENGINES)
def test_a_model_of_errors(name: str) -> None:
    model = errors.NoiseModel()
    model.add_all_qubit_quantum_error(errors.depolarizing_error(0.05, 1), ["u", "sx"])
    model.add_all_qubit_quantum_error(CHANNELS["relaxation with Kraus operators"](2), ["cx", "rzz"])
    model.add_quantum_error(_random_kraus(2), ["cz"], [1, 2])
    circuit = circuit_with(CHANNELS["reset"](2).to_instruction(), 2)
    circuit.reset(1)
    circuit.h(1)
    circuit.save_density_matrix()
    ours = saved(circuit, name, noise_model=model)
    assert np.abs(ours - of_aer(circuit, noise_model=model)).max() < 1e-10


@pytest.mark.parametrize("name", ENGINES)
def test_a_density_matrix_is_set(name: str) -> None:
    rng = np.random.default_rng(3)
    entries = random_operators(rng, 2, 1)[0]
    matrix = entries @ np.diag([0.4, 0.3, 0.2, 0.1]) @ entries.conj().T
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.set_density_matrix(matrix)
    circuit.cx(0, 1)
    circuit.append(CHANNELS["Kraus"](1).to_instruction(), [1])
    circuit.save_density_matrix()
    assert np.abs(saved(circuit, name) - of_aer(circuit)).max() < 1e-10
    assert np.abs(saved(circuit, name) - saved(circuit, name, precision="single")).max() < 1e-10


@pytest.mark.parametrize("name", ENGINES)
def test_the_state_is_saved(name: str) -> None:
    circuit = circuit_with(CHANNELS["reset"](2).to_instruction(), 2)
    circuit.save_state()
    assert np.abs(saved(circuit, name) - of_aer(circuit)).max() < 1e-10


def test_a_circuit_that_sets_its_density_matrix_has_that_method() -> None:
    circuit = QuantumCircuit(1)
    circuit.set_density_matrix(np.eye(2) / 2)
    circuit.measure_all()
    engine = ENGINES["statevector"]()
    result = run_in_process(circuit, engine, shots=1000)
    assert result.results[0].metadata["method_reason"] == "automatic: the circuit sets a density matrix"
    assert set(result.get_counts()) == {"0", "1"}
    with pytest.raises(UnsupportedCircuitError, match="sets a density matrix, which method='statevector'"):
        run_in_process(circuit, engine, method="statevector")


@pytest.mark.parametrize(
    ("matrix", "text"), [(np.eye(2), "trace isn't 1"), (np.diag([1.5, -0.5]), "negative"), (np.eye(4) / 4, "shape")]
)
def test_what_is_no_density_matrix_is_refused(matrix: np.ndarray, text: str) -> None:
    circuit = QuantumCircuit(1)
    circuit.append(Instruction("set_density_matrix", 1, 0, [matrix]), [0])
    with pytest.raises(UnsupportedCircuitError, match=text):
        run_in_process(circuit, ENGINES["numpy"]())


def superop(circuit: QuantumCircuit, name: str, **options: object) -> SuperOp:
    """Return the superoperator that an engine saves."""
    result = run_in_process(circuit, ENGINES[name](), **options)
    assert result.results[0].metadata["method"] == "superop"
    return result.data(circuit)["superop"]


@pytest.mark.parametrize("num_qubits", [1, 2, 3])
@pytest.mark.parametrize("name", ENGINES)
def test_superoperators(name: str, num_qubits: int) -> None:
    circuit = QuantumCircuit(num_qubits)
    for qubit in range(num_qubits):
        circuit.u(0.3 + qubit, 0.7, 1.9 - qubit, qubit)
        circuit.append(CHANNELS["amplitude damping"](1).to_instruction(), [qubit])
    if num_qubits > 1:
        circuit.cx(1, 0)
        circuit.swap(0, num_qubits - 1)
        circuit.append(CHANNELS["Kraus"](2).to_instruction(), [num_qubits - 1, 0])
        circuit.reset(0)
        circuit.ry(0.3, 0)
    expected = SuperOp(circuit) if num_qubits == 1 else None
    circuit.save_superop()
    of_aers = np.asarray(aer.AerSimulator(method="superop").run(circuit).result().data()["superop"])
    found = superop(circuit, name)
    assert np.abs(np.asarray(found) - of_aers).max() < 1e-10
    if expected is not None:
        assert np.abs(np.asarray(found) - np.asarray(expected)).max() < 1e-10


@pytest.mark.parametrize("name", ENGINES)
def test_a_superoperator_is_set(name: str) -> None:
    channel = SuperOp(random_quantum_channel(4, seed=3))
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.swap(0, 1)
    circuit.cx(1, 0)
    circuit.set_superop(channel)
    circuit.u(0.3, 0.4, 0.5, 1)
    circuit.cx(0, 1)
    circuit.save_state()
    of_aers = aer.AerSimulator(method="superop").run(circuit).result().data()["superop"]
    assert np.abs(np.asarray(superop(circuit, name, method="superop")) - np.asarray(of_aers)).max() < 1e-10


def test_what_has_no_superoperator_is_refused() -> None:
    engine = ENGINES["numpy"]()
    measured = QuantumCircuit(1, 1)
    measured.measure(0, 0)
    measured.save_superop()
    with pytest.raises(UnsupportedCircuitError, match="saves its superoperator but has a measure"):
        run_in_process(measured, engine)
    plain = QuantumCircuit(1)
    plain.h(0)
    with pytest.raises(UnsupportedCircuitError, match="saves no superoperator"):
        run_in_process(plain, engine, method="superop")
    plain.save_superop()
    with pytest.raises(UnsupportedCircuitError, match="saves its superoperator, which method='statevector'"):
        run_in_process(plain, engine, method="statevector")
    plain.save_probabilities()
    with pytest.raises(UnsupportedCircuitError, match="saves the probabilities"):
        run_in_process(plain, engine)
