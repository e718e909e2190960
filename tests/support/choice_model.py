# SPDX-License-Identifier: Apache-2.0
"""A model of jobs and shards, as the scripts should see them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from qfleet.wire.cost.tiers import Tier
from qfleet.wire.redis.states import FINAL_STATES, MOVES, ShardState
from qfleet_worker.picked import Picked


@dataclass
class Shard:
    """The model of one shard."""

    state: ShardState = "PENDING"
    attempts: int = 0
    choice: Picked | None = None
    cause: str = ""
    stopping: bool = False
    circuit: int | None = None
    deaths: Counter[int] = field(default_factory=Counter)
    excused: bool = False

    def move(self, state: ShardState) -> None:
        assert state in MOVES[self.state]
        self.state = state

    @property
    def worker(self) -> str:
        return self.choice.owner.split("/")[0] if self.choice is not None else ""


@dataclass
class Job:
    """The model of a job."""

    job_id: str
    tenant: str
    tiers: tuple[Tier, ...]
    shards: list[Shard]
    #: by tier, the shards that were put back, and the first that was never chosen
    again: dict[int, set[int]]
    next: dict[int, int]
    held: str = ""
    #: the first shard of the slice that is cancelled next; -1 if none is
    cancelling: int = -1

    def tier_of(self, index: int) -> Tier:
        return next(tier for tier in self.tiers if index < tier.end)

    def left(self, tier: Tier) -> int:
        """Return the number of shards of a tier that nobody has chosen."""
        return tier.end - self.next[tier.number] + len(self.again[tier.number])

    def first(self, tier: Tier) -> int | None:
        """Return the shard of a tier that is chosen next."""
        if self.held or not self.left(tier):
            return None
        return min(self.again[tier.number], default=self.next[tier.number])

    def put_back(self, index: int) -> None:
        self.again[self.tier_of(index).number].add(index)

    @property
    def is_over(self) -> bool:
        return all(shard.state in FINAL_STATES and not shard.stopping for shard in self.shards)


def new_job(job_id: str, tenant: str, tiers: tuple[Tier, ...]) -> Job:
    """Return the model of a job of which nothing was chosen."""
    return Job(
        job_id,
        tenant,
        tiers,
        [Shard() for _ in range(tiers[-1].end)],
        {tier.number: set() for tier in tiers},
        {tier.number: tier.first for tier in tiers},
    )
