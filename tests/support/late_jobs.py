# SPDX-License-Identifier: Apache-2.0
"""Store jobs as clients do, and choose shards as workers do."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis

from qfleet.wire.cost.tiers import LOWEST_TIER_BYTES, Tier
from qfleet.wire.lua import Scripts
from qfleet.wire.redis import keys
from qfleet.wire.redis.keys import JobField, TierField

MIB = 2**20


def make_tier(shards: int = 1, number: int = 0, *, first: int = 0, seconds: float = 0.1, **needs: int) -> Tier:
    """Return a tier whose shards need as much as fits into it.

    On the slower engine they need three times that.
    """
    need = needs.get("need", LOWEST_TIER_BYTES << number)
    return Tier(number, first, first + shards, need, needs.get("slow", 3 * need), seconds)


def submit(
    client: redis.Redis,
    *tiers: Tier,
    tenant: str = "alice",
    weight: int = 2,
    work: bytes = b"work",
    tokens: bool = True,
) -> str:
    """Store a job and let it be run; return its id.

    Args:
        client: The Redis to store it in.
        tiers: The job's tiers, one shard of the lowest by default.
        tenant: The job's tenant.
        weight: The job's weight among the tenant's jobs.
        work: The work of each shard.
        tokens: False if the tokens of the shards are lost.
    """
    tiers = tiers or (make_tier(),)
    job_id, shards = str(uuid.uuid4()), tiers[-1].end
    fields: dict[str, Any] = {
        JobField.BACKEND: "automatic",
        JobField.OUTPUT: "counts",
        JobField.CIRCUITS_DONE: 0,
        JobField.TAGS: "[]",
        JobField.RETENTION: 1000,
        JobField.SHARDS: shards,
        JobField.CIRCUITS: shards,
        JobField.count("PENDING"): shards,
        JobField.TENANT: tenant,
        JobField.WEIGHT: weight,
        JobField.TIERS: " ".join(str(tier.number) for tier in tiers),
    }
    for tier in tiers:
        for name in (TierField.FIRST, TierField.END, TierField.NEED, TierField.SLOW, TierField.SECONDS):
            fields[JobField.of_tier(tier.number, name)] = getattr(tier, name)
    client.hset(keys.job(job_id), mapping=fields)
    client.hset(keys.shards(job_id), mapping={f"{index}:state": "PENDING" for index in range(shards)})
    client.hset(keys.work(job_id), mapping=dict.fromkeys(map(str, range(shards)), work))
    client.hset(keys.programs(job_id), "p", b"program")
    assert Scripts(client).call("submit", job_id, 1)
    for tier in tiers if tokens else ():
        client.lpush(keys.tokens(tier.number), *[b""] * (tier.end - tier.first))
    return job_id


@dataclass(frozen=True)
class Choice:
    """A shard that a pick gave."""

    job_id: str
    index: int
    owner: str
    attempt: int
    cause: str
    tenant: str
    need: int
    seconds: float
    work: bytes


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
            tier: The tier of the token that was popped; ``None`` for no token. The token itself isn't popped.
            free: The bytes that are free; all by default.
            corrections: By tenant, the core seconds that were charged too little.
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
    ) -> Choice | int | None:
        """Take a token and choose a shard.

        Returns:
            The choice; or the lowest tier that had nothing that fits; or ``None`` if no shard waits.
        """
        if tier is not None:
            self.client.rpop(keys.tokens(tier))
        answer = self.answer(tier, free, corrections)
        if answer == [b"nothing"]:
            return None
        if answer[0] == b"later":
            return int(answer[1])
        job_id, index, attempt, cause, tenant, need, seconds, work = answer
        return Choice(
            job_id.decode(),
            index,
            f"{self.name}/1/{self.picks:08x}",
            attempt,
            cause.decode(),
            tenant.decode(),
            int(need),
            float(seconds),
            work,
        )

    def choose(self, tier: int | None = 0, free: int | None = None) -> Choice:
        """Choose a shard that must be there."""
        choice = self.pick(tier, free)
        assert isinstance(choice, Choice), choice
        return choice

    def finish(self, choice: Choice, *, error: str = "") -> bool:
        """Store a result; return whether it was stored."""
        to = "FAILURE" if error else "SUCCESS"
        own = (choice.index, choice.owner, to, b"result", error, int(not error))
        return bool(self.scripts.call("finish", choice.job_id, *own))
