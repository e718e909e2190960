# SPDX-License-Identifier: Apache-2.0
"""Store jobs with shards of some tiers."""

from __future__ import annotations

from dataclasses import replace

import redis
from make_jobs import make_job, make_shard_work

from qfleet.ledger import Ledger
from qfleet.wire.cost.tiers import LOWEST_TIER_BYTES, Tier
from qfleet.wire.lua import script
from qfleet.wire.redis import keys


def make_tier(shards: int = 1, number: int = 0, *, first: int = 0, seconds: float = 0.1, **needs: int) -> Tier:
    """Return a tier whose shards need as much as fits into it.

    On the slower engine they need three times that.
    """
    need = needs.get("need", LOWEST_TIER_BYTES << number)
    return Tier(number, first, first + shards, need, needs.get("slow", 3 * need), seconds)


def submit(client: redis.Redis, *tiers: Tier, tenant: str = "alice", weight: int = 2, work: bytes = b"work") -> str:
    """Store a job and let it be run; return its id.

    Args:
        client: the Redis to store it in.
        tiers: the job's tiers, one shard of the lowest by default.
        tenant: the job's tenant.
        weight: the job's weight among the tenant's jobs.
        work: the work of each shard.
    """
    tiers = tiers or (make_tier(),)
    shards = tiers[-1].end
    job = replace(make_job(1, tiers=tiers, tenant=tenant, weight=weight), shards=[make_shard_work()] * shards)
    # Else the first job's tokens come twice.
    client.script_load(script("submit"))
    Ledger(client).store(job)
    client.hset(keys.work(job.job_id), mapping=dict.fromkeys(map(str, range(shards)), work))
    return job.job_id
