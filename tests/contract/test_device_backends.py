# SPDX-License-Identifier: Apache-2.0
"""Backends that simulate a device: its target for the transpiler, and its noise for the circuits."""

from __future__ import annotations

import copy
import pickle  # noqa: TID251 - of our own
import warnings
from threading import Event

import numpy as np
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import Instruction
from qiskit.providers import BackendV2
from qiskit.providers.basic_provider import BasicSimulator
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import DensityMatrix, Kraus, Operator, Statevector, SuperOp
from qiskit.transpiler import generate_preset_pass_manager
from reference import assert_drawn_from

import qfleet.provider
import qfleet.submission.notices
from qfleet import FleetBackend, FleetProvider, SamplerV2
from qfleet.noise import Channel, NoiseModel

LINE = [[0, 1], [1, 0], [1, 2], [2, 1], [2, 3], [3, 2]]


@pytest.fixture(scope="module")
def device() -> BackendV2:
    return GenericBackendV2(4, coupling_map=LINE, seed=5, control_flow=True)


@pytest.fixture
def backend(device: BackendV2, provider: FleetProvider) -> FleetBackend:
    return FleetBackend.from_backend(device, provider)


def circuit() -> QuantumCircuit:
    made = QuantumCircuit(4)
    made.h(0)
    for target in (1, 2, 3):
        made.cx(0, target)
    made.ry(0.4, 2)
    made.measure_all()
    return made


def noisy_probabilities(circuit: QuantumCircuit, model: NoiseModel) -> dict[str, float]:
    """Return the chances of the outcomes of a circuit that measures each qubit once, at its end."""
    state, measured = DensityMatrix.from_label("0" * circuit.num_qubits), {}
    for each in circuit.data:
        qubits = [circuit.find_bit(qubit).index for qubit in each.qubits]
        if each.name == "measure":
            measured[circuit.find_bit(each.clbits[0]).index] = qubits[0]
        elif each.name != "barrier":
            state = state.evolve(Operator(each.operation), qubits)
            channel = model.channel(each.name, qubits)
            if channel is not None:
                state = state.evolve(SuperOp(channel.to_superop()), qubits)
    order = [measured[clbit] for clbit in sorted(measured)]
    chances = state.probabilities(order).reshape([2] * len(order))
    for clbit, qubit in enumerate(order):
        flips = model.flips(qubit)
        if flips is not None:
            confusion = np.array([[1 - flips.to_one, flips.to_one], [flips.to_zero, 1 - flips.to_zero]])
            axis = len(order) - 1 - clbit
            chances = np.moveaxis(np.tensordot(confusion.T, chances, (1, axis)), 0, axis)
    return {f"{index:0{len(order)}b}": float(chance) for index, chance in enumerate(chances.ravel())}


def test_it_looks_like_the_device(backend: FleetBackend, device: BackendV2) -> None:
    assert backend.name == "qfleet(generic_backend_4q)"
    assert backend.description == device.description
    assert backend.num_qubits == 4
    assert backend.dt == device.dt
    assert set(backend.coupling_map.get_edges()) == {tuple(edge) for edge in LINE}
    assert set(device.operation_names) <= set(backend.operation_names)
    assert backend.target["cx"][0, 1].error == device.target["cx"][0, 1].error
    assert backend.qubit_properties(1).t1 == device.qubit_properties(1).t1
    # The device is as it was.
    assert "save_statevector" in backend.operation_names
    assert "save_statevector" not in device.operation_names


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_circuits_are_transpiled_as_for_the_device(backend: FleetBackend, device: BackendV2, level: int) -> None:
    ours = transpile(circuit(), backend, optimization_level=level, seed_transpiler=1)
    assert ours == transpile(circuit(), device, optimization_level=level, seed_transpiler=1)
    managed = generate_preset_pass_manager(level, backend, seed_transpiler=1).run(circuit())
    assert managed == ours
    for each in ours.data:
        if len(each.qubits) == 2:
            assert [ours.find_bit(qubit).index for qubit in each.qubits] in LINE


def test_it_has_the_noise_of_the_device(backend: FleetBackend, device: BackendV2) -> None:
    assert backend.options.noise_model == NoiseModel.from_backend(device)
    ready = transpile(circuit(), backend, optimization_level=1, seed_transpiler=1)
    counts = backend.run(ready, shots=20_000, seed_simulator=3).result().get_counts()
    assert_drawn_from(counts, noisy_probabilities(ready, NoiseModel.from_backend(device)))
    # Outcomes that only errors have.
    assert len(counts) > 6


def test_a_stronger_noise_takes_the_place_of_the_devices(device: BackendV2, provider: FleetProvider) -> None:
    model = NoiseModel().add(Channel.depolarizing(0.2, 2), "cx").add_readout([[0.9, 0.1], [0.3, 0.7]])
    backend = FleetBackend.from_backend(device, provider, noise_model=model)
    ready = transpile(circuit(), backend, optimization_level=1, seed_transpiler=1)
    counts = backend.run(ready, shots=20_000, seed_simulator=3).result().get_counts()
    assert_drawn_from(counts, noisy_probabilities(ready, model))
    sampled = SamplerV2(backend, seed=1).run([ready], shots=20_000).result()[0]
    assert_drawn_from(sampled.data.meas.get_counts(), noisy_probabilities(ready, model))
    gates = ready.count_ops()["cx"]
    noise = {"channels": 1, "places": gates, "readouts": 4, "errors_per_shot": pytest.approx(gates * 0.2 * 15 / 16)}
    assert sampled.metadata["noise"] == noise
    assert sampled.metadata["method"] == "density_matrix"
    by_shots = backend.run(ready, shots=500, method="statevector", seed_simulator=3).result()
    assert by_shots.results[0].metadata["noise"] == noise | {"patterns": pytest.approx(200, abs=150)}


def test_saves_and_control_flow_stay(backend: FleetBackend) -> None:
    pytest.importorskip("qiskit_aer", reason="makes the method `save_density_matrix`")
    made = QuantumCircuit(2, 1)
    made.h(0)
    made.measure(0, 0)
    with made.if_test((made.clbits[0], 1)):
        made.x(0)
    with made.while_loop((made.clbits[0], 1)):
        made.x(1)
        made.measure(0, 0)
    made.save_density_matrix()
    for level in (0, 1):
        names = transpile(made, backend, optimization_level=level).count_ops()
        assert names["save_density_matrix"] == names["if_else"] == names["while_loop"] == 1


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_errors_in_circuits_stay(backend: FleetBackend, provider: FleetProvider, level: int) -> None:
    made = QuantumCircuit(1, 1)
    made.x(0)
    made.append(Kraus([np.sqrt(0.7) * np.eye(2), np.sqrt(0.3) * np.array([[0, 1], [1, 0]])]).to_instruction(), [0])
    made.x(0)
    made.measure(0, 0)
    made.append(Instruction("roerror", 0, 1, [[0.9, 0.1], [0.4, 0.6]]), [], [0])
    for taker in (provider.get_backend(), backend.with_options(noise_model=None)):
        ready = transpile(made, taker, optimization_level=level)
        assert {"kraus", "roerror", "measure"} <= ready.count_ops().keys()
        counts = taker.run(ready, shots=5000, seed_simulator=level).result().get_counts()
        assert_drawn_from(counts, {"0": 0.7 * 0.9 + 0.3 * 0.4, "1": 0.7 * 0.1 + 0.3 * 0.6})


def test_copies_keep_the_device(backend: FleetBackend) -> None:
    for twin in (pickle.loads(pickle.dumps(backend)), copy.deepcopy(backend), backend.with_options(shots=7)):  # noqa: S301
        assert type(twin) is FleetBackend
        assert twin.name == backend.name
        assert twin.coupling_map.get_edges() == backend.coupling_map.get_edges()
        assert twin.options.noise_model == backend.options.noise_model
    assert backend.with_options(noise_model=None).options.noise_model is None


def test_an_ideal_device_has_no_noise(provider: FleetProvider) -> None:
    backend = FleetBackend.from_backend(BasicSimulator(), provider)
    assert backend.options.noise_model is None
    made = QuantumCircuit(2)
    made.h(0)
    made.cx(0, 1)
    made.measure_all()
    counts = backend.run(transpile(made, backend), shots=2000, seed_simulator=1).result().get_counts()
    assert_drawn_from(counts, Statevector(made.remove_final_measurements(inplace=False)).probabilities_dict())


def test_a_device_is_a_backend(device: BackendV2, provider: FleetProvider) -> None:
    with pytest.raises(TypeError, match="BackendV2"):
        FleetBackend.from_backend(device.target, provider)


def test_without_a_provider_the_url_names_the_fleet(
    device: BackendV2, fleet_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QFLEET_URL", fleet_url)
    with FleetBackend.from_backend(device).provider as provider:
        assert provider.url == fleet_url
        assert provider.durable
    monkeypatch.delenv("QFLEET_URL")
    with FleetBackend.from_backend(device, fleet_url).provider as provider:
        assert provider.url == fleet_url


def test_without_a_url_backends_share_a_local_fleet(
    device: BackendV2, fleet_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def start(workers: int) -> FleetProvider:
        started.append(workers)
        return FleetProvider(fleet_url)

    monkeypatch.delenv("QFLEET_URL", raising=False)
    monkeypatch.setattr(FleetProvider, "local", start)
    monkeypatch.setattr(FleetBackend, "_provider_of", qfleet.provider.SharedFleet().provider)
    provider = FleetBackend.from_backend(device).provider
    assert FleetBackend.from_backend(device).provider is provider
    assert started == [2]
    # Who stops the fleet gets another one.
    provider.close()
    assert FleetBackend.from_backend(device).provider is not provider
    assert started == [2, 2]


def test_a_circuit_for_a_device_that_runs_without_noise_is_told_once(
    device: BackendV2, provider: FleetProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qfleet.submission.notices, "_TOLD", Event())
    backend, ready = provider.get_backend(), transpile(circuit(), device, seed_transpiler=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        backend.run(circuit())
        noisy = FleetBackend.from_backend(device, provider)
        noisy.run(ready)
        # Without noise on purpose.
        FleetBackend.from_backend(device, provider, noise_model=None).run(ready)
        noisy.run(ready, noise_model=None)
        SamplerV2(noisy.with_options(noise_model=None)).run([ready])
        FleetBackend.from_backend(BasicSimulator(), provider).run(ready)
        assert not caught
        backend.run([circuit(), ready])
        SamplerV2(backend).run([ready])
    [told] = caught
    assert f"circuit {ready.name!r} was transpiled" in str(told.message)
    assert "FleetBackend.from_backend" in str(told.message)
    assert told.filename == __file__


def test_a_circuit_wider_than_the_device_is_told(backend: FleetBackend, device: BackendV2) -> None:
    wide = QuantumCircuit(6, name="wide")
    wide.sx(range(6))
    wide.measure_all()
    text = (
        r"qfleet\(generic_backend_4q\) has 4 qubits, and more are in circuit 'wide': gates on qubits from 4 on have no"
    )
    with pytest.warns(UserWarning, match=text) as told:
        backend.run([transpile(circuit(), backend), wide])
    assert told[0].filename == __file__
    with pytest.warns(UserWarning, match=text):
        SamplerV2(backend).run([wide])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # All its qubits have noise, or none.
        backend.run(wide, noise_model=NoiseModel().add(Channel.depolarizing(0.1), "sx"))
        backend.run(wide, noise_model=None)
        backend.run(transpile(circuit(), device))


def test_gates_outside_of_the_coupling_map_are_told(backend: FleetBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qfleet.submission.notices, "_GATES_TOLD", set())
    far = QuantumCircuit(4, 4, name="far")
    far.sx(range(4))
    far.cx(0, 1)
    far.cx(0, 3)
    far.cx(3, 0)
    with far.if_test((far.clbits[0], 1)):
        far.cx(3, 1)
    far.measure(range(4), range(4))
    with pytest.warns(UserWarning, match="gates without noise") as told:
        backend.run([far, far.copy(name="as far")])
    [text] = [str(each.message) for each in told]
    assert "circuit 'far' has gates without noise: 'cx' on (0, 3), 'cx' on (3, 0), 'cx' on (3, 1); " in text
    assert "transpile the circuit for the device" in text
    assert told[0].filename == __file__


def test_a_model_of_some_qubits_has_no_noise_on_the_others(provider: FleetProvider) -> None:
    """As in Aer; of gates of one qubit that is the usual purpose."""
    made = QuantumCircuit(3)
    made.x([0, 1])
    made.cx(0, 2)
    made.cx(2, 1)
    made.measure_all()
    model = NoiseModel().add(Channel.pauli({"X": 1.0}), "x", 0).add(Channel.pauli({"XI": 1.0}), "cx", [2, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ideal_pair = model.add(Channel.pauli({"II": 1.0}), "cx", [0, 2])
        result = provider.get_backend(noise_model=ideal_pair).run(made, shots=10).result()
    with pytest.warns(UserWarning, match=r"'cx' on \(0, 2\); "):
        told = provider.get_backend(noise_model=model).run(made, shots=10).result()
    assert result.get_counts() == told.get_counts() == {"000": 10}


def test_backends_show_their_device_and_noise(backend: FleetBackend, provider: FleetProvider, fleet_url: str) -> None:
    assert repr(backend) == (
        "<FleetBackend 'qfleet(generic_backend_4q)', a device of 4 qubits, noise on cx, id, reset, sx, x, "
        "readout, delays>"
    )
    ideal = backend.with_options(noise_model=None)
    assert repr(ideal) == "<FleetBackend 'qfleet(generic_backend_4q)', a device of 4 qubits, no noise>"
    assert repr(provider.get_backend("qasm_simulator")) == "<FleetBackend 'qasm_simulator', no noise>"
    assert fleet_url not in repr(backend)
    many = NoiseModel().add(Channel.depolarizing(0.1), [f"gate{number}" for number in range(10, 40)])
    shown = repr(provider.get_backend(noise_model=many))
    assert shown.endswith(", gate16, gate17, 22 more gates>")
    assert len(shown) < 120
    assert repr(provider.get_backend(noise_model=NoiseModel())) == "<FleetBackend 'automatic', no noise>"
