# SPDX-License-Identifier: Apache-2.0
"""The Celery message that asks for a shard to be run."""

from __future__ import annotations

from typing import Any

from qfleet.wire.messages.work import RUN_SHARD
from qfleet.wire.redis.keys import QUEUE
from qfleet.wire.redis.states import task_id


def send_shard(app: Any, job_id: str, index: int, **options: Any) -> None:
    """Put a shard's message on the queue. Raises kombu's errors.

    Args:
        app: the Celery app.
        job_id: the job.
        index: the index of the shard.
        options: those of ``Celery.send_task``.
    """
    app.send_task(
        RUN_SHARD,
        args=(job_id, index),
        task_id=task_id(job_id, index),
        queue=QUEUE,
        ignore_result=True,
        retry=False,
        **options,
    )
