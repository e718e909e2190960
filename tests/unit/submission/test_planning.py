# SPDX-License-Identifier: Apache-2.0
"""Planning: which circuits travel together."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from aer_like import LikeAer
from hypothesis import given
from hypothesis import strategies as st
from make_jobs import make_circuit_work
from qiskit.circuit import QuantumCircuit

from qfleet.errors import CapacityError
from qfleet.lowering.lower import lower
from qfleet.options import RunOptions
from qfleet.submission.planning import (
    FIRST_SHARDS,
    LONGEST_SHARD,
    SHARD_RESULT_BYTES,
    SHARD_SECONDS,
    SHORTEST_SHARD,
    PlannedCircuit,
    plan,
)
from qfleet.submission.prepare import prepare
from qfleet.wire.codec.shards import decode_work, encode_shard
from qfleet.wire.cost.cost import cost
from qfleet.wire.limits import MAX_REQUESTS
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.messages.work import ShardWork


def items(*seconds: float, shots: int = 100, result_bytes: int = 100) -> list[PlannedCircuit]:
    return [
        PlannedCircuit(make_circuit_work(index, shots=shots, seed=index), Request(), cost, result_bytes)
        for index, cost in enumerate(seconds)
    ]


def cut(work: list[PlannedCircuit], **options: Any) -> list[ShardWork]:
    defaults = {"max_job_size": None, "max_shot_size": None}
    return [shard.work for shard in plan(work, threads=1, **(defaults | options))]


def indices(shards: list[ShardWork]) -> list[list[int]]:
    return [[circuit.index for circuit in shard.circuits] for shard in shards]


def sizes(shards: list[ShardWork]) -> list[int]:
    return [len(shard.circuits) for shard in shards]


@pytest.mark.parametrize(
    ("circuits", "parts", "expected"),
    [
        pytest.param(160, 320, [160], id="too short to be cut"),
        pytest.param(160, 45, [40] * 4, id="parts of the shortest length, all equal"),
        pytest.param(160, 8, [20] * FIRST_SHARDS, id="as many shards as a short job may have"),
        pytest.param(160, 2, [20] * FIRST_SHARDS, id="longer shards instead of more"),
    ],
)
def test_a_short_job_is_cut_into_equal_shards_for_several_workers(
    circuits: int, parts: int, expected: list[int]
) -> None:
    assert sizes(cut(items(*[SHORTEST_SHARD / parts] * circuits))) == expected


def test_a_long_job_begins_with_short_shards() -> None:
    assert sizes(cut(items(*[SHARD_SECONDS / 8] * 100))) == [2] * FIRST_SHARDS + [8] * 10 + [4]


def test_the_longer_a_job_the_longer_its_shards() -> None:
    eighth = 1.0 / 8
    shards = cut(items(*[eighth] * 16_000))
    assert sizes(shards)[: FIRST_SHARDS + 1] == [2] * FIRST_SHARDS + [8]
    # 2000 s of work
    assert len(shards) == FIRST_SHARDS + 1998
    assert len(cut(items(*[LONGEST_SHARD / 5] * 50_000))) == pytest.approx(50_000 / 5, rel=0.01)


def test_a_circuit_larger_than_a_shard_travels_alone() -> None:
    assert indices(cut(items(0.001, 10 * SHARD_SECONDS, 0.001))) == [[0], [1], [2]]


def test_large_results_are_not_packed_together() -> None:
    assert indices(cut(items(0.001, 0.001, 0.001, result_bytes=SHARD_RESULT_BYTES // 2))) == [[0, 1], [2]]


def test_max_job_size_bounds_the_circuits_of_a_shard() -> None:
    assert indices(cut(items(*[1e-6] * 5), max_job_size=2)) == [[0, 1], [2, 3], [4]]


def test_max_shot_size_cuts_shots_into_blocks_in_shards_of_their_own() -> None:
    shards = cut(items(1e-6, shots=250), max_shot_size=100)
    (blocks,) = zip(*(shard.circuits for shard in shards), strict=True)
    assert [(block.first_shot, block.shots, block.blocks) for block in blocks] == [
        (0, 100, 3),
        (100, 100, 3),
        (200, 50, 3),
    ]


@given(
    st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=30),
    st.integers(1, 500),
    st.none() | st.integers(1, 7),
    st.none() | st.integers(1, 200),
)
def test_every_shot_of_every_circuit_travels_once_and_in_order(
    seconds: list[float], shots: int, max_job_size: int | None, max_shot_size: int | None
) -> None:
    shards = cut(items(*seconds, shots=shots), max_job_size=max_job_size, max_shot_size=max_shot_size)
    travelled = [
        (circuit.index, shot)
        for shard in shards
        for circuit in shard.circuits
        for shot in range(circuit.first_shot, circuit.first_shot + circuit.shots)
    ]
    assert travelled == [(index, shot) for index in range(len(seconds)) for shot in range(shots)]
    assert all(len(shard.circuits) <= (max_job_size or len(seconds)) for shard in shards)
    assert all(circuit.shots <= (max_shot_size or shots) for shard in shards for circuit in shard.circuits)


def test_prediction_grows_with_qubits_operations_and_branches() -> None:
    def seconds(num_qubits: int, gates: int, *, reset: bool = False) -> float:
        circuit = QuantumCircuit(num_qubits, num_qubits)
        if reset:
            circuit.reset(0)
        for _ in range(gates):
            circuit.h(0)
        circuit.measure(range(num_qubits), range(num_qubits))
        return cost(lower(circuit), Request(), shots=1000).seconds

    assert seconds(20, 50) > 20 * seconds(10, 50)
    assert seconds(20, 500) > 5 * seconds(20, 50)
    assert seconds(20, 50, reset=True) > 1.9 * seconds(20, 50)


def test_measurements_at_the_end_cost_no_branches() -> None:
    circuit = QuantumCircuit(10)
    circuit.h(range(10))
    bare = cost(lower(circuit), Request(), shots=1000).seconds
    circuit.measure_all()
    assert cost(lower(circuit), Request(), shots=1000).seconds < 3 * bare


def test_predicted_results_hold_the_real_ones() -> None:
    circuit = QuantumCircuit(3, 70)
    circuit.measure([0, 1, 2], [0, 35, 69])
    counts = cost(lower(circuit), Request(memory=True), shots=50).result_bytes
    assert counts >= 50 * (9 + 8) + 50 * 4
    state = cost(lower(circuit), Request(Output.STATEVECTOR, precision="single"), shots=50).result_bytes
    assert state >= 8 * 8 + 50 * 17
    unitary = cost(lower(circuit), Request(Output.UNITARY, "unitary"), shots=1).result_bytes
    assert unitary >= 64 * 16


def test_loops_and_what_is_measured_before_a_condition_cost_more() -> None:
    def seconds(make: str) -> float:
        circuit = QuantumCircuit(18, 2)
        circuit.h(range(18))
        circuit.measure(0, 0)
        if make == "if":
            with circuit.if_test((circuit.clbits[0], 1)):
                circuit.x(1)
        elif make == "while":
            with circuit.while_loop((circuit.clbits[0], 1)):
                circuit.x(1)
        return cost(lower(circuit), Request(), shots=1000).seconds

    assert 1.7 * seconds("") < seconds("if") < seconds("while") < 100 * seconds("")


def test_a_job_of_more_tasks_than_scripts_may_loop_over_is_refused() -> None:
    assert len(cut(items(0.1, shots=100), max_shot_size=1, max_shards=100)) == 100
    with pytest.raises(CapacityError, match="more than 100 tasks; give a larger max_shot_size"):
        cut(items(0.1, shots=2**31 - 1), max_shot_size=1, max_shards=100)


def asked(*requests: Request) -> list[PlannedCircuit]:
    """Return a circuit for each request."""
    return [PlannedCircuit(make_circuit_work(at), request, 1e-6, 1) for at, request in enumerate(requests)]


def test_circuits_that_are_asked_different_things_travel_together() -> None:
    one, two = Request(), Request(method="unitary")
    (shard,) = cut(asked(one, two, one, two))
    assert shard.requests == (one, two)
    assert [shard.request_of(circuit) for circuit in shard.circuits] == [one, two, one, two]


def test_a_shard_has_no_more_requests_than_it_may() -> None:
    # More different requests than there are don't arise; the limit alone is at stake.
    several = [msgspec.structs.replace(Request(), output=number) for number in range(MAX_REQUESTS + 1)]  # type: ignore[arg-type]
    first, second = cut(asked(*several, several[0]))
    assert (len(first.requests), len(second.requests)) == (MAX_REQUESTS, 2)


def test_the_method_of_each_circuit_travels_with_it() -> None:
    saving = QuantumCircuit(2, name="saving")
    saving.append(LikeAer("save_unitary", 2, "single"), [0, 1])
    plain = QuantumCircuit(2, 2, name="plain")
    plain.h(0)
    plain.measure([0, 1], [0, 1])
    job = prepare(
        [plain, saving], RunOptions(), backend_name="b", output=Output.COUNTS, tags=(), metadata={}, retention=1
    )
    (shard,) = job.shards
    assert [shard.request_of(circuit).method for circuit in shard.circuits] == ["statevector", "unitary"]
    assert decode_work(encode_shard(shard)) == shard
