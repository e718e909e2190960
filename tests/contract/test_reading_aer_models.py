# SPDX-License-Identifier: Apache-2.0
"""Noise models of Aer are read once, as far as a circuit needs them, and wrong ones are refused."""

from __future__ import annotations

import numpy as np
import pytest
from aer_models import damped, model_with
from qiskit import QuantumCircuit
from qiskit.circuit import Instruction
from qiskit.quantum_info import SuperOp

from qfleet.errors import NoiseError
from qfleet.lowering.lower import lower
from qfleet.noise import NoiseModel

noise = pytest.importorskip("qiskit_aer.noise")


def test_wrong_errors_in_models() -> None:
    model = noise.NoiseModel()
    broken = Instruction("kraus", 1, 0, [np.diag([1, 0.5])])
    model.add_all_qubit_quantum_error(damped(0.1), "x")
    error = model._default_quantum_errors["x"]
    error._circs[0].data.clear()
    error._circs[0].append(broken, [0])
    circuit = QuantumCircuit(1)
    circuit.x(0)
    with pytest.raises(NoiseError, match="the error of 'x' on all qubits: its 'kraus' doesn't preserve") as caught:
        lower(circuit, noise=NoiseModel.from_aer(model))
    assert caught.value.entry == "the error of 'x' on all qubits"
    negative = model_with((noise.PauliLindbladError(["X"], [-0.1]), "y", None))
    circuit.y(0)
    with pytest.raises(NoiseError, match="give a Pauli the probability -"):
        lower(circuit, noise=NoiseModel.from_aer(negative))
    with pytest.raises(NoiseError, match=r"to_dict\(\)"):
        NoiseModel.from_dict({"errors": [3]})


def test_a_model_is_read_once_and_again_when_it_changed() -> None:
    model = model_with((damped(0.3), ["x"], None))
    one = NoiseModel.from_aer(model)
    assert NoiseModel.from_aer(model).channel("x", [0]) is one.channel("x", [0])
    model.add_all_qubit_quantum_error(damped(0.5), "x", warnings=False)
    changed = NoiseModel.from_aer(model).channel("x", [0])
    assert changed is not None
    expected = SuperOp(damped(0.3).compose(damped(0.5))).data
    assert np.abs(changed.to_superop() - expected).max() < 1e-12
    model.add_all_qubit_readout_error([[0.9, 0.1], [0.2, 0.8]])
    assert NoiseModel.from_aer(model).flips(0) == (0.1, 0.2)


def test_a_model_that_is_gone_is_forgotten() -> None:
    from qfleet.noise.aer import _KNOWN

    before = len(_KNOWN)
    model = model_with((damped(0.3), ["x"], None))
    NoiseModel.from_aer(model)
    assert len(_KNOWN) == before + 1
    del model
    assert len(_KNOWN) == before


def test_only_what_a_circuit_meets_is_read() -> None:
    model = model_with((damped(0.3), ["x"], None), (damped(0.3), ["y"], None))
    read = []
    error = model._default_quantum_errors["y"]
    error.to_dict = lambda: read.append(1)
    circuit = QuantumCircuit(1)
    circuit.x(0)
    lower(circuit, noise=NoiseModel.from_aer(model))
    assert not read
