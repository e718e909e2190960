# SPDX-License-Identifier: Apache-2.0
"""The entries of an estimator's job say which observables are wanted where, and cost what these cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qiskit.circuit import AnnotatedOperation, Parameter, PowerModifier, QuantumCircuit
from qiskit.circuit.library import RXGate
from qiskit.primitives.containers.estimator_pub import EstimatorPub

from qfleet.options import RunOptions
from qfleet.primitives.pubs import estimator_entries
from qfleet.submission.prepare import JobEntry
from qfleet.wire.codec.programs import decode_program
from qfleet.wire.cost.cost import cost

OBSERVABLES = ["ZZ", "XX", "YY", "XZ"]


def ansatz(*, bound_by_qiskit: bool = False) -> QuantumCircuit:
    circuit, angle = QuantumCircuit(2), Parameter("a")
    if bound_by_qiskit:
        circuit.append(AnnotatedOperation(RXGate(angle), PowerModifier(0.5)), [0])
    else:
        circuit.rx(angle, 0)
    circuit.cx(0, 1)
    return circuit


def entry(observables: Any, values: Any, circuit: QuantumCircuit) -> JobEntry:
    pub = EstimatorPub.coerce((circuit, observables, values), precision=0.0)
    (made,) = estimator_entries([pub], RunOptions())
    return made


@pytest.mark.parametrize(
    ("observables", "values", "wanted"),
    [
        (np.array(OBSERVABLES)[:, None], np.zeros((3, 1)), None),
        (OBSERVABLES, np.zeros((4, 1)), [[0], [1], [2], [3]]),
        (np.array(OBSERVABLES).reshape(2, 2, 1), np.zeros((1, 2, 3, 1)), [[0, 2]] * 3 + [[1, 3]] * 3),
        (OBSERVABLES[:1], np.zeros((4, 1)), None),
    ],
)
@pytest.mark.parametrize("bound_by_qiskit", [False, True])
def test_observables_of_each_parameter_set(
    observables: Any, values: Any, wanted: list[list[int]] | None, bound_by_qiskit: bool
) -> None:
    made = entry(observables, values, ansatz(bound_by_qiskit=bound_by_qiskit))
    assert len(made.batches) == (len(made.phases) if bound_by_qiskit else 1)
    rows = [row.tolist() for batch in made.batches if batch.wanted is not None for row in batch.wanted]
    assert rows == (wanted or [])
    for batch in made.batches:
        encoded = batch.encoded
        exact = cost(
            decode_program(encoded.blob), encoded.request, shots=1, num_observables=len(wanted[0]) if wanted else 0
        )
        assert (encoded.seconds, encoded.result_bytes) == (exact.seconds, exact.result_bytes)
        assert encoded.needs["statevector"] == exact.memory_bytes


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a"), None])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_values_are_in_the_order_of_the_parameters(names: tuple[str, str] | None, dtype: type) -> None:
    circuit = QuantumCircuit(1)
    circuit.rx(Parameter("b"), 0)
    circuit.rz(Parameter("a"), 0)
    given = np.arange(12).reshape(2, 3, 2).astype(dtype)
    bindings = {names: given} if names else {"b": given[..., 1], "a": given[..., 0]}
    pub = EstimatorPub.coerce((circuit, "Z", bindings), precision=0.0)
    (entry,) = estimator_entries([pub], RunOptions())
    values = entry.batches[0].values
    expected = given[..., ::-1] if names == ("b", "a") else given
    assert values.dtype == np.float64
    assert values.tolist() == expected.reshape(6, 2).tolist()
