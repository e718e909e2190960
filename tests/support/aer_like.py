# SPDX-License-Identifier: Apache-2.0
"""Instructions that look like Aer's ``save_*``, for tests that need no Aer."""

from __future__ import annotations

from typing import Any

from qiskit.circuit import Instruction
from qiskit.quantum_info import SparsePauliOp

#: The instruction's name, and Aer's default label.
LABELS = {
    "save_state": "_method_",
    "save_statevector": "statevector",
    "save_statevector_dict": "statevector",
    "save_amplitudes": "amplitudes",
    "save_amplitudes_sq": "amplitudes_squared",
    "save_probabilities": "probabilities",
    "save_probabilities_dict": "probabilities",
    "save_expval": "expectation_value",
    "save_expval_var": "expectation_value_variance",
    "save_density_matrix": "density_matrix",
    "save_unitary": "unitary",
}


class LikeAer(Instruction):
    """An instruction that looks like Aer's from outside of Aer."""

    _directive = True

    def __init__(
        self, name: str, num_qubits: int, subtype: str, params: list[Any] | None = None, label: str | None = None
    ) -> None:
        super().__init__(name, num_qubits, 0, params or [])
        self._label = LABELS.get(name, name) if label is None else label
        self._subtype = subtype

    def validate_parameter(self, parameter: Any) -> Any:
        """Take any object as a parameter."""
        return parameter


def expval(operator: SparsePauliOp, subtype: str = "average", label: str | None = None) -> LikeAer:
    """Save the mean of an operator."""
    params = [(pauli, (coefficient.real, 0)) for pauli, coefficient in operator.label_iter()]
    return LikeAer("save_expval", operator.num_qubits, subtype, params, label)


def variance(operator: SparsePauliOp, subtype: str = "average") -> LikeAer:
    """Save the mean and the variance of an operator."""
    params = {pauli: (coefficient.real, 0.0) for pauli, coefficient in operator.simplify().label_iter()}
    for pauli, coefficient in operator.dot(operator).simplify().label_iter():
        params[pauli] = params.get(pauli, (0.0, 0.0))[0], coefficient.real
    return LikeAer("save_expval_var", operator.num_qubits, subtype, list(params.items()))
