# SPDX-License-Identifier: Apache-2.0
"""Freed memory serves the next allocation."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from qfleet_worker.machine import allocator

#: Takes and frees eight arrays of 1 MiB some times, and prints how many pages the kernel gave after the first time.
PROBE = """
import resource
import numpy as np
from qfleet_worker.machine.allocator import keep_freed_memory
{}
def work():
    arrays = [np.zeros(1 << 17) + 1 for _ in range(8)]
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(call: str) -> int:
    probe = [sys.executable, "-c", PROBE.format(call)]
    return int(subprocess.run(probe, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have no such thresholds")
def test_freed_arrays_cost_no_pages_when_others_are_made() -> None:
    assert faults("keep_freed_memory()") * 20 < faults("")


def test_other_allocators_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: object())
    allocator.keep_freed_memory()
