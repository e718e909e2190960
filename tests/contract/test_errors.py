# SPDX-License-Identifier: Apache-2.0
"""Circuits that can't be run are refused inside `run`, with a typed error, and nothing is queued."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from circuits import superposed
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.exceptions import QiskitError
from qiskit.providers import JobStatus
from qiskit.providers.exceptions import QiskitBackendNotFoundError

from qfleet import FleetJob, FleetProvider
from qfleet.backend import KINDS, FleetBackend
from qfleet.errors import CapacityError, InvalidOptionError, QfleetError, UnboundParameterError, UnsupportedCircuitError
from qfleet.options import RunOptions
from qfleet.submission.prepare import prepare


@pytest.fixture
def backend(provider: FleetProvider) -> Iterator[FleetBackend]:
    """Yield a backend on which a test queues nothing."""
    before = [job.job_id() for job in provider.jobs(limit=None)]
    yield provider.get_backend("basic_simulator")
    assert [job.job_id() for job in provider.jobs(limit=None)] == before


def measured(name: str) -> QuantumCircuit:
    circuit = QuantumCircuit(1, 1, name=name)
    circuit.measure(0, 0)
    return circuit


@pytest.mark.parametrize(
    ("run_input", "words"),
    [
        (None, "not NoneType"),
        (3, "not int"),
        ("OPENQASM 2.0;", "not str"),
        (b"QISKIT", "not bytes"),
        ({"circuit": measured("c")}, "not dict"),
        (QuantumCircuit, "not type"),
        ([measured("c"), "not a circuit"], "item 1 of the list is str .'not a circuit'"),
        ([[measured("c")]], "item 0 of the list is list"),
        ([measured("c").to_instruction()], "item 0 of the list is Instruction"),
        (np.array([1, 2]), "item 0 of the list is"),
    ],
)
def test_what_is_no_circuit_is_a_type_error(backend: FleetBackend, run_input: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        backend.run(run_input)


def test_an_empty_list(backend: FleetBackend) -> None:
    for nothing in ([], (), iter(())):
        with pytest.raises(InvalidOptionError, match="nothing to run"):
            backend.run(nothing)


def test_unbound_parameters_are_named(backend: FleetBackend) -> None:
    circuit = QuantumCircuit(2, name="open")
    circuit.rx(Parameter("theta"), 0)
    circuit.ry(ParameterVector("v", 2)[1], 1)
    with pytest.raises(
        UnboundParameterError, match=r"'open' has 2 parameters without a value.*'theta'.*'v\[1\]'"
    ) as caught:
        backend.run([measured("c"), circuit])
    assert isinstance(caught.value, QiskitError)
    phase = QuantumCircuit(1, global_phase=Parameter("phi"))
    with pytest.raises(UnboundParameterError, match="'phi'"):
        backend.run(phase)


def test_a_circuit_too_wide_for_the_workers(provider: FleetProvider, backend: FleetBackend) -> None:
    largest = max(worker.memory_bytes for worker in provider.workers())
    width = (largest // 16).bit_length()
    expected = rf"'wide': its {width} qubits and \d+ shots need .* GiB.*; the largest worker has .* GiB"
    with pytest.raises(CapacityError, match=expected) as caught:
        backend.run([measured("c"), superposed(width)])
    assert (caught.value.circuit, caught.value.available_bytes) == ("wide", largest)
    assert caught.value.needed_bytes > largest


@pytest.mark.parametrize("width", [51, 1_000, 20_000, 40_000])
def test_a_circuit_too_wide_for_any_worker(provider: FleetProvider, redis_url: str, width: int) -> None:
    circuit = superposed(width)
    for _ in range(12):
        # A matrix product state might need too wide a bond here.
        circuit.cx(width // 2, width // 2 + 1)
    with FleetProvider(redis_url) as without_workers:
        for fleet in (provider, without_workers):
            before = [job.job_id() for job in fleet.jobs(limit=None)]
            for name in KINDS:
                with pytest.raises(CapacityError, match=f"circuit 'wide'.* {width} qubits"):
                    fleet.get_backend(name).run([QuantumCircuit(1), circuit])
            assert [job.job_id() for job in fleet.jobs(limit=None)] == before


def test_amplitudes_that_no_redis_value_holds(provider: FleetProvider, backend: FleetBackend) -> None:
    with pytest.raises(CapacityError, match="'wide': its result would take 512 MiB"):
        provider.get_backend("statevector_simulator").run(QuantumCircuit(25, name="wide"))
    with pytest.raises(CapacityError, match="'wide': its result would take"):
        provider.get_backend("unitary_simulator").run(QuantumCircuit(13, name="wide"))


def test_an_instruction_that_nobody_knows(backend: FleetBackend) -> None:
    from qiskit.circuit import Instruction

    circuit = QuantumCircuit(2, name="odd")
    circuit.h(0)
    circuit.append(Instruction("mystery", 1, 0, []), [1])
    with pytest.raises(
        UnsupportedCircuitError, match=r"circuit 'odd' holds 'mystery' at position 1 \(qubit 1\)"
    ) as caught:
        backend.run(circuit)
    error = caught.value
    assert (error.circuit, error.operation, error.position, error.qubits) == ("odd", "mystery", 1, (1,))


def test_unknown_backends(provider: FleetProvider) -> None:
    with pytest.raises(
        QiskitBackendNotFoundError, match="no backend 'ibm_kyiv'; the backends are automatic, basic_simulator"
    ):
        provider.get_backend("ibm_kyiv")
    assert provider.backends("ibm_kyiv") == []
    assert [backend.name for backend in provider.backends("qasm_simulator")] == ["qasm_simulator"]


def test_simulators_have_no_qubit_properties(provider: FleetProvider) -> None:
    with pytest.raises(NotImplementedError):
        provider.get_backend().qubit_properties(0)


def test_one_circuit_of_a_list_failing(provider: FleetProvider) -> None:
    """Its program is damaged on the way, so that only the worker finds out."""
    backend = provider.get_backend("basic_simulator")
    bad = measured("bad")
    bad.x(0)
    new = prepare(
        [measured("good"), bad, measured("last")],
        RunOptions(shots=10),
        backend_name=backend.name,
        output="counts",
        tags=[],
        metadata={},
        retention=600,
    )
    assert len(new.programs) == 2, "good and last are one program"
    name = next(work.program for shard in new.shards for work in shard.circuits if work.index == 1)
    job = FleetJob(
        backend,
        new.job_id,
        new=replace(new, programs={**new.programs, name: new.programs[name][:4] + b"damaged"}),
    )
    job.submit()
    result = job.result(timeout=60, partial=True)
    assert (result.status, result.success) == ("PARTIAL COMPLETED", False)
    assert [each.success for each in result.results] == [True, False, True]
    assert [each.status for each in result.results[::2]] == ["DONE", "DONE"]
    assert result.results[1].status.startswith("ERROR: its program isn't the one that its name says")
    assert result.get_counts(0) == result.get_counts("last") == {"0": 10}
    with pytest.raises(QiskitError, match="its program isn't the one"):
        result.get_counts("bad")
    assert job.status() is JobStatus.ERROR
    with pytest.raises(QfleetError, match=r"circuit 1 \('bad'\): its program isn't the one"):
        job.result()
