# SPDX-License-Identifier: Apache-2.0
"""The start of a worker, ``python -m qfleet.cli.launch``.

Ctrl-C during the start ends it with one line. When it runs tasks, the worker handles signals itself.
"""

from __future__ import annotations

import runpy
import signal

from qfleet.cli import interrupts

if __name__ == "__main__":
    interrupts.install()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, interrupts.SIGNALS)
    runpy.run_module("qfleet_worker", run_name="__main__", alter_sys=True)
