# SPDX-License-Identifier: Apache-2.0
"""A fleet on several hosts, and what tests ask of it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from circuits import wide
from fleet_state import many
from network import Host
from processes import Worker, process, shard_field
from redis_process import RedisProcess
from references import ref
from waiting import until

from qfleet import FleetBackend, FleetJob
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField

#: The longest time in which all goes on after a host has joined again.
RECOVERY_SECONDS = 30.0


@dataclass(frozen=True)
class HostFleet:
    """A fleet whose hosts can be cut off.

    The test itself reaches its Redis by a unix socket, at all times.
    """

    server: RedisProcess
    broker: Host
    #: each worker with its host
    workers: list[tuple[Host, Worker]]
    laptop: Host
    client: redis.Redis
    backend: FleetBackend

    def lasting(self) -> FleetJob:
        """Start a job of one shard that runs for some seconds.

        It gives the same counts each time.
        """
        return self.backend.run(wide(20, "lasting", layers=320), shots=1000, seed_simulator=7)

    def one_each(self) -> list[FleetJob]:
        """Start such a job on each worker, and return them in order."""
        jobs = [self.lasting() for _ in self.workers]
        until(lambda: all(self._owner(job) for job in jobs), "all have begun")
        return [next(job for job in jobs if self._owner(job).startswith(f"{up.name}/")) for _, up in self.workers]

    def _owner(self, job: FleetJob, index: int = 0) -> str:
        return shard_field(self.client, ref(job), index, "owner") or ""

    def takes_a_shard(self, worker: Worker) -> bool:
        """Tell whether a worker ran some of a few small shards."""
        job = many(self.backend, 12)
        job.result(timeout=60)
        return any(self._owner(job, index).startswith(f"{worker.name}/") for index in range(12))

    def is_stored_once(self, job: FleetJob) -> bool:
        """Tell whether a job has each result once.

        The job has a shard for each circuit, and counts the circuits, too.
        """
        fields = self.client.hgetall(keys.job(ref(job)))
        shards = int(fields[b"shards"])
        counted = [int(fields[name.encode()]) for name in (JobField.count("SUCCESS"), JobField.CIRCUITS_DONE)]
        stored = set(self.client.hkeys(keys.results(ref(job))))
        return counted == [shards, shards] and stored == {b"%d" % index for index in range(shards)}


@contextmanager
def laptop_client(fleet: HostFleet, program: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program of this folder on the laptop.

    Args:
        fleet: the fleet.
        program: the name of the program, which takes the fleet's url.
        log: the file for its output.
    """
    script = str(Path(__file__).parent / f"{program}.py")
    with process(fleet.laptop.command(sys.executable, script, fleet.server.url), log) as client:
        yield client


@contextmanager
def cut_off(host: Host, seconds: float) -> Iterator[None]:
    """Cut a host off during a block.

    It lasts longer if the block ends early.

    Args:
        host: the host, which may be cut off already.
        seconds: the least time.
    """
    host.cut()
    joins_at = time.monotonic() + seconds
    try:
        yield
        time.sleep(max(0.0, joins_at - time.monotonic()))  # the fault itself
    finally:
        host.join()


class Recovery:
    """The time since a host joined again.

    It is limited and printed.

    Args:
        fault: the fault.
    """

    def __init__(self, fault: str) -> None:
        self._fault = fault
        self._begin = time.monotonic()

    def left(self) -> float:
        """Return the seconds that are left of the longest time."""
        return max(RECOVERY_SECONDS - (time.monotonic() - self._begin), 0.0)

    def reached(self, what: str) -> None:
        """Print the seconds until something is right again."""
        print(f"{self._fault}: {what} after {time.monotonic() - self._begin:.1f} s")
