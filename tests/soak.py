# SPDX-License-Identifier: Apache-2.0
"""A bounded chaos soak: is anything lost, wrong or run twice while workers, connections and Redis are hurt at random?

python tests/soak.py [--shards 2000] [--jobs 50] [--seconds 900] [--seed 1] [--workers 3]

A fleet of real processes on a private Redis (appendonly yes, appendfsync always). First it runs all jobs undisturbed;
then the same jobs run again while faults are injected. Every one must end DONE with the same counts to the bit, or
CANCELLED because it was asked to be. Exit code 1 if anything is lost or wrong.

QFLEET_MAX_ATTEMPTS is 1000: kills at random must not be taken for circuits that kill their process.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "support"))

import redis
from circuits import wide
from fleet_state import nothing_left
from processes import Worker, worker
from qiskit import QuantumCircuit
from qiskit.providers import JobStatus
from redis_process import RedisProcess
from references import ref
from waiting import until

from qfleet import FleetJob, FleetProvider
from qfleet.errors import BrokerError
from qfleet.wire.cost.tiers import TIERS
from qfleet.wire.redis import keys

#: Seconds between two faults.
_PAUSE = (0.1, 1.0)
#: What a fault leaves hurt is mended after so many seconds.
_HURT = (0.5, 20.0)
_CANCELLED_FRACTION = 0.1
_FAULTS = (
    *("kill -9 of a worker", "kill -9 of a process", "SIGTERM", "SIGSTOP"),
    *("CLIENT KILL", "Redis restart", "cancel"),
)
#: Jobs that wait or run at the same time.
_JOBS_AT_ONCE = 6


@dataclass
class Fleet:
    """A Redis and its workers, some of which are hurt now and then."""

    folder: Path
    stack: ExitStack
    number: int
    server: RedisProcess = field(init=False)
    workers: list[Worker] = field(default_factory=list)
    #: when a stopped worker goes on
    stopped: dict[int, float] = field(default_factory=dict)
    started: int = 0

    def __post_init__(self) -> None:
        redis_folder = self.folder / "redis"
        redis_folder.mkdir()
        self.server = RedisProcess(redis_folder, ("--appendonly", "yes", "--appendfsync", "always"))
        self.stack.callback(lambda: self.server.kill())
        self.server.start()
        while len(self.workers) < self.number:
            self.add()

    def add(self) -> None:
        """Start another worker."""
        self.started += 1
        log = self.folder / f"worker-{self.started}.log"
        settings = {"QFLEET_MAX_ATTEMPTS": "1000", "QFLEET_GRACE_SECONDS": "3", "QFLEET_LOG_LEVEL": "WARNING"}
        self.workers.append(self.stack.enter_context(worker(self.server.url, log, **settings)))

    def mend(self) -> None:
        """Let stopped workers go on whose time is over, and replace those that are gone."""
        now = time.monotonic()
        for pid, when in list(self.stopped.items()):
            if now >= when:
                self.resume(pid)
        self.workers = [found for found in self.workers if found.is_alive()]
        while len(self.workers) < self.number:
            self.add()

    def resume(self, pid: int) -> None:
        """Let a stopped worker go on."""
        del self.stopped[pid]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGCONT)


def circuits_of(number: int, shards: int) -> list[QuantumCircuit]:
    """Return the circuits of a job, one per shard: up to 0.1 s each, some measured in between."""
    found = []
    for shard in range(shards):
        if shard % 3 == 0:
            circuit = wide(18, layers=15)
        elif shard % 3 == 1:
            circuit = wide(10 + (number + shard) % 8, layers=8)
        else:
            circuit = QuantumCircuit(3, 3)
            circuit.ry(0.1 * (number + shard), 0)
            circuit.measure(0, 0)
            circuit.cx(0, 1)
            circuit.h(2)
            circuit.measure([1, 2], [1, 2])
        found.append(circuit)
    return found


def submit(provider: FleetProvider, number: int, shards: int) -> FleetJob:
    """Return the job of a number, however long its Redis is away."""
    while True:
        try:
            return provider.get_backend("automatic").run(
                circuits_of(number, shards), shots=200, seed_simulator=number, max_job_size=1
            )
        except BrokerError:
            time.sleep(0.1)


def answers(ask: Callable[[], object]) -> object:
    """Return the answer of Redis, however long it is away."""
    while True:
        try:
            return ask()
        except (BrokerError, redis.RedisError):
            time.sleep(0.1)


def counts_of(job: FleetJob, shards: int) -> list[dict[str, int]]:
    """Return the counts of each circuit."""
    result = answers(lambda: job.result(timeout=60))
    return [result.get_counts(index) for index in range(shards)]  # type: ignore[attr-defined]


@dataclass
class Soak:
    """One run with faults."""

    provider: FleetProvider
    fleet: Fleet
    rng: random.Random
    shards: int
    injected: Counter[str] = field(default_factory=Counter)
    running: dict[int, FleetJob] = field(default_factory=dict)
    cancelled: set[int] = field(default_factory=set)
    ended: dict[int, FleetJob] = field(default_factory=dict)
    #: shards whose worker was killed -> when, and who had it
    missing: dict[tuple[str, int], tuple[float, bytes]] = field(default_factory=dict)
    #: seconds from such a kill until the shard was taken again, or was over
    recoveries: list[float] = field(default_factory=list)

    def inject(self) -> None:
        """Inject a fault at random."""
        kind = self.rng.choice(_FAULTS)
        victims = [found for found in self.fleet.workers if found.process.pid not in self.fleet.stopped]
        if kind == "cancel":
            ready = [number for number in self.running if number not in self.cancelled]
            if not ready or len(self.cancelled) >= _CANCELLED_FRACTION * (len(self.running) + len(self.ended)):
                return
            number = self.rng.choice(ready)
            if answers(self.running[number].cancel):
                self.cancelled.add(number)
        elif kind == "Redis restart":
            self.fleet.server.kill()
            time.sleep(self.rng.uniform(0, 3))  # the outage
            self.fleet.server.start()
        elif kind == "CLIENT KILL":
            with self.fleet.server.client() as client:
                for type_ in ("normal", "pubsub"):
                    client.client_kill_filter(_type=type_, skipme=True)
        elif not victims:
            return
        else:
            victim = self.rng.choice(victims)
            if kind == "SIGTERM":
                victim.process.send_signal(signal.SIGTERM)
            elif kind == "SIGSTOP":
                os.killpg(victim.process.pid, signal.SIGSTOP)
                self.fleet.stopped[victim.process.pid] = time.monotonic() + self.rng.uniform(*_HURT)
            elif kind == "kill -9 of a worker":
                self.miss(f"{victim.name}/")
                victim.lose_machine()
            else:
                children = victim.children()
                if not children:
                    return
                pid = self.rng.choice(children).pid
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.injected[kind] += 1

    def miss(self, owner: str) -> None:
        """Note which shards run in what is about to be killed."""
        with self.fleet.server.client() as client:
            for job in self.running.values():
                fields = client.hgetall(keys.shards(ref(job)))
                for name, value in fields.items():
                    index = int(name.partition(b":")[0]) if name.endswith(b":owner") else -1
                    if index >= 0 and value.startswith(owner.encode()) and fields[b"%d:state" % index] == b"STARTED":
                        self.missing[ref(job), index] = time.monotonic(), value

    def notice(self) -> None:
        """Return the missing shards that are run again, and those that have ended."""
        with self.fleet.server.client() as client:
            for (job_id, index), (when, lost_by) in list(self.missing.items()):
                state, owner = client.hmget(keys.shards(job_id), [f"{index}:state", f"{index}:owner"])
                if state in (b"SUCCESS", b"REVOKED") or (state == b"STARTED" and owner != lost_by):
                    self.recoveries.append(time.monotonic() - when)
                    del self.missing[job_id, index]

    def over(self) -> int:
        """Return the number of shards that have ended."""
        with self.fleet.server.client() as client:
            fields = [f"n:{state}" for state in ("SUCCESS", "FAILURE", "REVOKED")]
            jobs = [ref(job) for job in (*self.running.values(), *self.ended.values())]
            return sum(int(value or 0) for job_id in jobs for value in client.hmget(keys.job(job_id), fields))

    def collect(self) -> None:
        """Move the jobs that ended."""
        for number, job in list(self.running.items()):
            if answers(job.in_final_state):
                self.ended[number] = self.running.pop(number)


def run(arguments: argparse.Namespace, folder: Path, stack: ExitStack) -> int:
    """Run the whole soak, and return the exit code."""
    shards = -(-arguments.shards // arguments.jobs)
    rng = random.Random(arguments.seed)
    fleet = Fleet(folder, stack, arguments.workers)
    provider = stack.enter_context(FleetProvider(fleet.server.url))
    begin = time.monotonic()
    expected = {}
    for number in range(arguments.jobs):
        expected[number] = submit(provider, number, shards)
    reference = {number: counts_of(job, shards) for number, job in expected.items()}
    calm = time.monotonic() - begin
    print(f"undisturbed: {arguments.jobs} jobs of {shards} shards in {calm:.0f} s", flush=True)

    soak = Soak(provider, fleet, rng, shards)
    waiting = list(range(arguments.jobs))
    begin = time.monotonic()
    next_fault, seen, moved_at = begin, 0, begin
    while (waiting or soak.running) and time.monotonic() - begin < arguments.seconds:
        while waiting and len(soak.running) < _JOBS_AT_ONCE:
            number = waiting.pop(0)
            soak.running[number] = submit(provider, number, shards)
        fleet.mend()
        now = time.monotonic()
        over = int(answers(soak.over))  # type: ignore[call-overload]
        if over > seen:
            seen, moved_at = over, now
        answers(soak.notice)
        if now >= next_fault:
            soak.inject()
            next_fault = time.monotonic() + rng.uniform(*_PAUSE)
        if now - moved_at > 180:
            print("nothing moved for three minutes", flush=True)
            break
        soak.collect()
        time.sleep(0.05)
    disturbed = time.monotonic() - begin
    for pid in list(fleet.stopped):
        fleet.resume(pid)
    fleet.mend()
    return report(soak, reference, shards, disturbed, waiting)


def report(
    soak: Soak, reference: dict[int, list[dict[str, int]]], shards: int, seconds: float, unsent: list[int]
) -> int:
    """Print what happened; the exit code."""
    lost = wrong = twice = 0
    for number, job in (soak.running | soak.ended).items():
        status = answers(job.status)
        if status is JobStatus.CANCELLED and number in soak.cancelled:
            pass
        elif status is JobStatus.DONE and number not in soak.cancelled:
            wrong += sum(a != b for a, b in zip(counts_of(job, shards), reference[number], strict=True))
        elif status is JobStatus.ERROR:
            wrong += 1
            print(f"job {number}: {job.error_message()}")
        else:
            lost += 1
            print(f"job {number}: {status}")
    with soak.fleet.server.client() as client:
        for job in soak.ended.values():
            fields = client.hgetall(keys.shards(ref(job)))
            twice += sum(int(value) > 1 for name, value in fields.items() if name.endswith(b":attempts"))
        with contextlib.suppress(AssertionError):
            until(lambda: nothing_left(client), "nothing is left over")
        left = {
            "unfinished jobs": client.zcard(keys.UNFINISHED),
            "started shards": client.zcard(keys.STARTED),
            "tokens": sum(client.llen(keys.tokens(tier)) for tier in range(TIERS)),
            "unacked": client.hlen(f"{keys.PREFIX}unacked"),
        }
    total = shards * (len(soak.ended) + len(soak.running))
    print(f"shards: {total} in {len(soak.ended)} jobs, {seconds:.0f} s with faults")
    print(
        f"faults: {sum(soak.injected.values())}: " + ", ".join(f"{n} x {k}" for k, n in sorted(soak.injected.items()))
    )
    print(f"jobs cancelled: {len(soak.cancelled)}")
    print(f"lost: {lost}")
    print(f"wrong: {wrong}")
    print(f"executed twice: {twice} were begun more than once; of each one result was stored")
    if soak.recoveries:
        print(
            f"recovery of {len(soak.recoveries)} shards whose worker was killed: "
            f"median {statistics.median(soak.recoveries):.1f} s, max {max(soak.recoveries):.1f} s"
        )
    print("left over: " + ", ".join(f"{name} {number}" for name, number in left.items()))
    failed = bool(lost or wrong or unsent or any(left.values()))
    print("FAILED" if failed else "passed")
    return int(failed)


def main() -> int:
    """Run the soak."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=int, default=2000, help="shards of all jobs together")
    parser.add_argument("--jobs", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=900.0, help="give up after so long with faults")
    parser.add_argument("--seed", type=int, default=1, help="of the faults")
    parser.add_argument("--workers", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="qfleet-soak-") as folder, ExitStack() as stack:
        return run(arguments, Path(folder), stack)


if __name__ == "__main__":
    sys.exit(main())
