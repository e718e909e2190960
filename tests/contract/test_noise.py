# SPDX-License-Identifier: Apache-2.0
"""Runs with a noise model, on every way that a model can be given."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from noise_oracle import probabilities
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import Kraus
from reference import assert_drawn_from

from qfleet import EstimatorV2, FleetProvider, SamplerV2, iter_sweep, sweep
from qfleet.errors import NoiseError
from qfleet.lowering.lower import lower
from qfleet.noise import Channel, NoiseModel
from qfleet.options import RunOptions
from qfleet.submission import notices
from qfleet.submission.prepare import prepare
from qfleet.wire.messages.request import Output

#: Turns each x into nothing.
FLIP = NoiseModel().add(Channel.pauli({"X": 1.0}), "x")


def flipped() -> QuantumCircuit:
    circuit = QuantumCircuit(1)
    circuit.x(0)
    circuit.measure_all()
    return circuit


def test_options_of_a_run_and_of_a_backend(provider: FleetProvider) -> None:
    backend = provider.get_backend("automatic", shots=50)
    assert backend.run(flipped()).result().get_counts() == {"1": 50}
    assert backend.run(flipped(), noise_model=FLIP).result().get_counts() == {"0": 50}
    backend.set_options(noise_model=FLIP)
    assert backend.run(flipped()).result().get_counts() == {"0": 50}
    assert backend.run(flipped(), noise_model=None).result().get_counts() == {"1": 50}
    assert provider.get_backend("automatic", noise_model=FLIP).run(flipped()).result().get_counts() == {"0": 1024}


def test_a_model_of_aer(provider: FleetProvider) -> None:
    aer = pytest.importorskip("qiskit_aer.noise", reason="pip install -e '.[dev]' installs it")
    model = aer.NoiseModel()
    model.add_all_qubit_quantum_error(aer.pauli_error([("X", 1.0)]), "x")
    backend = provider.get_backend("automatic", shots=50)
    assert backend.run(flipped(), noise_model=model).result().get_counts() == {"0": 50}
    assert backend.run(flipped(), noise_model=model.to_dict()).result().get_counts() == {"0": 50}
    model.add_all_qubit_readout_error([[0, 1], [1, 0]])
    assert backend.run(flipped(), noise_model=model).result().get_counts() == {"1": 50}


def noisy_circuit() -> QuantumCircuit:
    circuit = QuantumCircuit(3, 3)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    circuit.measure(1, 0)
    circuit.reset(1)
    circuit.h(1)
    circuit.append(Kraus([np.diag([1, 0.6]), np.array([[0, 0.8], [0, 0]])]), [2])
    circuit.measure([1, 2], [1, 2])
    return circuit


@pytest.mark.parametrize("method", ["statevector", "density_matrix"])
def test_counts_are_drawn_from_the_exact_distribution(provider: FleetProvider, method: Any) -> None:
    noise = (
        NoiseModel()
        .add(Channel.thermal_relaxation(50, 70, 20), ["h", "measure"])
        .add(Channel.depolarizing(0.2, 2).then(Channel.pauli({"XI": 0.1})), "cx")
        .add(Channel.reset(0.1, 0.2), "reset")
        .add_readout([[0.9, 0.1], [0.3, 0.7]])
        .add_readout([[1, 0], [0.5, 0.5]], 2)
    )
    circuit = noisy_circuit()
    job = provider.get_backend("automatic").run(
        circuit, noise_model=noise, shots=20_000, seed_simulator=11, method=method
    )
    exact = probabilities(lower(circuit, Output.COUNTS, noise=noise))
    assert_drawn_from(job.result().get_counts(), {f"{bits:03b}": p for bits, p in exact.items() if p > 1e-12})


def test_parameter_binds_and_equal_circuits(provider: FleetProvider) -> None:
    theta = Parameter("t")
    circuit = QuantumCircuit(1)
    circuit.x(0)
    circuit.rx(theta, 0)
    circuit.measure_all()
    backend = provider.get_backend("automatic", noise_model=FLIP, shots=50)
    result = backend.run(circuit, parameter_binds=[{theta: [0.0, np.pi]}]).result()
    assert [result.get_counts(at) for at in (0, 1)] == [{"0": 50}, {"1": 50}]
    circuits = [circuit.assign_parameters([value]) for value in (0.0, np.pi, 0.0)]
    result = backend.run(circuits).result()
    assert [result.get_counts(at) for at in range(3)] == [{"0": 50}, {"1": 50}, {"0": 50}]


def test_delays_are_bound(provider: FleetProvider) -> None:
    """Each value of a delay is a circuit of its own, since the noise depends on it."""
    time = Parameter("t")
    circuit = QuantumCircuit(1)
    circuit.x(0)
    circuit.delay(time, 0, unit="s")
    circuit.measure_all()
    backend = provider.get_backend("automatic", noise_model=NoiseModel().with_relaxation([1e-3], [1e-3]), shots=50)
    result = backend.run(circuit, parameter_binds=[{time: [0.0, 1.0]}]).result()
    assert [result.get_counts(at) for at in (0, 1)] == [{"1": 50}, {"0": 50}]
    pub = SamplerV2(backend).run([(circuit, [[0.0], [1.0]])]).result()[0]
    assert pub.data.meas.get_counts() == {"1": 1024, "0": 1024}


def test_circuits_that_differ_in_angles_are_one_program() -> None:
    circuits = []
    for angle in (0.1, 0.2, 0.3):
        circuit = QuantumCircuit(1)
        circuit.rx(angle, 0)
        circuit.measure_all()
        circuits.append(circuit)
    options = RunOptions(noise_model=NoiseModel().add(Channel.depolarizing(0.1), "rx"))
    new = prepare(circuits, options, backend_name="", output=Output.COUNTS, tags=[], metadata={}, retention=1)
    assert len(new.programs) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"noise_model": FLIP},
        {"backend_options": {"noise_model": FLIP}},
        {"options": {"backend_options": {"noise_model": FLIP}}},
        {"options": {"run_options": {"noise_model": FLIP}}},
    ],
)
def test_primitives(provider: FleetProvider, options: Any) -> None:
    sampler = SamplerV2(provider, **options)
    assert sampler.run([flipped()]).result()[0].data.meas.get_counts() == {"0": 1024}
    circuit = flipped().remove_final_measurements(inplace=False)
    estimator = EstimatorV2(provider, **options)
    assert estimator.run([(circuit, "Z")]).result()[0].data.evs == pytest.approx(1)


def test_primitives_of_a_noisy_backend(provider: FleetProvider) -> None:
    backend = provider.get_backend("automatic", noise_model=FLIP)
    assert SamplerV2(backend).run([flipped()]).result()[0].data.meas.get_counts() == {"0": 1024}
    quiet = SamplerV2(backend, noise_model=None)
    assert quiet.run([flipped()]).result()[0].data.meas.get_counts() == {"1": 1024}


@pytest.mark.parametrize("precision", [0.0, 0.01])
def test_estimates_have_no_readout_error(provider: FleetProvider, precision: float) -> None:
    noise = NoiseModel().add_readout([[0.9, 0.1], [0.2, 0.8]])
    circuit = QuantumCircuit(1)
    circuit.x(0)
    (found,) = EstimatorV2(provider, noise_model=noise, seed=1).run([(circuit, "Z")], precision=precision).result()
    assert found.data.evs == pytest.approx(-1, abs=1e-9 + 6 * precision)


def test_sweeps(provider: FleetProvider) -> None:
    theta = Parameter("t")
    circuit = QuantumCircuit(1)
    circuit.x(0)
    circuit.rx(theta, 0)
    values = [[0.0], [np.pi]]
    given: dict[str, Any] = {"fleet": provider, "noise_model": FLIP}
    assert sweep(circuit, values, "Z", **given) == pytest.approx([1, -1])
    found = np.empty(2)
    for place, part in iter_sweep(circuit, values, "Z", **given):
        found[place] = part
    assert found == pytest.approx([1, -1])
    noisy = provider.get_backend("automatic", noise_model=FLIP)
    assert sweep(circuit, values, "Z", fleet=noisy) == pytest.approx([1, -1])


def warned(run: Callable[[], object]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        run()
    return [str(each.message) for each in caught]


def prepared(model: NoiseModel, *circuits: QuantumCircuit) -> list[str]:
    """Return the warnings of a job that is prepared."""
    options = RunOptions(noise_model=model)
    return warned(
        lambda: prepare(circuits, options, backend_name="", output=Output.COUNTS, tags=[], metadata={}, retention=1)
    )


def test_gates_that_no_circuit_has_give_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "_GATES_TOLD", set())
    circuit = QuantumCircuit(2, name="first")
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    other = circuit.copy()
    other.name = "other"
    two = Channel.depolarizing(0.1, 2)
    model = NoiseModel().add(two, ["cz", "ecr"]).add(Channel.depolarizing(0.1), ["h", "sx", "id"])
    (text,) = prepared(model, circuit, other)
    assert text == (
        "circuit 'first' has gates of 2 qubits without noise: the noise model has it for cz, ecr, and the circuit has "
        "only cx; transpile it for the model's gates. This process doesn't say so again"
    )
    assert prepared(model, other) == []
    (text,) = prepared(NoiseModel().add(two, "cz"), other)
    assert text.startswith("circuit 'other' has gates of 2 qubits without noise: the noise model has it for cz, and")
    assert prepared(model.add(two, "cx"), circuit) == []
    virtual = QuantumCircuit(1, 1)
    virtual.rz(0.3, 0)
    virtual.measure(0, 0)
    assert prepared(model, virtual) == []
    assert prepared(NoiseModel().add(Channel.depolarizing(0.1), ["id", "measure", "reset"]), circuit) == []
    assert prepared(NoiseModel().add_readout([[0.9, 0.1], [0.2, 0.8]]), circuit) == []


def test_a_model_that_does_not_fit_queues_nothing(provider: FleetProvider) -> None:
    before = [job.job_id() for job in provider.jobs(limit=None)]
    noise = NoiseModel().add(Channel.depolarizing(0.1, 2), "mine")
    circuit = QuantumCircuit(1)
    circuit.unitary(np.eye(2), [0], label="mine")
    circuit.measure_all()
    with pytest.raises(NoiseError, match="'mine' acts on 1 qubits") as caught:
        provider.get_backend("automatic").run(circuit, noise_model=noise)
    assert caught.value.entry == "mine"
    assert [job.job_id() for job in provider.jobs(limit=None)] == before
