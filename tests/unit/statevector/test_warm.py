# SPDX-License-Identifier: Apache-2.0
"""Filling the cache, and saying that it was cold."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import engine_oracle as oracle
import numpy as np
import pytest
from numba.core import event

from qfleet_worker.engines.statevector import (
    dots,
    engine,
    execute,
    fusion,
    kernels,
    machine_code,
    matrices,
    paulis,
    runs,
    vectors,
    warm,
)
from qfleet_worker.engines.statevector.machine_code import seconds_compiling
from qfleet_worker.engines.statevector.threads import Crew


def test_nothing_is_left_to_compile_once_it_is_warm() -> None:
    warm()
    seconds, compiling = warm()
    assert compiling == 0
    assert seconds > 0


@pytest.mark.timeout(600)
def test_another_process_finds_the_cache_warm() -> None:
    warm()
    script = "from qfleet_worker.engines.statevector import warm; print(warm()[1])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert float(result.stdout) == 0


#: Two functions, of which one calls the other, compiled for two precisions; prints how long that took.
ENTRIES = """
import sys
import numpy as np
from qfleet_worker.engines.statevector import machine_code

# Those of the engine would take minutes.
machine_code._ENTRIES.clear()

@machine_code.compiled_for("({real}[::1],)")
def twice(values):
    return 2 * once(values)

@machine_code.compiled_for("({real}[::1],)")
def once(values):
    return values[0]

if sys.argv[1] == "compile":
    machine_code.compile_all()
else:
    for dtype in (np.float32, np.float64):
        assert (once(np.ones(1, dtype)), twice(np.ones(1, dtype))) == (1, 2)
print(machine_code.seconds_compiling())
"""


@pytest.mark.parametrize("then", ["compile", "call"])
def test_what_is_compiled_is_found_by_calls_and_by_compiling_it_again(then: str, tmp_path: Path) -> None:
    path = tmp_path / "entries.py"
    path.write_text(ENTRIES)

    def seconds(what: str) -> float:
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
        command = [sys.executable, str(path), what]
        return float(subprocess.run(command, capture_output=True, check=True, text=True, env=environment).stdout)

    assert seconds("compile") > 0
    assert seconds(then) == 0


def test_means_are_compiled_too() -> None:
    warm()
    before = seconds_compiling()
    masks = np.array([1, 2, 2, 2, 2, 2])
    for dtype in (np.complex64, np.complex128):
        for size in (2, 1 << 12):
            state = np.zeros(size, dtype)
            paulis.expectation(state, masks % size, masks % size, np.ones(6, complex), Crew(1))
    assert seconds_compiling() == before


def test_compiling_is_timed_once_however_deep_it_goes() -> None:
    before = seconds_compiling()
    with event.trigger_event("numba:compile", {}), event.trigger_event("numba:compile", {}):
        assert seconds_compiling() == before
    assert seconds_compiling() > before


def test_a_cold_cache_is_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1.0, 3.5, 3.5, 3.5])
    monkeypatch.setattr(engine, "seconds_compiling", lambda: next(times))
    experiment = engine.Experiment(oracle.program(1, 0, []), 1, 1, output="statevector")
    with caplog.at_level(logging.WARNING):
        engine.StatevectorEngine().run(experiment)
        engine.StatevectorEngine().run(experiment)
    assert [record.getMessage() for record in caplog.records] == [
        "compiled machine code for 2.5 s: numba's cache was cold"
    ]


@pytest.mark.parametrize("module", [vectors, kernels, runs, fusion, execute, matrices, dots, paulis])
def test_the_cache_is_as_new_as_all_that_it_was_made_of(module: ModuleType) -> None:
    assert machine_code._STAMP[0] >= Path(module.__file__).stat().st_mtime
