# SPDX-License-Identifier: Apache-2.0
"""Runs of a circuit by Qoro's Maestro.

QCSim computes its statevectors, and fuses gates. Maestro is licensed under the GPL, and nothing but the benchmarks
uses it.
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
    "h": "ApplyH", "s": "ApplyS", "t": "ApplyT", "x": "ApplyX", "sx": "ApplySX", "rx": "ApplyRx", "ry": "ApplyRy",
    "rz": "ApplyRz", "cx": "ApplyCX", "cz": "ApplyCZ", "swap": "ApplySwap", "cp": "ApplyCP", "ccx": "ApplyCCX",
}  # fmt: skip


class Translated:
    """A circuit translated for a simulator, with a state."""

    def __init__(self, circuit: QuantumCircuit, threads: int) -> None:
        import maestro

        # The simulator lives as long as this.
        self._maestro = maestro.Maestro()
        number = self._maestro.create_simulator(maestro.SimulatorType.QCSim, maestro.SimulationType.Statevector)
        self.simulator = self._maestro.get_simulator(number)
        self.simulator.AllocateQubits(circuit.num_qubits)
        self.simulator.InitializeSimulator()
        self.simulator.SetMultithreading(threads > 1)
        self._calls: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        index = {bit: at for at, bit in enumerate(circuit.qubits)}
        for instruction in circuit.data:
            qubits = [index[bit] for bit in instruction.qubits]
            params = [float(value) for value in instruction.params] if instruction.name in (*NAMES, "rzz") else []
            if instruction.name in NAMES:
                self._call(NAMES[instruction.name], *qubits, *params)
            elif instruction.name == "rzz":
                self._call("ApplyCX", *qubits)
                self._call("ApplyRz", qubits[1], *params)
                self._call("ApplyCX", *qubits)
            else:
                self._call("ApplyGenericTwoQubitGate", *qubits, instruction.operation.to_matrix().tolist())

    def _call(self, name: str, *arguments: Any) -> None:
        self._calls.append((getattr(self.simulator, name), arguments))

    def run(self) -> None:
        """Run the circuit from |0...0>."""
        self.simulator.ResetSimulator()
        for apply, arguments in self._calls:
            apply(*arguments)
        self.simulator.FlushSimulator()

    def amplitudes(self) -> NDArray[np.complex128]:
        """Return the amplitudes after a run."""
        return np.array(self.simulator.GetStateVector())


def maestro_run(circuit: QuantumCircuit, threads: int) -> Run:
    """Return a run by Maestro of a circuit translated beforehand.

    ``OMP_NUM_THREADS`` sets its threads.
    """
    return Translated(circuit, threads).run
