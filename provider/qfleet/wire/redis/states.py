# SPDX-License-Identifier: Apache-2.0
"""The states of a shard, and Celery's record of them.

``AsyncResult`` reads the record. A shard's state is a Celery state. The scripts in ``lua/`` are the only writers, and
make the moves of `MOVES` only::

       +---------- retry ----------------------+
       v                                       |
    PENDING ---take---> STARTED ---finish---> FAILURE, SUCCESS
       |  ^                |
       |  +----------------+  release (its worker stops), stopped (its process died), reconcile (its worker is gone)
       +----- cancel ------+--------------> REVOKED
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal

ShardState = Literal["PENDING", "STARTED", "SUCCESS", "FAILURE", "REVOKED"]
SHARD_STATES: Final[tuple[ShardState, ...]] = ("PENDING", "STARTED", "SUCCESS", "FAILURE", "REVOKED")
FINAL_STATES: Final[frozenset[ShardState]] = frozenset({"SUCCESS", "FAILURE", "REVOKED"})

#: The states that a shard may move to from each.
MOVES: Final[Mapping[ShardState, frozenset[ShardState]]] = {
    "PENDING": frozenset({"STARTED", "REVOKED"}),
    "STARTED": frozenset({"PENDING", "SUCCESS", "FAILURE", "REVOKED"}),
    "SUCCESS": frozenset(),
    "FAILURE": frozenset({"PENDING"}),
    "REVOKED": frozenset(),
}


def task_id(job_id: str, index: int) -> str:
    """Return the Celery task id of a shard."""
    return f"{job_id}.{index}"


_TASK_ID: Final = re.compile(r"([0-9A-Za-z_-]{1,128})\.([0-9]{1,7})", re.ASCII)


def shard_of(task_id: str) -> tuple[str, int] | None:
    """Return the job and the index of a task's shard.

    It is ``None`` if no shard has the task id.
    """
    found = _TASK_ID.fullmatch(task_id)
    return (found[1], int(found[2])) if found else None


def celery_meta_head(state: ShardState, error: tuple[str, str] | None = None) -> str:
    """Return the start of a task's record in Celery's result backend.

    The record is JSON. The scripts end it with the task id.

    The scripts end it with the task id.

    Args:
        state: the state that the shard moves to.
        error: module-qualified type and message of the exception that ``AsyncResult.get()`` raises.
    """
    result: dict[str, object] | None = None
    if error is not None:
        module, _, name = error[0].rpartition(".")
        result = {"exc_type": name, "exc_message": [error[1]], "exc_module": module}
    meta: dict[str, object] = {
        "status": state,
        "result": result,
        "traceback": None,
        "children": [],
        "date_done": datetime.now(UTC).isoformat() if state in FINAL_STATES else None,
    }
    # The scripts append the task id and close the JSON: they may move many shards in one call.
    return json.dumps(meta)[:-1] + ', "task_id": "'
