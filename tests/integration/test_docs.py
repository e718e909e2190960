# SPDX-License-Identifier: Apache-2.0
"""Every code block of the documentation runs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from qfleet import FleetProvider

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
#: The Redis that the documents name for a fleet elsewhere.
EXAMPLE_URL = "redis://broker:6379/0"


def blocks(document: Path) -> list[tuple[str, str]]:
    """(language, text) of each code block."""
    return re.findall(r"^```(\S*)[^\n]*\n(.*?)^```$", document.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def commands(language: str) -> list[Any]:
    return [
        pytest.param(line.strip(), id=f"{document.name}:{line.strip()}")
        for document in DOCUMENTS
        for found, text in blocks(document)
        if found == language
        for line in re.sub(r"\s+#.*", "", text).splitlines()
        if line.strip()
    ]


def test_every_block_has_a_language_that_is_tested() -> None:
    languages = {language for document in DOCUMENTS for language, _ in blocks(document)}
    assert {"python", "sh"} <= languages <= {"python", "sh", "text", "redis"}  # test_permissions.py uses the last


@pytest.mark.parametrize(
    "document", [d for d in DOCUMENTS if "```python" in d.read_text("utf-8")], ids=lambda d: d.name
)
def test_python_blocks(document: Path, fleet_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a document run one after the other, as a reader would type them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(FleetProvider, "local", classmethod(lambda cls, **_: cls(fleet_url)))
    names: dict[str, Any] = {}
    for language, text in blocks(document):
        if language == "python":
            exec(compile(text.replace(EXAMPLE_URL, fleet_url), str(document), "exec"), names)  # noqa: S102


@pytest.mark.parametrize("command", commands("sh"))
def test_commands(command: str, fleet_url: str, tmp_path: Path) -> None:
    words = shlex.split(command)
    environment = os.environ | {"QFLEET_URL": fleet_url, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    if words[0] == "make":
        # What the target does has tests of its own, of which this is one.
        assert subprocess.run([*words, "--dry-run"], cwd=ROOT, capture_output=True, check=False).returncode == 0
    elif words[:3] == ["docker", "compose", "up"]:
        # test_compose.py asks docker compose itself, where it is installed
        assert (ROOT / "compose.yaml").is_file()
        assert words[-1].startswith("worker=")
    elif words[0] == "python":
        # Measuring takes up to an hour, and the examples have tests of their own: only whether there is such a script,
        # and what it is told.
        assert words[1].startswith(("benchmarks/", "examples/"))
        done = subprocess.run([sys.executable, *words[1:], "--help"], cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        assert {word for word in words if word.startswith("--")} <= set(re.findall(r"--[a-z]+", done.stdout.decode()))
    elif words[:2] in (["qfleet", "up"], ["qfleet", "worker"]):
        serve_until_interrupted([fleet_url if word == EXAMPLE_URL else word for word in words], environment)
    else:
        assert words[0] == "qfleet"
        shutil.copytree(ROOT / "examples", tmp_path / "examples")
        done = subprocess.run(command, shell=True, cwd=tmp_path, env=environment, capture_output=True, check=False)  # noqa: S602
        assert done.returncode == 0, done.stderr.decode()


def serve_until_interrupted(words: list[str], environment: dict[str, str]) -> None:
    """Run a command until it says something, and end it by Ctrl-C."""
    process = subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        assert process.stdout is not None
        said = iter(process.stdout.readline, b"")
        assert any(b" ready.\n" in line or (b"://" in line and words[1] == "up") for line in said), (
            "it ended without a word"
        )
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode in (0, 130)
    finally:
        process.kill()
        process.wait()
