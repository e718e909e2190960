# SPDX-License-Identifier: Apache-2.0
"""The scripts agree with a model about jobs whose shards are chosen, in any order of events.

Two tenants, jobs with shards of one tier or two, workers with little or much memory free; shards that end, die, are
handed back or lost; jobs that are cancelled in slices, paused, refused, retried or deleted; jobs and junk in inboxes.
After each step everything that is known of the waiting shards is compared.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import fakeredis
import redis
from choice_model import Job, Shard, new_job
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from late_jobs import make_tier, submit
from make_jobs import make_job, make_presence
from picker import MIB, Picker

from qfleet.ledger import Ledger
from qfleet.ledger.confined import ConfinedLedger
from qfleet.wire.cost.tiers import Tier
from qfleet.wire.lua import Scripts
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField, SchedField, TierField
from qfleet.wire.redis.references import reference
from qfleet.wire.redis.states import SHARD_STATES
from qfleet_worker.inbox import Inbox
from qfleet_worker.picked import Picked
from qfleet_worker.store import Store

WORKERS = ("a@test", "b@test")
TENANTS = ("alice", "bob")
LOW, HIGH = 0, 2
#: Bytes of the shards of each tier, and bytes that may be free: for none, for the lower tier, for both.
NEEDS = {LOW: 100 * MIB, HIGH: 500 * MIB}
FREE = (50 * MIB, 200 * MIB, 600 * MIB)
SHAPES = (
    (make_tier(3, LOW, need=NEEDS[LOW]),),
    (make_tier(2, HIGH, need=NEEDS[HIGH], seconds=0.3),),
    (make_tier(2, LOW, need=NEEDS[LOW]), make_tier(2, HIGH, first=2, need=NEEDS[HIGH])),
)
MOST_JOBS = 4


class Choices(RuleBasedStateMachine):
    """The scripts and the model, side by side."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        self.client = client
        self.client.flushdb()
        self.scripts = Scripts(client)
        self.ledger = Ledger(client)
        # Their clocks stand still long ago: no memory is kept for what waits long.
        self.pickers = {name: Picker(client, name, pool=FREE[-1], ahead=-1e12) for name in WORKERS}
        self.stores = {name: Store(client, name) for name in WORKERS}
        self.inbox = Inbox(client, lambda _: None)
        self.jobs: dict[str, Job] = {}
        #: jobs in the inboxes of their tenants
        self.stored: dict[str, Job] = {}
        self.chosen: list[Picked] = []
        self.up: set[str] = set()

    def _shard(self, choice: Picked) -> Shard | None:
        """Return the shard of a choice; nothing if its job was deleted."""
        job = self.jobs.get(choice.job_id)
        return job.shards[choice.index] if job else None

    def _draw_job(self, data: st.DataObject) -> Job:
        # By its place: names differ each time.
        return [*self.jobs.values()][data.draw(st.integers(0, len(self.jobs) - 1))]

    def _draw_choice(self, data: st.DataObject) -> tuple[Picked, Shard | None]:
        choice = self.chosen[data.draw(st.integers(0, len(self.chosen) - 1))]
        return choice, self._shard(choice)

    # --- Workers ---

    @rule(name=st.sampled_from(WORKERS), is_up=st.booleans())
    def show(self, name: str, is_up: bool) -> None:
        if is_up:
            self.stores[name].renew_presence(make_presence(name))
            self.up.add(name)
        else:
            self.stores[name].withdraw_presence()
            self.up.discard(name)

    @rule(
        name=st.sampled_from(WORKERS),
        free=st.sampled_from(FREE),
        popped=st.sampled_from([LOW, HIGH, None]),
        late=st.floats(-1, 1),
    )
    def pick(self, name: str, free: int, popped: int | None, late: float) -> None:
        if popped is not None and not self.client.llen(keys.tokens(popped)):
            popped = None
        owing = {TENANTS[0]: late} if late > 0 else {}
        choice = self.pickers[name].pick(popped, free, owing)
        may = {
            (job.job_id, index): job
            for job in self.jobs.values()
            for tier in job.tiers
            if tier.need <= free and (index := job.first(tier)) is not None
        }
        if not may:
            waits = [tier for tier in (LOW, HIGH) if self._waiting()[tier]]
            assert choice == (waits[0] if waits else None)
            return
        assert isinstance(choice, Picked)
        job = may[choice.job_id, choice.index]
        tier, shard = job.tier_of(choice.index), job.shards[choice.index]
        if choice.index in job.again[tier.number]:
            job.again[tier.number].remove(choice.index)
        else:
            job.next[tier.number] += 1
        shard.move("STARTED")
        if not shard.excused:
            shard.attempts += 1
            if shard.circuit is not None:
                shard.deaths[shard.circuit] += 1
        assert (choice.attempt, choice.cause) == (shard.attempts, shard.cause)
        assert (choice.tenant, choice.need, choice.work) == (
            job.tenant,
            tier.need,
            self.client.hget(keys.work(choice.job_id), choice.index),
        )
        shard.choice, shard.circuit, shard.excused = choice, None, False
        self.chosen.append(choice)

    @precondition(lambda self: self.chosen)
    @rule(data=st.data(), circuit=st.integers(0, 1))
    def begin(self, data: st.DataObject, circuit: int) -> None:
        choice, shard = self._draw_choice(data)
        deaths = self.scripts.call("begin", choice.job_id, choice.index, choice.owner, circuit)
        if shard is None or shard.state != "STARTED" or shard.choice is not choice:
            assert deaths is None
        else:
            assert deaths == shard.deaths[circuit]
            shard.circuit = circuit

    @precondition(lambda self: self.chosen)
    @rule(data=st.data(), fails=st.booleans())
    def finish(self, data: st.DataObject, fails: bool) -> None:
        choice, shard = self._draw_choice(data)
        stored = self.pickers["a@test"].finish(choice, error="no" if fails else "")
        may = shard is not None and shard.state == "STARTED" and shard.choice is choice
        assert stored is may
        if shard is None or shard.choice is not choice:
            return
        if may:
            shard.move("FAILURE" if fails else "SUCCESS")
            shard.circuit, shard.cause, shard.excused = None, "", False
        shard.stopping = False

    @precondition(lambda self: self.chosen)
    @rule(data=st.data(), cause=st.sampled_from(["", "signal 9"]), by=st.sampled_from(["attempt", "process", "worker"]))
    def process_dies(self, data: st.DataObject, cause: str, by: str) -> None:
        choice, shard = self._draw_choice(data)
        start = {
            "attempt": choice.owner,
            "process": choice.owner.rpartition("/")[0] + "/",
            "worker": choice.owner.split("/")[0] + "/",
        }
        how = self.scripts.call("stopped", choice.job_id, choice.index, start[by], cause)
        is_its = shard is not None and shard.choice is not None and shard.choice.owner.startswith(start[by])
        if not is_its or shard is None:
            assert how == 0
        elif shard.stopping:
            shard.stopping = False
        elif shard.state == "STARTED" and cause:
            assert how == 1
            self._put_back(choice, shard)
            shard.cause, shard.excused = cause, False

    def _put_back(self, choice: Picked, shard: Shard) -> None:
        shard.move("PENDING")
        shard.choice = None
        self.jobs[choice.job_id].put_back(choice.index)

    @precondition(lambda self: self.chosen)
    @rule(data=st.data())
    def told_to_stop(self, data: st.DataObject) -> None:
        choice, shard = self._draw_choice(data)
        self.scripts.call("excuse", choice.job_id, choice.index, choice.owner)
        if shard is not None and shard.state == "STARTED" and shard.choice is choice:
            shard.excused = True

    @precondition(lambda self: self.chosen)
    @rule(data=st.data())
    def time_is_over(self, data: st.DataObject) -> None:
        choice, shard = self._draw_choice(data)
        failed = self.scripts.call("fail", choice.job_id, choice.index, choice.owner, "too long")
        may = shard is not None and shard.state == "STARTED" and shard.choice is choice
        assert bool(failed) is may
        if may and shard is not None:
            shard.move("FAILURE")
            shard.choice, shard.circuit, shard.cause, shard.excused = None, None, "", False

    @precondition(lambda self: self.chosen)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        choice, shard = self._draw_choice(data)
        how = self.scripts.call("release", choice.job_id, choice.index, choice.owner)
        may = shard is not None and shard.state == "STARTED" and shard.choice is choice
        assert how == int(may)
        if may and shard is not None:
            self._put_back(choice, shard)
            shard.attempts -= 1
            shard.circuit, shard.excused = None, False

    # --- The look for what is lost ---

    @precondition(lambda self: self.chosen)
    @rule(data=st.data())
    def lost(self, data: st.DataObject) -> None:
        places = data.draw(st.lists(st.integers(0, len(self.chosen) - 1), min_size=1, max_size=3, unique=True))
        some = [self.chosen[at] for at in places]
        job_id = some[0].job_id
        pairs: list[Any] = []
        expected = 0
        for choice in {choice.index: choice for choice in some if choice.job_id == job_id}.values():
            shard = self._shard(choice)
            pairs += [choice.index, choice.owner]
            if shard is not None and shard.stopping:
                shard.stopping = False
            elif shard is not None and shard.state == "STARTED" and shard.choice is choice:
                self._put_back(choice, shard)
                expected += 1
        assert self.scripts.call("lost", job_id, *pairs) == expected

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def age(self, data: st.DataObject) -> None:
        self.scripts.call("age", self._draw_job(data).job_id)

    @rule()
    def count_tokens(self) -> None:
        self.scripts.of_fleet("tokens")
        for tier, waiting in self._waiting().items():
            assert (waiting > 0) is (self.client.llen(keys.tokens(tier)) > 0)

    @rule(tier=st.sampled_from([LOW, HIGH]))
    def lose_tokens(self, tier: int) -> None:
        self.client.delete(keys.tokens(tier))
        self.count_tokens()

    # --- Clients ---

    @precondition(lambda self: len(self.jobs) + len(self.stored) < MOST_JOBS)
    @rule(tenant=st.sampled_from(TENANTS), tiers=st.sampled_from(SHAPES), weight=st.sampled_from([1, 2, 8]))
    def submit(self, tenant: str, tiers: tuple[Tier, ...], weight: int) -> None:
        job_id = submit(self.client, *tiers, tenant=tenant, weight=weight)
        assert self.scripts.call("submit", job_id, 1) == self.client.hget(keys.job(job_id), JobField.CREATED)
        self.jobs[job_id] = new_job(job_id, tenant, tiers)

    @precondition(lambda self: len(self.jobs) + len(self.stored) < MOST_JOBS)
    @rule(tenant=st.sampled_from(TENANTS), tiers=st.sampled_from(SHAPES), weight=st.sampled_from([1, 2, 8]))
    def store(self, tenant: str, tiers: tuple[Tier, ...], weight: int) -> None:
        """Store a job as the user of a tenant does: it waits in the inbox."""
        job_id = reference(tenant, make_job().job_id)
        fields: dict[str, Any] = {"tenant": tenant, "tiers": tiers, "weight": weight, "job_id": job_id}
        ConfinedLedger(self.client, tenant).store(make_job(tiers[-1].end, **fields))
        self.stored[job_id] = new_job(job_id, tenant, tiers)

    @rule(
        tenant=st.sampled_from([*TENANTS, "eve"]),
        entry=st.sampled_from([b"junk", b"cancel nothing", b"\xff", b"run x"]),
    )
    def junk(self, tenant: str, entry: bytes) -> None:
        self.client.lpush(keys.inbox(tenant), entry)
        self.client.sadd(keys.INBOXES, tenant)

    @rule()
    def serve(self) -> None:
        """Serve the inboxes, as the worker does that was rung for."""
        self.inbox.serve()
        for job_id in [*self.stored]:
            if self.client.exists(keys.job(job_id)):
                self.jobs[job_id] = self.stored.pop(job_id)
        assert all(self.client.llen(keys.inbox(job.tenant)) for job in self.stored.values())

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), length=st.integers(1, 5))
    def cancel(self, data: st.DataObject, length: int) -> None:
        """Cancel one slice of a job: its client may die before the next one."""
        job = self._draw_job(data)
        first = max(job.cancelling, 0)
        if first == 0 and any(shard.state in ("PENDING", "STARTED") for shard in job.shards):
            job.held = "cancelled"
        running, number = [], 0
        for index in range(first, min(first + length, len(job.shards))):
            shard = job.shards[index]
            if shard.state in ("PENDING", "STARTED"):
                number += 1
                if shard.state == "STARTED":
                    running.append(index)
                    shard.stopping = shard.worker in self.up
                shard.move("REVOKED")
        job.cancelling = first + length if first + length < len(job.shards) else -1
        answer = self.scripts.call("cancel", job.job_id, first, length)
        assert answer == [job.cancelling, number, *running]
        if job.cancelling == -1:
            job.held = ""
            for tier in job.tiers:
                job.again[tier.number], job.next[tier.number] = set(), tier.end

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        job = self._draw_job(data)
        failed = [index for index, shard in enumerate(job.shards) if shard.state == "FAILURE"]
        if job.held == "cancelled":
            failed = []
        assert self.ledger.retry(job.job_id) == failed
        for index in failed:
            shard = job.shards[index]
            shard.move("PENDING")
            shard.attempts, shard.choice, shard.cause, shard.excused, shard.deaths = 0, None, "", False, Counter()
            job.put_back(index)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), why=st.sampled_from(["paused", "needs 64 GiB"]))
    def hold(self, data: st.DataObject, why: str) -> None:
        job = self._draw_job(data)
        before = job.held
        if any(shard.state in ("PENDING", "STARTED") for shard in job.shards) and before not in ("cancelled", "paused"):
            job.held = why
        assert self.scripts.call("hold", job.job_id, why) == int(job.held != before)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), length=st.integers(1, 5), slices=st.integers(1, 5))
    def refuse(self, data: st.DataObject, length: int, slices: int) -> None:
        """Fail slices of a job that no worker can hold; the caller may die before the last one."""
        job = self._draw_job(data)
        first = 0
        for _ in range(slices):
            following = self.scripts.call("refuse", job.job_id, first, length, "too large")
            if job.held in ("", "paused", "cancelled"):
                assert following == -1
                return
            for shard in job.shards[first : first + length]:
                if shard.state == "PENDING":
                    shard.move("FAILURE")
            is_last = first + length >= len(job.shards)
            if is_last:
                assert following == -1
                if any(shard.state == "PENDING" for shard in job.shards):
                    return  # the next look finds it
                job.held = ""
                for tier in job.tiers:
                    job.again[tier.number], job.next[tier.number] = set(), tier.end
                return
            first += length
            assert following == first

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), why=st.sampled_from(["paused", ""]))
    def let_go(self, data: st.DataObject, why: str) -> None:
        job = self._draw_job(data)
        before = job.held
        if job.held == why or (why == "" and job.held not in ("paused", "cancelled")):
            job.held = ""
        assert self.scripts.call("let_go", job.job_id, why) == int(job.held != before)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        job = self._draw_job(data)
        self.scripts.call("remove", job.job_id)
        del self.jobs[job.job_id]
        assert list(self.client.scan_iter(match=f"*{job.job_id}*", count=1000)) == []
        # The look for lost shards forgets those that ran.
        for index in range(len(job.shards)):
            assert self.scripts.call("lost", job.job_id, index, "somebody") == 0

    # --- What everybody can see ---

    def _waiting(self) -> Counter[int]:
        """Return the number of shards that can be chosen by tier."""
        return Counter(
            {
                number: sum(
                    job.left(tier)
                    for job in self.jobs.values()
                    if not job.held
                    for tier in job.tiers
                    if tier.number == number
                )
                for number in (LOW, HIGH)
            }
        )

    @invariant()
    def what_ended_is_paused_no_longer(self) -> None:
        for job in self.jobs.values():
            if job.held == "paused" and job.is_over:
                job.held = ""
            assert self.ledger.snapshot(job.job_id).held == job.held

    @invariant()
    def what_waits_agrees(self) -> None:
        for number, waiting in self._waiting().items():
            assert int(self.client.hget(keys.SCHED, SchedField.waiting(number)) or 0) == waiting
            assert self.client.llen(keys.tokens(number)) >= waiting
            ready: dict[str, set[str]] = {}
            for job in self.jobs.values():
                if any(tier.number == number and job.left(tier) for tier in job.tiers) and not job.held:
                    ready.setdefault(job.tenant, set()).add(job.job_id)
            assert {raw.decode() for raw in self.client.zrange(keys.ready(number), 0, -1)} == set(ready)
            for tenant in TENANTS:
                found = self.client.zrange(keys.ready(number, tenant), 0, -1)
                assert {raw.decode() for raw in found} == ready.get(tenant, set())
        for tenant in TENANTS:
            times = [self.client.zscore(keys.ready(number), tenant) for number in (LOW, HIGH)]
            times.append(float(raw) if (raw := self.client.hget(keys.VT, tenant)) is not None else None)
            # In one place: where it waits, or among those that don't.
            assert len({time for time in times if time is not None}) <= 1
            assert times[2] is None or times[:2] == [None, None]

    @invariant()
    def jobs_agree(self) -> None:
        runs = set()
        for job in self.jobs.values():
            snapshot = self.ledger.snapshot(job.job_id)
            seen = ["STARTED" if shard.stopping else shard.state for shard in job.shards]
            assert snapshot.states == {state: seen.count(state) for state in SHARD_STATES}
            runs |= {f"{job.job_id}.{index}" for index, state in enumerate(seen) if state == "STARTED"}
            for tier in job.tiers:
                names = [JobField.of_tier(tier.number, name) for name in (TierField.NEXT, TierField.AGAIN)]
                following, again = self.client.hmget(keys.job(job.job_id), names)
                assert int(following) == job.next[tier.number]
                assert int(again or 0) == len(job.again[tier.number])
            put_back = set().union(*job.again.values())
            assert {int(raw) for raw in self.client.zrange(keys.again(job.job_id), 0, -1)} == put_back
            assert (snapshot.ended is not None) == snapshot.is_final == job.is_over
            assert (self.client.zscore(keys.UNFINISHED, job.job_id) is None) == job.is_over
            for key in self.client.scan_iter(match=f"*job:{job.job_id}*", count=1000):
                assert (self.client.ttl(key) > 0) == job.is_over
            is_cancelled = self.client.sismember(keys.CANCELLING, job.job_id)
            assert bool(is_cancelled) == (job.held == "cancelled")
        assert {raw.decode() for raw in self.client.zrange(keys.STARTED, 0, -1)} == runs


def test_the_scripts_do_what_the_model_does(store_client: redis.Redis) -> None:
    # The imitated server is slow.
    examples = 15 if isinstance(store_client, fakeredis.FakeRedis) else 100
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: Choices(store_client),
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        ),
    )
