# SPDX-License-Identifier: Apache-2.0
"""The Lua scripts: each change of a shard's state is one.

It happens whole or not at all.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

from qfleet.wire.limits import MAX_RECORD_BYTES, MAX_SHARDS
from qfleet.wire.messages.presence import STALE_SECONDS
from qfleet.wire.redis import keys
from qfleet.wire.redis.states import MOVES

Name = Literal["take", "begin", "finish", "cancel", "stopped", "fail", "release", "excuse", "reconcile", "retry"]

#: If a job isn't published as a whole this long after it was stored, its client has left it.
UNPUBLISHED_SECONDS: Final = 60


@cache
def script(name: Name) -> str:
    """Return the text of a script.

    It has the legal moves, the functions of ``moves.lua``, then the script's own text.
    """
    here = files(__name__)
    legal = ", ".join(f"['{start}>{end}'] = true" for start, ends in MOVES.items() for end in sorted(ends))
    constants = {
        "ACTIVE": f"'{keys.ACTIVE}'",
        "QUEUE": f"'{keys.PREFIX}{keys.QUEUE}'",
        "WORKERS": f"'{keys.WORKERS}'",
        "STALE_SECONDS": STALE_SECONDS,
        "UNPUBLISHED_SECONDS": UNPUBLISHED_SECONDS,
        "MAX_SHARDS": MAX_SHARDS,
        "MAX_RECORD_BYTES": MAX_RECORD_BYTES,
    }
    head = f"local LEGAL = {{ {legal} }}\n" + "".join(f"local {name} = {value}\n" for name, value in constants.items())
    return head + (here / "moves.lua").read_text("utf-8") + (here / f"{name}.lua").read_text("utf-8")


@cache
def plain_script(name: Literal["show", "copy", "published"]) -> str:
    """Return the text of a script that moves no shard."""
    return (files(__name__) / f"{name}.lua").read_text("utf-8")


class Scripts:
    """The scripts, on one Redis.

    Args:
        client: a ``redis.Redis``.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._ready: dict[Name, Any] = {}

    def call(self, name: Name, job_id: str, *own: object) -> Any:
        """Run a script. Raises redis-py's errors.

        Args:
            name: the script's name.
            job_id: the job that it works on.
            own: the script's own arguments, from ARGV[2] on.
        """
        if name not in self._ready:
            self._ready[name] = self._client.register_script(script(name))
        return self._ready[name](keys=[keys.job(job_id)], args=(job_id, *own))
