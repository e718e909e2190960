# SPDX-License-Identifier: Apache-2.0
"""The Lua scripts: each change of a shard's state is one.

It happens whole or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

from qfleet.wire.cost.tiers import LOWEST_TIER_BYTES, TIERS
from qfleet.wire.limits import MAX_RECORD_BYTES, MAX_SHARDS
from qfleet.wire.messages.presence import STALE_SECONDS
from qfleet.wire.messages.wish import MOST_WISH_LETTERS
from qfleet.wire.redis import keys
from qfleet.wire.redis.states import MOVES

#: The scripts that work on one job.
JobScript = Literal[
    "submit", "requeue", "take", "begin", "finish", "fail", "release", "stopped", "excuse", "lost", "reconcile",
    "cancel", "retry", "refuse", "hold", "let_go", "age", "remove",
    "place", "admit",
]  # fmt: skip
#: The scripts that work on all jobs, by the shards that wait.
FleetScript = Literal["pick", "tokens", "inbox"]
Name = JobScript | FleetScript

#: If a job isn't published as a whole this long after it was stored, its client has left it.
UNPUBLISHED_SECONDS: Final = 60
#: The most shards that one call of a script works on; the caller calls it for the next ones.
MOST_AT_ONCE: Final = 250
#: A job's seconds left count less by this part for each second since its creation.
AGEING: Final = 0.02
#: Work up to this size comes with the choice of a shard; what is larger is read by the process that runs it.
INLINE_BYTES: Final = 16_384
#: A result up to this size comes with the message that a job of one shard ended. Redis keeps the messages of a client
#: that doesn't read up to 32 MiB, and then closes the connection.
TOLD_BYTES: Final = 4096
#: Seconds after a job was made for which its id is kept.
TOMBSTONE_SECONDS: Final = 90 * 86_400
#: If nobody served a tier for this long, a worker keeps memory for it; and for how long it does.
RESERVE_AFTER_SECONDS: Final = 3
RESERVED_SECONDS: Final = 30

#: The answer for a wish that another worker has fulfilled.
SERVED: Final = b"served"

_CONSTANTS: Final = {
    "ACTIVE": keys.ACTIVE,
    "BELL": keys.BELL,
    "CANCELLING": keys.CANCELLING,
    "PREFIX": keys.PREFIX,
    "HOLDS": keys.HOLDS,
    "INBOXES": keys.INBOXES,
    "QUEUE": f"{keys.PREFIX}{keys.QUEUE}",
    "QUEUED": keys.QUEUED,
    "QUOTAS": keys.QUOTAS,
    "READY": keys.READY,
    "RUNNING": keys.RUNNING,
    "SCHED": keys.SCHED,
    "STARTED": keys.STARTED,
    "TENANTS": keys.TENANTS,
    "TOKENS": keys.TOKENS,
    "UNFINISHED": keys.UNFINISHED,
    "UNPLACEABLE": keys.UNPLACEABLE,
    "USED": keys.USED,
    "VT": keys.VT,
    "WEIGHTS": keys.WEIGHTS,
    "WORKERS": keys.WORKERS,
    "AGEING": AGEING,
    "INLINE_BYTES": INLINE_BYTES,
    "LOWEST_TIER_BYTES": LOWEST_TIER_BYTES,
    "MAX_RECORD_BYTES": MAX_RECORD_BYTES,
    "MAX_SHARDS": MAX_SHARDS,
    "MOST_AT_ONCE": MOST_AT_ONCE,
    "RESERVED_SECONDS": RESERVED_SECONDS,
    "RESERVE_AFTER_SECONDS": RESERVE_AFTER_SECONDS,
    "STALE_SECONDS": STALE_SECONDS,
    "TIERS": TIERS,
    "TOLD_BYTES": TOLD_BYTES,
    "TOMBSTONE_SECONDS": TOMBSTONE_SECONDS,
    "UNPUBLISHED_SECONDS": UNPUBLISHED_SECONDS,
    # The most tenants of a tier, jobs of a tenant in a tier, and jobs in all that a pick looks at.
    "LOOK_TENANTS": 4,
    # The most tenants of a tier, where some may be at their quotas.
    "LOOK_LIMITED": 64,
    "LOOK_JOBS": 4,
    "MOST_LOOKS": 16,
    # The most core seconds, by weight, by which a tenant comes before the present virtual time after a correction.
    "MOST_CREDIT": 100,
    # The most jobs, tenants or shards of a list that are read to tell where a job stands.
    "MOST_READ": 50,
    # The most shards of a job that a pick skips.
    "MOST_SKIPPED": 32,
    # A job's place is renewed each time that this number of its shards was chosen.
    "PLACED_EVERY": 16,
    # A job's usage is added to its tenant's account each time that this number of its shards ended, and at its end.
    "BILLED_EVERY": 16,
    # The tenants whose accounts are kept.
    "MOST_ACCOUNTS": 10_000,
    # The most tokens that a call pushes in a tier, and at once; and those that a tier may have beyond its shards.
    "MOST_TOKENS": 16_000,
    "TOKENS_AT_ONCE": 4000,
    "SPARE_TOKENS": 1000,
    # The most inboxes that are looked at in one call, and wishes of one tenant that are read.
    "INBOXES_AT_ONCE": 100,
    "WISHES_AT_ONCE": 4,
    "MOST_WISH_LETTERS": MOST_WISH_LETTERS,
    # The most bytes of an inbox: a million wishes. A larger one is dropped, since one of its entries may have them all.
    "MOST_INBOX_BYTES": 1 << 26,
    # The most fields of a new job's ledger, and predicted core seconds of a shard.
    "MOST_FIELDS": 150,
    "MOST_SECONDS": 1e12,
    # The most bytes that a shard may need: more than 2**50 amplitudes, and a number that scripts hold.
    "MOST_BYTES": 9e17,
    # The states of a new job's shards that are written at once.
    "STATES_AT_ONCE": 1000,
    # The ids of a tenant that are removed when a worker admits a job of its.
    "TRIMMED_AT_ONCE": 10,
    # The most tenants that are forgotten in one call.
    "FORGOTTEN_AT_ONCE": 100,
}
_OF_A_CHOICE: Final = ("ready",)
_OF_A_JOB: Final = ("news", "job", "moves")
_OF_BOTH: Final = ("news", "job", "moves", "ready", "back")
_OF_A_NEW_JOB: Final = (*_OF_BOTH, "quota", "run")
#: The texts in front of each script's own.
_PARTS: Final[Mapping[Name, tuple[str, ...]]] = {
    "pick": ("news", "ready"),
    "tokens": _OF_A_CHOICE,
    "inbox": (),
    "take": _OF_A_JOB,
    "begin": _OF_A_JOB,
    "finish": ("news", "job"),
    "fail": _OF_A_JOB,
    "excuse": _OF_A_JOB,
    "reconcile": _OF_A_JOB,
    "submit": _OF_A_NEW_JOB,
    "admit": _OF_A_NEW_JOB,
    "requeue": _OF_BOTH,
    "release": _OF_BOTH,
    "stopped": _OF_BOTH,
    "lost": _OF_BOTH,
    "cancel": _OF_BOTH,
    "retry": _OF_BOTH,
    "refuse": _OF_BOTH,
    "hold": _OF_BOTH,
    "let_go": _OF_BOTH,
    "age": _OF_BOTH,
    "remove": _OF_BOTH,
    "place": _OF_A_CHOICE,
}


@cache
def script(name: Name) -> str:
    """Return the text of a script.

    It has the legal moves and the constants that it uses, the functions that it shares with others, then its own text.
    """
    here = files(__name__)
    text = "".join((here / f"{part}.lua").read_text("utf-8") for part in (*_PARTS[name], name))
    legal = ", ".join(f"['{start}>{end}'] = true" for start, ends in MOVES.items() for end in sorted(ends))
    constants = {"LEGAL": f"{{ {legal} }}"}
    constants |= {constant: repr(value) for constant, value in _CONSTANTS.items()}
    used = set(re.findall(r"\b[A-Z_]+\b", text))
    return "".join(f"local {constant} = {value}\n" for constant, value in constants.items() if constant in used) + text


@cache
def plain_script(name: Literal["show", "copy", "published", "hear"]) -> str:
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
        self._wishes: dict[JobScript | Literal["hear"], Any] = {}

    def call(self, name: JobScript, ref: str, *own: object) -> Any:
        """Run a script on a job. Raises redis-py's errors.

        Args:
            name: the script's name.
            ref: the reference of the job that it works on.
            own: the script's own arguments, from ARGV[2] on.
        """
        return self._script(name)(keys=[keys.job(ref)], args=(ref, *own))

    def add_wish(
        self, pipe: Any, name: JobScript | Literal["hear"], ref: str, own: Sequence[object], *, inbox: str, entry: bytes
    ) -> None:
        """Add to a pipeline that a wish is fulfilled, once.

        The answer is `SERVED` if the wish isn't in the inbox any more; else it is the script's.

        Args:
            pipe: the pipeline.
            name: the name of the script that fulfils it.
            ref: see `call`.
            own: the script's arguments, but for the reference that scripts of jobs get.
            inbox: the key of the inbox.
            entry: the wish as it is there.
        """
        if name not in self._wishes:
            claim = (files(__name__) / "claim.lua").read_text("utf-8")
            text = plain_script(name) if name == "hear" else script(name)
            self._wishes[name] = self._client.register_script(claim + text)
        arguments = own if name == "hear" else (ref, *own)
        self._wishes[name](keys=[keys.job(ref), inbox], args=(*arguments, entry), client=pipe)

    def of_fleet(self, name: FleetScript, *own: object) -> Any:
        """Run a script on all that waits. Raises redis-py's errors.

        Args:
            name: the script's name.
            own: the script's arguments.
        """
        return self._script(name)(args=own)

    def of_fleet_command(self, name: FleetScript, *own: object) -> tuple[object, ...]:
        """Return the command that runs a script on all that waits.

        Redis refuses it unless the script has run before.
        """
        return ("EVALSHA", self._script(name).sha, 0, *own)

    def _script(self, name: Name) -> Any:
        if name not in self._ready:
            self._ready[name] = self._client.register_script(script(name))
        return self._ready[name]
