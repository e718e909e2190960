# SPDX-License-Identifier: Apache-2.0
"""Filling the cache, and saying that it was cold."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import engine_oracle as oracle
import numpy as np
import pytest
from kept_code import tree
from make_experiments import make_experiment
from numba.core import event

import qfleet_worker.engines.warm as warming
from qfleet_worker.engines.machine_code import folder as ready
from qfleet_worker.engines.machine_code import registry as machine_code
from qfleet_worker.engines.machine_code.registry import seconds_compiling
from qfleet_worker.engines.statevector import simulator
from qfleet_worker.engines.statevector.runtime import paulis
from qfleet_worker.engines.threads import ThreadTeam
from qfleet_worker.engines.warm import warm


def test_nothing_is_left_to_compile_once_it_is_warm() -> None:
    warm()
    seconds, compiling = warm()
    assert compiling == 0
    assert seconds > 0


@pytest.mark.timeout(600)
def test_another_process_finds_the_cache_warm() -> None:
    warm()
    script = "from qfleet_worker.engines.warm import warm; print(warm()[1])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert float(result.stdout) == 0


#: Functions that call each other with constants, compiled for two precisions; prints how long that took.
ENTRIES = """
import sys
from collections.abc import Callable
from pathlib import Path
import numpy as np
from qfleet_worker.engines.machine_code import registry as machine_code

# Those of the engine would take a minute.
machine_code._ENTRIES.clear()

@machine_code.machine_code
def shifted(values, by, back):
    return values[by] if back else -values[by]

@machine_code.compiled_for("{real}[::1]")
def twice(values):
    return 2 * once(values)

@machine_code.compiled_for("{real}[::1]")
def once(values):
    return shifted(values, 0, True) + shifted(values, 1, True) + shifted(values, len(values) - 1, False)

what, folder = sys.argv[1], Path(sys.argv[2])
try:
    if what == "compile":
        machine_code.keep_in(folder)
        machine_code.compile_all()
        # Once for each precision and each truth value, whatever the number.
        assert len(shifted.signatures) == 4, shifted.signatures
    else:
        machine_code.load(folder)
except machine_code.MachineCodeError as exc:
    sys.exit(str(exc))
if what == "call":
    for dtype in (np.float32, np.float64):
        assert (once(np.ones(2, dtype)), twice(np.ones(2, dtype))) == (1, 2)
if what == "call for others":
    assert once(np.ones(2, np.int64)) == 1
print(machine_code.seconds_compiling())
"""


@pytest.fixture
def entries(tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Compiles, loads or calls these functions in a fresh process."""
    (tmp_path / "entries.py").write_text(ENTRIES)

    def run(what: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(tmp_path / "entries.py"), what, str(tmp_path / "kept")]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


def test_what_is_compiled_is_loaded_and_called(entries: Callable[[str], subprocess.CompletedProcess[str]]) -> None:
    compiled = entries("compile")
    assert float(compiled.stdout) > 0, compiled.stderr
    for what in ("load", "call"):
        assert float(entries(what).stdout) == 0


def test_what_is_not_compiled_is_not_compiled_by_loading(
    entries: Callable[[str], subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    entries("compile")
    shutil.rmtree(tmp_path / "kept" / "__main__.once")
    assert "__main__.once isn't compiled" in entries("load").stderr


def test_what_is_compiled_after_loading_is_not_kept(
    entries: Callable[[str], subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    entries("compile")
    before = tree(tmp_path / "kept")
    called = entries("call for others")
    assert float(called.stdout) > 0, called.stderr
    assert tree(tmp_path / "kept") == before


def test_numba_that_keeps_machine_code_elsewhere_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As one would that doesn't ask for the folder any more."""
    monkeypatch.setattr(machine_code.Locator, "get_cache_path", lambda _: "/elsewhere")
    with pytest.raises(ready.MachineCodeError, match=r"keeps .* in /elsewhere, not in"):
        machine_code.load(tmp_path)


def test_machine_code_that_cannot_be_loaded_is_compiled_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """That of a process that was cut short has no hashes yet."""
    asked: list[bool] = []

    def load(folder: Path) -> None:
        if len(asked) < 2:
            raise ready.MachineCodeError("it is damaged")

    def compile_machine_code(*, anew: bool = False) -> Path:
        asked.append(anew)
        return tmp_path

    monkeypatch.setattr(warming, "load_if_ready", lambda: False)
    monkeypatch.setattr(warming, "load", load)
    monkeypatch.setattr(warming, "compile_machine_code", compile_machine_code)
    assert warm()[1] > 0
    assert asked == [False, True]


def test_means_are_compiled_too() -> None:
    warm()
    before = seconds_compiling()
    masks = np.array([1, 2, 2, 2, 2, 2])
    for dtype in (np.complex64, np.complex128):
        for size in (2, 1 << 12):
            state = np.zeros(size, dtype)
            paulis.expectation(state, masks % size, masks % size, np.ones(6, complex), ThreadTeam(1))
    assert seconds_compiling() == before


def test_compiling_is_timed_once_however_deep_it_goes() -> None:
    before = seconds_compiling()
    with event.trigger_event("numba:compile", {}), event.trigger_event("numba:compile", {}):
        assert seconds_compiling() == before
    assert seconds_compiling() > before


def test_a_cold_cache_is_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1.0, 3.5, 3.5, 3.5])
    monkeypatch.setattr(simulator, "seconds_compiling", lambda: next(times))
    experiment = make_experiment(oracle.program(1, 0, []), 1, 1, output="statevector")
    with caplog.at_level(logging.WARNING):
        simulator.StatevectorSimulator().run(experiment)
        simulator.StatevectorSimulator().run(experiment)
    assert [record.getMessage() for record in caplog.records] == [
        "compiled machine code for 2.5 s: numba's cache was cold"
    ]
