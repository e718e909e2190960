# SPDX-License-Identifier: Apache-2.0
"""Programs under a noise model of Aer have the outcomes that Aer's density matrices have."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from aer_models import damped, model_with
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from noise_oracle import density_matrix, probabilities
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import Measure, Reset
from qiskit.circuit.library import UnitaryGate, XGate, YGate
from reference import assert_drawn_from, standard_gates

from qfleet import FleetProvider
from qfleet.errors import NoiseError
from qfleet.lowering.lower import lower
from qfleet.noise import NoiseModel
from qfleet.wire.messages.request import Output

aer = pytest.importorskip("qiskit_aer", reason="pip install -e '.[dev]' installs it")
noise = pytest.importorskip("qiskit_aer.noise")


def of_aer(circuit: QuantumCircuit, model: Any) -> Any:
    """Return Aer's density matrix at the end."""
    saving = circuit.copy()
    saving.save_density_matrix()
    result = aer.AerSimulator(method="density_matrix").run(saving, noise_model=model).result()
    assert result.success, result.status
    return np.asarray(result.data(0)["density_matrix"])


def assert_same(circuit: QuantumCircuit, model: Any) -> None:
    ours = density_matrix(lower(circuit, noise=NoiseModel.from_aer(model)))
    assert np.abs(ours - of_aer(circuit, model)).max() < 1e-10


def assert_same_counts(circuit: QuantumCircuit, model: Any, shots: int = 20_000) -> None:
    simulator = aer.AerSimulator(method="density_matrix", seed_simulator=7)
    counts = simulator.run(circuit, noise_model=model, shots=shots).result().get_counts()
    program = lower(circuit, Output.COUNTS, noise=NoiseModel.from_aer(model))
    exact = {f"{bits:0{program.num_clbits}b}": p for bits, p in probabilities(program).items() if p > 1e-12}
    assert_drawn_from(counts, exact)


def mixed() -> QuantumCircuit:
    circuit = QuantumCircuit(3)
    circuit.h([0, 1, 2])
    circuit.x(0)
    circuit.cx(0, 1)
    circuit.cx(1, 0)
    circuit.id(2)
    circuit.y(2)
    circuit.reset(1)
    circuit.ccx(0, 2, 1)
    circuit.rz(0.3, 0)
    circuit.append(XGate(label="mine"), [2])
    circuit.append(UnitaryGate(np.diag([1, 1j]), label="other"), [0])
    circuit.unitary(np.eye(4)[[0, 2, 1, 3]], [0, 2])
    circuit.delay(100, 0, unit="ns")
    return circuit


def two() -> Any:
    return damped(0.2).expand(noise.pauli_error([("X", 0.3), ("I", 0.7)]))


MODELS: dict[str, Callable[[], Any]] = {
    "gates": lambda: model_with((damped(0.3), ["x", "h"], None)),
    "a gate that no circuit has": lambda: model_with((damped(0.3), ["sx"], None)),
    "ordered qubits": lambda: model_with((two(), ["cx"], [0, 1])),
    "the other order": lambda: model_with((two(), ["cx"], [1, 0])),
    "local instead of all": lambda: model_with((damped(0.3), ["h"], None), (damped(0.6), ["h"], [1])),
    "twice": lambda: model_with((damped(0.3), ["x"], [0]), (two().compose(two()), ["cx"], None), (damped(1), "x", [0])),
    "reset, id and delay": lambda: model_with((damped(0.3), ["reset", "id", "delay"], None)),
    "labels": lambda: model_with((damped(0.3), ["mine", "other"], None)),
    "names of labelled gates": lambda: model_with((damped(0.3), ["x"], None), (two(), ["unitary"], None)),
    "three qubits": lambda: model_with((two().expand(damped(0.4)), ["ccx"], None)),
    "a Pauli label": lambda: model_with((noise.pauli_error([("XI", 1.0)]), ["cx"], None)),
    "Pauli and Lindblad": lambda: model_with((noise.PauliLindbladError(["XI", "ZY"], [0.1, 0.3]), ["cx"], None)),
    "made of gates": lambda: model_with((made_of_gates(), ["cx"], None)),
    "relaxation": lambda: model_with(
        (noise.thermal_relaxation_error(50, 30, 9, 0.2), ["h"], None),
        (noise.thermal_relaxation_error(50, 90, 9), ["x", "reset"], None),
    ),
    "coherent": lambda: model_with((noise.coherent_unitary_error(XGate().to_matrix() ** 1), ["h"], None)),
}


def made_of_gates() -> Any:
    odd = QuantumCircuit(2)
    odd.h(1)
    odd.cx(1, 0)
    odd.rx(0.4, 0)
    odd.reset(1)
    return noise.QuantumError([(odd, 0.3), (QuantumCircuit(2), 0.7)])


@pytest.mark.parametrize("name", MODELS)
def test_density_matrices(name: str) -> None:
    assert_same(mixed(), MODELS[name]())


@pytest.mark.parametrize("name", MODELS)
def test_dictionaries_are_the_same_models(name: str) -> None:
    model = MODELS[name]()
    for content in (model.to_dict(), json.loads(json.dumps(model.to_dict(serializable=True)))):
        again = NoiseModel.from_dict(content)
        ours = NoiseModel.from_aer(model)
        assert again.names == ours.names
        for (label, qubits, one), (other_label, other_qubits, other) in zip(
            ours.entries(), again.entries(), strict=True
        ):
            assert (label, qubits) == (other_label, other_qubits)
            assert np.abs(one.to_superop() - other.to_superop()).max() < 1e-12


def test_measurements_and_readout() -> None:
    circuit = QuantumCircuit(2, 3)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure(0, 0)
    circuit.measure(0, 1)
    circuit.measure(1, 2)
    model = model_with((damped(0.4), ["measure"], None), (noise.pauli_error([("X", 0.1), ("I", 0.9)]), "measure", [1]))
    model.add_all_qubit_readout_error([[0.9, 0.1], [0.3, 0.7]])
    model.add_readout_error([[0.6, 0.4], [0.2, 0.8]], [0], warnings=False)
    assert_same_counts(circuit, model)


def test_labelled_measurements_and_resets_have_the_noise_of_their_names() -> None:
    circuit = QuantumCircuit(1, 2)
    circuit.append(Reset(label="mine"), [0])
    circuit.append(Measure(label="mine"), [0], [0])
    circuit.append(Measure(label="mine"), [0], [1])
    flip = noise.pauli_error([("X", 1.0)])
    model = model_with((flip, ["measure", "reset"], None))
    assert_same_counts(circuit, model, shots=100)


def test_a_readout_error_of_two_bits_acts_on_no_measurement() -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.measure([0, 1], [0, 1])
    model = noise.NoiseModel()
    model.add_readout_error(np.eye(4)[::-1], [0, 1])
    assert_same_counts(circuit, model, shots=100)


def test_conditions_see_flipped_bits() -> None:
    model = noise.NoiseModel()
    model.add_all_qubit_readout_error([[0, 1], [1, 0]])
    circuit = QuantumCircuit(1, 2)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.x(0)
    circuit.measure(0, 1)
    assert_same_counts(circuit, model, shots=100)


def test_gates_with_controls_on_zero() -> None:
    circuit = QuantumCircuit(2)
    circuit.h([0, 1])
    circuit.cx(0, 1, ctrl_state=0)
    model = model_with((damped(0.3), ["x"], None), (two(), ["cx"], None))
    assert_same(circuit, model)


def test_relaxation_during_delays() -> None:
    circuit = QuantumCircuit(3)
    circuit.h([0, 1, 2])
    for qubit, (duration, unit) in enumerate([(5, "us"), (20_000, "dt"), (3e-6, "s")]):
        circuit.delay(duration, qubit, unit=unit)
    model = model_with((damped(0.3), ["h", "delay"], None))
    model._custom_noise_passes.append(
        noise.RelaxationNoisePass(
            [50e-6, 40e-6, np.inf], [70e-6, 30e-6, np.inf], 1e-9, type(circuit.data[-1].operation), [0, 0.2, 0]
        )
    )
    assert_same(circuit, model)


def with_pass(*passes: Any) -> Any:
    model = model_with((damped(0.3), ["h"], None))
    model._custom_noise_passes.extend(passes)
    return model


def test_local_passes_are_run_on_circuits_with_delays() -> None:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.x(1)
    circuit.delay(100, 0, unit="ns")
    appended = noise.LocalNoisePass(lambda _, qubits: damped(0.1 * (1 + qubits[0])), XGate, "append")
    replaced = noise.LocalNoisePass(lambda *_: YGate(), type(circuit.data[0].operation), "replace")
    for passes in ((appended,), (appended, replaced)):
        assert_same(circuit, with_pass(*passes))
    assert_same(circuit.copy_empty_like().compose(mixed_without_delays()), with_pass(appended))


def mixed_without_delays() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.x(1)
    return circuit


def test_passes_that_cannot_be_run() -> None:
    class Odd:
        pass

    with pytest.raises(NoiseError, match="noise pass Odd"):
        NoiseModel.from_aer(with_pass(Odd()))
    dynamic = QuantumCircuit(1, 1)
    dynamic.delay(100, 0, unit="ns")
    with dynamic.if_test((0, 1)):
        dynamic.x(0)
    failing = noise.LocalNoisePass(lambda *_: 1 / 0)
    with pytest.raises(NoiseError, match="LocalNoisePass can't be run"):
        lower(dynamic, noise=NoiseModel.from_aer(with_pass(failing)))
    plain = QuantumCircuit(1, 1)
    plain.delay(100, 0, unit="ns")
    with pytest.raises(NoiseError, match="LocalNoisePass raised ZeroDivisionError"):
        lower(plain, noise=NoiseModel.from_aer(with_pass(failing)))


ERRORS: dict[str, Callable[[], Any]] = {
    "mixture": lambda: noise.depolarizing_error(0.2, 2),
    "kraus": lambda: damped(0.2).expand(damped(0.4)),
    "paulis": lambda: noise.pauli_error([("XZ", 0.3), ("II", 0.7)]),
    "lindblad": lambda: noise.PauliLindbladError(["XI", "ZY", "IY"], [0.1, 0.3, 0.2]),
    "gates": made_of_gates,
    "resets": lambda: noise.reset_error(0.3, 0.1).expand(noise.reset_error(0.2)),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_in_circuits(name: str) -> None:
    circuit = QuantumCircuit(3)
    circuit.h([0, 1, 2])
    circuit.append(ERRORS[name]().to_instruction(), [2, 0])
    circuit.cx(0, 1)
    circuit.append(ERRORS[name](), [0, 1])
    assert_same(circuit, None if name == "x" else model_with((damped(0.1), "h", None)))


def test_a_wide_lindblad_error_is_small_channels() -> None:
    circuit = QuantumCircuit(12)
    labels = ["I" * (10 - at) + "XZ" + "I" * at for at in range(11)] + ["I" * 11 + "Y"]
    circuit.append(noise.PauliLindbladError(labels, [0.1] * 12), range(12))
    program = lower(circuit)
    assert sorted(program.num_targets.tolist()) == [1] + [2] * 11


@pytest.fixture(scope="module")
def device() -> Any:
    fakes = pytest.importorskip("qiskit_ibm_runtime.fake_provider")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fakes.FakeManilaV2()


def test_the_noise_of_a_device(device: Any) -> None:
    model = noise.NoiseModel.from_backend(device)
    circuit = QuantumCircuit(3, 3)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    circuit.reset(0)
    circuit = transpile(circuit, device, initial_layout=[1, 2, 3], optimization_level=0)
    circuit.delay(2000, 1, unit="dt")
    circuit.delay(200, 2, unit="ns")
    assert_same(circuit, model)
    circuit.measure([1, 2, 3], [0, 1, 2])
    assert_same_counts(circuit, model)


@st.composite
def models(draw: st.DrawFn) -> Any:
    """Models with errors of every kind on gates, some of them local, and readout."""
    model = noise.NoiseModel()
    strength = st.floats(0.01, 0.5)
    one = st.one_of(
        strength.map(damped),
        strength.map(lambda p: noise.depolarizing_error(p, 1)),
        strength.map(lambda p: noise.pauli_error([("X", p), ("I", 1 - p)])),
        strength.map(lambda p: noise.reset_error(p, 0.3)),
        st.tuples(strength, st.floats(0.2, 1.9)).map(lambda a: noise.thermal_relaxation_error(1, a[1], a[0])),
        strength.map(lambda p: noise.coherent_unitary_error(np.diag([1, np.exp(1j * p)]))),
    )
    pair = st.one_of(
        st.tuples(one, one).map(lambda pair: pair[0].expand(pair[1])),
        strength.map(lambda p: noise.depolarizing_error(p, 2)),
    )
    for error, gates, qubits in draw(
        st.lists(
            st.tuples(
                one,
                st.lists(st.sampled_from(["x", "h", "id", "reset", "delay", "mine"]), min_size=1),
                st.one_of(st.none(), st.integers(0, 2)),
            ),
            max_size=4,
        )
    ):
        if qubits is None:
            model.add_all_qubit_quantum_error(error, sorted(set(gates)), warnings=False)
        else:
            model.add_quantum_error(error, sorted(set(gates)), [qubits], warnings=False)
    for error, qubits in draw(st.lists(st.tuples(pair, st.one_of(st.none(), st.permutations(range(3)))), max_size=2)):
        if qubits is None:
            model.add_all_qubit_quantum_error(error, ["cx"], warnings=False)
        else:
            model.add_quantum_error(error, ["cx"], qubits[:2], warnings=False)
    return model


@st.composite
def circuits(draw: st.DrawFn) -> QuantumCircuit:
    circuit = QuantumCircuit(3, 1)
    for name in draw(st.lists(st.sampled_from(["x", "h", "id", "reset", "delay", "mine", "cx"]), max_size=9)):
        one, other, _ = draw(st.permutations(range(3)))
        match name:
            case "cx":
                circuit.cx(one, other)
            case "delay":
                circuit.delay(100, one, unit="ns")
            case "mine":
                circuit.append(XGate(label="mine"), [one])
            case _:
                getattr(circuit, name)(one)
    return circuit


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(models(), circuits())
def test_any_model_and_circuit(model: Any, circuit: QuantumCircuit) -> None:
    ours = NoiseModel.from_aer(model)
    with_aer = of_aer(circuit, model)
    assert np.abs(density_matrix(lower(circuit, noise=ours)) - with_aer).max() < 1e-10
    from_dictionary = NoiseModel.from_dict(model.to_dict())
    assert np.abs(density_matrix(lower(circuit, noise=from_dictionary)) - with_aer).max() < 1e-10


def dynamic() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 3)
    circuit.h(0)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)) as otherwise:
        circuit.id(1)
        circuit.x(1)
    with otherwise:
        circuit.id(1)
    with circuit.for_loop(range(2)):
        circuit.id(0)
        circuit.h(1)
    circuit.measure(1, 1)
    with circuit.if_test((1, 1)):
        circuit.reset(0)
    circuit.measure([0, 1], [1, 2])
    return circuit


@pytest.mark.parametrize("t2", [100, 90], ids=["2 T1", "1.8 T1"])
def test_shots_that_wait_for_jumps_are_drawn_from_aers_density_matrix(provider: FleetProvider, t2: float) -> None:
    one, two = (noise.thermal_relaxation_error(50, t2, time) for time in (0.5, 4))
    shaken = noise.depolarizing_error(0.02, 2)
    model = model_with((one, ["h", "ry", "x", "reset"], None), (two.expand(two), ["cx"], None), (shaken, ["cz"], None))
    circuit = QuantumCircuit(3)
    circuit.h([0, 1, 2])
    for layer in range(4):
        circuit.cx(layer % 3, (layer + 1) % 3)
        circuit.ry(0.4 + layer, [0, 1, 2])
        circuit.cz(1, 2)
        circuit.x(layer % 2)
    circuit.reset(1)
    circuit.cx(0, 1)
    exact = {f"{place:03b}": p for place, p in enumerate(of_aer(circuit, model).diagonal().real) if p > 1e-12}
    circuit.measure_all()
    backend = provider.get_backend("automatic", noise_model=model, method="statevector", seed_simulator=3)
    assert_drawn_from(backend.run(circuit, shots=200_000).result().get_counts(), exact)


def test_noise_in_control_flow() -> None:
    flip = noise.pauli_error([("X", 0.2), ("I", 0.8)])
    model = model_with((damped(0.4), ["id", "reset"], None), (flip, ["x", "h", "measure"], None))
    model.add_all_qubit_readout_error([[0.9, 0.1], [0.2, 0.8]])
    circuit = dynamic()
    simulator = aer.AerSimulator(method="statevector", seed_simulator=7)
    counts = simulator.run(circuit, noise_model=model, shots=20_000).result().get_counts()
    program = lower(circuit, Output.COUNTS, noise=NoiseModel.from_aer(model))
    exact = {f"{bits:03b}": p for bits, p in probabilities(program).items() if p > 1e-12}
    assert_drawn_from(counts, exact)


#: The gates that Aer's density matrices have.
GATES = [
    "x",
    "y",
    "z",
    "h",
    "s",
    "sdg",
    "t",
    "tdg",
    "sx",
    "sxdg",
    "id",
    "p",
    "r",
    "rx",
    "ry",
    "rz",
    "u",
    "u1",
    "u2",
    "u3",
    "cx",
    "cy",
    "cz",
    "cp",
    "cu1",
    "swap",
    "ecr",
    "rxx",
    "ryy",
    "rzz",
    "rzx",
    "ccx",
]


@pytest.mark.parametrize("name", GATES)
def test_any_gate_may_be_named(name: str) -> None:
    gate = standard_gates()[name]
    circuit = QuantumCircuit(3)
    circuit.h([0, 1, 2])
    circuit.t([0, 1, 2])
    circuit.append(gate, [2, 0, 1][: gate.num_qubits])
    error = damped(0.3)
    for place in range(1, gate.num_qubits):
        error = error.expand(damped(0.3 + 0.1 * place))
    assert_same(circuit, model_with((error, [name], None)))
