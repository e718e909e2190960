# SPDX-License-Identifier: Apache-2.0
"""Means of sums of Paulis, by both engines, against Qiskit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from qiskit.quantum_info import SparsePauliOp, Statevector

from qfleet_worker.engines.numpy import paulis as numpy_paulis
from qfleet_worker.engines.statevector.runtime import paulis
from qfleet_worker.engines.threads import ThreadTeam

EXPECTATIONS: dict[str, Callable[..., complex]] = {
    "numpy": numpy_paulis.expectation,
    "machine code": partial(paulis.expectation, team=ThreadTeam(1)),
    "machine code, 3 threads": partial(paulis.expectation, team=ThreadTeam(3)),
}


@pytest.fixture(params=EXPECTATIONS)
def expectation(request: pytest.FixtureRequest) -> Callable[..., complex]:
    return EXPECTATIONS[request.param]


def masks(operator: SparsePauliOp) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    bits = 1 << np.arange(operator.num_qubits)
    return operator.paulis.x @ bits, operator.paulis.z @ bits, operator.coeffs


def letters(rng: np.random.Generator, num_qubits: int, which: str) -> str:
    return "".join(rng.choice(list(which), num_qubits))


def operators(rng: np.random.Generator, num_qubits: int) -> dict[str, SparsePauliOp]:
    """Few and many terms for each X mask; an odd number of Y and an even one; no X at all, and nothing else."""
    flips = letters(rng, num_qubits, "IX")
    shared = ["".join({"X": rng.choice(["X", "Y"]), "I": rng.choice(["I", "Z"])}[p] for p in flips) for _ in range(30)]
    one = ["I" * num_qubits]
    labels = {
        "random": [letters(rng, num_qubits, "IXYZ") for _ in range(40)],
        "shared": shared,
        "few": shared[:2],
        "diagonal": [letters(rng, num_qubits, "IZ") for _ in range(20)],
        "flips": [letters(rng, num_qubits, "XY") for _ in range(3)],
        "identity": one,
        "highest": ["X" + one[0][1:], "Y" + one[0][1:]],
    }
    return {
        name: SparsePauliOp(each, rng.normal(size=len(each)) + 1j * rng.normal(size=len(each)))
        for name, each in labels.items()
    }


@pytest.mark.timeout(600)  # the first call may have to compile
@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
@pytest.mark.parametrize("num_qubits", range(1, 18))
def test_means_are_qiskits(expectation: Callable[..., complex], num_qubits: int, dtype: type) -> None:
    rng = np.random.default_rng(num_qubits)
    state = rng.normal(size=1 << num_qubits) + 1j * rng.normal(size=1 << num_qubits)
    state /= np.linalg.norm(state)
    for name, operator in operators(rng, num_qubits).items():
        want = complex(Statevector(state).expectation_value(operator))
        got = expectation(state.astype(dtype), *masks(operator))
        assert got == pytest.approx(want, abs=1e-11 if dtype is np.complex128 else 1e-5), name


def test_the_sum_of_no_terms_is_zero(expectation: Callable[..., complex]) -> None:
    none = np.zeros(0, np.int64)
    assert expectation(np.array([1, 0], complex), none, none, np.zeros(0, complex)) == 0


def test_threads_change_nothing() -> None:
    rng = np.random.default_rng(2)
    state = rng.normal(size=1 << 16) + 1j * rng.normal(size=1 << 16)
    terms = masks(SparsePauliOp([letters(rng, 16, "IXYZ") for _ in range(100)], rng.normal(size=100)))
    assert len({paulis.expectation(state, *terms, ThreadTeam(threads)) for threads in (1, 2, 5)}) == 1
