# SPDX-License-Identifier: Apache-2.0
"""The Makefile names files and folders that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "Makefile").read_text("utf-8")
PATHS = sorted(
    set(re.findall(r"\b(?:tests|benchmarks|examples)/\w[\w/.]*", TEXT)) - {"tests/fuzz/work", "tests/fuzz/found"}
)


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_a_target_names_is_there(path: str) -> None:
    assert (ROOT / path).exists()
