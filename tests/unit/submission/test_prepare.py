# SPDX-License-Identifier: Apache-2.0
"""A job has a largest number of circuits, each set of parameters being one."""

from __future__ import annotations

import gc
from collections.abc import Callable

import numpy as np
import pytest
from qiskit.circuit import AnnotatedOperation, Parameter, PowerModifier, QuantumCircuit
from qiskit.circuit.library import RXGate

from qfleet.errors import CapacityError
from qfleet.ledger import NewJob
from qfleet.options import RunOptions
from qfleet.submission.prepare import JobEntry, new_job, prepare
from qfleet.wire.messages.request import Output

MOST = 1_000_000


def of_bindings(number: int) -> NewJob:
    """Qiskit must bind the circuit, which takes hours for all of them: they are counted first."""
    circuit, angle = QuantumCircuit(1), Parameter("a")
    circuit.append(AnnotatedOperation(RXGate(angle), PowerModifier(0.5)), [0])
    options = RunOptions(parameter_binds=({angle: np.zeros(number)},))
    return prepare(circuit, options, backend_name="b", output=Output.COUNTS, tags=(), metadata={}, retention=1)


def of_entries(number: int) -> NewJob:
    entry = JobEntry(QuantumCircuit(1), [], [0.0] * number)
    return new_job([entry], RunOptions(), backend_name="b", output=Output.BITS, tags=(), metadata={}, retention=1)


@pytest.mark.parametrize("make", [of_bindings, of_entries])
def test_more_circuits_than_a_job_has(make: Callable[[int], NewJob]) -> None:
    with pytest.raises(CapacityError, match="1000001 circuits in one job; at most 1000000 are taken") as caught:
        make(MOST + 1)
    assert (caught.value.number, caught.value.limit) == (MOST + 1, MOST)


def test_circuits_are_read_without_looking_for_garbage() -> None:
    circuits = [QuantumCircuit(2) for _ in range(300)]
    looked: list[str] = []
    gc.callbacks.append(lambda phase, _: looked.append(phase))
    try:
        prepare(circuits, RunOptions(), backend_name="b", output=Output.COUNTS, tags=(), metadata={}, retention=1)
    finally:
        gc.callbacks.pop()
    # What was put off may come at the end.
    assert len(looked) <= 2
    assert gc.isenabled()
