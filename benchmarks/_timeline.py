# SPDX-License-Identifier: Apache-2.0
"""The way of a small job through the fleet, step by step.

Redis tells another connection of each command that it runs, and when (MONITOR). So the times between processes are seen
from outside; all of them are on one machine, with one clock.
"""

from __future__ import annotations

import hashlib
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal, NamedTuple

import redis
from qiskit.circuit import QuantumCircuit

from qfleet import FleetBackend
from qfleet.wire.lua import script

#: The steps of a job, in order.
STEPS: Final = (
    "run() reads and encodes the circuit",
    "Redis gets the job and stores it",
    "a worker wakes up and asks for a shard",
    "Redis chooses one, the worker's process runs it",
    "Redis stores the result and tells it",
    "the client wakes up; result() returns",
)


class _Command(NamedTuple):
    """A command that Redis ran."""

    #: seconds since the epoch
    time: float
    text: str


def timeline(backend: FleetBackend, client: redis.Redis, circuit: QuantumCircuit, jobs: int) -> dict[str, float]:
    """Return the median seconds of each step of some jobs."""
    steps: dict[str, list[float]] = {name: [] for name in STEPS}
    for _ in range(jobs):
        with _listening(client) as seen:
            times = [time.time()]
            job = backend.run(circuit)
            job.result()
            end = time.time()
        times += [*_moments(seen), end]
        for name, begin, until in zip(STEPS, times[:-1], times[1:], strict=True):
            steps[name].append(until - begin)
    return {name: statistics.median(seconds) for name, seconds in steps.items()}


@contextmanager
def _listening(client: redis.Redis) -> Iterator[list[_Command]]:
    """Collect the commands that Redis runs."""
    seen: list[_Command] = []
    last = f"end of {time.time()}"
    with client.monitor() as monitor:

        def listen() -> None:
            for command in monitor.listen():
                seen.append(_Command(command["time"], command["command"]))
                if last in command["command"]:
                    return

        thread = threading.Thread(target=listen)
        thread.start()
        yield seen
        client.echo(last)
        thread.join()


def _moments(seen: list[_Command]) -> list[float]:
    """Return the times between the steps, in seconds since the epoch."""
    pick, finish = _hash("pick"), _hash("finish")
    sent = next(each.time for each in seen if each.text == "MULTI")
    stored = next(each.time for each in seen if each.text == "EXEC")
    chosen = next(each.time for each in seen if each.time > stored and pick in each.text)
    ended = next(each.time for each in seen if each.time > chosen and finish in each.text)
    told = next(each.time for each in seen if each.time > ended and each.text.startswith("PUBLISH"))
    return [sent, stored, chosen, ended, told]


def _hash(name: Literal["pick", "finish"]) -> str:
    """Return the name by which Redis runs a script."""
    return hashlib.sha1(script(name).encode(), usedforsecurity=False).hexdigest()
