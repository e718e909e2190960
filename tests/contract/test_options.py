# SPDX-License-Identifier: Apache-2.0
"""Options: typed and closed, on the backend and in `run`, where the latter win."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from circuits import superposed
from in_process import run_in_process
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import Statevector

from qfleet import FleetProvider
from qfleet.backend import FleetBackend
from qfleet.errors import CapacityError, InvalidOptionError
from qfleet.noise import Channel, NoiseModel
from qfleet.options import NAMES, RunOptions
from qfleet_worker.engines.contract import Simulator
from qfleet_worker.engines.numpy.simulator import NumpySimulator
from qfleet_worker.engines.statevector.simulator import StatevectorSimulator

NOISE = NoiseModel().add(Channel.pauli({"X": 1.0}), "x")

#: For each option: values in the form they are given, and the form they are kept in.
ALLOWED: dict[str, list[tuple[Any, Any]]] = {
    "shots": [(1, 1), (np.int64(100), 100), (np.uint8(3), 3), (2**31 - 1, 2**31 - 1)],
    "seed_simulator": [(None, None), (0, 0), (np.int32(5), 5), (2**62, 2**62)],
    "memory": [(True, True), (np.bool_(True), True), (np.False_, False)],
    "method": [("automatic", "automatic"), ("statevector", "statevector"), ("unitary", "unitary")],
    "precision": [("single", "single"), ("double", "double")],
    "initial_statevector": [(None, None)],
    "parameter_binds": [(None, None), ([{}], ({},)), ({}, ({},)), (({}, {}), ({}, {}))],
    "max_parallel_threads": [(0, 0), (np.int16(4), 4)],
    "max_memory_mb": [(0, 0), (np.int64(4096), 4096)],
    "max_job_size": [(None, None), (1, 1), (np.int64(7), 7)],
    "max_shot_size": [(None, None), (1, 1), (np.int64(7), 7)],
    "priority": [("low", "low"), ("normal", "normal"), ("high", "high")],
    "noise_model": [(None, None), (NOISE, NOISE)],
    "matrix_product_state_max_bond_dimension": [(None, None), (1, 1), (np.int64(64), 64)],
    "matrix_product_state_truncation_threshold": [(0, 0.0), (1e-8, 1e-8), (np.float32(0.5), 0.5)],
}

_NO_COUNTS = [-1, 2.5, 4.0, "many", "10", True, np.float64(3), np.array([1]), [1], 2**31, float("nan"), 1j]


class SomeNoise:
    """Stands for a noise model."""


#: For each option: what the text of the error says of the rule, and values against it.
FORBIDDEN: dict[str, tuple[str, list[Any]]] = {
    "shots": ("whole number from 1", [0, None, *_NO_COUNTS]),
    "seed_simulator": ("whole number from 0", [-1, 2.5, "1", True, 2**62 + 1]),
    "memory": ("True or False", [1, 0, None, "yes"]),
    "method": (
        "one of 'automatic', 'statevector', 'density_matrix', 'superop', 'unitary', 'stabilizer'",
        ["extended_stabilizer", "", None, 1, ["unitary"]],
    ),
    "precision": ("one of 'double', 'single'", ["half", None, np.float32]),
    "initial_statevector": (
        "norm of 1|complex numbers|amplitudes",
        [[1, 1], [0, 0], [1, 0, 0], [], np.eye(2), "01", [None, 1], object(), [np.nan, 1], 1],
    ),
    "parameter_binds": ("one {parameter: values} for each circuit", [1, "ab", [1], [None], {1, 2}]),
    "max_parallel_threads": ("whole number from 0", [None, 1025, *_NO_COUNTS]),
    "max_memory_mb": ("whole number from 0", [None, *_NO_COUNTS]),
    "max_job_size": ("whole number from 1", [0, *_NO_COUNTS]),
    "max_shot_size": ("whole number from 1", [0, *_NO_COUNTS]),
    "priority": ("one of 'low', 'normal', 'high'", ["highest", "", None, 8]),
    "noise_model": ("a noise model of Qiskit Aer is needed", [SomeNoise(), "depolarizing", False]),
    "matrix_product_state_max_bond_dimension": ("whole number from 1 to 32768", [0, 1 << 16, *_NO_COUNTS]),
    "matrix_product_state_truncation_threshold": ("a number from 0 to 1", [None, -1e-9, 1.1, True, "0", np.nan]),
}
#: Options whose values are too long for a message, which describes them.
DESCRIBED = {"initial_statevector", "noise_model"}

CASES = [(name, value) for name, (_, values) in FORBIDDEN.items() for value in values]


@pytest.fixture
def backend(provider: FleetProvider) -> FleetBackend:
    return provider.get_backend("basic_simulator")


def coin() -> QuantumCircuit:
    circuit = QuantumCircuit(1, 1)
    circuit.h(0)
    circuit.measure(0, 0)
    return circuit


def test_every_option_is_tested_here() -> None:
    assert ALLOWED.keys() == FORBIDDEN.keys() == NAMES


@pytest.mark.parametrize(
    ("name", "given", "kept"), [(name, *pair) for name, pairs in ALLOWED.items() for pair in pairs]
)
def test_a_right_value_is_kept_in_its_normal_form(backend: FleetBackend, name: str, given: Any, kept: Any) -> None:
    backend.set_options(**{name: given})
    assert backend.options[name] == kept
    assert type(backend.options[name]) is type(kept)


@pytest.mark.parametrize(("name", "value"), CASES, ids=lambda value: repr(value)[:30])
def test_a_wrong_value_is_refused_wherever_it_is_given(provider: FleetProvider, name: str, value: Any) -> None:
    backend = provider.get_backend("qasm_simulator")
    before = backend.options[name]
    rule, _ = FORBIDDEN[name]
    for give in (
        lambda: backend.run(coin(), **{name: value}),
        lambda: backend.set_options(**{name: value}),
        lambda: backend.options.update_options(**{name: value}),
        lambda: setattr(backend.options, name, value),
        lambda: provider.get_backend("automatic", **{name: value}),
    ):
        with pytest.raises(InvalidOptionError, match=rule) as caught:
            give()
        assert str(caught.value).startswith(name)
        if name not in DESCRIBED:
            assert repr(value) in str(caught.value)
    assert backend.options[name] is before


def test_a_wrong_value_queues_nothing(provider: FleetProvider) -> None:
    before = [job.job_id() for job in provider.jobs(limit=None)]
    for name, value in CASES:
        with pytest.raises(InvalidOptionError):
            provider.get_backend().run(coin(), **{name: value})
    assert [job.job_id() for job in provider.jobs(limit=None)] == before


def test_defaults(provider: FleetProvider) -> None:
    for backend in provider.backends():
        options = dict(backend.options)
        assert options.pop("method") == ("unitary" if backend.name == "unitary_simulator" else "automatic")
        assert options.pop("memory") is (backend.name == "basic_simulator")
        assert options == {name: getattr(RunOptions(), name) for name in NAMES - {"method", "memory"}}
    assert provider.get_backend().options.shots == 1024


def test_options_of_the_backend_hold_for_its_runs(provider: FleetProvider) -> None:
    backend = provider.get_backend("automatic", shots=np.int64(17), seed_simulator=4)
    backend.set_options(memory=True)
    result = backend.run(coin()).result()
    assert (result.results[0].shots, result.results[0].seed_simulator) == (17, 4)
    assert len(result.get_memory()) == 17


def test_options_of_the_run_win_and_do_not_stay(provider: FleetProvider) -> None:
    backend = provider.get_backend("automatic", shots=17, seed_simulator=4, memory=True)
    result = backend.run(coin(), shots=np.int64(5), seed_simulator=8, memory=False).result()
    assert (result.results[0].shots, result.results[0].seed_simulator) == (5, 8)
    assert type(result.results[0].shots) is int
    assert result.data(0).keys() == {"counts"}
    assert (backend.options.shots, backend.options.seed_simulator, backend.options.memory) == (17, 4, True)


def test_backends_do_not_share_options(provider: FleetProvider) -> None:
    provider.get_backend("automatic").set_options(shots=3)
    assert provider.get_backend("automatic").options.shots == 1024


def test_an_unknown_option_warns_and_is_left_out(backend: FleetBackend) -> None:
    with pytest.warns(UserWarning, match="is not used by backend") as caught:
        job = backend.run(coin(), shots=3, optimization_level=1, blocking_enable=True)
    assert [str(warning.message) for warning in caught] == [
        f"option {name!r} is not used by backend 'basic_simulator'"
        for name in ("blocking_enable", "optimization_level")
    ]
    assert {warning.filename for warning in caught} == {__file__}
    assert sum(job.result().get_counts().values()) == 3


def test_known_options_do_not_warn(backend: FleetBackend) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        options = {name: pairs[0][0] for name, pairs in ALLOWED.items()}
        backend.run(coin(), **options).result(timeout=60)


def test_an_unknown_option_of_a_backend_is_an_attribute_error(provider: FleetProvider) -> None:
    with pytest.raises(AttributeError, match="no_such_option"):
        provider.get_backend("automatic", no_such_option=1)
    with pytest.raises(AttributeError, match="no_such_option"):
        provider.get_backend().set_options(no_such_option=1)


class TestParameterBinds:
    """One mapping for each circuit, and one run for each of its values."""

    first, second = Parameter("first"), Parameter("second")

    @pytest.fixture
    def ansatz(self) -> QuantumCircuit:
        circuit = QuantumCircuit(2, name="ansatz", metadata={"kept": True})
        circuit.rx(self.first, 0)
        circuit.cry(self.second, 0, 1)
        return circuit

    def test_every_value_is_run(self, provider: FleetProvider, ansatz: QuantumCircuit) -> None:
        firsts, seconds = [0.1, np.float32(0.5), 2], np.linspace(0, 1, 3)
        plain = QuantumCircuit(1)
        plain.h(0)
        result = (
            provider.get_backend("statevector_simulator")
            .run([plain, ansatz], parameter_binds=[{}, {self.first: firsts, self.second: seconds}])
            .result()
        )
        points = zip(firsts, seconds, strict=True)
        expected = [plain] + [ansatz.assign_parameters({self.first: a, self.second: b}) for a, b in points]
        assert len(result.results) == len(expected) == 4
        for index, circuit in enumerate(expected):
            assert np.allclose(result.get_statevector(index), Statevector(circuit))
        headers = [each.header for each in result.results[1:]]
        assert all((header["name"], header["metadata"]) == ("ansatz", {"kept": True}) for header in headers)
        assert ansatz.num_parameters == 2

    def test_single_values_and_names(self, provider: FleetProvider, ansatz: QuantumCircuit) -> None:
        result = provider.get_backend("statevector_simulator").run(
            ansatz, parameter_binds={self.first: 0.3, "second": np.int64(2)}
        )
        expected = ansatz.assign_parameters({self.first: 0.3, self.second: 2})
        assert np.allclose(result.result().get_statevector(), Statevector(expected))

    @pytest.mark.parametrize(
        ("binds", "reason"),
        [
            ([{first: [1], second: [1]}, {}], "2 entries for 1 circuits"),
            ([], "0 entries for 1 circuits"),
            ([{first: [1, 2], second: [1, 2, 3]}], r"\(2,\), \(3,\)"),
            ([{first: [], second: []}], r"\(0,\)"),
            ([{first: [[1, 2]], second: [[1, 2]]}], "1 2"),
            ([{first: "a", second: 1}], "Cannot assign"),
            ([{first: [None], second: 1}], "Cannot assign"),
            ([{first: float("nan"), second: 1}], "NaN"),
            ([{first: 1j, second: 1}], "rx"),
            ([{first: [[1], [1, 2]], second: 1}], "inhomogeneous"),
            ([{first: 1, second: 1, Parameter("third"): 1}], "third"),
        ],
    )
    def test_wrong_values(
        self, provider: FleetProvider, ansatz: QuantumCircuit, binds: list[dict[Any, Any]], reason: str
    ) -> None:
        with pytest.raises(InvalidOptionError, match=f"parameter_binds.*{reason}"):
            provider.get_backend().run(ansatz, parameter_binds=binds)


class TestInitialStatevector:
    """The state to begin with."""

    vector = np.array([0.6, 0, 0, 0.8j])

    @pytest.mark.parametrize("given", [vector, vector.tolist(), Statevector(vector)], ids=type)
    def test_circuits_begin_with_it(self, provider: FleetProvider, given: Any) -> None:
        circuit = QuantumCircuit(2, global_phase=0.3)
        circuit.h(0)
        circuit.cp(0.4, 0, 1)
        result = (
            provider.get_backend("statevector_simulator").run([circuit, circuit], initial_statevector=given).result()
        )
        for index in range(2):
            assert np.allclose(result.get_statevector(index), Statevector(self.vector).evolve(circuit))
            assert result.results[index].header["global_phase"] == 0.3

    def test_counts(self, provider: FleetProvider) -> None:
        circuit = QuantumCircuit(1, 1)
        circuit.x(0)
        circuit.measure(0, 0)
        result = provider.get_backend().run(circuit, initial_statevector=[0, 1]).result()
        assert result.get_counts() == {"0": 1024}

    def test_a_state_preparation_does_not_begin_with_zero(self, provider: FleetProvider) -> None:
        circuit = QuantumCircuit(1)
        circuit.prepare_state([0.6, 0.8])
        state = provider.get_backend("statevector_simulator").run(circuit, initial_statevector=[0, 1]).result()
        assert np.allclose(state.get_statevector(), Statevector([0, 1]).evolve(circuit))

    def test_no_qubits_have_a_state_too(self, provider: FleetProvider) -> None:
        state = provider.get_backend("statevector_simulator").run(QuantumCircuit(0), initial_statevector=[1j]).result()
        assert np.allclose(state.get_statevector(), [1j])

    def test_it_is_taken_when_it_is_given(self, provider: FleetProvider) -> None:
        vector = np.array([0, 1], complex)
        backend = provider.get_backend("statevector_simulator", initial_statevector=vector)
        vector[:] = [1, 0]
        assert np.allclose(backend.run(QuantumCircuit(1)).result().get_statevector(), [0, 1])

    def test_it_must_fit_every_circuit(self, provider: FleetProvider) -> None:
        with pytest.raises(InvalidOptionError, match="4 amplitudes; circuit 'wide' with its 3 qubits needs 8"):
            provider.get_backend().run(
                [QuantumCircuit(2), QuantumCircuit(3, name="wide")], initial_statevector=self.vector
            )

    def test_it_has_no_place_in_a_unitary(self, provider: FleetProvider) -> None:
        with pytest.raises(InvalidOptionError, match="no meaning for a unitary"):
            provider.get_backend("unitary_simulator").run(QuantumCircuit(2), initial_statevector=self.vector)


class TestMethod:
    """Options that change the results."""

    def test_unitary_gives_the_matrix(self, provider: FleetProvider) -> None:
        circuit = QuantumCircuit(1)
        circuit.x(0)
        result = provider.get_backend("automatic").run(circuit, method="unitary").result()
        assert np.allclose(result.get_unitary(), [[0, 1], [1, 0]])
        assert result.results[0].metadata["method"] == "unitary"

    @pytest.mark.parametrize("method", ["automatic", "statevector"])
    def test_counts_come_from_a_statevector(self, backend: FleetBackend, method: str) -> None:
        result = backend.run(coin(), method=method).result()
        assert result.data(0).keys() == {"counts", "memory"}
        assert result.results[0].metadata["method"] == "statevector"

    def test_no_statevector_of_a_unitary_simulator(self, provider: FleetProvider) -> None:
        with pytest.raises(InvalidOptionError, match="statevector_simulator"):
            provider.get_backend("unitary_simulator").run(QuantumCircuit(1), method="statevector")


class TestMemoryLimit:
    """``max_memory_mb`` refuses what is predicted to need more."""

    def test_qubits_that_nothing_acts_on_need_none(self, backend: FleetBackend) -> None:
        circuit = QuantumCircuit(5000, 2, name="laid out")
        circuit.h(17)
        circuit.cx(17, 4999)
        circuit.measure([17, 4999], [0, 1])
        result = backend.run(circuit, shots=100, seed_simulator=1).result()
        assert result.get_counts().keys() == {"00", "11"}
        assert result.results[0].header["n_qubits"] == 5000
        needed = result.results[0].metadata["required_memory_mb"]
        assert needed == backend.run(coin()).result().results[0].metadata["required_memory_mb"]

    def test_what_needs_more_is_refused_by_run(self, provider: FleetProvider, backend: FleetBackend) -> None:
        needed = backend.run(superposed(20)).result().results[0].metadata["required_memory_mb"]
        assert needed >= 2**20 * 16 / 2**20
        before = [job.job_id() for job in provider.jobs(limit=None)]
        with pytest.raises(CapacityError, match=f"circuit 'wide': its 20 qubits.* need {needed} MiB .*={needed - 1} "):
            backend.run([coin(), superposed(20)], max_memory_mb=needed - 1)
        assert [job.job_id() for job in provider.jobs(limit=None)] == before
        assert backend.run(superposed(20), max_memory_mb=needed).result().success

    def test_single_precision_needs_less(self, backend: FleetBackend) -> None:
        circuit = superposed(20)
        double, single = (
            backend.run(circuit, precision=precision).result().results[0].metadata["required_memory_mb"]
            for precision in ("double", "single")
        )
        assert single < double


def test_single_precision(provider: FleetProvider) -> None:
    circuit = QuantumCircuit(3)
    circuit.h(range(3))
    circuit.cp(0.7, 0, 2)
    circuit.ry(1.1, 1)
    backend = provider.get_backend("statevector_simulator")
    state = backend.run(circuit, precision="single").result().get_statevector()
    exact = Statevector(circuit)
    assert np.asarray(state).dtype == np.complex64
    assert np.allclose(state, exact, atol=1e-6)
    assert not np.allclose(state, exact, rtol=0, atol=1e-12)
    assert np.asarray(backend.run(circuit).result().get_statevector()).dtype == np.complex128
    unitary = provider.get_backend("unitary_simulator").run(circuit, precision="single").result()
    assert np.asarray(unitary.get_unitary()).dtype == np.complex64
    assert unitary.results[0].metadata["precision"] == "single"


@pytest.mark.parametrize("engine", [StatevectorSimulator, NumpySimulator])
def test_threads_do_not_change_a_bit(engine: type[Simulator]) -> None:
    circuit = QuantumCircuit(16)
    for layer in range(3):
        for qubit in range(16):
            circuit.ry(0.2 + qubit + layer, qubit)
            circuit.cx(qubit, (qubit + 5) % 16)
    measured = circuit.copy()
    measured.measure_all()
    found = set()
    for threads in (0, 1, 2, 3):
        state = run_in_process(circuit, engine(), output="statevector", max_parallel_threads=threads)
        counts = run_in_process(measured, engine(), shots=5000, seed_simulator=4, max_parallel_threads=threads)
        found.add((np.asarray(state.get_statevector()).tobytes(), str(counts.get_counts())))
    assert len(found) == 1


def test_numpy_numbers_in_circuits(provider: FleetProvider) -> None:
    angle = Parameter("angle")
    circuit = QuantumCircuit(np.int64(2))
    circuit.rx(np.float32(0.5), np.int64(0))
    circuit.ry(np.int64(1), np.uint8(1))
    circuit.rz(angle, 0)
    bound = circuit.assign_parameters({angle: np.float64(0.25)})
    plain = QuantumCircuit(2)
    plain.rx(0.5, 0)
    plain.ry(1, 1)
    plain.rz(0.25, 0)
    result = provider.get_backend("statevector_simulator").run(bound).result()
    assert np.allclose(result.get_statevector(), Statevector(plain))
