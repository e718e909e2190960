# SPDX-License-Identifier: Apache-2.0
"""The cost of shards and of the search for lost ones doesn't grow with the fleet; benchmarks/scale.py has the times."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "scale.py"
JOBS, SHARDS, LARGE, WORKERS = 10, 100, 2_000, (1, 20)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run the benchmark on a small fleet, and return its numbers."""
    written = tmp_path_factory.mktemp("scale") / "scale.json"
    arguments = ["--workers", ",".join(map(str, WORKERS)), "--seconds", "2", "--jobs", JOBS, "--shards", SHARDS]
    arguments += ["--large", LARGE, "--json", written]
    done = subprocess.run(
        [sys.executable, BENCHMARK, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(written.read_text())
    return found


@pytest.mark.parametrize("workers", WORKERS)
def test_a_shard_costs_the_same_with_more_workers(report: dict[str, Any], workers: int) -> None:
    cost = report["workers"][str(workers)]
    print(cost)
    assert cost["commands_per_shard"] < 21
    assert cost["bytes_per_shard"] < 1_600
    assert 0 < cost["queued_bytes"] < 600


def test_a_search_sends_few_commands(report: dict[str, Any]) -> None:
    search = report["search"]
    assert search["started"] == max(WORKERS) * 16
    # A few for the whole fleet, one for each job whose place is renewed.
    assert search["commands"] <= 15 + JOBS
    # As many ids and owners as can be lost are put back with one script for each job.
    assert search["recovery"]["shards"] == 2 * 16
    assert search["recovery"]["commands"] <= 30 + 3 * JOBS


def test_a_large_job_is_cancelled_in_slices(report: dict[str, Any]) -> None:
    job = report["large_job"]
    assert job["cancelled"] == job["shards"] == LARGE
    assert job["cancel_commands"] >= LARGE / 500
