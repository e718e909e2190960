# SPDX-License-Identifier: Apache-2.0
"""Choose shards as a worker does, without a worker."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis

from qfleet.wire.lua import Scripts
from qfleet.wire.redis import keys
from qfleet_worker.picked import Later, Picked, read_choice

MIB = 2**20


@dataclass
class Picker:
    """A worker that chooses shards."""

    client: redis.Redis
    name: str = "a@test"
    pool: int = 64 * 1024 * MIB
    slow: bool = False
    #: seconds that its clock is ahead
    ahead: float = 0.0
    scripts: Scripts = field(init=False)
    picks: int = 0

    def __post_init__(self) -> None:
        self.scripts = Scripts(self.client)

    def answer(
        self, tier: int | None = 0, free: int | None = None, corrections: Mapping[str, float] | None = None
    ) -> Sequence[Any]:
        """Return the script's answer.

        Args:
            tier: the tier of the token that was popped; ``None`` for no token. The token itself isn't popped.
            free: the bytes that are free; all by default.
            corrections: by tenant, the core seconds that were charged too little.
        """
        self.picks += 1
        owner = f"{self.name}/1/{self.picks:08x}"
        free = self.pool if free is None else free
        own = [
            owner,
            self.name,
            "" if tier is None else tier,
            free,
            self.pool,
            int(self.slow),
            time.time() + self.ahead,
        ]
        for tenant, seconds in (corrections or {}).items():
            own += [tenant, seconds]
        answer: Sequence[Any] = self.scripts.of_fleet("pick", *own)
        return answer

    def pick(
        self, tier: int | None = 0, free: int | None = None, corrections: Mapping[str, float] | None = None
    ) -> Picked | int | None:
        """Take a token and choose a shard.

        Returns:
            The choice; or the lowest tier that had nothing that fits; or ``None`` if no shard waits.
        """
        if tier is not None:
            self.client.rpop(keys.tokens(tier))
        answer = self.answer(tier, free, corrections)
        found = read_choice(f"{self.name}/1/{self.picks:08x}", answer)
        return found.tier if isinstance(found, Later) else found

    def choose(self, tier: int | None = 0, free: int | None = None) -> Picked:
        """Choose a shard that must be there."""
        choice = self.pick(tier, free)
        assert isinstance(choice, Picked), choice
        return choice

    def finish(self, choice: Picked, *, error: str = "", spent: float = 0.0) -> bool:
        """Store a result; return whether it was stored."""
        to = "FAILURE" if error else "SUCCESS"
        own = (choice.index, choice.owner, to, b"result", error, spent, int(not error))
        return bool(self.scripts.call("finish", choice.job_id, *own))
