# SPDX-License-Identifier: Apache-2.0
"""A fleet starts at once with the engine that is ready, says so, and takes the faster one over when it is compiled."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from circuits import bell
from kept_code import SMALL, compiled_folder, copy
from processes import process, redis_server, worker
from qiskit import QuantumCircuit
from waiting import until

from qfleet import FleetProvider
from qfleet.wire.messages.presence import Presence

QFLEET = str(Path(sys.executable).with_name("qfleet"))

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def compiled() -> Path:
    return compiled_folder()


@pytest.fixture
def provider() -> Iterator[FleetProvider]:
    """Yield the url of a Redis of its own, since the records of killed workers stay for a while."""
    with redis_server() as port, FleetProvider(f"redis://127.0.0.1:{port}/0") as provider:
        yield provider


def counts_and_engine(provider: FleetProvider, circuit: QuantumCircuit) -> tuple[dict[str, int], str]:
    result = provider.get_backend().run(circuit, shots=1000, seed_simulator=5).result(timeout=60)
    return result.get_counts(), result.results[0].metadata["engine"]


def only(workers: list[Presence]) -> Presence:
    (found,) = workers
    return found


def test_a_running_worker_takes_over_what_is_compiled_elsewhere(
    provider: FleetProvider, compiled: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    with worker(provider.url, tmp_path / "log", NUMBA_CACHE_DIR=str(cache), QFLEET_WARM="0") as running:
        first, engine = counts_and_engine(provider, bell())
        assert engine == "numpy"
        shown = only(provider.workers())
        assert (shown.engine, shown.compiling) == ("numpy", False)
        assert "qfleet warm" in shown.engine_reason
        assert not running.process.poll()
        # As `qfleet warm` does: the mark comes last, and all at once.
        os.replace(copy(compiled, tmp_path / "made").parent, tmp_path / "qfleet")
        cache.mkdir()
        os.replace(tmp_path / "qfleet", cache / "qfleet")
        assert counts_and_engine(provider, bell()) == (first, "statevector")
        until(lambda: only(provider.workers()).engine == "statevector", "it says so")
        assert "from now on" in (tmp_path / "log").read_text()


def test_what_cannot_be_loaded_is_told_and_circuits_run(
    provider: FleetProvider, compiled: Path, tmp_path: Path
) -> None:
    folder = copy(compiled, tmp_path / "cache")
    next(folder.glob("statevector.compiler.tables.compile_rows/*.nbc")).write_bytes(b"no machine code")
    with worker(provider.url, tmp_path / "log", NUMBA_CACHE_DIR=str(tmp_path / "cache"), QFLEET_WARM="0"):
        assert counts_and_engine(provider, bell())[1] == "numpy"
        assert "is damaged" in only(provider.workers()).engine_reason
        assert "is damaged" in (tmp_path / "log").read_text()


def test_workers_compile_it_in_the_background_one_of_them(
    provider: FleetProvider, compiled: Path, tmp_path: Path
) -> None:
    """All but one function is compiled already: the rest takes seconds in place of a minute."""
    cache = str(tmp_path / "cache")
    folder = copy(compiled, tmp_path / "cache", without=[SMALL])
    with (
        worker(provider.url, tmp_path / "a", NUMBA_CACHE_DIR=cache) as first,
        worker(provider.url, tmp_path / "b", NUMBA_CACHE_DIR=cache),
    ):
        until(lambda: {shown.engine for shown in provider.workers()} == {"statevector"}, "both have it", seconds=120)
        assert counts_and_engine(provider, bell())[1] == "statevector"
        assert not any(shown.compiling for shown in provider.workers())
        assert (folder / SMALL).is_dir()
        # Nothing is left of it but the processes of the pool.
        assert len(first.children()) == 1
        assert not any("compiling" in " ".join(child.cmdline()) for child in first.children())


def test_while_it_is_compiled_workers_and_the_doctor_say_so_and_it_ends_with_the_worker(
    provider: FleetProvider, tmp_path: Path
) -> None:
    with worker(provider.url, tmp_path / "log", NUMBA_CACHE_DIR=str(tmp_path / "cache")) as running:
        shown = only(provider.workers())
        assert (shown.engine, shown.compiling) == ("numpy", True)
        assert "background" in shown.engine_reason
        finding = next(finding for finding in provider.examine() if finding.check == "engine")
        assert finding.verdict == "ok"
        assert "qfleet warm" in finding.text
        children = until(
            lambda: [child for child in running.children() if "qfleet_worker.engines.build" in child.cmdline()],
            "it compiles",
        )
        running.process.kill()
        until(lambda: not any(map(psutil.Process.is_running, children)), "its process has ended")


def test_a_worker_without_a_place_to_keep_it_says_so(provider: FleetProvider, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with worker(provider.url, tmp_path / "log", NUMBA_CACHE_DIR=str(tmp_path / "file")) as running:
        shown = only(provider.workers())
        assert (shown.engine, shown.compiling) == ("numpy", False)
        assert "can't be written" in shown.engine_reason
        assert len(running.children()) == 1
        assert counts_and_engine(provider, bell())[1] == "numpy"
        done = subprocess.run([QFLEET, "doctor", "--url", provider.url], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "problem  engine: numpy" in done.stdout
        assert "qfleet warm" in done.stdout


def test_up_says_which_engine_its_workers_have_and_when_that_changes(compiled: Path, tmp_path: Path) -> None:
    copy(compiled, tmp_path / "cache", without=[SMALL])
    log = tmp_path / "log"
    with process([QFLEET, "up", "--workers", "1"], log, NUMBA_CACHE_DIR=str(tmp_path / "cache")) as up:
        until(lambda: "from now on" in log.read_text(), "it has taken the faster engine over", seconds=120)
        assert "Workers use the slower engine, numpy" in log.read_text()
        assert "qfleet warm" in log.read_text()
        assert up.poll() is None
        up.terminate()
        up.wait()
    shutil.rmtree(tmp_path / "cache")
