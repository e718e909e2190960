# SPDX-License-Identifier: Apache-2.0
"""The Redis keys of qfleet. No other module formats a key.

``qfleet:jobs``
    zset: job ids by time of creation (seconds since the epoch). An id whose ledger is gone belongs to an expired job.
``qfleet:ids``
    zset: the same ids, all with the score 0, so that they are in alphabetical order.
``qfleet:trimmed``
    string: the number of these ids that were looked at when ids of expired jobs were last removed.
``qfleet:active``
    zset: ids of jobs with shards left to run, by time of creation.
``qfleet:job:<id>``
    hash: the ledger of a job, see `JobField`.
``qfleet:job:<id>:shards``
    hash: for each shard ``<index>:<field>``, see `ShardField`; for each circuit that is cut into blocks of shots
    ``blocks:<circuit>``, the number of its blocks that ran.
``qfleet:job:<id>:work``
    hash: shard index -> `qfleet.wire.messages.work.ShardWork`.
``qfleet:job:<id>:programs``
    hash: content hash -> `qfleet.wire.program.program.Program`.
``qfleet:job:<id>:results``
    hash: shard index -> `qfleet.wire.messages.result.ShardResult`.
``qfleet:job:<id>:events``
    channel: a message at every move of a shard: ``moved``, or ``ended`` at the job's last move.
``qfleet:program:<content hash>``
    string: a program that several jobs had; it expires some time after its last use.
``qfleet:workers``
    hash: worker name -> `qfleet.wire.messages.presence.Presence` as JSON.
``qfleet:reconciler``
    string: the worker that last looked for lost shards; it expires when another worker may look.
``qfleet:in-memory``
    string: exists if a local fleet keeps its jobs in memory on purpose.
``qfleet:celery-task-meta-<task id>``
    string: a shard's record in Celery's own result backend, left by workers of version 0.1.
``qfleet:shards``
    list: the Celery queue. kombu keeps ``qfleet:_kombu*`` beside it.

All keys of a job expire together, a retention time after its last shard has ended.
"""

from __future__ import annotations

from typing import Final

#: The beginning of every key, also of Celery's and kombu's, so that other applications can use the same database.
PREFIX: Final = "qfleet:"
QUEUE: Final = "shards"
JOBS: Final = f"{PREFIX}jobs"
IDS: Final = f"{PREFIX}ids"
ACTIVE: Final = f"{PREFIX}active"
TRIMMED: Final = f"{PREFIX}trimmed"
RECONCILER: Final = f"{PREFIX}reconciler"
WORKERS: Final = f"{PREFIX}workers"
IN_MEMORY: Final = f"{PREFIX}in-memory"
#: The text that Celery's result backend puts before a task id.
CELERY_META: Final = f"{PREFIX}celery-task-meta-"


class JobField:
    """Fields of the ledger, a job's hash."""

    BACKEND: Final = "backend"
    #: seconds since the epoch
    CREATED: Final = "created"
    ENDED: Final = "ended"
    #: seconds that the job is kept after it ended
    RETENTION: Final = "retention"
    #: the output of each circuit: `qfleet.wire.messages.request.Output`
    OUTPUT: Final = "output"
    CIRCUITS: Final = "circuits"
    SHARDS: Final = "shards"
    #: JSON list of strings
    TAGS: Final = "tags"
    #: the data that only clients read: `qfleet.ledger.record.JobRecord`
    RECORD: Final = "record"
    #: the number of circuits that have run
    CIRCUITS_DONE: Final = "circuits_done"
    #: text of the first error
    ERROR: Final = "error"
    #: the time when every shard's message was on the queue, in seconds since the epoch by the clock of Redis
    PUBLISHED: Final = "published"
    #: cancelled shards whose process is still alive
    STOPPING: Final = "stopping"

    @staticmethod
    def count(state: str) -> str:
        """Return the field with the number of shards in a state."""
        return f"n:{state}"


class ShardField:
    """Fields of a shard.

    All but the state may be absent.
    """

    STATE: Final = "state"
    #: the number of times that the shard was taken
    ATTEMPTS: Final = "attempts"
    #: the attempt that took it last: ``<worker>/<process id>/<token>``
    OWNER: Final = "owner"
    #: the reason why the process that had it died
    CAUSE: Final = "cause"
    #: the circuit that is being run, and (``deaths:<circuit>``) the number of processes that died running it
    CIRCUIT: Final = "circuit"
    DEATHS: Final = "deaths"
    #: 1 if its worker was told to stop while it ran: if the worker is then killed, the attempt isn't counted
    EXCUSED: Final = "excused"
    #: 1 if it was cancelled and its process is still alive
    STOPPING: Final = "stopping"
    #: the time since when no worker has it, and the number of times that it was published again
    MISSED: Final = "missed"
    AGAIN: Final = "again"
    #: the numbers that a failed shard added to the count of circuits done, as JSON
    COUNTED: Final = "counted"

    @staticmethod
    def of(index: int, field: str) -> str:
        """Return the field of one shard."""
        return f"{index}:{field}"


def job(job_id: str) -> str:
    """Return the key of a job's ledger."""
    return f"{PREFIX}job:{job_id}"


def shards(job_id: str) -> str:
    """Return the key of the states of a job's shards."""
    return f"{PREFIX}job:{job_id}:shards"


def work(job_id: str) -> str:
    """Return the key of the work of a job's shards."""
    return f"{PREFIX}job:{job_id}:work"


def programs(job_id: str) -> str:
    """Return the key of the programs of a job's circuits."""
    return f"{PREFIX}job:{job_id}:programs"


def program(name: str) -> str:
    """Return the key of a program that several jobs had.

    Args:
        name: the program's content hash.
    """
    return f"{PREFIX}program:{name}"


def results(job_id: str) -> str:
    """Return the key of the results of a job's shards."""
    return f"{PREFIX}job:{job_id}:results"


def events(job_id: str) -> str:
    """Return the channel that announces the moves of a job's shards."""
    return f"{PREFIX}job:{job_id}:events"


def of_job(job_id: str) -> tuple[str, str, str, str, str]:
    """Return the five keys of a job."""
    return job(job_id), shards(job_id), work(job_id), programs(job_id), results(job_id)


def of_script(job_id: str) -> tuple[str, ...]:
    """Return the keys that every script takes."""
    return *of_job(job_id), WORKERS, ACTIVE, f"{PREFIX}{QUEUE}"


def celery_meta(task_id: str) -> str:
    """Return the key of the record that ``AsyncResult(task_id)`` reads."""
    return CELERY_META + task_id


def job_of(key: str) -> str | None:
    """Return the id of the job that a key belongs to.

    It is ``None`` for a key of no job.
    """
    prefix = f"{PREFIX}job:"
    if key.startswith(prefix):
        return key.removeprefix(prefix).partition(":")[0]
    if key.startswith(CELERY_META):
        return key.removeprefix(CELERY_META).rpartition(".")[0]
    return None
