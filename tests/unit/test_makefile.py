# SPDX-License-Identifier: Apache-2.0
"""The Makefile runs files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(set(re.findall(r"\b(?:tests|benchmarks|examples)/[\w/]+\.\w+", (ROOT / "Makefile").read_text("utf-8"))))


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_a_target_runs_is_there(file: str) -> None:
    assert (ROOT / file).is_file()
