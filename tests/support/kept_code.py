# SPDX-License-Identifier: Apache-2.0
"""Copies of machine code, and fresh processes that load it.

A test may damage a copy.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from qfleet_worker.engines.machine_code import folder as ready

#: Prints the engine's name and the reason, and checks that a circuit runs.
CHOOSE = """
import sys
sys.path[:0] = {support!r}
import engine_oracle as oracle
from make_experiments import make_experiment
from qfleet_worker.engines.choose import choose_engine
{before}
engine, reason = choose_engine()
assert engine.open().run(make_experiment(oracle.program(1, 1, [oracle.measure(0, 0)]), 10, 1)).counts.sum() == 10
print(engine.name, reason, sep=": ")
"""
#: A function whose machine code takes some tenths of a second to compile.
SMALL = "statevector.kernels.parts.move"


def compiled_folder() -> Path:
    """Return the folder of this test run's machine code, compiled if necessary."""
    from qfleet_worker.engines.warm import warm

    warm()
    return ready.ready_folders()[0]


def copy(folder: Path, cache: Path, *, without: Sequence[str] = ()) -> Path:
    """Copy machine code into a ``NUMBA_CACHE_DIR``.

    Args:
        folder: the folder of the machine code.
        cache: the ``NUMBA_CACHE_DIR``.
        without: patterns of files to leave out. If there are any, the copy lacks the mark of completeness too.

    Returns:
        The folder of the copy.
    """
    target = cache / "qfleet" / folder.name
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns(*without, *([ready.MARK] if without else [])))
    return target


def environment(cache: Path | str, **changed: str) -> dict[str, str]:
    """Return the environment of a process with machine code in a folder."""
    return os.environ | {"NUMBA_CACHE_DIR": str(cache)} | changed


def python(arguments: Sequence[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a fresh Python process."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=variables, check=False)


def choose(cache: Path | str, *, before: str = "", **changed: str) -> str:
    """Run a circuit in a fresh process.

    Args:
        cache: the ``NUMBA_CACHE_DIR``.
        before: Python code that runs before the engine is chosen.
        changed: more variables of the environment.

    Returns:
        The name of the engine and the reason for it.
    """
    script = CHOOSE.format(support=[path for path in sys.path if path.endswith("support")], before=before)
    done = python(["-c", script], environment(cache, **changed))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the change time and size of everything below a folder."""
    found = {str(path.relative_to(folder)): path.stat() for path in folder.rglob("*")}
    return {name: (stat.st_mtime_ns, stat.st_size) for name, stat in found.items()}
