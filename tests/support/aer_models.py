# SPDX-License-Identifier: Apache-2.0
"""Noise models of Aer."""

from __future__ import annotations

from typing import Any

import pytest

noise = pytest.importorskip("qiskit_aer.noise", reason="pip install -e '.[dev]' installs it")


def damped(p: float) -> Any:
    """Return amplitude damping."""
    return noise.amplitude_damping_error(p)


def model_with(*parts: tuple[Any, Any, Any]) -> Any:
    """Return a model of errors, each with its gates and its qubits."""
    model = noise.NoiseModel()
    for error, gates, qubits in parts:
        if qubits is None:
            model.add_all_qubit_quantum_error(error, gates, warnings=False)
        else:
            model.add_quantum_error(error, gates, qubits, warnings=False)
    return model
