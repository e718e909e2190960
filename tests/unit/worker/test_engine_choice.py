# SPDX-License-Identifier: Apache-2.0
"""A worker takes the fast engine where its machine code is compiled, and numpy elsewhere."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from qfleet_worker.engines import ready
from qfleet_worker.engines.choose import choose_engine


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_without_machine_code_numpy_is_taken_and_the_way_out_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        engine, reason = choose_engine()
    assert engine.name == "numpy"
    assert "qfleet warm" in caplog.text
    assert "qfleet warm" in reason


def test_without_numba_numpy_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_version(name: str) -> str:
        raise ready.PackageNotFoundError(name)

    ready.mark()
    assert ready.is_ready()
    monkeypatch.setattr(ready, "version", no_version)
    assert choose_engine()[0].name == "numpy"


def test_with_machine_code_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qfleet_worker.engines.statevector.warm", lambda: (0.0, 0.0))
    ready.mark()
    engine, reason = choose_engine()
    assert (engine.name, reason) == ("statevector", "machine code is compiled")


def test_newer_sources_are_not_compiled_yet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = tmp_path / "kernels.py"
    source.write_text("old")
    monkeypatch.setattr(ready, "_PACKAGE", tmp_path)
    ready.mark()
    assert ready.is_ready()
    os.utime(source, (1, 1))
    assert not ready.is_ready()


def test_a_folder_that_cannot_be_written_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(OSError, match="file"):
        ready.mark()
