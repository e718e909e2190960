# SPDX-License-Identifier: Apache-2.0
"""The values that Aer's ``save_*`` instructions save, computed by `quantum_info`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from aer_like import LABELS, LikeAer, expval, variance
from qiskit import QuantumCircuit
from qiskit.quantum_info import DensityMatrix, Operator, SparsePauliOp, Statevector, partial_trace
from qiskit.result import ProbDistribution

OPERATOR = SparsePauliOp(["ZZY", "XYI", "III", "IXZ"], [1, 2, 0.5, 0.3])
STATES = [5, 0, 3]


def prefix() -> QuantumCircuit:
    """Return the part of a circuit before a save.

    It has gates, relabelled qubits and a measurement with two outcomes.
    """
    circuit = QuantumCircuit(3, 2, global_phase=0.3)
    circuit.ry(1.2, 0)
    circuit.ry(0.7, 1)
    circuit.t(0)
    circuit.cx(0, 1)
    circuit.swap(1, 2)
    circuit.ry(0.9, 1)
    circuit.measure(0, 1)
    circuit.rx(0.4, 0)
    circuit.cx(0, 2)
    circuit.p(0.3, 1)
    return circuit


def suffix(circuit: QuantumCircuit) -> QuantumCircuit:
    """Append operations after a save, which the save must not see."""
    circuit.global_phase += 0.2
    circuit.h(1)
    circuit.append(QuantumCircuit(1, global_phase=0.4).to_instruction(), [0])
    circuit.measure(1, 0)
    return circuit


def states() -> dict[str, Statevector]:
    """Return the state of `prefix` for each value of its clbits.

    The phase of the whole circuit is there from the start.
    """
    before, after = QuantumCircuit(3, global_phase=0.5), QuantumCircuit(3)
    full = prefix()
    at = next(place for place, step in enumerate(full.data) if step.operation.name == "measure")
    for place, step in enumerate(full.data):
        if step.operation.name != "measure":
            (before if place < at else after).append(step.operation, [full.find_bit(bit).index for bit in step.qubits])
    whole = Statevector(before)
    found = {}
    for value in (0, 1):
        part = np.where((np.arange(8) & 1) == value, whole.data, 0)
        found[hex(value << 1)] = Statevector(part / np.linalg.norm(part)).evolve(after)
    return found


Value = Callable[[Statevector], Any]
#: The instruction's name, its parameters, the qubits that it is put on, and what it gives of a state.
KINDS: dict[str, tuple[list[Any], list[int], Value]] = {
    "save_state": ([], [0, 1, 2], lambda state: state),
    "save_statevector": ([], [0, 1, 2], lambda state: state),
    "save_statevector_dict": (
        [],
        [0, 1, 2],
        lambda state: {hex(at): complex(z) for at, z in enumerate(state.data) if z},
    ),
    "save_amplitudes": (STATES, [0, 1, 2], lambda state: state.data[STATES]),
    "save_amplitudes_sq": (STATES, [0, 1, 2], lambda state: state.probabilities()[STATES]),
    "save_probabilities": ([], [2, 0], lambda state: state.probabilities([2, 0])),
    "save_probabilities_dict": (
        [],
        [1, 2],
        lambda state: ProbDistribution(dict(enumerate(state.probabilities([1, 2]).tolist()))),
    ),
    "save_density_matrix": ([], [1, 0], lambda state: reduced(state)),
}
OBSERVABLES: dict[str, tuple[Callable[..., LikeAer], Value]] = {
    "save_expval": (expval, lambda state: float(state.expectation_value(OPERATOR, [1, 2, 0]).real)),
    "save_expval_var": (variance, lambda state: mean_and_variance(state)),
}
ALL = [*KINDS, *OBSERVABLES]
SINGLE = {"save_state", "save_statevector", "save_statevector_dict", "save_amplitudes"}


def reduced(state: Statevector) -> DensityMatrix:
    return DensityMatrix(partial_trace(state, [2]).reverse_qargs())


def mean_and_variance(state: Statevector) -> np.ndarray[Any, Any]:
    mean = state.expectation_value(OPERATOR, [1, 2, 0]).real
    square = state.expectation_value(OPERATOR.dot(OPERATOR), [1, 2, 0]).real
    return np.array([mean, square - mean**2])


def instruction(name: str, subtype: str) -> tuple[LikeAer, list[int], Value]:
    if name in OBSERVABLES:
        make, value = OBSERVABLES[name]
        return make(OPERATOR, subtype), [1, 2, 0], value
    params, qubits, value = KINDS[name]
    return LikeAer(name, len(qubits), subtype, params), qubits, value


def subtypes(name: str) -> list[str]:
    manners = ["single", "list"] if name in SINGLE else ["average", "accum", "list"]
    return [*manners, *(f"c_{manner}" for manner in manners)]


def label_of(name: str) -> str:
    return "statevector" if name == "save_state" else LABELS[name]


def total(values: list[Any]) -> Any:
    if isinstance(values[0], ProbDistribution):
        return ProbDistribution({key: sum(value.get(key, 0) for value in values) for key in values[0]})
    first, *rest = [value.data if isinstance(value, DensityMatrix) else value for value in values]
    for value in rest:
        first = first + value
    return DensityMatrix(first) if isinstance(values[0], DensityMatrix) else first


def mean(values: list[Any]) -> Any:
    found = total(values)
    if isinstance(found, ProbDistribution):
        return ProbDistribution({key: value / len(values) for key, value in found.items()})
    return DensityMatrix(found.data / len(values)) if isinstance(found, DensityMatrix) else found / len(values)


def reduced_by(manner: str, values: list[Any]) -> Any:
    """Return the saved value for the values of all shots, in order."""
    if manner == "list":
        return np.array(values) if isinstance(values[0], float) else values
    return {"single": lambda all_: all_[-1], "average": mean, "accum": total}[manner](values)


def assert_same(got: Any, want: Any, tolerance: float = 1e-10) -> None:
    """Assert equal types, shapes and keys, and values within the tolerance."""
    if isinstance(want, (Statevector, DensityMatrix, Operator)):
        assert type(got).__name__ == type(want).__name__
        np.testing.assert_allclose(got.data, want.data, atol=tolerance, rtol=0)
        return
    assert type(got) is type(want)
    if isinstance(want, dict):
        assert set(got) == set(want)
        for key in want:
            assert_same(got[key], want[key], tolerance)
    elif isinstance(want, list):
        assert len(got) == len(want)
        for one, other in zip(got, want, strict=True):
            assert_same(one, other, tolerance)
    elif isinstance(want, np.ndarray):
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, atol=tolerance, rtol=0)
    else:
        assert got == pytest.approx(want, abs=tolerance)
