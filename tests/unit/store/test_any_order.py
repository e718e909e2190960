# SPDX-License-Identifier: Apache-2.0
"""Whatever happens to a job's shards, in any order: the ledger does what a model in plain Python does."""

from __future__ import annotations

import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from jobs import new_job

from qfleet.queue import Ledger
from qfleet.wire import keys
from qfleet.wire.state import FINAL_STATES, SHARD_STATES
from qfleet_worker.store import Store, Taken

SHARDS = 4
#: Shards 0 and 1 are blocks of one circuit, 2 and 3 of another.
BLOCKS = 2


class Shards(RuleBasedStateMachine):
    """The ledger and its model, side by side."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        self.client = client
        self.store = Store(client, "unit@test")
        self.ledger = Ledger(client)
        self.job = new_job(SHARDS, blocks=BLOCKS)
        self.ledger.store(self.job)
        self.states = ["PENDING"] * SHARDS
        self.attempts = [0] * SHARDS
        self.holder: list[Taken | None] = [None] * SHARDS
        self.taken: list[Taken] = []

    @rule(index=st.integers(0, SHARDS - 1))
    def take(self, index: int) -> None:
        taken = self.store.take(self.job.job_id, index)
        if self.states[index] in FINAL_STATES:
            assert taken is None
            return
        assert taken is not None
        self.states[index] = "STARTED"
        self.attempts[index] += 1
        assert taken.attempt == self.attempts[index]
        self.holder[index] = taken
        self.taken.append(taken)

    @precondition(lambda self: self.taken)
    @rule(data=st.data(), fails=st.booleans())
    def finish(self, data: st.DataObject, fails: bool) -> None:
        taken = data.draw(st.sampled_from(self.taken))
        index = taken.index
        blocks = [] if fails else [(index // BLOCKS, BLOCKS)]
        stored = self.store.finish(taken, b"result", whole=0, blocks=blocks, error="no" if fails else "")
        may = self.states[index] == "STARTED" and self.holder[index] is taken
        assert stored is may
        if may:
            self.states[index] = "FAILURE" if fails else "SUCCESS"

    @rule()
    def cancel(self) -> None:
        left = [index for index, state in enumerate(self.states) if state not in FINAL_STATES]
        assert self.ledger.cancel(self.job.job_id) == left
        for index in left:
            self.states[index] = "REVOKED"

    @invariant()
    def agrees(self) -> None:
        snapshot = self.ledger.snapshot(self.job.job_id)
        assert snapshot.states == {state: self.states.count(state) for state in SHARD_STATES}
        whole = [self.states[first : first + BLOCKS] == ["SUCCESS"] * BLOCKS for first in range(0, SHARDS, BLOCKS)]
        assert snapshot.circuits_done == sum(whole)
        results = {int(index) for index in self.client.hkeys(keys.results(self.job.job_id))}
        assert results == {index for index, state in enumerate(self.states) if state in ("SUCCESS", "FAILURE")}
        is_over = all(state in FINAL_STATES for state in self.states)
        assert (snapshot.ended is not None) == snapshot.is_final == is_over
        for key in self.client.scan_iter(match=f"*{self.job.job_id}*", count=1000):
            assert (self.client.ttl(key) > 0) == is_over

    def teardown(self) -> None:
        self.ledger.delete(self.job.job_id)


def test_the_ledger_does_what_the_model_does(store_client: redis.Redis) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: Shards(store_client),
        settings=settings(
            max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
