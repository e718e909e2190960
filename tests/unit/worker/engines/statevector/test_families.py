# SPDX-License-Identifier: Apache-2.0
"""The benchmark's families of circuits, against Qiskit and Aer."""

from __future__ import annotations

import numpy as np
import pytest
from families import FAMILIES, TOLERANCES, aer_amplitudes, amplitudes, exists, largest_difference
from make_experiments import make_experiment
from qiskit import QuantumCircuit, transpile
from qiskit.quantum_info import Operator, Statevector
from small_chunks import small_chunks

from qfleet.lowering.lower import lower
from qfleet.wire.messages.request import Precision
from qfleet_worker.engines.statevector.compiler.plan import compile_program
from qfleet_worker.engines.statevector.compiler.tables import SPLIT_WIRES
from qfleet_worker.engines.statevector.simulator import StatevectorSimulator


def sizes(family: str, *numbers: int) -> list[int]:
    return [number for number in numbers if exists(family, number)]


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("family", FAMILIES)
def test_in_one_call(family: str, precision: Precision) -> None:
    for num_qubits in sizes(family, 2, 3, 4, 7, 8, 9, 10, 12):
        circuit = FAMILIES[family](num_qubits)
        difference = np.abs(amplitudes(circuit, precision) - np.asarray(Statevector(circuit)))
        assert difference.max() < TOLERANCES[precision]


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("family", FAMILIES)
def test_in_stages(family: str, precision: Precision) -> None:
    for local_bits, run_bits, threads in ((7, 3, 1), (8, 4, 2), (10, 3, 2), (20, 6, 1)):
        chunks = small_chunks(local_bits, run_bits)
        for num_qubits in sizes(family, 8, 11, 12):
            circuit = FAMILIES[family](num_qubits)
            difference = np.abs(amplitudes(circuit, precision, threads, chunks) - np.asarray(Statevector(circuit)))
            assert difference.max() < TOLERANCES[precision]


@pytest.mark.parametrize("family", FAMILIES)
def test_unitaries(family: str) -> None:
    for local_bits in (20, 7):
        simulator = StatevectorSimulator(sizes=small_chunks(local_bits, 3))
        for num_qubits in sizes(family, 2, 4, 5):
            circuit = FAMILIES[family](num_qubits)
            matrix = simulator.run(make_experiment(lower(circuit), output="unitary", threads=2)).amplitudes
            assert np.abs(matrix - Operator(circuit).data).max() < 1e-10


@pytest.mark.parametrize("gate", ["cx", "cz", "ecr"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_basis_of_a_device(family: str, gate: str) -> None:
    """Compare the states and the numbers of operations of transpiled circuits with those of native ones."""
    for num_qubits in sizes(family, 6, 14):
        circuit = FAMILIES[family](num_qubits)
        transpiled = transpile(circuit, basis_gates=[gate, "rz", "sx", "x"], optimization_level=1, seed_transpiler=1)
        difference = np.abs(amplitudes(transpiled, "double") - np.asarray(Statevector(circuit)))
        assert difference.max() < TOLERANCES["double"]
        native, found = num_operations(circuit), num_operations(transpiled)
        # Gates on several wires are found in larger circuits, and half of them in other forms.
        is_wide = family in ("adder", "excitations") and (num_qubits < SPLIT_WIRES or gate != "cx")
        assert found <= 1.4 * native + 10 or is_wide or family == "ansatz", (native, found)


def num_operations(circuit: QuantumCircuit) -> int:
    """Return how many operations a circuit is compiled to."""
    (segment,) = compile_program(lower(circuit), 2).steps
    return len(segment.tables.operations.rows)


@pytest.mark.parametrize("num_qubits", [16, 20])
@pytest.mark.parametrize("family", FAMILIES)
def test_against_aer(family: str, num_qubits: int) -> None:
    circuit = FAMILIES[family](num_qubits)
    exact = aer_amplitudes(circuit)
    for precision, tolerance in TOLERANCES.items():
        assert largest_difference(amplitudes(circuit, precision, 2), exact) < tolerance
