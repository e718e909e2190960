# SPDX-License-Identifier: Apache-2.0
"""Runs of a circuit by PennyLane's lightning simulators, without PennyLane's own time.

Their states are driven by their compiled functions, gate by gate, as their devices do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from _measure import Run
from numpy.typing import NDArray
from qiskit import QuantumCircuit

#: The functions of gates, by Qiskit's names.
NAMES = {
    "h": "Hadamard", "s": "S", "t": "T", "x": "PauliX", "sx": "SX", "rx": "RX", "ry": "RY", "rz": "RZ", "cx": "CNOT",
    "cz": "CZ", "swap": "SWAP", "rzz": "IsingZZ", "cp": "ControlledPhaseShift", "ccx": "Toffoli",
}  # fmt: skip


class Lightning:
    """A circuit translated for a state.

    Args:
        circuit: the circuit.
        state: a state of the simulator.
        dtype: of its amplitudes.
    """

    def __init__(self, circuit: QuantumCircuit, state: Any, dtype: type) -> None:
        self.state = state
        self._size = 1 << circuit.num_qubits
        self._dtype = dtype
        self._calls: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        index = {bit: at for at, bit in enumerate(circuit.qubits)}
        for instruction in circuit.data:
            # Its first wire is the highest bit of an index.
            wires = [circuit.num_qubits - 1 - index[bit] for bit in instruction.qubits]
            name = NAMES.get(instruction.name)
            if name is not None:
                self._call(name, wires, [float(value) for value in instruction.params])
            elif instruction.name == "ecr":
                # Faster than its matrix; up to a phase.
                for name, which in (("S", wires[:1]), ("SX", wires[1:]), ("CNOT", wires), ("PauliX", wires[:1])):
                    self._call(name, which, [])
            else:
                matrix = np.ascontiguousarray(instruction.operation.to_matrix(), dtype)
                self._calls.append((state.applyMatrix, (matrix, wires[::-1], False)))

    def _call(self, name: str, wires: list[int], params: list[float]) -> None:
        self._calls.append((getattr(self.state, name), (wires, False, params)))

    def run(self) -> None:
        """Run the circuit from |0...0>."""
        self.state.resetStateVector()
        for apply, arguments in self._calls:
            apply(*arguments)

    def amplitudes(self) -> NDArray[np.complexfloating]:
        """Return the amplitudes after a run."""
        found = np.empty(self._size, self._dtype)
        take = self.state.getState if hasattr(self.state, "getState") else self.state.DeviceToHost
        take(found)
        return found


def qubit(circuit: QuantumCircuit, precision: str) -> Lightning:
    """Return a circuit translated for lightning.qubit, whose gates take one thread."""
    from pennylane_lightning import lightning_qubit_ops as ops

    if precision == "double":
        return Lightning(circuit, ops.StateVectorC128(circuit.num_qubits), np.complex128)
    return Lightning(circuit, ops.StateVectorC64(circuit.num_qubits), np.complex64)


def kokkos(circuit: QuantumCircuit, precision: str, threads: int) -> Lightning:
    """Return a circuit translated for lightning.kokkos.

    The first call of a process sets the number of threads.
    """
    from pennylane_lightning import lightning_kokkos_ops as ops

    settings = ops.InitializationSettings().set_num_threads(threads)
    if precision == "double":
        return Lightning(circuit, ops.StateVectorC128(circuit.num_qubits, settings), np.complex128)
    return Lightning(circuit, ops.StateVectorC64(circuit.num_qubits, settings), np.complex64)


def qubit_run(circuit: QuantumCircuit, precision: str) -> Run:
    """Return a run by lightning.qubit of a circuit translated beforehand."""
    return qubit(circuit, precision).run


def kokkos_run(circuit: QuantumCircuit, precision: str, threads: int) -> Run:
    """Return a run by lightning.kokkos of a circuit translated beforehand."""
    return kokkos(circuit, precision, threads).run
