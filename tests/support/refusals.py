# SPDX-License-Identifier: Apache-2.0
"""Refusals of circuits by lowering."""

from __future__ import annotations

from typing import Any

import pytest
from qiskit import QuantumCircuit

from qfleet.errors import QfleetError, UnsupportedCircuitError
from qfleet.lowering.lower import lower


def refused(circuit: QuantumCircuit, kind: type[QfleetError] = UnsupportedCircuitError, **options: Any) -> str:
    """Check that lowering refuses a circuit, and return the text.

    Args:
        circuit: the circuit.
        kind: the exact class of the error.
        options: the options of `lower`.
    """
    with pytest.raises(kind) as caught:
        lower(circuit, **options)
    assert type(caught.value) is kind
    return caught.value.message
