# SPDX-License-Identifier: Apache-2.0
"""Check the numbers of channels and noise models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real

from qfleet.errors import NoiseError
from qfleet.noise.matrices import TOLERANCE


def number(entry: str, value: object, lowest: float, highest: float, *, whole: bool = False) -> float:
    """Return a number that lies within bounds.

    Args:
        entry: its name for the error.
        value: the number.
        lowest: the smallest value that is allowed.
        highest: the largest value that is allowed.
        whole: True if it must be an integer.

    Raises:
        NoiseError: it isn't such a number.
    """
    kind = Integral if whole else Real
    if isinstance(value, bool) or not isinstance(value, kind) or not lowest <= float(value) <= highest:
        what = "a whole number" if whole else "a number"
        raise NoiseError(
            f"{entry} = {value!r}: {what} from {lowest:g} to {highest:g} is needed", entry=entry, value=value
        )
    return float(value)


def probability(entry: str, value: object) -> float:
    """Return a probability without rounding. Raises `NoiseError`."""
    return min(max(number(entry, value, -1e-12, 1 + TOLERANCE), 0.0), 1.0)


def probabilities(entry: str, values: Sequence[object]) -> list[float]:
    """Return probabilities that add up to 1, and take off rounding.

    Args:
        entry: their name for the error.
        values: the probabilities.

    Raises:
        NoiseError: one isn't a probability, or their sum isn't 1.
    """
    found = [probability(entry, value) for value in values]
    total = math.fsum(found)
    if not abs(total - 1) <= TOLERANCE:
        raise NoiseError(f"{entry} add up to {total:.10g}, not to 1", entry=entry, value=total)
    return [each / total for each in found]
