# SPDX-License-Identifier: Apache-2.0
"""The expectation value of a Pauli sum in a prepared state.

Aer must prepare its state in each run. So the time of a run with only one term is subtracted from its time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from _circuits import ansatz, molecular, random_paulis
from _measure import Comparison, Options, Row, Run
from _peers import aer_backend
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp, Statevector

from qfleet_worker.engines.statevector.runtime import paulis
from qfleet_worker.engines.threads import ThreadTeam

#: Qubits and terms.
SIZES = {12: 5000, 16: 5000, 20: 1000}
OBSERVABLES: dict[str, Callable[[int, int], SparsePauliOp]] = {"molecular": molecular, "random": random_paulis}

Amplitudes = NDArray[np.complex128]


def ours_expectation(amplitudes: Amplitudes, observable: SparsePauliOp, threads: int) -> Run:
    """Return a run by the engine, with the terms as masks."""
    bits = 1 << np.arange(observable.num_qubits, dtype=np.int64)
    x_masks, z_masks = observable.paulis.x @ bits, observable.paulis.z @ bits
    coefficients, team = observable.coeffs.copy(), ThreadTeam(threads)
    return lambda: paulis.expectation(amplitudes, x_masks, z_masks, coefficients, team)


def aer_expectation(circuit: QuantumCircuit, observable: SparsePauliOp, threads: int) -> Run:
    """Return a run by Aer, including the state's preparation."""
    backend, saving = aer_backend(threads), circuit.copy()
    saving.save_expectation_value(observable, range(circuit.num_qubits))
    return lambda: backend.run(saving, shots=1).result().data(0)["expectation_value"]


def qulacs_expectation(amplitudes: Amplitudes, observable: SparsePauliOp) -> Run:
    """Return a run by qulacs, with its observable made beforehand."""
    from qulacs import Observable, QuantumState

    state, sum_of_terms = QuantumState(observable.num_qubits), Observable(observable.num_qubits)
    state.load(amplitudes)
    for label, coefficient in observable.to_list():
        places = [f"{pauli} {qubit}" for qubit, pauli in enumerate(reversed(label)) if pauli != "I"]
        sum_of_terms.add_operator(coefficient.real, " ".join(places))
    return lambda: sum_of_terms.get_expectation_value(state)


def contenders(
    circuit: QuantumCircuit, state: Statevector, observable: SparsePauliOp, threads: int
) -> dict[str, Callable[[], Run]]:
    """Return functions that make the runs to compare."""
    return {
        "ours": lambda: ours_expectation(state.data, observable, threads),
        "aer": lambda: aer_expectation(circuit, observable, threads),
        "aer_state": lambda: aer_expectation(circuit, observable[:1], threads),
        "qulacs": lambda: qulacs_expectation(state.data, observable),
        "statevector": lambda: lambda: state.expectation_value(observable),
    }


def measure(options: Options) -> Iterator[Row]:
    """Yield a row for each kind of observable and size."""
    comparison, threads = Comparison(options), options.threads
    for num_qubits in options.sizes or SIZES:
        terms, circuit = SIZES.get(num_qubits, 1000), ansatz(num_qubits)
        state = Statevector(circuit)
        for name, make in OBSERVABLES.items():
            observable = make(num_qubits, terms)
            row = comparison.compare(
                "paulis", f"{name}, {terms} terms", num_qubits, contenders(circuit, state, observable, threads)
            )
            preparing = row.values.pop("aer_state", 0.0)
            net = {name: value - preparing if name == "aer" else value for name, value in row.values.items()}
            yield dataclasses.replace(row, values=net)
