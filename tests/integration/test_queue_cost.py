# SPDX-License-Identifier: Apache-2.0
"""Commands that a shard costs Redis; benchmarks/queue_cost.py measures the time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import redis
from circuits import bell
from processes import redis_server, worker

from qfleet import FleetProvider

SHARDS = 400


def _calls(client: redis.Redis) -> Counter[str]:
    stats = client.info("commandstats")
    return Counter({name.removeprefix("cmdstat_"): values["calls"] for name, values in stats.items()})


def _transferred(client: redis.Redis) -> int:
    stats = client.info("stats")
    return int(stats["total_net_input_bytes"]) + int(stats["total_net_output_bytes"])


def test_commands_and_bytes_of_a_shard_are_bounded(tmp_path: Path) -> None:
    with redis_server() as port, redis.Redis(port=port) as client:
        url = f"redis://127.0.0.1:{port}/0"
        with FleetProvider(url) as provider, worker(url, tmp_path / "log"):
            backend = provider.get_backend("automatic")
            backend.run(bell()).result(timeout=60)
            before, bytes_before = _calls(client), _transferred(client)
            backend.run([bell()] * SHARDS, max_job_size=1).result(timeout=100)
            calls, transferred = _calls(client) - before, _transferred(client) - bytes_before
    per_shard = {name: number / SHARDS for name, number in calls.most_common()}
    print(per_shard, transferred / SHARDS)
    # What clients and workers send: a token is popped, a shard is chosen and finished.
    assert per_shard["evalsha"] < 2.2
    assert per_shard["brpop"] < 1.5
    # With those inside scripts.
    assert sum(per_shard.values()) < 21
    assert transferred / SHARDS < 2_200
