# SPDX-License-Identifier: Apache-2.0
"""Run a new gate in copied packages, on both engines.

`tests/unit/test_new_rows.py` adds ``RYZ(theta) = exp(-i theta / 2 Z(x)Y)`` to the tables of operations and of
expansions, and starts this script with the copy first on the path.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from make_experiments import make_experiment
from qiskit import QuantumCircuit
from qiskit.circuit import AnnotatedOperation, CircuitInstruction, ControlModifier, Gate, InverseModifier, Parameter
from qiskit.quantum_info import Operator

from qfleet.lowering import operations
from qfleet.lowering.lower import lower
from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.program.angles import fill, filled
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet_worker.engines.machine_code.registry import seconds_compiling
from qfleet_worker.engines.numpy.simulator import NumpySimulator
from qfleet_worker.engines.statevector.simulator import StatevectorSimulator

ENGINES = (NumpySimulator, StatevectorSimulator)
NAME = "ryz"


class RYZGate(Gate):
    """The gate in Qiskit, without a definition.

    Only its row can say what it does.
    """

    def __init__(self, theta: Any) -> None:
        super().__init__(NAME, 2, [theta])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Return the matrix."""
        half = float(self.params[0]) / 2
        pauli = np.kron([[1, 0], [0, -1]], [[0, -1j], [1j, 0]])
        return np.cos(half) * np.eye(4) - 1j * np.sin(half) * pauli


class Standard:
    """An instruction of a future Qiskit that has the gate."""

    def __init__(self, instruction: CircuitInstruction) -> None:
        self._instruction = instruction

    def __getattr__(self, name: str) -> Any:
        return getattr(self._instruction, name)

    def is_standard_gate(self) -> bool:
        """Tell whether the name says what the instruction is."""
        return self.name == NAME or bool(self._instruction.is_standard_gate())


class NewCircuit(QuantumCircuit):
    """A circuit of such instructions."""

    @property
    def data(self) -> Any:
        """Return the instructions."""
        return [Standard(each) for each in super().data]


def append_gates(circuit: QuantumCircuit, theta: float | Parameter) -> QuantumCircuit:
    """Append the gate plain, controlled, inverted and with a parameter.

    Each of them acts on qubits in another order.
    """
    for qubit in range(4):
        circuit.ry(0.3 + 0.2 * qubit, qubit)
    circuit.append(RYZGate(0.7), [2, 0])
    circuit.append(AnnotatedOperation(RYZGate(1.1), ControlModifier(1, 0)), [1, 3, 0])
    circuit.append(AnnotatedOperation(RYZGate(-0.4), InverseModifier()), [3, 2])
    circuit.append(AnnotatedOperation(RYZGate(0.9), [InverseModifier(), ControlModifier(2, 3)]), [0, 3, 1, 2])
    circuit.append(RYZGate(theta), [1, 2])
    circuit.h(2)
    return circuit


def expected(theta: float) -> np.ndarray:
    """Return the final state by Qiskit."""
    return Operator(append_gates(QuantumCircuit(4), theta)).data[:, 0]


def travelled(theta: float | Parameter) -> Program:
    """Return the program as a worker has it."""
    program = decode_program(encode_program(lower(append_gates(NewCircuit(4), theta))))
    assert program.codes.tolist().count(Op.RYZ) == 5, program.codes
    return program


def main() -> None:
    """Compare both engines with Qiskit."""
    operations.CircuitInstruction = lambda *arguments: Standard(CircuitInstruction(*arguments))
    for make in ENGINES:
        for precision, tolerance in (("double", 1e-12), ("single", 1e-5)):
            experiment = make_experiment(travelled(0.6), output="statevector", precision=precision)
            np.testing.assert_allclose(make().run(experiment).amplitudes, expected(0.6), rtol=0, atol=tolerance)
        program = travelled(Parameter("theta"))
        angles = np.linspace(-3, 3, 7)
        params = fill(program, angles[:, np.newaxis])
        experiment = make_experiment(filled(program, params[0]), output="statevector")
        for theta, outcome in zip(angles, make().sweep(experiment, params, range(7)), strict=True):
            np.testing.assert_allclose(outcome.amplitudes, expected(theta), rtol=0, atol=1e-12)
    print(f"compiled for {seconds_compiling()} s")


if __name__ == "__main__":
    main()
