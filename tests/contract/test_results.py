# SPDX-License-Identifier: Apache-2.0
"""A `Result` has the shape that Qiskit's BasicSimulator gives it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from circuits import bell
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Clbit, Qubit
from qiskit.exceptions import QiskitError
from qiskit.providers.basic_provider import BasicSimulator
from qiskit.result import Result

from qfleet import FleetProvider

SHOTS = 20
SEED = 11


def described() -> QuantumCircuit:
    circuit = bell(register="c")
    circuit.metadata = {"purpose": "a test"}
    return circuit


def no_clbits() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    return circuit


def clbits_without_measurement() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 3)
    circuit.x(0)
    return circuit


def no_qubits() -> QuantumCircuit:
    return QuantumCircuit(0, 2)


def nothing_at_all() -> QuantumCircuit:
    return QuantumCircuit()


def several_registers() -> QuantumCircuit:
    circuit = QuantumCircuit(
        QuantumRegister(2, "left"),
        QuantumRegister(1, "right"),
        ClassicalRegister(2, "low"),
        ClassicalRegister(1, "high"),
    )
    circuit.x([0, 2])
    circuit.measure([0, 1, 2], [1, 0, 2])
    return circuit


def unused_clbits() -> QuantumCircuit:
    circuit = QuantumCircuit(QuantumRegister(1), ClassicalRegister(3, "a"), ClassicalRegister(2, "never"))
    circuit.x(0)
    circuit.measure(0, 1)
    return circuit


def more_than_64_clbits() -> QuantumCircuit:
    circuit = QuantumCircuit(3, 131)
    circuit.x([0, 2])
    circuit.measure([0, 1, 2], [130, 64, 63])
    return circuit


def bits_outside_registers() -> QuantumCircuit:
    circuit = QuantumCircuit([Qubit()], QuantumRegister(1, "q"), [Clbit()], ClassicalRegister(1, "c"), [Clbit()])
    circuit.x(1)
    circuit.measure([0, 1], [1, 2])
    return circuit


def registers_that_share_bits() -> QuantumCircuit:
    bits = [Clbit() for _ in range(3)]
    circuit = QuantumCircuit(
        QuantumRegister(2, "q"),
        bits,
        ClassicalRegister(bits=bits[:2], name="a"),
        ClassicalRegister(bits=bits[1:], name="b"),
    )
    circuit.x(0)
    circuit.measure([0, 1], [1, 0])
    return circuit


def measured_twice() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 3)
    circuit.x(0)
    circuit.measure([0, 1, 0], [2, 1, 0])
    return circuit


def overwritten() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 1)
    circuit.x(0)
    circuit.measure([0, 1], [0, 0])
    return circuit


def overwritten_later() -> QuantumCircuit:
    circuit = QuantumCircuit(1, 2)
    circuit.x(0)
    circuit.measure(0, 0)
    circuit.x(0)
    circuit.measure(0, 0)
    circuit.x(0)
    circuit.measure(0, 1)
    return circuit


def global_phase() -> QuantumCircuit:
    circuit = QuantumCircuit(1, 1, global_phase=0.25)
    circuit.measure(0, 0)
    return circuit


#: Circuits that give one outcome only, so that their counts and memory must be equal to the letter.
CERTAIN = [
    no_clbits,
    clbits_without_measurement,
    no_qubits,
    nothing_at_all,
    several_registers,
    unused_clbits,
    more_than_64_clbits,
    bits_outside_registers,
    registers_that_share_bits,
    measured_twice,
    overwritten,
    overwritten_later,
    global_phase,
]


def both(provider: FleetProvider, circuits: Any, **options: Any) -> tuple[Result, Result]:
    """Return the results of our backend and of Qiskit's."""
    options = {"shots": SHOTS, "seed_simulator": SEED} | options
    ours = provider.get_backend("basic_simulator").run(circuits, **options).result()
    theirs = BasicSimulator().run(circuits, **({"memory": True} | options)).result()
    return ours, theirs


def outline(value: Any) -> Any:
    """Return the structure of a value: its keys, and the types of its items."""
    if isinstance(value, dict):
        return {key: outline(item) for key, item in value.items()}
    if isinstance(value, list):
        return [outline(item) for item in value]
    return type(value)


@pytest.mark.parametrize("make", [bell, *CERTAIN])
def test_structure_is_that_of_the_basic_simulator(provider: FleetProvider, make: Any) -> None:
    ours, theirs = (result.to_dict() for result in both(provider, make()))
    (our_circuit,), (their_circuit,) = ours.pop("results"), theirs.pop("results")
    # BasicSimulator leaves the date out.
    assert type(datetime.fromisoformat(ours.pop("date"))) is datetime
    assert theirs.pop("date") is None
    assert outline(ours) == outline(theirs)

    # Its experiments have no metadata; those of qiskit-aer do.
    assert our_circuit.pop("metadata").keys() >= {"method", "device", "num_qubits", "required_memory_mb", "time_taken"}
    data, their_data = our_circuit.pop("data"), their_circuit.pop("data")
    assert data.keys() == their_data.keys() == {"counts", "memory"}
    assert outline(our_circuit) == outline(their_circuit)
    del our_circuit["time_taken"], their_circuit["time_taken"], their_circuit["seed_simulator"]
    assert our_circuit.pop("seed_simulator") == SEED
    # What is left holds name, shots, status, success, meas_level, and the header with all that is in it.
    assert our_circuit == their_circuit

    assert {type(count) for count in data["counts"].values()} <= {int}
    assert all(re.fullmatch("0x(0|[1-9a-f][0-9a-f]*)", outcome) for outcome in [*data["counts"], *data["memory"]])
    assert len(data["memory"]) == len(their_data["memory"])
    assert {outcome: data["memory"].count(outcome) for outcome in data["memory"]} == data["counts"]


@pytest.mark.parametrize("make", CERTAIN)
def test_certain_outcomes_are_those_of_the_basic_simulator(provider: FleetProvider, make: Any) -> None:
    ours, theirs = both(provider, make())
    assert ours.data(0) == theirs.data(0)
    assert ours.get_counts() == theirs.get_counts()
    assert ours.get_memory() == theirs.get_memory()


def test_random_outcomes_are_those_of_the_basic_simulator(provider: FleetProvider) -> None:
    ours, theirs = both(provider, described(), shots=200)
    assert ours.get_counts().keys() == theirs.get_counts().keys() == {"00", "11"}
    assert sum(ours.get_counts().values()) == len(ours.get_memory()) == 200


def test_registers_are_kept_apart_by_spaces(provider: FleetProvider) -> None:
    circuit = several_registers()
    result, _ = both(provider, circuit)
    assert result.get_counts() == {"1 10": SHOTS}
    assert result.get_memory() == ["1 10"] * SHOTS


def test_status_names(provider: FleetProvider) -> None:
    for backend in provider.backends():
        circuit = QuantumCircuit(1)
        job = backend.run(circuit)
        result = job.result()
        assert (result.status, result.success) == ("COMPLETED", True)
        assert [(each.status, each.success) for each in result.results] == [("DONE", True)]
        assert result.job_id == job.job_id()
        assert type(result.job_id) is str
        assert result.backend_name == backend.name
        assert result.backend_version == backend.backend_version


def test_times(provider: FleetProvider) -> None:
    before = datetime.now(UTC)
    result, _ = both(provider, [described(), described().copy("again")])
    after = datetime.now(UTC)
    seconds = [each.time_taken for each in result.results]
    assert all(0 < each < result.time_taken for each in seconds)
    assert result.time_taken <= (after - before).total_seconds()
    assert [each.metadata["time_taken"] for each in result.results] == seconds
    assert before <= datetime.fromisoformat(result.date) <= after


def test_several_circuits(provider: FleetProvider) -> None:
    first, second = several_registers(), overwritten_later()
    ours, theirs = both(provider, [first, second])
    assert ours.get_counts() == theirs.get_counts() == [{"1 10": SHOTS}, {"10": SHOTS}]
    assert ours.get_counts(1) == {"10": SHOTS}
    assert ours.get_counts(second.name) == {"10": SHOTS}
    assert ours.get_counts(second) == {"10": SHOTS}
    assert ours.get_memory(first) == ["1 10"] * SHOTS
    assert ours.data(second)["counts"] == {"0x2": SHOTS}
    with pytest.raises(QiskitError, match="select a circuit"):
        ours.data()


def test_any_iterable_of_circuits(provider: FleetProvider) -> None:
    result = provider.get_backend().run(make() for make in (overwritten, measured_twice)).result()
    assert [set(counts) for counts in result.get_counts()] == [{"0"}, {"101"}]


def test_circuits_of_one_name(provider: FleetProvider) -> None:
    up, down = QuantumCircuit(1, 1, name="same"), QuantumCircuit(1, 1, name="same")
    up.x(0)
    up.measure(0, 0)
    down.measure(0, 0)
    result, _ = both(provider, [up, down])
    assert result.get_counts() == [{"1": SHOTS}, {"0": SHOTS}]
    with pytest.warns(UserWarning, match="multiple results matching name"):
        assert result.get_counts("same") == {"1": SHOTS}


def test_the_same_circuit_several_times(provider: FleetProvider) -> None:
    result, _ = both(provider, [overwritten_later()] * 3)
    assert result.get_counts() == [{"10": SHOTS}] * 3


def test_memory_must_be_asked_for(provider: FleetProvider) -> None:
    backend = provider.get_backend("qasm_simulator")
    without = backend.run(described()).result()
    assert without.data(0).keys() == {"counts"}
    with pytest.raises(QiskitError, match="No memory"):
        without.get_memory()
    assert len(backend.run(described(), memory=True, shots=7).result().get_memory()) == 7
    assert provider.get_backend("basic_simulator").run(described(), memory=False).result().data(0).keys() == {"counts"}


def test_missing_data_are_qiskit_errors(provider: FleetProvider) -> None:
    counts = provider.get_backend("basic_simulator").run(described()).result()
    with pytest.raises(QiskitError, match="No statevector"):
        counts.get_statevector()
    with pytest.raises(QiskitError, match="No unitary"):
        counts.get_unitary()
    unitary = provider.get_backend("unitary_simulator").run(no_clbits()).result()
    with pytest.raises(QiskitError, match="No counts"):
        unitary.get_counts()
    with pytest.raises(QiskitError, match="No memory"):
        unitary.get_memory()
    with pytest.raises(QiskitError, match="could not be found"):
        counts.get_counts("no such circuit")


def test_a_result_survives_its_own_dictionary(provider: FleetProvider) -> None:
    result, _ = both(provider, [described(), several_registers()])
    again = Result.from_dict(result.to_dict())
    assert again.to_dict() == result.to_dict()
    assert again.get_counts() == result.get_counts()


def test_the_circuits_stay_as_they_are(provider: FleetProvider) -> None:
    for make in (bell, registers_that_share_bits, overwritten_later):
        circuit = make()
        before = circuit.copy()
        name, metadata = circuit.name, circuit.metadata
        both(provider, circuit)
        assert circuit == before
        assert (circuit.name, circuit.metadata) == (name, metadata)
        assert circuit.metadata is metadata
