# SPDX-License-Identifier: Apache-2.0
"""Waits for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_Value = TypeVar("_Value")


def until(condition: Callable[[], _Value], what: str, seconds: float = 30.0) -> _Value:
    """Wait for the first true value of a condition, and return it.

    Args:
        condition: the function that gives the value.
        what: the text of the error if no value comes in time.
        seconds: the longest wait.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain: {what}; last seen: {value!r}")
        time.sleep(0.005)
    return value
