# SPDX-License-Identifier: Apache-2.0
"""Workers whose host names and process ids are equal, as in containers on one host, are told apart."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from circuits import ENDLESS_SHOTS, bell, endless
from fleet_state import add_tokens
from processes import process, redis_server, shard_field
from references import ref
from waiting import until

from qfleet import FleetProvider
from qfleet.wire.messages.machine import machine_id

#: Runs a program as process 1 of a namespace of its own; it ends with `unshare` itself.
CONTAINED = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
WORKERS = 3


def _can_unshare() -> bool:
    return bool(shutil.which("unshare")) and not subprocess.run([*CONTAINED, "true"], capture_output=True).returncode


pytestmark = pytest.mark.skipif(not _can_unshare(), reason="this user may not make namespaces of process ids")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with redis_server() as port:
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture(scope="module")
def provider(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetProvider]:
    """Yield a fleet of workers that each are process 1, on hosts of one name."""
    folder = tmp_path_factory.mktemp("contained")
    with FleetProvider(url) as provider, ExitStack() as started:
        for number in range(WORKERS):
            program = [*CONTAINED, sys.executable, "-m", "qfleet_worker"]
            started.enter_context(process(program, folder / f"{number}.log", QFLEET_URL=url, QFLEET_CONCURRENCY="1"))
        until(lambda: len(provider.workers()) == WORKERS, "every worker is up", seconds=60)
        yield provider


def test_each_is_a_worker_of_its_own(provider: FleetProvider) -> None:
    workers = provider.workers()
    assert {worker.process_id for worker in workers} == {1}
    assert len({worker.name.partition("@")[2] for worker in workers}) == 1
    assert len({worker.machine for worker in workers}) == WORKERS
    assert machine_id() not in {worker.machine for worker in workers}


def test_a_shard_of_one_is_not_taken_to_be_lost_by_another(provider: FleetProvider, url: str) -> None:
    """Its process id means another process, or none, elsewhere."""
    backend = provider.get_backend()
    jobs = [backend.run(endless(f"long {number}"), shots=ENDLESS_SHOTS) for number in range(WORKERS - 1)]
    until(lambda: all(job.running() for job in jobs), "two of them are busy")
    with redis.Redis.from_url(url) as client:
        # More tokens than shards: the third worker finds nothing for them.
        for _ in range(20):
            add_tokens(client, 2)
            assert backend.run(bell()).result(timeout=60).success
        owners = [shard_field(client, ref(job), 0, "owner") for job in jobs]
        assert len(set(owners)) == len(jobs)
        assert [shard_field(client, ref(job), 0, "attempts") for job in jobs] == ["1"] * len(jobs)
    # A cancel reaches the process that runs the job, and no other of the same id.
    assert jobs[0].cancel() is True
    assert jobs[0].cancelled()
    assert jobs[1].running()
    assert jobs[1].cancel() is True


def test_health_is_that_of_the_container_it_is_asked_in(provider: FleetProvider, url: str) -> None:
    health = [sys.executable, "-m", "qfleet_worker", "health"]
    environment = os.environ | {"QFLEET_URL": url}
    assert len(provider.workers()) == WORKERS
    # This host has the name of them all, and no worker.
    assert subprocess.run(health, env=environment, check=False).returncode == 1
    worker = provider.workers()[0]
    inside = until(lambda: _process_of(worker.machine), "its process is there")
    enter = ["nsenter", f"--pid=/proc/{inside}/ns/pid", f"--mount=/proc/{inside}/ns/mnt"]
    assert subprocess.run([*enter, *health], env=environment, cwd=Path.cwd(), check=False).returncode == 0


def _process_of(machine: str) -> int | None:
    """Return the id, as seen here, of a process of a container."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(folder / "ns/pid") == os.readlink("/proc/self/ns/pid"):
                continue
            enter = ["nsenter", f"--pid={folder}/ns/pid", f"--mount={folder}/ns/mnt", sys.executable, "-c"]
            text = "from qfleet.wire.messages.machine import machine_id; print(machine_id())"
            found = subprocess.run([*enter, text], capture_output=True, text=True, check=False)
        except OSError:
            continue
        if found.stdout.strip() == machine:
            return int(folder.name)
    return None
