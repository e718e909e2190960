# SPDX-License-Identifier: Apache-2.0
"""Filling the cache, and saying that it was cold."""

from __future__ import annotations

import logging
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
