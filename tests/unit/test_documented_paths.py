# SPDX-License-Identifier: Apache-2.0
"""Each source file that the documentation names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
#: A path within backticks, or a line of a command.
_PATH = re.compile(r"(?<![\w./<{-])((?:[\w-]+/)*[\w-]+\.(?:py|lua))\b")


def known() -> set[str]:
    folders = ("provider", "worker", "tests", "benchmarks", "examples")
    return {path.relative_to(ROOT).as_posix() for each in folders for path in (ROOT / each).rglob("*.*")}


def is_known(path: str, files: set[str]) -> bool:
    return any(f"/{file}".endswith(f"/{path}") for file in files)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_files_that_are_there(page: Path) -> None:
    files = known()
    quoted = re.findall(r"`[^`\n]+`", page.read_text())
    named = [path for text in quoted for path in _PATH.findall(text)]
    assert [path for path in named if not is_known(path, files)] == []


def test_a_file_that_is_not_there_is_not_known() -> None:
    assert not is_known("engines/nothing.py", known())
    assert is_known("ledger/ledger.py", known())
