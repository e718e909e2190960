# SPDX-License-Identifier: Apache-2.0
"""The entries of an inbox: what a tenant wants of workers.

A client whose Redis user may use the keys of its tenant alone can change no job that workers have admitted. It says
what it wants in its tenant's inbox, and a worker does that.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple, cast

#: ``run``: admit a job. ``heard`` and ``moves``: note this in the job's ledger. The others are as in a client's job.
Verb = Literal["run", "cancel", "pause", "resume", "retry", "delete", "heard", "moves"]
#: Longer entries aren't wishes.
MOST_WISH_LETTERS: Final = 200
_WISH: Final = re.compile(
    r"(run|cancel|pause|resume|retry|delete|heard|moves) ([0-9A-Za-z_-]{1,128})(?: ([0-9a-f]{32}))?", re.ASCII
)


class Wish(NamedTuple):
    """An entry of an inbox."""

    verb: Verb
    job_id: str
    #: the name of the answer's list; empty if nobody waits for an answer
    token: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, self))


def read_wish(entry: bytes) -> Wish | None:
    """Return the wish in an entry of an inbox.

    It is ``None`` for an entry that no client writes.
    """
    found = _WISH.fullmatch(entry.decode("ascii", "replace")) if len(entry) <= MOST_WISH_LETTERS else None
    return Wish(cast("Verb", found[1]), found[2], found[3] or "") if found else None
