# SPDX-License-Identifier: Apache-2.0
"""Circuits with parameters are bound as a job is prepared."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import AnnotatedOperation, Gate, Parameter, ParameterVector, PowerModifier
from qiskit.circuit.library import RXGate

from qfleet.errors import InvalidOptionError, UnboundParameterError
from qfleet.jobs.result import header
from qfleet.ledger import NewJob
from qfleet.lowering.lower import lower
from qfleet.options import RunOptions
from qfleet.submission import bindings as binds
from qfleet.submission.prepare import JobEntry, ParameterSets, new_job, prepare
from qfleet.submission.repeated_circuits import encode_circuit
from qfleet.wire.codec.programs import decode_program
from qfleet.wire.messages.work import SEED_STEP, CircuitWork, take_points

A, B = Parameter("a"), Parameter("b")
V = ParameterVector("v", 3)


def prepared(circuits: Any, parameter_binds: Any = None, **options: Any) -> NewJob:
    return prepare(
        circuits,
        RunOptions(seed_simulator=7, parameter_binds=parameter_binds, **options),
        backend_name="automatic",
        output="counts",
        tags=(),
        metadata={},
        retention=1,
    )


def works(job: NewJob) -> list[CircuitWork]:
    """Return the work of each point."""
    travelling = [work for shard in job.shards for work in shard.circuits]
    return [take_points(work, point, 1) for work in travelling for point in range(work.points)]


def phases(job: NewJob) -> list[float]:
    return [header(record, point)["global_phase"] for record, point in job.record.parameter_sets()]


def values(job: NewJob) -> list[list[float]]:
    return [np.frombuffer(work.values, "<f8").tolist() for work in works(job)]


def ansatz(**fields: Any) -> QuantumCircuit:
    circuit = QuantumCircuit(1, name="ansatz", **fields)
    circuit.rx(B, 0)
    circuit.rz(2 * A, 0)
    return circuit


def of_vector() -> QuantumCircuit:
    circuit = QuantumCircuit(1, name="vector")
    for angle in V:
        circuit.rx(angle, 0)
    circuit.rz(A, 0)
    return circuit


def test_a_circuit_travels_once_for_all_its_points() -> None:
    job = prepared(ansatz(), ({A: [1, 2, 3], B: [4.0, 5.0, 6.0]},))
    (program,) = map(decode_program, job.programs.values())
    assert program.num_parameters == 2
    assert values(job) == [[1, 4], [2, 5], [3, 6]]
    assert [work.program for work in works(job)] == [*job.programs] * 3
    assert [work.index for work in works(job)] == [0, 1, 2]
    assert [work.seed for work in works(job)] == [7, 7 + 2113, 7 + 2 * 2113]
    (shard,) = job.shards
    assert [work.points for work in shard.circuits] == [3]
    assert [(record.name, record.seed + SEED_STEP * point) for record, point in job.record.parameter_sets()] == [
        ("ansatz", work.seed) for work in works(job)
    ]


def test_a_circuit_that_is_given_twice_is_lowered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lowered = []
    monkeypatch.setattr(
        "qfleet.submission.encode.lower", lambda circuit, *_, **__: lowered.append(circuit) or lower(circuit)
    )
    circuit, other = ansatz(), ansatz()
    job = prepared([circuit, other, circuit], ({A: 1, B: 2}, {A: 3, B: 4}, {A: 5, B: 6}))
    assert lowered == [circuit, other]
    assert len(job.programs) == 1
    assert values(job) == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({A: 1, B: 2}, [[1, 2]]),
        ({"a": 1, "b": 2}, [[1, 2]]),
        ({A: np.float32(0.5), "b": np.int8(2)}, [[0.5, 2]]),
        ({A: [1], B: (2,)}, [[1, 2]]),
        ({A: np.arange(2), B: np.array([0.5, 1.5], np.float32)}, [[0, 0.5], [1, 1.5]]),
        ({A: np.array([1, 2], ">f8"), B: [3, 4]}, [[1, 3], [2, 4]]),
        ({A: 1 + 0j, B: np.array([2], complex)}, [[1, 2]]),
    ],
)
def test_values_of_every_form(given: dict[Any, Any], expected: list[list[float]]) -> None:
    assert values(prepared(ansatz(), (given,))) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({V: [[1, 2, 3], [4, 5, 6]], A: [7, 8]}, [[7, 1, 2, 3], [8, 4, 5, 6]]),
        ({V: np.ones((2, 3)), A: [7, 8]}, [[7, 1, 1, 1], [8, 1, 1, 1]]),
        ({V: [1, 2, 3], A: 4}, [[4, 1, 2, 3]]),
        ({V[0]: [1], "v[1]": [2], V[2]: [3], A: [4]}, [[4, 1, 2, 3]]),
    ],
)
def test_vectors(given: dict[Any, Any], expected: list[list[float]]) -> None:
    assert values(prepared(of_vector(), (given,))) == expected


@pytest.mark.parametrize("given", [{A: [Fraction(1, 2)], B: [0.25]}, {A: [A.bind({A: 0.5})], B: 0.25}])
def test_what_only_qiskit_can_bind_is_bound_by_it(given: dict[Any, Any]) -> None:
    job = prepared(ansatz(), (given,))
    (program,) = map(decode_program, job.programs.values())
    assert (program.num_parameters, program.params.tolist(), values(job)) == (0, [0.25, 1.0], [[]])


def test_an_operation_that_has_to_be_known_whole_is_bound_by_qiskit() -> None:
    circuit = QuantumCircuit(1)
    circuit.append(AnnotatedOperation(RXGate(A), PowerModifier(0.5)), [0])
    job = prepared(circuit, ({A: [1.0, 2.0]},))
    assert values(job) == [[], []]
    assert len(job.programs) == 2


def test_complex_values_are_bound_by_qiskit() -> None:
    circuit = QuantumCircuit(1)
    circuit.rx(abs(A), 0)
    job = prepared(circuit, ({A: [3 + 4j, 1]},))
    # What it gives differs in an angle alone.
    assert values(job) == [[5.0], [1.0]]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({A: 1}, "circuit 'ansatz' has 1 parameter without a value ('b'): bind with"),
        ({}, "circuit 'ansatz' has 2 parameters without a value ('a', 'b'): bind with"),
        ({A: 2 * Parameter("c"), B: [1]}, "circuit 'ansatz' has 1 parameter without a value ('c'): bind with"),
        (None, "circuit 'ansatz' has 2 parameters without a value ('a', 'b'): bind with"),
    ],
)
def test_parameters_without_a_value(given: dict[Any, Any] | None, text: str) -> None:
    with pytest.raises(UnboundParameterError) as caught:
        prepared(ansatz(), None if given is None else (given,))
    assert text in caught.value.message


def test_many_parameters_without_a_value() -> None:
    theta = ParameterVector("θ", 12)
    circuit = QuantumCircuit(1, name="ansatz")
    for angle in theta:
        circuit.rx(angle, 0)
    with pytest.raises(UnboundParameterError) as caught:
        prepared(circuit)
    assert caught.value.message == (
        "circuit 'ansatz' has 12 parameters without a value "
        "('θ[0]', 'θ[1]', 'θ[2]', 'θ[3]', 'θ[4]', 'θ[5]', 'θ[6]', ..., 'θ[11]'): "
        "bind with `circuit.assign_parameters({...})` first"
    )
    with pytest.raises(UnboundParameterError, match=r"circuit 'phase' has 1 parameter without a value \('a'\)"):
        prepared(QuantumCircuit(1, name="phase", global_phase=A))


class Careless(Gate):
    """Its definition has a parameter that the gate doesn't own to."""

    def __init__(self, angle: Parameter) -> None:
        super().__init__("careless", 1, [angle])

    def _define(self) -> None:
        self.definition = QuantumCircuit(1)
        self.definition.rx(Parameter("hidden"), 0)


def test_a_parameter_inside_a_definition_that_the_circuit_hasnt() -> None:
    circuit = QuantumCircuit(1, name="c")
    circuit.append(Careless(A), [0])
    with pytest.raises(UnboundParameterError, match=r"'careless' at position 0.*'hidden'"):
        prepared(circuit, ({A: [1, 2]},))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({A: [1, 2], B: [1, 2, 3]}, r"\(2,\), \(3,\)"),
        ({A: [], B: []}, r"\(0,\)"),
        ({A: 1, B: 1, Parameter("c"): 1}, "'?c"),
        ({A: 1, B: 1, Parameter("a"): 1}, "a"),
        ({A: 1, "nothing": 1}, "nothing"),
        ({A: 1, 5: 1}, "5"),
        ({A: float("inf"), B: 1}, "inf"),
        ({A: "1", B: 1}, "Cannot assign"),
        ({V: [[1, 2]], A: 1, B: 1}, r"'v' have the shape \(1, 2\).*its 3 parameters.*\(points, 3\)"),
        ({V: [1, 2], A: 1, B: 1}, r"shape \(2,\)"),
    ],
)
def test_wrong_values(given: dict[Any, Any], reason: str) -> None:
    with pytest.raises(InvalidOptionError, match=f"parameter_binds of circuit 'ansatz': .*{reason}"):
        prepared(ansatz(), (given,))


def test_global_phases_are_bound() -> None:
    circuit = ansatz(global_phase=A * B - 1)
    points = {A: [0.5, 3.0], B: [0.25, 4.0]}
    found = phases(prepared(circuit, (points,)))
    bound = [
        circuit.assign_parameters(dict(zip(points, point, strict=True))).global_phase
        for point in zip(*points.values(), strict=True)
    ]
    assert found == pytest.approx([float(phase) for phase in bound], abs=1e-15)
    assert all(0 <= phase < math.tau for phase in found)
    with pytest.raises(InvalidOptionError, match="parameter_binds of circuit 'ansatz'"):
        prepared(ansatz(global_phase=1 / A), ({A: 0, B: 1},))


def test_a_global_phase_without_parameters() -> None:
    job = prepared([ansatz(global_phase=0.5), QuantumCircuit(1, global_phase=1.5)], ({A: [1, 2], B: [1, 2]}, {}))
    assert phases(job) == [0.5, 0.5, 1.5]


def test_the_records_of_points_share_no_metadata() -> None:
    circuit = ansatz(metadata={"key": [1]})
    (record,) = prepared(circuit, ({A: [1, 2], B: [1, 2]},)).record.circuits
    first, second = header(record, 0)["metadata"], header(record, 1)["metadata"]
    first["key"].append(2)
    assert (second, record.metadata, circuit.metadata) == ({"key": [1]},) * 3


def test_blocks_of_shots_have_the_values_of_their_circuit() -> None:
    job = prepared(ansatz(), ({A: [1, 2], B: [3, 4]},), shots=10, max_shot_size=6)
    assert [(work.index, work.first_shot, work.shots) for work in works(job)] == [
        (0, 0, 6),
        (0, 6, 4),
        (1, 0, 6),
        (1, 6, 4),
    ]
    assert values(job) == [[1, 3], [1, 3], [2, 4], [2, 4]]


def test_points_are_plain_numbers_or_nothing() -> None:
    assert binds.Bindings(ansatz(), {A: [1], B: [2]}).table().tolist() == [[1.0, 2.0]]  # type: ignore[union-attr]
    for odd in ([1j], [np.nan], ["x"], [None], [[1]], [True]):
        assert binds.Bindings(ansatz(), {A: [1], B: odd} if odd != [[1]] else {A: odd, B: odd}).table() is None


def test_a_job_with_nothing_to_run_has_no_shards() -> None:
    entry = JobEntry(ansatz(), [ParameterSets(encode_circuit(ansatz(), RunOptions(), "counts"), np.zeros((0, 2)))], [])
    for entries in ([], [entry]):
        job = new_job(entries, RunOptions(), backend_name="b", output="counts", tags=(), metadata={}, retention=1)
        assert (list(job.shards), job.programs, job.record.num_circuits) == ([], {}, 0)
