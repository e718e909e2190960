# SPDX-License-Identifier: Apache-2.0
"""The load on Redis by the number of workers.

The scripts are the real ones. The workers are faked: they choose shards and finish them, and run nothing. There are
three parts: how many shards they finish, and the cost of each to Redis; the cost of a search for lost shards in a large
fleet; the cost of storing and of cancelling a large job. Redis is a server of its own. Its times are processor time of
the thread that runs all commands.

    python benchmarks/scale.py [--workers 1,10,100,1000] [--durable] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
from pathlib import Path
from typing import Any

import redis
from _fake_workers import SLOTS, FakeWorkers, make_job, pick, show, store_jobs
from _measure import machine
from _redis_meter import Meter, Spent, TimedRedis, own_redis
from _report import heading

from qfleet.ledger import Ledger
from qfleet.wire.messages.presence import PERIOD_SECONDS
from qfleet.wire.redis import keys
from qfleet_worker.search import LOOK_SECONDS, Search

_TENANTS = 20
_LOOKS = 5
#: One worker of this number is gone in the search that finds lost shards.
_GONE = 10
_EXAMPLE = "example: python benchmarks/scale.py --workers 1,1000 --seconds 10 --json scale.json"

Numbers = dict[str, Any]


def main() -> None:
    """Run the measurements, print each figure at once, and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=_EXAMPLE)
    parser.add_argument("--workers", default="1,10,100,1000", help="numbers of workers, with commas between")
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds for each number of workers")
    parser.add_argument("--jobs", type=int, default=200, help="jobs that wait")
    parser.add_argument("--shards", type=int, default=1000, help="shards of each of them")
    parser.add_argument("--large", type=int, default=100_000, help="shards of the job that is cancelled")
    parser.add_argument("--durable", action="store_true", help="let Redis write an append-only file")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()
    numbers = [int(number) for number in arguments.workers.split(",")]
    # A search logs what it puts back.
    logging.getLogger("qfleet_worker").setLevel(logging.ERROR)
    about = machine()
    print(heading(about), flush=True)
    report: Numbers = {"machine": about, "durable": arguments.durable, "workers": {}}
    for number in numbers:
        with own_redis(durable=arguments.durable) as port:
            report["workers"][number] = throughput(port, number, arguments.jobs, arguments.shards, arguments.seconds)
    with own_redis(durable=arguments.durable) as port:
        report["search"] = search(port, max(numbers), arguments.jobs, arguments.shards)
    with own_redis(durable=arguments.durable) as port:
        report["large_job"] = large_job(port, arguments.large)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def throughput(port: int, workers: int, jobs: int, shards: int, seconds: float) -> Numbers:
    """Measure some workers, with more work than they can do and idle.

    Args:
        port: the port of Redis.
        workers: how many workers there are.
        jobs: how many jobs wait.
        shards: how many shards each of them has.
        seconds: how long the workers run, both times.
    """
    with redis.Redis(port=port) as client:
        meter = Meter(client)
        store_jobs(client, jobs, shards, _TENANTS)
        stored = sum(client.memory_usage(key, samples=0) for key in client.scan_iter(count=1000))
        queued_bytes = stored / (jobs * shards)
        busy, busy_seconds, spent = _run(port, meter, workers, seconds, jobs * shards)
        client.flushdb()
        _, idle_seconds, at_rest = _run(port, meter, workers, seconds)
    done = busy.done
    found = {
        "idle_load": at_rest.seconds / idle_seconds,
        "shards_per_second": done / busy_seconds,
        "redis_load": spent.seconds / busy_seconds,
        "redis_us_per_shard": spent.seconds / done * 1e6,
        "commands_per_shard": sum(spent.commands.values()) / done,
        "bytes_per_shard": spent.bytes / done,
        "queued_bytes": queued_bytes,
    }
    print(
        f"{workers:5} workers: idle {found['idle_load']:.1%} of a core; busy {found['redis_load']:.0%} of a core, "
        f"{found['shards_per_second']:.0f} shards/s; for each shard {found['redis_us_per_shard']:.0f} us, "
        f"{found['commands_per_shard']:.1f} commands and {found['bytes_per_shard']:.0f} bytes; "
        f"{queued_bytes:.0f} bytes while it waits",
        flush=True,
    )
    return found


def _run(
    port: int, meter: Meter, workers: int, seconds: float, most: int | None = None
) -> tuple[FakeWorkers, float, Spent]:
    """Let some workers run; return them, the seconds, and the cost."""
    fleet = FakeWorkers(port, workers)
    meter.start()
    elapsed = fleet.run(seconds, most=most)
    spent = meter.stop()
    fleet.close()
    return fleet, elapsed, spent


def search(port: int, workers: int, jobs: int, shards: int) -> Numbers:
    """Measure the search for lost shards in a fully occupied fleet.

    Args:
        port: the port of Redis.
        workers: how many workers there are.
        jobs: how many jobs there are.
        shards: how many shards each of them has.
    """
    with redis.Redis(port=port) as client:
        store_jobs(client, jobs, shards, _TENANTS)
        holds: list[list[str]] = []
        for number in range(workers):
            store = show(client, number)
            picked = [shard for shard in (pick(store) for _ in range(SLOTS)) if shard]
            holds.append([f"{shard.job_id}.{shard.index}" for shard in picked])
        meter = Meter(client)
        for number, names in enumerate(holds):
            show(client, number, names)
        presence = meter.stop()
        with TimedRedis(port) as timed:
            looks = [_look(timed, Search(timed, "qfleet-00000000@host-0000")) for _ in range(_LOOKS)]
            found = {
                name: statistics.median(look[name] for look in looks)
                for name in ("seconds", "commands", "longest_seconds")
            }
            found["longest"] = looks[-1]["longest"]
            # Some workers vanish: shards that no worker has twice in a row are put back.
            gone = list(range(0, workers, _GONE))
            client.hdel(keys.WORKERS, *(f"qfleet-{number:08x}@host-{number:04d}" for number in gone))
            lasting = Search(timed, "qfleet-00000000@host-0000", patience_seconds=0.0)
            _look(timed, lasting)
            recovery = _look(timed, lasting)
        left = client.zcard(keys.STARTED)
    lost = sum(len(holds[number]) for number in gone)
    assert left == sum(map(len, holds)) - lost, "the search didn't put back what was lost"
    found |= {"started": sum(map(len, holds)), "recovery": recovery | {"shards": lost}}
    found["presence_us"] = presence.seconds / workers * 1e6
    found["presence_load"] = presence.seconds / PERIOD_SECONDS
    print(
        f"{workers:5} workers, {found['started']} shards of {jobs} x {shards} run: a search takes "
        f"{found['seconds'] * 1e3:.1f} ms of Redis every {LOOK_SECONDS:.0f} s, {found['commands']:.0f} commands; the "
        f"longest {found['longest_seconds'] * 1e3:.1f} ms ({found['longest']})\n"
        f"{'':15}{len(gone)} workers gone, {lost} shards put back: {recovery['seconds'] * 1e3:.1f} ms, the longest "
        f"{recovery['longest_seconds'] * 1e3:.1f} ms ({recovery['longest']})\n"
        f"{'':15}presence: {found['presence_us']:.0f} us for each, {found['presence_load']:.1%} of a core for all",
        flush=True,
    )
    return found


def _look(timed: TimedRedis, search: Search) -> Numbers:
    """Let a worker look once, and measure it."""
    timed.delete(keys.RECONCILER)
    timed.forget()
    search.look()
    sent = timed.sent
    return {
        "seconds": sent.seconds,
        "commands": sent.commands,
        "longest_seconds": sent.longest,
        "longest": sent.name,
    }


def large_job(port: int, shards: int) -> Numbers:
    """Measure the storing and the cancelling of a large job.

    Args:
        port: the port of Redis.
        shards: how many shards the job has; some of them run when it is cancelled.
    """
    with TimedRedis(port) as timed:
        ledger, job = Ledger(timed), make_job(0, shards, "tenant")
        meter = Meter(timed)
        ledger.store(job)
        stored = meter.stop().seconds
        store = show(timed, 0)
        for _ in range(SLOTS):
            pick(store)
        timed.forget()
        cancelled = ledger.cancel(job.job_id)
        sent = timed.sent
        found = {
            "shards": shards,
            "store_seconds": stored,
            "cancel_seconds": sent.seconds,
            "cancel_commands": sent.commands,
            "cancel_longest_seconds": sent.longest,
            "cancelled": cancelled.number,
        }
        timed.forget()
        ledger.delete(job.job_id)
        found["delete_longest_seconds"] = timed.sent.longest
    print(
        f"a job of {shards} shards: stored in {stored * 1e3:.0f} ms of Redis; cancelled in "
        f"{found['cancel_seconds'] * 1e3:.0f} ms, {found['cancel_commands']} scripts, the longest "
        f"{sent.longest * 1e3:.1f} ms; deleted in {found['delete_longest_seconds'] * 1e3:.1f} ms",
        flush=True,
    )
    return found


if __name__ == "__main__":
    main()
