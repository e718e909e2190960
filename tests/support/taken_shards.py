# SPDX-License-Identifier: Apache-2.0
"""Steps with a shard that tests of the Lua scripts share."""

from __future__ import annotations

from make_jobs import make_presence

from qfleet.ledger import NewJob
from qfleet.wire.lua import Scripts
from qfleet_worker.picked import ClaimedShard
from qfleet_worker.store import Store


def show_presence(store: Store, *holds: str) -> None:
    """Show the presence of "a@test" with the task ids it holds."""
    store.renew_presence(make_presence("a@test", holds=holds))


def take(store: Store, job: NewJob, index: int = 0) -> ClaimedShard:
    """Take a shard that can be taken."""
    taken = store.take(job.job_id, index)
    assert taken is not None
    return taken


def lost_shards(scripts: Scripts, job: NewJob, patience: float = 0.0, *, later_taken: bool = False) -> list[int]:
    """Return the shards of a job that a search finds lost.

    Args:
        scripts: the scripts of the ledger.
        job: the job to search.
        patience: seconds that a shard must have looked lost.
        later_taken: True if a worker has taken a shard of a later job.
    """
    last_taken = 1e12 if later_taken else 0
    answer: list[int] = scripts.call("reconcile", job.job_id, patience, last_taken)
    return answer[1:]


def process_of(taken: ClaimedShard) -> int:
    """Return the id of the process that took a shard."""
    return int(taken.owner.split("/")[1])
