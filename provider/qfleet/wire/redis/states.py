# SPDX-License-Identifier: Apache-2.0
"""The states of a shard: Celery's states.

The scripts in ``lua/`` are the only writers, and make the moves of `MOVES` only::

       +------------ retry --------------------+
       v                                       |
    PENDING ---pick---> STARTED ---finish---> FAILURE, SUCCESS
       |  ^                |                   ^
       |  +----------------+  release (its worker stops), stopped (its process died), lost (no worker has it)
       +------ refuse -----|-------------------+  (no worker has the memory)
       +----- cancel ------+--------------> REVOKED

Shards of jobs of version 0.1 are started by ``take``, and put back by ``reconcile``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

from qfleet.wire.redis.references import MOST_TENANT_LETTERS

ShardState = Literal["PENDING", "STARTED", "SUCCESS", "FAILURE", "REVOKED"]
SHARD_STATES: Final[tuple[ShardState, ...]] = ("PENDING", "STARTED", "SUCCESS", "FAILURE", "REVOKED")
FINAL_STATES: Final[frozenset[ShardState]] = frozenset({"SUCCESS", "FAILURE", "REVOKED"})

#: The states that a shard may move to from each.
MOVES: Final[Mapping[ShardState, frozenset[ShardState]]] = {
    "PENDING": frozenset({"STARTED", "FAILURE", "REVOKED"}),
    "STARTED": frozenset({"PENDING", "SUCCESS", "FAILURE", "REVOKED"}),
    "SUCCESS": frozenset(),
    "FAILURE": frozenset({"PENDING"}),
    "REVOKED": frozenset(),
}


def task_id(ref: str, index: int) -> str:
    """Return the Celery task id of a shard, by its job's reference."""
    return f"{ref}.{index}"


#: The longest task id, and a bound for those that others write.
MOST_TASK_ID_LETTERS: Final = 256
_TASK_ID: Final = re.compile(
    rf"((?:[A-Za-z0-9._@-]{{1,{MOST_TENANT_LETTERS}}}/)?[0-9A-Za-z_-]{{1,128}})\.([0-9]{{1,7}})", re.ASCII
)


def shard_of(task_id: str) -> tuple[str, int] | None:
    """Return the job's reference and the index of a task's shard.

    It is ``None`` if no shard has the task id.
    """
    found = _TASK_ID.fullmatch(task_id)
    return (found[1], int(found[2])) if found else None
