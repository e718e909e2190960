# SPDX-License-Identifier: Apache-2.0
"""Suggestions for misspelt names."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return the end of a message that suggests a similar name.

    The text is empty if no name is similar.

    Args:
        name: the name that was given.
        known: the names that exist.
    """
    # Imported here since only errors need it.
    from difflib import get_close_matches

    if not isinstance(name, str):
        return ""
    known, name = sorted(known), name.lower()
    # "seed" isn't similar enough to "seed_simulator", but is part of it.
    near = get_close_matches(name, known, n=1) or [each for each in known if len(name) > 2 and name in each]
    return f". Did you mean {near[0]!r}?" if near else ""
