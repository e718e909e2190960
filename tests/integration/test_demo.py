# SPDX-License-Identifier: Apache-2.0
"""The demo runs to its end, and leaves nothing behind, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from waiting import until

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo.py"


def start(folder: Path) -> subprocess.Popen[str]:
    """Return the demo, in a folder of its own, and with its own place for temporary files."""
    scratch = folder / "tmp"
    scratch.mkdir()
    return subprocess.Popen(
        [sys.executable, str(DEMO)],
        cwd=folder,
        env=os.environ | {"TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.fixture
def folder() -> Iterator[Path]:
    # A short name: in a longer one a fleet would take its place elsewhere.
    with tempfile.TemporaryDirectory(prefix="demo-") as name:
        yield Path(name)


def left_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.name != "tmp")


def test_it_runs_every_example_and_draws_them(folder: Path) -> None:
    demo = start(folder)
    said, _ = demo.communicate(timeout=100)
    assert demo.returncode == 0, said
    for name in ("bell", "deutsch_jozsa", "superdense", "bernstein_vazirani", "ghz", "qft_6", "grover_10110"):
        assert name in said
    assert "Histograms: out/demo.png" in said
    assert (folder / "out" / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert left_in(folder) == ["out", "out/demo.png"]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_stops_what_it_started(folder: Path, signum: signal.Signals) -> None:
    demo = start(folder)
    me = psutil.Process(demo.pid)
    # a server, two workers, two processes of their pools
    started = until(lambda: (found := me.children(recursive=True)) and len(found) >= 5 and found, "the fleet is up")
    os.killpg(demo.pid, signum)
    said, _ = demo.communicate(timeout=60)
    assert demo.returncode == 130, said
    assert not psutil.wait_procs(started, timeout=30)[1]
    assert left_in(folder) == []
