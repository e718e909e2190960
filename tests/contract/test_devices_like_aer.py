# SPDX-License-Identifier: Apache-2.0
"""The noise of a device is that of Aer's `NoiseModel.from_backend`, error by error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qiskit.providers import BackendV2
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import SuperOp

from qfleet.noise import NoiseModel

MOST = 150
DEVICES = ["FakeManilaV2", "FakeSherbrooke", "FakeArmonkV2", "FakeFractionalBackend"]


def fake_device(name: str) -> BackendV2:
    fakes = pytest.importorskip("qiskit_ibm_runtime.fake_provider", reason='pip install -e ".[dev]" installs it')
    return getattr(fakes, name)()


def assert_like_aer(device: BackendV2, tolerance: float = 1e-10, **settings: Any) -> None:
    aer = pytest.importorskip("qiskit_aer.noise", reason="pip install -e '.[dev]' installs it")
    theirs = aer.NoiseModel.from_backend(device, **settings)
    ours = NoiseModel.from_backend(device, **settings)
    expected = {
        (name, qubits): error
        for name, by_qubits in theirs._local_quantum_errors.items()
        for qubits, error in by_qubits.items()
    }
    found = {(name, qubits): channel for name, qubits, channel in ours.entries()}
    assert found.keys() == expected.keys()
    # A large device's errors are all of the same kinds.
    for place in list(expected)[:: max(1, len(expected) // MOST)]:
        difference = SuperOp(expected[place]).data - found[place].to_superop()
        assert np.abs(difference).max() < tolerance, place
    for qubit in range(device.num_qubits):
        readout = theirs._local_readout_errors.get("measure", theirs._local_readout_errors).get((qubit,))
        flips = ours.flips(qubit)
        assert (readout is None) == (flips is None)
        if flips is not None:
            assert np.allclose(readout.probabilities, [[1 - flips[0], flips[0]], [flips[1], 1 - flips[1]]], atol=1e-12)
    [relaxation] = theirs._custom_noise_passes or [None]
    assert (relaxation is None) == (ours.relaxation is None)
    if ours.relaxation is not None:
        assert np.array_equal(relaxation._t1s, ours.relaxation.t1s)
        assert np.array_equal(relaxation._t2s, ours.relaxation.t2s)
        assert np.allclose(relaxation._p1s, ours.relaxation.excited_state_populations, atol=1e-15)
        assert relaxation._dt == ours.relaxation.dt


@pytest.mark.parametrize("name", DEVICES)
def test_fake_devices(name: str) -> None:
    assert_like_aer(fake_device(name))


@pytest.mark.parametrize(("num_qubits", "seed"), [(2, 1), (3, 2), (5, 3), (9, 4), (17, 5)])
def test_generic_devices(num_qubits: int, seed: int) -> None:
    assert_like_aer(GenericBackendV2(num_qubits, seed=seed))


@pytest.mark.parametrize(
    "settings",
    [
        {"gate_error": False},
        {"readout_error": False},
        {"thermal_relaxation": False},
        # Of a Kraus channel, Aer drops what is less likely than 1e-8.
        {"temperature": 25.0, "tolerance": 1e-8},
        {"temperature": -25.0, "tolerance": 1e-8},
        {"temperature": 150.0},
    ],
    ids=str,
)
def test_parts_of_the_noise(settings: dict[str, Any]) -> None:
    assert_like_aer(GenericBackendV2(4, seed=6, control_flow=True), **settings)
