# SPDX-License-Identifier: Apache-2.0
"""The benchmark's families of circuits, against Qiskit and Aer."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator, Statevector

from qfleet.lowering import lower
from qfleet_worker.engines.base import Experiment
from qfleet_worker.engines.statevector import StatevectorEngine

_spec = importlib.util.spec_from_file_location("_circuits", Path(__file__).parents[3] / "benchmarks" / "_circuits.py")
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
FAMILIES: dict[str, Callable[[int], QuantumCircuit]] = _module.FAMILIES

TOLERANCES = {"double": 1e-10, "single": 1e-5}


def amplitudes(circuit: QuantumCircuit, precision: str, threads: int = 1) -> np.ndarray:
    experiment = Experiment(lower(circuit), 1, 1, output="statevector", precision=precision, threads=threads)
    return StatevectorEngine().run(experiment).amplitudes


def sizes(family: str, *numbers: int) -> list[int]:
    """QAOA is on graphs with three edges at each of an even number of qubits."""
    return [number for number in numbers if family != "qaoa" or (number >= 4 and number % 2 == 0)]


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("family", FAMILIES)
def test_in_one_call(family: str, precision: str) -> None:
    for num_qubits in sizes(family, 2, 3, 4, 7, 8, 9, 10, 12):
        circuit = FAMILIES[family](num_qubits)
        difference = np.abs(amplitudes(circuit, precision) - np.asarray(Statevector(circuit)))
        assert difference.max() < TOLERANCES[precision]


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("family", FAMILIES)
def test_in_stages(family: str, precision: str, small_chunks: Callable[[int, int], None]) -> None:
    for local_bits, run_bits, threads in ((7, 3, 1), (8, 4, 2), (10, 3, 2), (20, 6, 1)):
        small_chunks(local_bits, run_bits)
        for num_qubits in sizes(family, 8, 11, 12):
            circuit = FAMILIES[family](num_qubits)
            difference = np.abs(amplitudes(circuit, precision, threads) - np.asarray(Statevector(circuit)))
            assert difference.max() < TOLERANCES[precision]


@pytest.mark.parametrize("family", FAMILIES)
def test_unitaries(family: str, small_chunks: Callable[[int, int], None]) -> None:
    for local_bits in (20, 7):
        small_chunks(local_bits, 3)
        for num_qubits in sizes(family, 2, 4, 5):
            circuit = FAMILIES[family](num_qubits)
            matrix = StatevectorEngine().run(Experiment(lower(circuit), 1, 1, output="unitary", threads=2)).amplitudes
            assert np.abs(matrix - Operator(circuit).data).max() < 1e-10


@pytest.mark.parametrize("num_qubits", [16, 20])
@pytest.mark.parametrize("family", FAMILIES)
def test_against_aer(family: str, num_qubits: int) -> None:
    aer = pytest.importorskip("qiskit_aer", reason="needs qiskit-aer: pip install -e '.[bench]'")
    circuit = FAMILIES[family](num_qubits)
    saving = circuit.copy()
    saving.save_statevector()
    exact = np.asarray(aer.AerSimulator(method="statevector").run(saving).result().data(0)["statevector"])
    assert np.abs(amplitudes(circuit, "double", 2) - exact).max() < 1e-10
    assert np.abs(amplitudes(circuit, "single", 2) - exact).max() < 1e-5
