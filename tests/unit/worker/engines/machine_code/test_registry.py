# SPDX-License-Identifier: Apache-2.0
"""Functions that can't become machine code are refused when they are defined."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from numba import config

from qfleet_worker.engines.machine_code.registry import machine_code, structure


def test_a_structure_names_all_members_in_order() -> None:
    class Pair(NamedTuple):
        first: int
        second: int

    with pytest.raises(TypeError, match=r"Pair has the members \('first', 'second'\), not \('second', 'first'\)"):
        structure(second="int64", first="int64")(Pair)


def test_without_a_compiler_there_is_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that isn't there is passed over; one that ran as Python would take hours."""
    monkeypatch.setattr(config, "DISABLE_JIT", True)
    with pytest.raises(ImportError, match="NUMBA_DISABLE_JIT is set"):
        machine_code(abs)
