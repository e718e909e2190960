# SPDX-License-Identifier: Apache-2.0
"""The ledger agrees with a model in plain Python about a job's shards, in any order of events.

Deliveries once, twice or late, from workers that are up, stale or gone; processes that die; cancels, time limits,
shards that are handed back; looks for lost shards, and retries.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import fakeredis
import msgspec
import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from make_jobs import make_job, make_presence, store_as_0_1

from qfleet.ledger import Ledger
from qfleet.wire.lua import Scripts
from qfleet.wire.redis import keys
from qfleet.wire.redis.states import FINAL_STATES, MOVES, SHARD_STATES, ShardState, task_id
from qfleet_worker.picked import ClaimedShard
from qfleet_worker.store import Store

SHARDS = 4
#: Shards 0 and 1 are blocks of one circuit, 2 and 3 of another.
BLOCKS = 2
WORKERS = ("a@test", "b@test")
QUEUE = f"{keys.PREFIX}{keys.QUEUE}"
#: A time after any that a test sees.
LATER = 1e12

indices = st.integers(0, SHARDS - 1)
workers = st.sampled_from(WORKERS)


@dataclass
class Shard:
    """One shard in the model."""

    state: ShardState = "PENDING"
    attempts: int = 0
    owner: ClaimedShard | None = None
    #: cancelled, and its process lives
    stopping: bool = False
    #: the circuit that is run, and how many processes died running it
    circuit: int | None = None
    deaths: dict[int, int] = field(default_factory=dict)
    #: its worker was told to stop while it ran
    excused: bool = False
    #: seen without anybody who holds it
    missed: bool = False
    has_result: bool = False
    #: its block of shots was counted
    counted: bool = False

    @property
    def is_over(self) -> bool:
        return self.state in FINAL_STATES

    @property
    def worker(self) -> str:
        return "" if self.owner is None else self.owner.owner.split("/")[0]

    def move(self, state: ShardState) -> None:
        assert state in MOVES[self.state]
        self.state = state


class Shards(RuleBasedStateMachine):
    """The ledger and its model, side by side."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        self.client = client
        self.stores = {name: Store(client, name) for name in WORKERS}
        self.ledger = Ledger(client)
        self.job = make_job(SHARDS, blocks=BLOCKS)
        self.id = self.job.job_id
        self.scripts = Scripts(self.client)
        store_as_0_1(client, self.job)
        self.ledger.published(self.id)
        self.client.delete(keys.WORKERS, QUEUE)
        self.shards = [Shard() for _ in range(SHARDS)]
        #: the shards that each worker which is up says it holds
        self.up: dict[str, set[int]] = {}
        self.queue_is_empty = True
        self.taken: list[ClaimedShard] = []

    # --- Workers and the queue ---

    @rule(name=workers, holds=st.sets(indices))
    def show(self, name: str, holds: set[int]) -> None:
        ids = tuple(task_id(self.id, index) for index in sorted(holds))
        self.stores[name].renew_presence(make_presence(name, holds=ids))
        self.up[name] = holds

    @rule(name=workers)
    def leave(self, name: str) -> None:
        self.stores[name].withdraw_presence()
        self.up.pop(name, None)

    @rule(name=workers, holds=st.sets(indices))
    def grow_stale(self, name: str, holds: set[int]) -> None:
        ids = tuple(task_id(self.id, index) for index in sorted(holds))
        old = make_presence(name, seen=1.0, holds=ids)
        self.client.hset(keys.WORKERS, name, msgspec.json.encode(old))
        self.up.pop(name, None)

    @rule(empty=st.booleans())
    def queue(self, empty: bool) -> None:
        self.client.delete(QUEUE)
        if not empty:
            self.client.lpush(QUEUE, "a message of another job")
        self.queue_is_empty = empty

    # --- What workers do with shards ---

    @rule(name=workers, index=indices, owner_is_dead=st.booleans())
    def take(self, name: str, index: int, owner_is_dead: bool) -> None:
        shard = self.shards[index]
        if owner_is_dead and shard.owner is not None:
            # Its process is known to be dead, though its worker is up.
            owner = f"{name}/1/{len(self.taken)}"
            answer = self.scripts.call("take", self.id, index, owner, shard.owner.owner)
            taken = ClaimedShard(self.id, index, owner, answer[0], answer[1]) if len(answer) > 1 else None
        else:
            owner_is_dead = False
            taken = self.stores[name].take(self.id, index)
        if shard.is_over or (shard.state == "STARTED" and shard.worker in self.up and not owner_is_dead):
            assert taken is None
            return
        assert taken is not None
        if shard.state != "STARTED":
            shard.move("STARTED")
        if not shard.excused:
            shard.attempts += 1
            if shard.circuit is not None:
                shard.deaths[shard.circuit] = shard.deaths.get(shard.circuit, 0) + 1
        assert taken.attempt == shard.attempts
        shard.owner, shard.circuit, shard.missed, shard.excused = taken, None, False, False
        self.taken.append(taken)

    @precondition(lambda self: self.taken)
    @rule(data=st.data(), circuit=st.integers(0, 1))
    def begin(self, data: st.DataObject, circuit: int) -> None:
        taken = data.draw(st.sampled_from(self.taken))
        shard = self.shards[taken.index]
        deaths = self.stores["a@test"].begin(taken, circuit)
        if shard.state != "STARTED" or shard.owner is not taken:
            assert deaths is None
            return
        assert deaths == shard.deaths.get(circuit, 0)
        shard.circuit = circuit

    @precondition(lambda self: self.taken)
    @rule(data=st.data(), fails=st.booleans(), has_result=st.booleans(), block_ran=st.booleans())
    def finish(self, data: st.DataObject, fails: bool, has_result: bool, block_ran: bool) -> None:
        taken = data.draw(st.sampled_from(self.taken))
        shard = self.shards[taken.index]
        has_result |= not fails
        block_ran = has_result and (block_ran or not fails)
        stored = self.stores["a@test"].finish(
            taken,
            b"result" if has_result else b"",
            whole=0,
            blocks=[(taken.index // BLOCKS, BLOCKS)] if block_ran else [],
            error="no" if fails else "",
        )
        may = shard.state == "STARTED" and shard.owner is taken
        assert stored is may
        if may:
            shard.move("FAILURE" if fails else "SUCCESS")
            shard.circuit, shard.excused = None, False
            if has_result:
                shard.has_result, shard.counted = True, block_ran
        elif shard.owner is taken:
            shard.stopping = False

    @rule(name=workers, index=indices, knows_process=st.booleans(), cause=st.sampled_from(["", "signal 9"]))
    def process_dies(self, name: str, index: int, knows_process: bool, cause: str) -> None:
        shard = self.shards[index]
        owner = self.stores[name].owner_of(None)
        if knows_process and shard.owner is not None:
            owner = self.stores[name].owner_of(int(shard.owner.owner.split("/")[1]))
        self.stores[name].stopped(self.id, index, owner, cause)
        if shard.worker != name:
            return
        if shard.stopping:
            shard.stopping = False
        elif shard.state == "STARTED" and cause:
            shard.move("PENDING")
            shard.owner, shard.missed, shard.excused = None, False, False

    @rule(name=workers, index=indices)
    def told_to_stop(self, name: str, index: int) -> None:
        shard = self.shards[index]
        self.stores[name].excuse(self.id, index, self.stores[name].owner_of(None))
        if shard.state == "STARTED" and shard.worker == name:
            shard.excused = True

    @rule(name=workers, index=indices)
    def another_process_dies(self, name: str, index: int) -> None:
        store = self.stores[name]
        store.stopped(self.id, index, store.owner_of(4_999_999), "signal 9")

    @rule(name=workers, index=indices)
    def time_is_over(self, name: str, index: int) -> None:
        shard = self.shards[index]
        self.stores[name].fail(self.id, index, self.stores[name].owner_of(None), "too long")
        if shard.state == "STARTED" and shard.worker == name:
            shard.move("FAILURE")
            shard.owner = shard.circuit = None
            shard.excused = False

    @rule(name=workers, index=indices)
    def release(self, name: str, index: int) -> None:
        shard = self.shards[index]
        may = shard.state == "STARTED" and shard.worker == name
        assert bool(self.stores[name].release(self.id, index, self.stores[name].owner_of(None))) is may
        if may:
            shard.move("PENDING")
            shard.attempts -= 1
            shard.owner, shard.circuit, shard.missed, shard.excused = None, None, False, False

    @rule(later_taken=st.booleans())
    def reconcile(self, later_taken: bool) -> None:
        last_taken = LATER if later_taken else 0
        began, *lost = self.scripts.call("reconcile", self.id, 0, last_taken)
        assert bool(float(began)) is any(shard.state != "PENDING" for shard in self.shards)
        held = set().union(*self.up.values())
        left_queue = later_taken or self.queue_is_empty
        if not left_queue and all(shard.state == "PENDING" for shard in self.shards):
            assert lost == []
            return
        expected = []
        for index, shard in reversed([*enumerate(self.shards)]):
            left_queue |= shard.state != "PENDING"
            if shard.is_over and not shard.stopping:
                continue
            if index in held or (shard.state == "PENDING" and not left_queue):
                shard.missed = False
            elif not shard.missed:
                shard.missed = True
            else:
                shard.missed = False
                if shard.stopping:
                    shard.stopping = False
                    continue
                if shard.state == "STARTED":
                    shard.move("PENDING")
                    shard.owner = None
                expected.append(index)
        assert lost == expected

    # --- What clients do ---

    @rule()
    def cancel(self) -> None:
        left = [index for index, shard in enumerate(self.shards) if not shard.is_over]
        running = [index for index in left if self.shards[index].state == "STARTED"]
        assert self.ledger.cancel(self.id) == (len(left), running)
        for index in left:
            shard = self.shards[index]
            shard.stopping = shard.state == "STARTED" and shard.worker in self.up
            shard.move("REVOKED")

    @rule()
    def retry(self) -> None:
        failed = [index for index, shard in enumerate(self.shards) if shard.state == "FAILURE"]
        assert self.ledger.retry(self.id) == failed
        for index in failed:
            shard = self.shards[index]
            shard.move("PENDING")
            shard.attempts, shard.owner, shard.missed, shard.excused, shard.deaths = 0, None, False, False, {}
        if failed:
            self.ledger.published(self.id)

    # --- What everybody can see ---

    @invariant()
    def agrees(self) -> None:
        snapshot = self.ledger.snapshot(self.id)
        seen = ["STARTED" if shard.stopping else shard.state for shard in self.shards]
        assert snapshot.states == {state: seen.count(state) for state in SHARD_STATES}
        counted = [shard.counted for shard in self.shards]
        assert snapshot.circuits_done == sum(all(counted[first : first + BLOCKS]) for first in range(0, SHARDS, BLOCKS))
        results = {int(index) for index in self.client.hkeys(keys.results(self.id))}
        assert results == {index for index, shard in enumerate(self.shards) if shard.has_result}
        is_over = all(shard.is_over and not shard.stopping for shard in self.shards)
        assert (snapshot.ended is not None) == snapshot.is_final == is_over
        assert (self.client.zscore(keys.ACTIVE, self.id) is None) == is_over
        for key in self.client.scan_iter(match=f"*job:{self.id}*", count=1000):
            assert (self.client.ttl(key) > 0) == is_over

    def teardown(self) -> None:
        self.ledger.delete(self.id)
        self.client.delete(keys.WORKERS, QUEUE)


def test_the_ledger_does_what_the_model_does(store_client: redis.Redis) -> None:
    # The imitated server is slow.
    examples = 25 if isinstance(store_client, fakeredis.FakeRedis) else 200
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: Shards(store_client),
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        ),
    )
