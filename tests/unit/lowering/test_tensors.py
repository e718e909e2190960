# SPDX-License-Identifier: Apache-2.0
"""Matrix product states in Aer's form, read and prepared."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from aer_like import LikeAer
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from qfleet.errors import UnsupportedCircuitError
from qfleet.lowering.lower import lower
from qfleet.lowering.tensors import preparation
from qfleet.wire.errors import WireError
from qfleet.wire.messages.request import Output
from qfleet.wire.program.operations import Op
from qfleet.wire.program.tensors import pack, packed_size, unpack


def random_state(rng: np.random.Generator, bonds: list[int]) -> Any:
    """Return a state of norm 1 with bonds of these sizes, in Aer's form."""
    sizes = [1, *bonds, 1]
    tensors = [rng.normal(size=(left, 2, right, 2)) @ [1, 1j] for left, right in pairwise(sizes)]
    values = [rng.uniform(0.2, 1, bond) for bond in bonds]
    tensors[0] = tensors[0] / np.linalg.norm(vector_of(tensors, values))
    return [(tensor[:, 0], tensor[:, 1]) for tensor in tensors], values


def vector_of(tensors: list[np.ndarray], values: list[np.ndarray]) -> np.ndarray:
    """Return the amplitudes of a state."""
    rows = np.ones((1, 1))
    for qubit, tensor in enumerate(tensors):
        rows = np.concatenate([rows @ tensor[:, 0], rows @ tensor[:, 1]])
        rows = rows * values[qubit] if qubit < len(values) else rows
    return rows[:, 0]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(1, 6), max_size=5))
def test_gates_prepare_the_state(seed: int, bonds: list[int]) -> None:
    pairs, values = random_state(np.random.default_rng(seed), bonds)
    circuit = QuantumCircuit(len(pairs))
    for gate in preparation((pairs, values), len(pairs)):
        width = len(gate.matrix).bit_length() - 1
        circuit.unitary(gate.matrix, range(gate.first, gate.first + width))
    expected = vector_of([np.stack(pair, axis=1) for pair in pairs], values)
    assert np.abs(Statevector(circuit).data - expected).max() < 1e-10


def test_an_instruction_becomes_resets_and_gates() -> None:
    circuit = QuantumCircuit(3)
    circuit.h(1)
    circuit.append(
        LikeAer("set_matrix_product_state", 3, "single", params=[random_state(np.random.default_rng(1), [2, 2])]),
        range(3),
    )
    codes = lower(circuit, Output.STATEVECTOR).codes.tolist()
    assert codes == [Op.H, *[Op.RESET] * 3, *[Op.UNITARY] * 3]


GOOD = random_state(np.random.default_rng(2), [2, 2])


@pytest.mark.parametrize(
    ("given_state", "text"),
    [
        ("psi", "can't be read"),
        ((GOOD[0], GOOD[1][:1]), "can't be read"),
        ((GOOD[0][:2], GOOD[1][:1]), "other shapes than 3 qubits need"),
        (([(2 * one, 2 * two) for one, two in GOOD[0]], GOOD[1]), "the norm of its matrix product state is 8"),
        (([GOOD[0][0], GOOD[0][0], GOOD[0][2]], GOOD[1]), "other shapes"),
        (([(one * np.nan, two) for one, two in GOOD[0]], GOOD[1]), "isn't a finite number"),
        (random_state(np.random.default_rng(3), [129, 2]), "a bond .* has 129 values; at most 128 can be set"),
    ],
)
def test_what_is_not_a_state_is_refused(given_state: Any, text: str) -> None:
    circuit = QuantumCircuit(3)
    circuit.append(LikeAer("set_matrix_product_state", 3, "single", params=[given_state]), range(3))
    with pytest.raises(UnsupportedCircuitError, match=text):
        lower(circuit, Output.COUNTS)


def test_packing() -> None:
    pairs, values = random_state(np.random.default_rng(4), [2, 3, 2])
    tensors = [np.stack(pair, axis=1) for pair in pairs]
    packed = pack(tensors, values)
    assert len(packed) == packed_size([1, 2, 3, 2, 1])
    found, other = unpack(np.append(packed, np.zeros(7)))
    for one, two in zip([*tensors, *values], [*found, *other], strict=True):
        assert (one == two).all()


@pytest.mark.parametrize(
    "packed", [[], [0], [2], [2, 2], [2.5, 1, 1], [np.nan, 1], [np.inf, 1], [3, 1e9, 1, 1, 1], [40_000, *[1] * 50_000]]
)
def test_damaged_packs(packed: list[float]) -> None:
    with pytest.raises(WireError, match="aren't"):
        unpack(np.array(packed, np.complex128))
