# SPDX-License-Identifier: Apache-2.0
"""A finding: the outcome of one check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

#: The number of workers, jobs or keys that a text names.
_NAMED: Final = 3

Verdict = Literal["ok", "problem", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    check: str
    verdict: Verdict
    #: what was seen
    text: str
    #: what to do; empty if the verdict is "ok"
    remedy: str = ""
    #: all the workers, jobs or keys concerned; the text names the first few
    names: tuple[str, ...] = ()


def first_names(names: tuple[str, ...]) -> str:
    """Return the first names, and the number of the others."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def unknown(check: str, command: str, wanted: str) -> Finding:
    """Return the finding of a check whose command Redis doesn't allow.

    Args:
        check: the name of the check.
        command: the command that isn't allowed.
        wanted: the state that the check looks for.
    """
    text = f"can't be checked: this Redis doesn't allow {command}"
    return Finding(check, "unknown", text, f"ask the administrator of this Redis: {wanted}")


def no_names(check: str, names: tuple[str, ...], *, ok: str = "none", text: str, remedy: str) -> Finding:
    """Return a finding that is ok if there are no names.

    Args:
        check: the name of the check.
        names: the workers, jobs or keys that are wrong.
        ok: the text if there are none.
        text: what is wrong, as it follows the names.
        remedy: what to do.
    """
    if not names:
        return Finding(check, "ok", ok)
    return Finding(check, "problem", f"{first_names(names)}{text}", remedy, names)
