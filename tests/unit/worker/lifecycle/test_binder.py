# SPDX-License-Identifier: Apache-2.0
"""A worker waits only for what may fit, and tells what a shard took."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import NoScriptError

from qfleet.wire.cost.tiers import TIERS
from qfleet.wire.messages.work import RUN_SHARD
from qfleet.wire.redis import keys
from qfleet_worker.lifecycle import binder as binding
from qfleet_worker.lifecycle.binder import PAUSE_SECONDS, SHORT_SECONDS, TOKEN_EVERY, LateBinder
from qfleet_worker.messages import MessageError
from qfleet_worker.picked import Later, Picked, Question

MIB = 2**20
GIB = 2**30
QUEUE = f"{keys.PREFIX}{keys.QUEUE}"
WAKE = keys.wake("w@h")
JOB = "0b7f0f0e-9b8e-4c7e-8a39-0b9f6c1d2e3f"


def picked(**changed: Any) -> Picked:
    fields: dict[str, Any] = {"job_id": JOB, "index": 3, "owner": "w@h/1/a", "attempt": 2, "cause": "signal 9"}
    return Picked(**fields | {"tenant": "alice", "need": GIB, "seconds": 0.5, "work": b"work", "circuits": 7} | changed)


@dataclass
class FakeStore:
    """Gives prepared answers, and notes what it is asked."""

    answer: Picked | Later | Exception | None = None
    named: set[str] = field(default_factory=set)
    asked: list[dict[str, Any]] = field(default_factory=list)
    pushed: list[tuple[str, bytes]] = field(default_factory=list)
    released: list[tuple[str, int, str]] = field(default_factory=list)
    refuses: bool = False

    def pick(self, tier: int | None, free: int, pool: int, *, slow: bool, corrections: Mapping[str, float]) -> Any:
        self.asked.append({"tier": tier, "free": free, "pool": pool, "slow": slow, "corrections": dict(corrections)})
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def question(self, free: int, pool: int, *, slow: bool, corrections: Mapping[str, float]) -> Question:
        self.asked.append({"tier": None, "free": free, "pool": pool, "slow": slow, "corrections": dict(corrections)})
        return Question(f"w@h/1/{len(self.asked)}", ("EVALSHA",))

    def release(self, job_id: str, index: int, owner: str) -> int:
        if self.refuses:
            raise NoConnection("gone")
        self.released.append((job_id, index, owner))
        return 1

    def is_named(self, job_id: str, index: int) -> bool:
        assert index == 5
        return job_id in self.named

    def push(self, key: str, entry: bytes = b"", *, expires: int = 0) -> None:
        if self.refuses:
            raise NoConnection("gone")
        assert (expires > 0) == (key == WAKE)
        self.pushed.append((key, entry))


@dataclass(frozen=True)
class Request:
    grant: int = 0
    tenant: str = "alice"
    charged: float = 0.0
    seconds: float = 0.0
    ran_short: bool = False


class Fleet:
    """A binder of a worker with 4 slots and 8 cores, and what it goes by."""

    def __init__(self, pool_bytes: int = 4 * GIB) -> None:
        self.store = FakeStore()
        self.held: list[Request] = []
        self.engine = "statevector"
        self.seconds = 100.0
        self.stops = False
        self.binder = LateBinder(
            self.store,  # type: ignore[arg-type]
            "w@h",
            pool_bytes=pool_bytes,
            slots=4,
            cores=8,
            engine=lambda: self.engine,
            held=lambda: self.held,
            stops=lambda: self.stops,
        )

    def tiers(self) -> list[int]:
        return [tier for tier in range(TIERS) if keys.tokens(tier) in self.binder.lists()]

    def bind(self, tier: int = 0) -> Any:
        return self.binder.bind(keys.tokens(tier), b"")


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Fleet:
    fleet = Fleet()
    monkeypatch.setattr(binding, "monotonic", lambda: fleet.seconds)
    return fleet


def args_of(message: dict[str, Any]) -> list[Any]:
    args: list[Any] = json.loads(base64.b64decode(message["body"]))[0]
    return args


def named(index: int = 5, job_id: str = JOB) -> bytes:
    return json.dumps({"headers": {"task": RUN_SHARD, "id": f"{job_id}.{index}"}}).encode()


@pytest.mark.parametrize(
    ("grants", "highest"),
    # Tier 5 begins above 2 GiB, tier 4 above 1 GiB; every shard is given 128 MiB.
    [
        *[([], 5), ([GIB], 5), ([2 * GIB], 4), ([GIB, GIB, GIB], 3)],
        *[([4 * GIB - 128 * MIB], 0), ([4 * GIB - 128 * MIB + 1], -1), ([4 * GIB], -1)],
    ],
)
def test_it_waits_for_tiers_that_may_fit(fleet: Fleet, grants: list[int], highest: int) -> None:
    fleet.held = [Request(grant) for grant in grants]
    assert fleet.tiers() == list(range(highest + 1))
    assert WAKE in fleet.binder.lists()
    assert fleet.binder.free_bytes() == 4 * GIB - sum(grants)


def test_it_waits_for_nothing_while_all_processes_are_busy(fleet: Fleet) -> None:
    fleet.held = [Request(MIB)] * 4
    assert fleet.binder.lists() == []


def test_it_tells_how_long_shards_take_by_the_prediction(fleet: Fleet) -> None:
    assert fleet.binder.report() == {"memory_bytes": 4 * GIB, "pace": 0.0}
    fleet.binder.ended(Request(charged=2.0, seconds=3.0))
    for not_measured in (Request(charged=0.0, seconds=9.0), Request(charged=9.0, seconds=0.0)):
        fleet.binder.ended(not_measured)
    assert fleet.binder.report()["pace"] == 1.5
    for _ in range(50):
        fleet.binder.ended(Request(charged=1.0, seconds=0.5))
    # The latest ones count most.
    assert fleet.binder.report()["pace"] == pytest.approx(0.5, abs=0.01)


def test_a_draining_worker_waits_for_nothing_and_puts_back_what_comes_late(fleet: Fleet) -> None:
    fleet.binder.drain(True)
    assert fleet.binder.lists() == []
    fleet.store.answer = picked()
    assert fleet.bind(tier=2) is None
    assert fleet.binder.bind(QUEUE, named()) is None
    assert fleet.binder.bind(WAKE, b"") is None
    assert (fleet.store.asked, fleet.store.pushed) == ([], [(keys.tokens(2), b""), (QUEUE, named())])
    # What ends there wakes nobody.
    fleet.binder.ended(Request(GIB))
    assert len(fleet.store.pushed) == 2
    fleet.binder.drain(False)
    assert fleet.tiers() == list(range(6))
    assert fleet.bind(tier=2) is not None


def test_named_messages_are_waited_for_while_a_share_is_free(fleet: Fleet) -> None:
    places = [fleet.binder.lists().index(QUEUE) for _ in range(4)]
    # First and last by turns.
    assert all((one == 0) != (other == 0) for one, other in pairwise(places))
    fleet.held = [Request(3 * GIB + 1)]
    assert QUEUE not in fleet.binder.lists()


def test_a_token_becomes_the_shard_that_was_picked(fleet: Fleet) -> None:
    fleet.store.answer = picked()
    fleet.held = [Request(GIB)]
    message = fleet.bind(tier=2)
    assert fleet.store.asked == [{"tier": 2, "free": 3 * GIB, "pool": 4 * GIB, "slow": False, "corrections": {}}]
    work = base64.b64encode(b"work").decode()
    assert args_of(message) == [JOB, 3, "w@h/1/a", 2, "signal 9", GIB, 4, work, 7]
    assert message["headers"] | {"tenant": "alice", "charged": 0.5, "id": f"{JOB}.3"} == message["headers"]


@pytest.mark.parametrize(
    ("need", "held", "threads"),
    # All cores for more than half of the memory; else its part by memory, or by number while few run.
    [(3 * GIB, 3, 8), (GIB, 0, 8), (GIB, 1, 4), (MIB, 3, 2), (2 * GIB, 3, 4)],
)
def test_threads_by_memory_and_company(fleet: Fleet, need: int, held: int, threads: int) -> None:
    fleet.store.answer = picked(need=need)
    fleet.held = [Request(0)] * held
    assert args_of(fleet.bind())[6] == threads


@pytest.mark.parametrize(("pool", "grant"), [(4 * GIB, 128 * MIB), (256 * MIB, 64 * MIB)])
def test_small_shards_fill_all_slots_whatever_they_claim(pool: int, grant: int) -> None:
    """The memory that a shard may use counts as taken, even where a client claims a byte."""
    fleet = Fleet(pool)
    fleet.store.answer = picked(need=1)
    for _ in range(4):
        assert fleet.tiers()[0] == 0
        fleet.held.append(Request(args_of(fleet.bind())[5]))
    assert [request.grant for request in fleet.held] == [grant] * 4
    assert fleet.binder.free_bytes() == pool - 4 * grant


def test_the_slower_engine_has_its_own_needs(fleet: Fleet) -> None:
    fleet.engine = "numpy"
    fleet.bind()
    assert fleet.store.asked[0]["slow"] is True


def test_no_shard_waits(fleet: Fleet) -> None:
    assert fleet.bind() is None
    # Others may come at once.
    assert fleet.tiers() == list(range(6))


def test_what_does_not_fit_is_not_asked_for_again_at_once(fleet: Fleet) -> None:
    fleet.store.answer = Later(2)
    assert fleet.bind(tier=3) is None
    assert fleet.tiers() == [0, 1]
    fleet.seconds += PAUSE_SECONDS
    assert fleet.tiers() == list(range(6))


def test_memory_that_comes_free_ends_the_pause(fleet: Fleet) -> None:
    fleet.store.answer = Later(2)
    fleet.bind(tier=3)
    fleet.binder.ended(Request())
    assert fleet.tiers() == list(range(6))


def test_memory_that_comes_free_ends_a_wait_for_smaller_shards_once(fleet: Fleet) -> None:
    fleet.held = [Request(2 * GIB), Request(GIB)]
    fleet.binder.lists()
    fleet.held = [Request(GIB)]
    fleet.binder.ended(Request())
    assert fleet.store.pushed == [(WAKE, b"")]
    fleet.held = []
    fleet.binder.ended(Request())
    assert len(fleet.store.pushed) == 1
    assert fleet.binder.bind(WAKE, b"") is None
    assert fleet.store.asked == []


def test_a_wait_for_all_that_fits_goes_on(fleet: Fleet) -> None:
    fleet.held = [Request(MIB)]
    fleet.binder.lists()
    fleet.held = []
    fleet.binder.ended(Request())
    assert fleet.store.pushed == []


def test_nothing_is_woken_that_does_not_wait(fleet: Fleet) -> None:
    fleet.held = [Request(2 * GIB)] * 2
    fleet.binder.lists()
    fleet.bind()
    fleet.held = []
    fleet.binder.ended(Request())
    assert fleet.store.pushed == []


def test_a_tenant_is_charged_with_what_its_shards_took(fleet: Fleet) -> None:
    for shard in (
        Request(seconds=3.0, charged=1.0),
        Request(tenant="bob", charged=0.5),
        Request(seconds=1.0, charged=0.5),
        Request(tenant="", seconds=9.0),
        # It keeps half of the memory, so half of the cores, from others.
        Request(tenant="carol", grant=2 * GIB, seconds=2.0, charged=1.0),
    ):
        fleet.binder.ended(shard)
    fleet.bind()
    fleet.bind()
    assert [asked["corrections"] for asked in fleet.store.asked] == [{"alice": 2.5, "bob": -0.5, "carol": 7.0}, {}]


def test_a_named_message_runs_that_shard(fleet: Fleet) -> None:
    fleet.store.named.add(JOB)
    message = fleet.binder.bind(QUEUE, named())
    assert message is not None
    # Its process claims it.
    assert args_of(message) == [JOB, 5, "", 0, "", GIB, 0, ""]
    assert message["headers"]["tenant"] == ""
    assert fleet.store.asked == []


def test_a_named_message_of_a_job_with_tiers_is_a_token(fleet: Fleet) -> None:
    fleet.store.answer = picked()
    message = fleet.binder.bind(QUEUE, named())
    assert message is not None
    assert args_of(message)[1:3] == [3, "w@h/1/a"]
    assert fleet.store.asked[0]["tier"] is None


def test_what_names_no_shard_is_an_error(fleet: Fleet) -> None:
    with pytest.raises(MessageError):
        fleet.binder.bind(QUEUE, b"junk")
    fleet.store.answer = picked(job_id="no:job")
    with pytest.raises(MessageError, match="not the id of a job"):
        fleet.bind()


def test_a_failed_choice_is_not_repeated_at_once(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    fleet.store.answer = NoConnection("gone")
    assert fleet.bind() is None
    assert "could not choose a shard: gone" in caplog.text
    assert fleet.tiers() == []
    fleet.seconds += PAUSE_SECONDS
    assert fleet.tiers() == list(range(6))


def test_a_worker_that_stops_chooses_nothing(fleet: Fleet) -> None:
    fleet.store.answer = picked()
    fleet.stops = True
    assert fleet.bind(tier=2) is None
    assert fleet.store.asked == []
    assert fleet.store.pushed == [(keys.tokens(2), b"")]


def test_an_entry_goes_back_on_its_list(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    fleet.binder.put_back(keys.tokens(3), b"")
    fleet.binder.put_back(QUEUE, b"named")
    fleet.binder.put_back(WAKE, b"")
    assert fleet.store.pushed == [(keys.tokens(3), b""), (QUEUE, b"named")]
    fleet.store.refuses = True
    fleet.binder.put_back(keys.tokens(3), b"")
    assert "could not put an entry back on qfleet:tokens:3" in caplog.text


def test_a_worker_that_ran_out_of_memory_gives_half_as_much_for_a_while(fleet: Fleet) -> None:
    fleet.held = [Request(GIB)]
    fleet.binder.ended(Request(2 * GIB, ran_short=True))
    assert fleet.binder.report()["memory_bytes"] == 3 * GIB // 2
    assert fleet.binder.free_bytes() == GIB // 2
    assert fleet.tiers() == [0, 1, 2]
    fleet.bind()
    assert fleet.store.asked[-1]["pool"] == 3 * GIB // 2
    # Again, although less was given: what there is gets no more by that.
    fleet.binder.ended(Request(GIB // 2, ran_short=True))
    assert fleet.binder.report()["memory_bytes"] == 3 * GIB // 4
    assert fleet.tiers() == []
    fleet.seconds += SHORT_SECONDS
    assert fleet.binder.report()["memory_bytes"] == 4 * GIB
    assert fleet.tiers() == list(range(6))


def test_running_out_of_memory_with_more_than_is_given_now_gives_no_more(fleet: Fleet) -> None:
    fleet.binder.ended(Request(2 * GIB, ran_short=True))
    fleet.held = [Request(GIB)] * 3
    fleet.binder.ended(Request(GIB, ran_short=True))
    assert fleet.binder.report()["memory_bytes"] == GIB


@pytest.mark.parametrize(
    ("pool", "least"), [(4 * GIB, 512 * MIB), (GIB // 2, 256 * MIB), (200 * MIB, 128 * MIB), (100 * MIB, 100 * MIB)]
)
def test_a_worker_that_ran_out_of_memory_with_small_shards_runs_them_nevertheless(pool: int, least: int) -> None:
    fleet = Fleet(pool)
    assert fleet.binder.can_give_less() is (pool > least)
    fleet.binder.ended(Request(64 * MIB, ran_short=True))
    assert fleet.binder.report()["memory_bytes"] == least
    assert fleet.tiers()[0] == 0
    # What is killed again counts as an attempt.
    assert not fleet.binder.can_give_less()


def chosen(others: int) -> list[Any]:
    """Return the script's answer."""
    return [JOB.encode(), 3, 2, b"", b"alice", str(GIB).encode(), b"0.5", b"work", b"7", others]


def question_of(fleet: Fleet) -> Question:
    question = fleet.binder.question()
    assert question is not None
    return question


@pytest.fixture
def busy(fleet: Fleet) -> Fleet:
    """Return a binder that was just given a shard and was told that others wait."""
    fleet.store.answer = picked(others_wait=True)
    assert fleet.bind() is not None
    return fleet


def test_a_token_is_waited_for_first(fleet: Fleet) -> None:
    assert fleet.binder.question() is None
    fleet.store.answer = picked()
    fleet.bind()
    assert fleet.binder.question() is None


def test_the_next_shard_is_asked_for_at_once_while_others_wait(busy: Fleet) -> None:
    busy.binder.ended(Request(tenant="bob", charged=1.0, seconds=3.0))
    busy.held = [Request(GIB)]
    question = question_of(busy)
    assert busy.store.asked[-1] == {
        "tier": None,
        "free": 3 * GIB,
        "pool": 4 * GIB,
        "slow": False,
        "corrections": {"bob": 2.0},
    }
    message = busy.binder.chosen(question, chosen(others=1))
    assert message is not None
    assert args_of(message)[:3] == [JOB, 3, question.owner]
    busy.binder.chosen(question_of(busy), chosen(others=0))
    assert busy.binder.question() is None


def test_a_token_is_waited_for_now_and_then(busy: Fleet) -> None:
    for _ in range(TOKEN_EVERY - 1):
        assert busy.binder.chosen(question_of(busy), chosen(others=1)) is not None
    assert busy.binder.question() is None
    assert busy.bind() is not None
    assert busy.binder.question() is not None


@pytest.mark.parametrize("state", ["full", "draining"])
def test_a_worker_that_takes_nothing_asks_for_nothing(busy: Fleet, state: str) -> None:
    if state == "full":
        busy.held = [Request(0)] * 4
    else:
        busy.binder.drain(True)
    assert busy.binder.question() is None


@pytest.mark.parametrize(
    ("answer", "tiers"),
    [([b"nothing"], list(range(6))), ([b"later", 2], [0, 1]), (NoScriptError("not there"), list(range(6)))],
)
def test_without_a_shard_a_token_is_waited_for_again(busy: Fleet, answer: Any, tiers: list[int]) -> None:
    assert busy.binder.chosen(question_of(busy), answer) is None
    assert busy.binder.question() is None
    assert busy.tiers() == tiers


@pytest.mark.parametrize("why", ["it is told", "it drains", "it stops"])
def test_a_shard_that_is_chosen_too_late_is_released(busy: Fleet, why: str, caplog: pytest.LogCaptureFixture) -> None:
    for refuses in (False, True):
        question = question_of(busy)
        busy.store.refuses = refuses
        busy.binder.drain(why == "it drains")
        busy.stops = why == "it stops"
        assert busy.binder.chosen(question, chosen(others=1), stopped=why == "it is told") is None
        assert busy.store.released == [(JOB, 3, "w@h/1/2")]
        busy.binder.drain(False)
        busy.stops = False
    assert f"could not release shard 3 of job {JOB}; it will be missed: gone" in caplog.text
