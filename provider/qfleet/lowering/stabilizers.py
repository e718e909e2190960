# SPDX-License-Identifier: Apache-2.0
"""Read the Clifford of Aer's ``set_stabilizer`` instruction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qiskit.circuit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Clifford

from qfleet.lowering.refusal import RefusalError


def preparation(given: Any, num_qubits: int) -> QuantumCircuit:
    """Return a circuit that takes |0...0> to a stabilizer state.

    Args:
        given: a Clifford, or its dictionary of stabilizers and destabilizers.
        num_qubits: the qubits of the instruction.

    Raises:
        RefusalError: it isn't a Clifford on these qubits.
    """
    try:
        clifford = Clifford.from_dict(given) if isinstance(given, Mapping) else Clifford(given)
    except (QiskitError, AttributeError, KeyError, TypeError, ValueError) as exc:
        raise RefusalError(f"its stabilizers can't be read: {exc}") from exc
    if clifford.num_qubits != num_qubits:
        raise RefusalError(f"its state has {clifford.num_qubits} qubits, and it acts on {num_qubits}")
    return clifford.to_circuit()
