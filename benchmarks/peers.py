# SPDX-License-Identifier: Apache-2.0
"""A check of the peers' states against ours.

Each family in each form is run at a few qubits; a peer whose state is another makes the script fail.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import numpy as np
from _circuits import FAMILIES, FORMS, circuits
from _lightning import Lightning, kokkos, qubit
from _maestro import Translated
from _peers import qsim_run, to_qulacs
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qfleet.lowering.lower import lower
from qfleet.wire.messages.request import Output, Request
from qfleet_worker.engines.contract import Experiment
from qfleet_worker.engines.statevector.simulator import StatevectorSimulator

QUBITS = (2, 5, 8)
#: What single precision leaves of a fidelity.
TOLERANCE = 1e-4

State = NDArray[np.complexfloating]


def ours(circuit: QuantumCircuit) -> State:
    """Return the engine's state."""
    experiment = Experiment(lower(circuit), shots=1, seed=1, request=Request(Output.STATEVECTOR))
    found = StatevectorSimulator().run(experiment).amplitudes
    assert found is not None
    return found


def qulacs(circuit: QuantumCircuit) -> State:
    """Return the state of qulacs."""
    from qulacs import QuantumState

    state = QuantumState(circuit.num_qubits)
    to_qulacs(circuit).update_quantum_state(state)
    return state.get_vector()


def qsim(circuit: QuantumCircuit) -> State:
    """Return the state of qsim.

    Its first qubit is the highest bit of an index.
    """
    found = np.asarray(qsim_run(circuit, 1, 2)(), np.float32).view(np.complex64)[: 1 << circuit.num_qubits]
    return found.reshape((2,) * circuit.num_qubits).transpose().reshape(-1)


def ran(translated: Translated | Lightning) -> State:
    """Run a circuit twice, and return its state."""
    translated.run()
    translated.run()
    return translated.amplitudes()


PEERS: dict[str, Callable[[QuantumCircuit], State]] = {
    "qulacs": qulacs,
    "qsim": qsim,
    "lightning": lambda circuit: ran(qubit(circuit, "double")),
    "lightning_single": lambda circuit: ran(qubit(circuit, "single")),
    "kokkos": lambda circuit: ran(kokkos(circuit, "double", 1)),
    "kokkos_single": lambda circuit: ran(kokkos(circuit, "single", 1)),
    "maestro": lambda circuit: ran(Translated(circuit, 1)),
}


def different() -> Iterator[str]:
    """Yield the peers and the circuits whose states differ from ours."""
    for num_qubits, name, circuit in circuits(QUBITS, [*FAMILIES], [*FORMS]):
        expected = ours(circuit)
        for peer, state_of in PEERS.items():
            fidelity = abs(np.vdot(expected, state_of(circuit)))
            if not abs(fidelity - 1) < TOLERANCE:
                yield f"{peer}: {name}, {num_qubits} qubits: {fidelity:.6f}"


def main() -> None:
    """Compare all states, and print those that differ."""
    found = list(different())
    print("\n".join(found) or f"{', '.join(PEERS)}: the same states as ours")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
