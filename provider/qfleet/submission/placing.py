# SPDX-License-Identifier: Apache-2.0
"""The order of a job's shards by the memory that they need."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Final

from qfleet.submission.planning import PlannedShard
from qfleet.wire.cost.constants import FASTER_ENGINE
from qfleet.wire.cost.tiers import Tier, tier_of
from qfleet.wire.messages.presence import SLOWER_ENGINE
from qfleet.wire.messages.work import ShardWork

#: Core seconds that the queue takes for each shard, whatever is in it.
QUEUE_SECONDS: Final = 0.002


def place(shards: Iterable[PlannedShard]) -> tuple[list[ShardWork], list[Tier]]:
    """Order the shards by tier, and return them with their tiers.

    Shards of one tier keep their order.
    """
    in_order = sorted(shards, key=_tier_of)
    tiers: list[Tier] = []
    for number, same in groupby(in_order, _tier_of):
        members = list(same)
        first = tiers[-1].end if tiers else 0
        tiers.append(
            Tier(
                number,
                first,
                first + len(members),
                need=max(shard.needs.get(FASTER_ENGINE, 0) for shard in members),
                slow=max(shard.needs.get(SLOWER_ENGINE, 0) for shard in members),
                seconds=QUEUE_SECONDS + sum(shard.seconds for shard in members) / len(members),
                num_qubits=max(shard.num_qubits for shard in members),
                longest=QUEUE_SECONDS + max(shard.seconds for shard in members),
            )
        )
    return [shard.work for shard in in_order], tiers


def _tier_of(shard: PlannedShard) -> int:
    return tier_of(shard.needs.get(FASTER_ENGINE, 0))
