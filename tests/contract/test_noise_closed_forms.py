# SPDX-License-Identifier: Apache-2.0
"""Noise has the effects that textbooks give formulas for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from reference import assert_drawn_from

from qfleet import EstimatorV2, FleetProvider
from qfleet.noise import Channel, NoiseModel

SHOTS = 20_000
METHODS = pytest.mark.parametrize("method", ["statevector", "density_matrix"])


def counts(provider: FleetProvider, circuit: QuantumCircuit, noise: NoiseModel, method: Any) -> dict[str, int]:
    backend = provider.get_backend("automatic", noise_model=noise, method=method, shots=SHOTS, seed_simulator=5)
    return dict(backend.run(circuit).result().get_counts())


@METHODS
@pytest.mark.parametrize("t2", [30e-6, 70e-6, 100e-6])
@pytest.mark.parametrize("time", [5e-6, 60e-6])
def test_decay_and_dephasing(provider: FleetProvider, method: str, t2: float, time: float) -> None:
    t1, excited = 50e-6, 0.1
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.h(1)
    circuit.delay(time, [0, 1], unit="s")
    circuit.h(1)
    circuit.measure_all()
    noise = NoiseModel().with_relaxation([t1, t1], [t2, t2], excited_state_populations=[excited, 0.0])
    one = excited + (1 - excited) * math.exp(-time / t1)
    minus = (1 - math.exp(-time / t2)) / 2
    exact = {f"{b}{a}": (one if a else 1 - one) * (minus if b else 1 - minus) for a in (0, 1) for b in (0, 1)}
    assert_drawn_from(counts(provider, circuit, noise, method), exact)


@METHODS
def test_readout_errors_of_several_qubits_are_independent(provider: FleetProvider, method: str) -> None:
    wrong = [(0.02, 0.1), (0.3, 0.05), (0.0, 0.2)]
    circuit = QuantumCircuit(3)
    circuit.x([0, 2])
    circuit.measure_all()
    noise = NoiseModel()
    for qubit, (to_one, to_zero) in enumerate(wrong):
        noise = noise.add_readout([[1 - to_one, to_one], [to_zero, 1 - to_zero]], qubit)
    ones = [1 - 0.1, 0.3, 1 - 0.2]
    exact = {
        f"{outcome:03b}": math.prod(one if outcome >> qubit & 1 else 1 - one for qubit, one in enumerate(ones))
        for outcome in range(8)
    }
    assert_drawn_from(counts(provider, circuit, noise, method), exact)


@pytest.mark.parametrize("width", [2, 5])
def test_parity_of_a_ghz_state(provider: FleetProvider, width: int) -> None:
    """Each depolarized CX shrinks XX...X by 1 - p, and ZZ of two qubits by that of the gates between them."""
    p = 0.07
    circuit = QuantumCircuit(width)
    circuit.h(0)
    for qubit in range(width - 1):
        circuit.cx(qubit, qubit + 1)
    noise = NoiseModel().add(Channel.depolarizing(p, 2), "cx")
    first = "I" * (width - 2) + "ZZ"
    values = EstimatorV2(provider, noise_model=noise).run([(circuit, ["X" * width, first])]).result()[0].data.evs
    passed = 2 if width > 2 else 1
    assert np.abs(values - [(1 - p) ** (width - 1), (1 - p) ** passed]).max() < 1e-9


@pytest.mark.parametrize("length", [1, 20, 100])
def test_randomized_benchmarking(provider: FleetProvider, length: int) -> None:
    p = 0.01
    rng = np.random.default_rng(length)
    gates = QuantumCircuit(1)
    for name in rng.choice(["h", "s", "x", "sx"], length):
        getattr(gates, name)(0)
    circuit = gates.compose(gates.inverse())
    noise = NoiseModel().add(Channel.depolarizing(p), ["h", "s", "x", "sx", "sdg", "sxdg"])
    value = EstimatorV2(provider, noise_model=noise).run([(circuit, "Z")]).result()[0].data.evs
    assert abs(value - (1 - p) ** (2 * length)) < 1e-9
