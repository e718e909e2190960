# SPDX-License-Identifier: Apache-2.0
"""A worker says that it has more memory than it has: others run what it can't, and it goes on with the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import redis
from circuits import bell, wide
from fleet_state import attempts, nothing_left, state
from processes import Worker, owner_process, shard_field
from references import ref
from waiting import until

from qfleet import FleetBackend, FleetJob
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField

StartWorker = Callable[..., Worker]

GIB = 2**30
#: A worker whose processes may add no more than half a GiB.
LIMITED = (
    "-c",
    """
import resource, sys
import psutil
import qfleet_worker.app
limit = psutil.Process().memory_info().data + 2**29
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
from qfleet_worker.__main__ import main
sys.exit(main([]))
""",
)
#: A worker on a machine whose kernel has killed as many processes as a file says. The test imitates the kernel.
COUNTED = """
import pathlib, sys, time
import qfleet_worker.machine.kills as kills
path = pathlib.Path({path!r})
kills.OutOfMemoryKills.__init__.__defaults__ = (lambda: int(path.read_text()), time.monotonic)
from qfleet_worker.__main__ import main
sys.exit(main([]))
"""


def held(client: redis.Redis, job: FleetJob) -> str:
    return (client.hget(keys.job(ref(job)), JobField.HELD) or b"").decode()  # type: ignore[union-attr]


def is_at(client: redis.Redis, job: FleetJob, worker: Worker, index: int = 0) -> bool:
    return (shard_field(client, ref(job), index, "owner") or "").startswith(f"{worker.name}/")


def test_a_worker_with_less_memory_than_it_was_told(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    liar = start_worker(program=LIMITED, QFLEET_MEMORY_BYTES=str(64 * GIB))
    (shown,) = backend.provider.workers()
    assert shown.memory_bytes <= GIB / 2
    assert "this machine, container or process has" in liar.log.read_text()
    honest = start_worker(QFLEET_MEMORY_BYTES=str(2 * GIB))
    large = backend.run([wide(25, "large") for _ in range(2)], shots=10, max_job_size=1)
    small = backend.run([bell() for _ in range(30)], shots=10, max_job_size=1)
    assert large.result(timeout=90).success
    assert small.result(timeout=90).success
    assert all(is_at(client, large, honest, index) for index in range(2))
    assert any(is_at(client, small, liar, index) for index in range(30))
    assert liar.is_alive()
    until(lambda: nothing_left(client), "nothing is left over")


def test_the_kernel_kills_a_process_since_the_machine_has_less_memory_than_its_worker_says(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker, tmp_path: Path
) -> None:
    kills = tmp_path / "kills"
    kills.write_text("3")
    liar = start_worker(program=("-c", COUNTED.format(path=str(kills))), QFLEET_MEMORY_BYTES=str(2 * GIB))
    job = backend.run(wide(24, "large", layers=4), shots=10)
    process = owner_process(client, ref(job))
    kills.write_text("4")
    process.kill()
    until(lambda: "the machine ran out of memory" in liar.log.read_text(), "the worker has noticed")
    # It isn't given the shard again, which has lost no attempt.
    until(lambda: "GiB of memory, and the largest worker has" in held(client, job), "the job waits for another worker")
    assert (state(client, job), attempts(client, job)) == ("PENDING", 0)
    assert backend.run(bell()).result(timeout=60).success
    honest = start_worker(QFLEET_MEMORY_BYTES=str(2 * GIB))
    assert job.result(timeout=90).success
    assert is_at(client, job, honest)
    assert attempts(client, job) == 1
    assert liar.is_alive()
    until(lambda: nothing_left(client), "nothing is left over")
