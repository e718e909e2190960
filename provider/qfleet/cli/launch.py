# SPDX-License-Identifier: Apache-2.0
"""``python -m qfleet.cli.launch``: a worker, or its command, that Ctrl-C ends with one line while it starts.

Once it takes tasks, the worker has its own ways to stop.
"""

from __future__ import annotations

import runpy
import signal

from qfleet.cli import interrupts

if __name__ == "__main__":
    interrupts.install()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, interrupts.SIGNALS)
    runpy.run_module("qfleet_worker", run_name="__main__", alter_sys=True)
