# SPDX-License-Identifier: Apache-2.0
"""A worker's processes are kept in bounds, and the cause of their end is told."""

from __future__ import annotations

import subprocess
import sys

import pytest

from qfleet_worker.lifecycle.limits import limit_memory
from qfleet_worker.lifecycle.request import cause_of_death


@pytest.mark.skipif(sys.platform != "linux", reason="other systems bound no memory")
@pytest.mark.parametrize(("allocated_mib", "expected"), [(100, "fits"), (4096, "too much")])
def test_a_process_may_take_no_more_memory_than_it_was_given(allocated_mib: int, expected: str) -> None:
    text = (
        "from qfleet_worker.lifecycle.limits import limit_memory\n"
        "import numpy as np\n"
        "limit_memory(200 * 2**20)\n"
        "try:\n"
        f"    np.empty({allocated_mib} * 2**20, np.uint8)\n"
        "    print('fits')\n"
        "except MemoryError:\n"
        "    print('too much')\n"
        # It goes on.
        "np.ones(1000)\n"
    )
    ended = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.strip() == expected


@pytest.mark.skipif(sys.platform != "linux", reason="other systems bound no memory")
def test_each_shard_has_its_own_limit_above_the_same_base() -> None:
    text = (
        "from qfleet_worker.lifecycle.limits import MemoryLimit\n"
        "import numpy as np, resource\n"
        "limit = MemoryLimit(2**28)\n"
        "limit.begin()\n"
        "soft = [resource.getrlimit(resource.RLIMIT_DATA)[0]]\n"
        "for given in (2**32, 0, 2**20):\n"
        "    limit.allow(given)\n"
        "    kept = np.ones(2**24)\n"
        "    soft.append(resource.getrlimit(resource.RLIMIT_DATA)[0])\n"
        "print([each - soft[0] for each in soft])\n"
    )
    ended = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.strip() == str([0, 2**32 - 2**28, 0, 2**20 - 2**28])


def test_other_systems_bound_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qfleet_worker.lifecycle.limits.sys.platform", "darwin")
    monkeypatch.delattr("qfleet_worker.lifecycle.limits.Path")
    limit_memory(1)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            "Worker exited prematurely: signal 9 (SIGKILL) Job: 3.",
            "signal 9 (SIGKILL), which is also how Linux ends a process when memory runs out",
        ),
        ("Worker exited prematurely: signal 11 (SIGSEGV) Job: 0.", "signal 11 (SIGSEGV)"),
        ("Worker exited prematurely: exitcode 3 Job: 0.", "exit code 3"),
        ("Worker exited prematurely.", "for no reason that is known"),
    ],
)
def test_causes_of_death(text: str, cause: str) -> None:
    assert cause_of_death(text) == cause
