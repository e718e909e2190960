# SPDX-License-Identifier: Apache-2.0
"""Packages that take any backend of Qiskit's take these: qiskit-experiments, and IBM's primitives."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from circuits import bell_state
from qiskit import QuantumCircuit
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import SparsePauliOp

from qfleet import FleetProvider
from qfleet.backend import FleetBackend


@pytest.fixture
def backend(provider: FleetProvider) -> FleetBackend:
    backend = provider.get_backend("automatic", seed_simulator=1)
    try:
        copy.deepcopy(backend)
    except TypeError as exc:
        pytest.skip(f"these packages copy backends: {exc}")
    return backend


@pytest.mark.filterwarnings("ignore")
class TestExperiments:
    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("qiskit_experiments", reason='pip install -e ".[dev]" installs it')

    def test_state_tomography(self, backend: FleetBackend) -> None:
        from qiskit_experiments.library import StateTomography

        data = StateTomography(bell_state()).run(backend, shots=2000).block_for_results()
        assert not data.errors()
        results = data.analysis_results(dataframe=True)
        [fidelity] = results[results.name == "state_fidelity"].value
        assert fidelity > 0.95

    @pytest.mark.parametrize("qubits", [(3,), (0, 1)])
    def test_randomized_benchmarking(self, backend: FleetBackend, qubits: tuple[int, ...]) -> None:
        from qiskit_experiments.library import StandardRB

        data = StandardRB(qubits, [1, 5, 10], num_samples=2, seed=1).run(backend).block_for_results()
        assert [set(each["counts"]) for each in data.data()] == [{"0" * len(qubits)}] * 6
        assert not [error for error in data.errors().splitlines() if "Job" in error]

    def test_quantum_volume(self, backend: FleetBackend) -> None:
        from qiskit_experiments.library import QuantumVolume

        data = QuantumVolume([0, 1, 2], trials=3, seed=1).run(backend).block_for_results()
        results = data.analysis_results(dataframe=True)
        [heavy] = results[results.name == "mean_HOP"].value
        # The median of the outcomes is what makes them heavy.
        assert 0.5 < heavy.n <= 1

    def test_the_decay_of_a_device(self, provider: FleetProvider) -> None:
        from qiskit_experiments.library import T1

        device = GenericBackendV2(2, seed=3)
        expected = device.qubit_properties(1).t1
        backend = FleetBackend.from_backend(device, provider, seed_simulator=1)
        data = T1([1], np.linspace(0, 2 * expected, 12)).run(backend, shots=4000).block_for_results()
        assert not data.errors()
        results = data.analysis_results(dataframe=True)
        [found] = results[results.name == "T1"].value
        assert found.std_dev < 0.05 * expected
        assert abs(found.n - expected) < 4 * found.std_dev


@pytest.mark.filterwarnings("ignore")
class TestIbmsPrimitives:
    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("qiskit_ibm_runtime", reason='pip install -e ".[dev]" installs it')

    def test_the_sampler(self, backend: FleetBackend) -> None:
        from qiskit_ibm_runtime import SamplerV2

        measured = bell_state().measure_all(inplace=False)
        wide = QuantumCircuit(127, 2)
        wide.x(100)
        wide.measure([99, 100], [0, 1])
        result = SamplerV2(mode=backend).run([measured, wide], shots=200).result()
        assert result[0].data.meas.get_counts().keys() == {"00", "11"}
        assert result[1].data.c.get_counts() == {"10": 200}

    def test_the_estimator(self, backend: FleetBackend) -> None:
        from qiskit_ibm_runtime import EstimatorV2

        job = EstimatorV2(mode=backend).run([(bell_state(), [SparsePauliOp("ZZ"), SparsePauliOp("IZ")])])
        assert np.allclose(job.result()[0].data.evs, [1, 0], atol=0.2)
