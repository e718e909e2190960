# SPDX-License-Identifier: Apache-2.0
"""Every Redis key that qfleet uses. Nobody else formats a key.

``qfleet:jobs``
    zset: job ids by time of creation (seconds since the epoch). An id whose ledger is gone belongs to an expired job.
``qfleet:job:<id>``
    hash: the ledger of a job, see `JobField`.
``qfleet:job:<id>:shards``
    hash: per shard ``<index>:state``, ``<index>:attempts`` and ``<index>:owner``; per circuit that is cut into blocks
    of shots ``blocks:<circuit>``, how many of them ran.
``qfleet:job:<id>:work``
    hash: shard index -> `qfleet.wire.shard.ShardWork`.
``qfleet:job:<id>:programs``
    hash: content hash -> `qfleet.wire.program.Program`.
``qfleet:job:<id>:results``
    hash: shard index -> `qfleet.wire.shard.ShardResult`.
``qfleet:job:<id>:events``
    channel: a message at every move of a shard, ``moved``, or ``ended`` with the job's last.
``qfleet:workers``
    hash: worker name -> `qfleet.wire.presence.Presence` as JSON.
``qfleet:celery-task-meta-<task id>``
    string: the shard's record in Celery's result backend, written by our scripts.
``qfleet:shards``
    list: the Celery queue. kombu keeps ``qfleet:unacked*`` and ``qfleet:_kombu*`` beside it.

All keys of a job expire together, a retention time after its last shard ended.
"""

from __future__ import annotations

from typing import Final

#: In front of every key, Celery's and kombu's too, so that other applications can use the same database.
PREFIX: Final = "qfleet:"
QUEUE: Final = "shards"
JOBS: Final = f"{PREFIX}jobs"
WORKERS: Final = f"{PREFIX}workers"
#: What Celery's result backend puts before a task id.
CELERY_META: Final = f"{PREFIX}celery-task-meta-"


class JobField:
    """Fields of the ledger, a job's hash."""

    BACKEND: Final = "backend"
    #: seconds since the epoch
    CREATED: Final = "created"
    ENDED: Final = "ended"
    #: seconds that the job is kept after it ended
    RETENTION: Final = "retention"
    CIRCUITS: Final = "circuits"
    SHARDS: Final = "shards"
    #: JSON list of strings
    TAGS: Final = "tags"
    #: what only clients read: `qfleet.queue.record.JobRecord`
    RECORD: Final = "record"
    #: circuits that ran
    CIRCUITS_DONE: Final = "circuits_done"
    #: text of the first error
    ERROR: Final = "error"

    @staticmethod
    def count(state: str) -> str:
        """The field that holds how many shards are in a state."""
        return f"n:{state}"


def job(job_id: str) -> str:
    """The ledger of a job."""
    return f"{PREFIX}job:{job_id}"


def shards(job_id: str) -> str:
    """The states of a job's shards."""
    return f"{PREFIX}job:{job_id}:shards"


def work(job_id: str) -> str:
    """What each shard has to do."""
    return f"{PREFIX}job:{job_id}:work"


def programs(job_id: str) -> str:
    """The programs of a job's circuits."""
    return f"{PREFIX}job:{job_id}:programs"


def results(job_id: str) -> str:
    """What the shards gave."""
    return f"{PREFIX}job:{job_id}:results"


def events(job_id: str) -> str:
    """The channel on which the job's moves are told."""
    return f"{PREFIX}job:{job_id}:events"


def of_job(job_id: str) -> tuple[str, str, str, str, str]:
    """The five keys of a job, in the order in which the scripts take them."""
    return job(job_id), shards(job_id), work(job_id), programs(job_id), results(job_id)


def celery_meta(task_id: str) -> str:
    """The record that ``AsyncResult(task_id)`` reads."""
    return CELERY_META + task_id
