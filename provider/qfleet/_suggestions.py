# SPDX-License-Identifier: Apache-2.0
"""A misspelt name gets the nearest right one for an answer."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return a question to add to a message, with a full stop before it; empty if no name is near."""
    # Only errors need it.
    from difflib import get_close_matches

    if not isinstance(name, str):
        return ""
    known, name = sorted(known), name.lower()
    # "seed" is none too similar to "seed_simulator", and yet it is meant
    near = get_close_matches(name, known, n=1) or [each for each in known if len(name) > 2 and name in each]
    return f". Did you mean {near[0]!r}?" if near else ""
