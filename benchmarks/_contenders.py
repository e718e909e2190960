# SPDX-License-Identifier: Apache-2.0
"""Contenders of a case, for the whole or a part of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from _measure import Comparison, Run


class Contender(NamedTuple):
    """A way to run a case."""

    make: Callable[[], Run]
    #: the case's time over that of the run
    scale: float = 1.0


def compared(comparison: Comparison, mode: str, name: str, contenders: dict[str, Contender]) -> dict[str, Any]:
    """Measure the contenders of a case, print a line, and return numbers."""
    row = comparison.compare(mode, name, 0, {key: each.make for key, each in contenders.items()})
    seconds = {key: value * contenders[key].scale for key, value in row.values.items()}
    scaled = {key: contenders[key].scale for key in seconds if contenders[key].scale != 1}
    print(_line(name, seconds, scaled), flush=True)
    return {"case": name, "seconds": seconds, "scaled": scaled}


def _line(name: str, seconds: dict[str, float], scaled: dict[str, float]) -> str:
    """Return milliseconds of each contender, and multiples of the first."""
    ours = next(iter(seconds.values()))
    cells = [
        f"{key}{'~' if key in scaled else ''} {value * 1e3:.4g} ({value / ours:.3g})" for key, value in seconds.items()
    ]
    return f"{name:12} " + "  ".join(cells)
