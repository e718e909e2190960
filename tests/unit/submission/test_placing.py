# SPDX-License-Identifier: Apache-2.0
"""Shards in the order of the memory that they need."""

from __future__ import annotations

import pytest
from circuits import wide
from make_jobs import make_circuit_work
from qiskit import QuantumCircuit

from qfleet.ledger import NewJob
from qfleet.options import RunOptions
from qfleet.submission.placing import QUEUE_SECONDS, place
from qfleet.submission.planning import PlannedCircuit, PlannedShard, plan
from qfleet.submission.prepare import prepare
from qfleet.wire.cost.constants import FASTER_ENGINE
from qfleet.wire.cost.tiers import LOWEST_TIER_BYTES, tier_of
from qfleet.wire.messages.presence import SLOWER_ENGINE
from qfleet.wire.messages.request import Output, Request

MIB = 2**20


def _circuit(index: int, need: int, seconds: float = 1e-3) -> PlannedCircuit:
    needs = {FASTER_ENGINE: need, SLOWER_ENGINE: 2 * need}
    return PlannedCircuit(make_circuit_work(index), Request(), seconds, 100, needs)


def _planned(*needs: int) -> list[PlannedShard]:
    return plan(list(map(_circuit, range(len(needs)), needs)), threads=0, max_job_size=None, max_shot_size=None)


def test_circuits_of_two_tiers_never_share_a_shard() -> None:
    shards = _planned(70 * MIB, 80 * MIB, 200 * MIB, 90 * MIB)
    assert [[circuit.index for circuit in shard.work.circuits] for shard in shards] == [[0, 1], [2], [3]]
    assert [shard.needs[FASTER_ENGINE] for shard in shards] == [80 * MIB, 200 * MIB, 90 * MIB]
    assert shards[0].seconds == pytest.approx(2e-3)


def test_the_shards_of_a_tier_follow_one_another_in_their_order() -> None:
    planned = _planned(70 * MIB, 200 * MIB, 90 * MIB, 3000 * MIB, 250 * MIB)
    works, tiers = place(planned)
    assert [[circuit.index for circuit in work.circuits] for work in works] == [[0], [2], [1], [4], [3]]
    assert [(tier.number, tier.first, tier.end) for tier in tiers] == [(0, 0, 2), (1, 2, 4), (5, 4, 5)]
    assert [(tier.need // MIB, tier.slow // MIB) for tier in tiers] == [(90, 180), (250, 500), (3000, 6000)]
    assert tiers[0].seconds == pytest.approx(QUEUE_SECONDS + 1e-3)
    for tier in tiers:
        assert tier_of(tier.need) == tier.number


def test_a_job_without_shards_has_no_tiers() -> None:
    assert place([]) == ([], [])


def _job(*circuits: QuantumCircuit) -> NewJob:
    options = RunOptions(shots=10, seed_simulator=1)
    return prepare(
        circuits, options, backend_name="automatic", output=Output.COUNTS, tags=(), metadata={}, retention=60
    )


def test_a_job_has_the_tiers_of_its_circuits() -> None:
    job = _job(wide(2), wide(24), wide(3))
    assert [[circuit.index for circuit in shard.circuits] for shard in job.shards] == [[0], [2], [1]]
    small, large = job.tiers
    assert small.number == 0
    assert large.need > LOWEST_TIER_BYTES
    assert job.needs[FASTER_ENGINE].memory_bytes == large.need
