# SPDX-License-Identifier: Apache-2.0
"""The times to compile and to load the faster engine's machine code.

It is compiled on all cores and on one. Fresh processes do this in a temporary folder. CPU seconds are those of all
processes together; they vary less than wall seconds on a busy machine.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time

COMPILE = "from qfleet_worker.engines.build import compile_machine_code as c; c({processes})"
LOAD = """
import time
from qfleet_worker.engines.machine_code import folder, loading
import numba
from qfleet_worker.engines.statevector import simulator
begin = time.perf_counter()
loading.load(folder.ready_folders()[0])
print(time.perf_counter() - begin)
"""


def run(script: str, cache: str) -> tuple[float, float, str]:
    """Run a script in a fresh process.

    Args:
        script: the Python code.
        cache: the folder of the machine code.

    Returns:
        Wall seconds, CPU seconds of the process and its children, and its output.
    """
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"NUMBA_CACHE_DIR": cache}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def main() -> None:
    """Print a line for each measurement."""
    for processes in (0, 1):
        with tempfile.TemporaryDirectory(prefix="qfleet-") as cache:
            wall, cpu, _ = run(COMPILE.format(processes=processes), cache)
            print(f"compiling, {processes or 'all'} processes: {wall:.1f} s, {cpu:.1f} s of CPU")
            if processes == 0:
                loads = [float(run(LOAD, cache)[2]) for _ in range(5)]
                wall = min(run(LOAD, cache)[0] for _ in range(3))
                print(f"loading: {min(loads):.2f} s; {wall:.2f} s with Python, numba and all imports")


if __name__ == "__main__":
    main()
