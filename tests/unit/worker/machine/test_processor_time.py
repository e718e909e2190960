# SPDX-License-Identifier: Apache-2.0
"""The processor time of other processes, alive and dead."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import psutil
import pytest
from waiting import until

from qfleet_worker.machine.processor_time import processor_seconds

_BUSY = "import sys, time\nwhile time.process_time() < 0.2: pass\nprint('done', flush=True)\n"


def _seconds(process: int) -> float:
    found = processor_seconds(process)
    assert found is not None
    return found


def test_of_this_process_with_all_its_threads() -> None:
    def work() -> None:
        begin = time.thread_time()
        while time.thread_time() < begin + 0.1:
            sum(range(1000))

    before = _seconds(os.getpid())
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _seconds(os.getpid()) >= before + 0.2
    assert _seconds(os.getpid()) == pytest.approx(time.process_time(), rel=0.5)


def test_of_a_process_that_was_killed_until_it_is_waited_for() -> None:
    process = subprocess.Popen([sys.executable, "-c", _BUSY + "time.sleep(100)"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE, "it is dead")
    assert _seconds(process.pid) >= 0.2
    process.communicate()
    assert processor_seconds(process.pid) is None


def test_a_system_that_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert processor_seconds(os.getpid()) is None
