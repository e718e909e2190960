# SPDX-License-Identifier: Apache-2.0
"""The interval in which a job ends."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_jobs import make_presence

from qfleet.jobs.estimate import Estimate, estimate
from qfleet.ledger.place import Place, WaitingTier
from qfleet.wire.messages.presence import Presence

GIB = 2**30
TIER = WaitingTier(100, GIB, 3 * GIB, 2.0, 2.0)
ALONE = Place(0, 0, 1.0, 0.0, 0.0, 0, 0.0, (TIER,))


def worker(concurrency: int = 4, gib: float = 8, **changed: Any) -> Presence:
    """Return a worker whose last shards took as long as predicted."""
    return make_presence(concurrency=concurrency, memory_bytes=int(gib * GIB), **{"pace": 1.0} | changed)


def interval(place: Place = ALONE, *workers: Presence) -> Estimate:
    found = estimate(place, workers or (worker(),))
    assert found is not None
    assert found.low <= found.high
    return found


def test_a_job_alone_has_the_whole_fleet() -> None:
    # 200 core seconds on 4 slots; the last of 2 s may start last. Each may take a fourth of that, or 4 times that.
    assert interval() == (pytest.approx(200 / 4 / 4), pytest.approx((200 / 4 + 2) * 4 + 1))
    assert interval(ALONE, worker(), worker()) == (pytest.approx(200 / 8 / 4), pytest.approx((200 / 8 + 2) * 4 + 1))


def test_one_shard_may_use_all_cores() -> None:
    assert interval(ALONE, worker(cores=16)) == (pytest.approx(200 / 16 / 4), interval().high)


@pytest.mark.parametrize(
    "worse",
    [
        {"before": 40.0},
        {"share": 0.5, "tenants": 1},
        {"others_first": 7.0},
        {"running": 4, "longest": 100.0},
    ],
)
def test_what_others_have_makes_the_upper_bound_higher_only(worse: dict[str, Any]) -> None:
    found = interval(ALONE._replace(**worse))
    assert found.low == interval().low
    assert found.high > interval().high


def test_what_runs_costs_no_time_while_slots_are_free() -> None:
    assert interval(ALONE._replace(running=3, longest=100.0)) == interval()


def test_memory_limits_what_runs_at_the_same_time() -> None:
    # One that is kept waiting by smaller ones gets memory after 3 s.
    assert interval(ALONE, worker(gib=2)).high == pytest.approx((200 / 2 + 2) * 4 + 1 + 3)
    busy = ALONE._replace(running=1, longest=100.0)
    assert interval(busy, worker(gib=2)).high == pytest.approx((200 / 2 + 2 + 100) * 4 + 1 + 3)
    assert interval(ALONE, worker(gib=0.5), worker()) == (interval().low, interval().high + 3)


def test_the_longest_shard_may_be_the_last_one() -> None:
    tiers = (TIER._replace(longest=50.0),)
    assert interval(ALONE._replace(tiers=tiers)) == (interval().low, pytest.approx((200 / 4 + 50) * 4 + 1))
    # Also if it is the one that runs.
    left = ALONE._replace(tiers=(TIER._replace(left=0, longest=50.0),), running=1, longest=50.0)
    assert interval(left) == (0.0, pytest.approx(50 * 4 + 1))


def test_a_worker_that_has_ended_no_shard_may_be_faster_or_slower() -> None:
    assert interval(ALONE, worker(pace=0.0)) == (pytest.approx(200 / 4 / 8), pytest.approx((200 / 4 + 2) * 8 + 1))
    # Its slots share its cores.
    shared = interval(ALONE, worker(pace=0.0, cores=1))
    assert shared == (pytest.approx(200 / 4 / 8), pytest.approx((200 / 4 + 2) * 8 * 4 + 1))
    assert interval(ALONE, worker(pace=0.0), worker()).high == pytest.approx((200 / 8 + 2) * 8 + 1)


def test_the_slower_engine_needs_more_memory_and_time() -> None:
    found = interval(ALONE, worker(engine="numpy", pace=0.0))
    assert found == (pytest.approx(200 / 4 / 8), pytest.approx((200 / 2 + 2) * 8 * 30 + 1 + 3))


@pytest.mark.parametrize(("pace", "low", "high"), [(0.5, 0.5, 1), (8, 1, 8), (1, 1, 1)])
def test_workers_say_how_good_predictions_are(pace: float, low: float, high: float) -> None:
    found = interval(ALONE, worker(pace=pace))
    assert found == (pytest.approx(low * 200 / 4 / 4), pytest.approx(high * (200 / 4 + 2) * 4 + 1))
    # Of several workers, the best and the worst count.
    both = interval(ALONE, worker(pace=pace), worker(pace=3, engine="numpy"))
    assert both.high == pytest.approx(max(3, high) * (200 / 6 + 2) * 4 + 1 + 3)


def test_what_runs_alone_is_left() -> None:
    place = ALONE._replace(tiers=(TIER._replace(left=0),), running=4, longest=100.0)
    assert interval(place) == (0.0, pytest.approx(2 * 4 + 1))


@pytest.mark.parametrize(
    "workers", [(), (worker(draining=True),), (worker(gib=0.5), worker(draining=True)), (worker(0),), (worker(gib=-1),)]
)
def test_nobody_can_tell_without_a_worker_that_can_run_it(workers: tuple[Presence, ...]) -> None:
    assert estimate(ALONE, workers) is None


def test_nobody_can_tell_what_was_never_predicted() -> None:
    assert estimate(ALONE._replace(tiers=(TIER._replace(seconds=0.0),)), [worker()]) is None


@given(
    st.lists(
        st.builds(
            worker,
            concurrency=st.integers(-1, 64),
            gib=st.floats(0.1, 64),
            cores=st.integers(-1, 64),
            pace=st.floats(allow_nan=True),
            engine=st.sampled_from(["numpy", "statevector"]),
        ),
        max_size=3,
    ),
    st.integers(0, 10**6),
    st.floats(1e-3, 1e6),
    st.floats(1e-6, 1.0),
    st.floats(0, 1e9),
)
def test_no_interval_is_negative_or_empty(
    workers: list[Presence], left: int, seconds: float, share: float, others: float
) -> None:
    place = Place(0, 1, share, others, others, 3, seconds, (WaitingTier(left, GIB, 3 * GIB, seconds, seconds),))
    found = estimate(place, workers)
    assert found is None or 0 <= found.low < found.high < math.inf
