# SPDX-License-Identifier: Apache-2.0
"""Circuits that differ in their angles alone travel as one program."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qfleet.ledger import NewJob
from qfleet.options import RunOptions
from qfleet.submission.prepare import prepare
from qfleet.wire.codec.programs import decode_program
from qfleet.wire.messages.work import CircuitWork


def encoded(angle: float, *, name: str = "data", **fields: Any) -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2, name=name, **fields)
    circuit.ry(angle, 0)
    circuit.cp(2 * angle, 0, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit


def prepared(circuits: list[QuantumCircuit], **options: Any) -> NewJob:
    return prepare(
        circuits,
        RunOptions(seed_simulator=7, **options),
        backend_name="automatic",
        output="counts",
        tags=(),
        metadata={},
        retention=1,
    )


def works(job: NewJob) -> list[CircuitWork]:
    return [work for shard in job.shards for work in shard.circuits]


def test_they_are_points_of_one_program() -> None:
    angles = [0.1, 0.7, 1.3]
    job = prepared([encoded(angle, name=f"row {at}", metadata={"row": at}) for at, angle in enumerate(angles)])
    (program,) = map(decode_program, job.programs.values())
    (work,) = works(job)
    assert (work.points, work.index, work.seed) == (3, 0, 7)
    assert np.frombuffer(work.values, "<f8").reshape(3, -1).tolist() == [[angle, 2 * angle] for angle in angles]
    assert (program.num_parameters, program.slots.tolist(), program.slot_refs.tolist()) == (2, [0, 1], [0, 1])
    assert [(each.name, each.seed, each.metadata) for each in job.record.circuits] == [
        (f"row {at}", 7 + 2113 * at, {"row": at}) for at in range(3)
    ]


@pytest.mark.parametrize("change", ["operand", "clbit", "gate", "width", "table", "condition"])
def test_what_differs_otherwise_is_another_program(change: str) -> None:
    def made(other: bool, angle: float) -> QuantumCircuit:
        circuit = QuantumCircuit(3 if other and change == "width" else 2, 2)
        circuit.ry(angle, 1 if other and change == "operand" else 0)
        (circuit.rx if other and change == "gate" else circuit.rz)(angle, 0)
        circuit.unitary(np.diag([1, 1j if other and change == "table" else -1j]), 0)
        circuit.measure(0, 0)
        with circuit.if_test((circuit.clbits[0], int(other and change == "condition"))):
            circuit.x(1)
        circuit.h(range(circuit.num_qubits))
        circuit.measure(1, 0 if other and change == "clbit" else 1)
        return circuit

    job = prepared([made(other, angle) for angle in (0.1, 0.2) for other in (False, True)])
    assert len(job.programs) == 2
    assert [work.program for work in works(job)] == 2 * list(job.programs)


def test_alone_a_circuit_keeps_its_angles() -> None:
    plain = QuantumCircuit(1, 1)
    plain.h(0)
    plain.measure(0, 0)
    job = prepared([encoded(0.1), plain, plain])
    assert [decode_program(blob).params.tolist() for blob in job.programs.values()] == [[0.1, 0.2], []]
    assert [(work.index, work.points, work.values) for work in works(job)] == [(0, 1, b""), (1, 2, b"")]


def test_beside_circuits_with_parameters() -> None:
    free = QuantumCircuit(2, 2)
    angle = Parameter("t")
    free.ry(angle, 0)
    free.cp(2 * angle, 0, 1)
    free.measure([0, 1], [0, 1])
    job = prepared([encoded(0.1), free, encoded(0.3)], parameter_binds=({}, {angle: [1.0, 2.0]}, {}))
    assert len(job.programs) == 2
    found = [(work.index, work.points, np.frombuffer(work.values, "<f8").tolist()) for work in works(job)]
    assert found == [(0, 1, [0.1, 0.2]), (1, 2, [1.0, 2.0]), (3, 1, [0.3, 0.6])]


def test_shots_in_blocks() -> None:
    job = prepared([encoded(0.1), encoded(0.2)], shots=10, max_shot_size=6)
    found = [(work.index, work.first_shot, work.shots, np.frombuffer(work.values, "<f8")[0]) for work in works(job)]
    assert found == [(0, 0, 6, 0.1), (0, 6, 4, 0.1), (1, 0, 6, 0.2), (1, 6, 4, 0.2)]
