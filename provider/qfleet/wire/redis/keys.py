# SPDX-License-Identifier: Apache-2.0
"""The Redis keys of qfleet. No other module formats a key.

``qfleet:jobs``
    zset: job ids by time of creation (seconds since the epoch). An id whose ledger is gone belongs to an expired job.
``qfleet:ids``
    zset: the same ids, all with the score 0, so that they are in alphabetical order.
``qfleet:trimmed``
    string: the number of these ids that were looked at when ids of expired jobs were last removed.
``qfleet:unfinished``
    zset: ids of jobs with shards left to run, by time of creation.
``qfleet:active``
    zset: the same of jobs from clients of version 0.1, whose messages name the shard to run.
``qfleet:sched``
    hash: what is known of all the shards that wait, see `SchedField`.
``qfleet:ready:<tier>``
    zset: tenant -> virtual time (core seconds / weight), of tenants that have shards of this tier to choose.
``qfleet:ready:<tier>:<tenant>``
    zset: job id -> predicted seconds left, by weight and age; of jobs with shards of this tier to choose.
``qfleet:vt``
    hash: tenant -> virtual time, of tenants without shards to choose.
``qfleet:weights``
    hash: tenant -> its share's weight, where that isn't 1.
``qfleet:used``
    hash: tenant -> core seconds that its jobs have used; of very many tenants, those with the most.
``qfleet:tokens:<tier>``
    list: an empty string for each shard of this tier that can be chosen. A worker that pops one chooses a shard.
``qfleet:wake:<worker>``
    list: an empty string ends this worker's wait for a token.
``qfleet:started``
    zset: task id of each shard that runs, or is being stopped, by the time of its start.
``qfleet:cancelling``
    set: ids of jobs whose shards are being cancelled.
``qfleet:unplaceable``
    zset: ids of jobs that no worker can hold, by the time since when.
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
``qfleet:job:<id>:again``
    zset: indices of shards that were put back, to be chosen before those that never ran; the score is the index.
``qfleet:job:<id>:events``
    channel: messages for those that wait for a job that another process sent: ``moved`` or ``ended``, at the job's last
    move. There are none unless the ledger says that somebody listens.
``qfleet:client:<client>``
    channel: the same messages for the process that sent a job, with the job's id behind them. For a job with one shard
    and a small result, the times of its end and its beginning, its core seconds and the result follow.
``qfleet:program:<content hash>``
    string: a program that several jobs had; it expires some time after its last use.
``qfleet:workers``
    hash: worker name -> `qfleet.wire.messages.presence.Presence` as JSON.
``qfleet:draining``
    set: names of workers that shall take no more shards.
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

import re
from typing import Final

#: The beginning of every key, also of Celery's and kombu's, so that other applications can use the same database.
PREFIX: Final = "qfleet:"
QUEUE: Final = "shards"
JOBS: Final = f"{PREFIX}jobs"
IDS: Final = f"{PREFIX}ids"
UNFINISHED: Final = f"{PREFIX}unfinished"
ACTIVE: Final = f"{PREFIX}active"
SCHED: Final = f"{PREFIX}sched"
#: The text before a tier, or a tier, a colon and a tenant.
READY: Final = f"{PREFIX}ready:"
VT: Final = f"{PREFIX}vt"
WEIGHTS: Final = f"{PREFIX}weights"
USED: Final = f"{PREFIX}used"
#: The text before a tier.
TOKENS: Final = f"{PREFIX}tokens:"
STARTED: Final = f"{PREFIX}started"
CANCELLING: Final = f"{PREFIX}cancelling"
UNPLACEABLE: Final = f"{PREFIX}unplaceable"
TRIMMED: Final = f"{PREFIX}trimmed"
RECONCILER: Final = f"{PREFIX}reconciler"
WORKERS: Final = f"{PREFIX}workers"
DRAINING: Final = f"{PREFIX}draining"
IN_MEMORY: Final = f"{PREFIX}in-memory"
#: The text that Celery's result backend puts before a task id.
CELERY_META: Final = f"{PREFIX}celery-task-meta-"
#: The text before a job's id.
JOB: Final = f"{PREFIX}job:"

#: The text before a client's name.
CLIENT: Final = f"{PREFIX}client:"

#: What `JobField.HELD` is of a job that is being cancelled, and of one that was paused.
CANCELLED: Final = "cancelled"
PAUSED: Final = "paused"

MOST_TENANT_LETTERS: Final = 64
_TENANT: Final = re.compile(rf"[A-Za-z0-9._@-]{{1,{MOST_TENANT_LETTERS}}}", re.ASCII)


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
    #: the tiers that its shards belong to, ascending, with a space between; absent from jobs of version 0.1
    TIERS: Final = "tiers"
    TENANT: Final = "tenant"
    #: the weight among the tenant's jobs: 8, 2 or 1
    WEIGHT: Final = "weight"
    #: the reason why no shard of it is chosen: ``cancelled``, ``paused``, or the text that tells why no worker can
    HELD: Final = "held"
    #: the time when its first shard began, in seconds since the epoch, by a worker's copy of Redis's clock
    BEGAN: Final = "began"
    #: core seconds that its shards have used, and the part of them that its tenant's account has
    USAGE: Final = "usage"
    BILLED: Final = "billed"
    #: the name of the client that sent it, which hears of its end; absent from jobs of version 0.1
    LISTENER: Final = "listener"
    #: 1 if others listen to the job's own channel
    HEARD: Final = "heard"
    #: 1 if somebody wants to hear of each move, not only of the last
    MOVES: Final = "moves"

    @staticmethod
    def count(state: str) -> str:
        """Return the field with the number of shards in a state."""
        return f"n:{state}"

    @staticmethod
    def of_tier(tier: int, name: str) -> str:
        """Return the field of one tier: one of `TierField`."""
        return f"t{tier}:{name}"


class TierField:
    """Fields of a tier in a job's ledger; see `JobField.of_tier`."""

    #: the tier's shards are those from the first up to the end, without the end
    FIRST: Final = "first"
    END: Final = "end"
    #: the first shard that was never chosen
    NEXT: Final = "next"
    #: the number of shards that were put back, in ``qfleet:job:<id>:again``
    AGAIN: Final = "again"
    #: bytes that each of them may need, on the faster engine and on the slower one
    NEED: Final = "need"
    SLOW: Final = "slow"
    #: predicted core seconds of one of them
    SECONDS: Final = "seconds"
    #: predicted core seconds of the longest one; absent if all are alike
    LONGEST: Final = "longest"
    #: qubits of their widest circuit
    QUBITS: Final = "qubits"


class SchedField:
    """Fields of ``qfleet:sched``."""

    #: virtual time of the tenant that was served last
    NOW: Final = "now"
    #: 1 if ``qfleet:weights`` must be read
    WEIGHTED: Final = "weighted"

    @staticmethod
    def waiting(tier: int) -> str:
        """Return the field with the number of a tier's waiting shards."""
        return f"waiting:{tier}"

    @staticmethod
    def served(tier: int) -> str:
        """Return the field with the time of a tier's last choice."""
        return f"served:{tier}"

    @staticmethod
    def reserved(tier: int) -> str:
        """Return the field of memory kept for a tier: ``<until> <bytes> <worker>``."""
        return f"reserved:{tier}"


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
    #: the error of a failed shard without a result
    ERROR: Final = "error"
    #: the circuits that have a field of deaths, with spaces between
    DIED: Final = "died"

    @staticmethod
    def of(index: int, field: str) -> str:
        """Return the field of one shard."""
        return f"{index}:{field}"


def job(job_id: str) -> str:
    """Return the key of a job's ledger."""
    return f"{JOB}{job_id}"


def shards(job_id: str) -> str:
    """Return the key of the states of a job's shards."""
    return f"{JOB}{job_id}:shards"


def work(job_id: str) -> str:
    """Return the key of the work of a job's shards."""
    return f"{JOB}{job_id}:work"


def programs(job_id: str) -> str:
    """Return the key of the programs of a job's circuits."""
    return f"{JOB}{job_id}:programs"


def program(name: str) -> str:
    """Return the key of a program that several jobs had.

    Args:
        name: the program's content hash.
    """
    return f"{PREFIX}program:{name}"


def results(job_id: str) -> str:
    """Return the key of the results of a job's shards."""
    return f"{JOB}{job_id}:results"


def events(job_id: str) -> str:
    """Return the channel that tells other processes of a job's moves."""
    return f"{JOB}{job_id}:events"


def client(name: str) -> str:
    """Return the channel that tells a client of its jobs."""
    return f"{CLIENT}{name}"


def of_job(job_id: str) -> tuple[str, str, str, str, str]:
    """Return the five keys of a job."""
    return job(job_id), shards(job_id), work(job_id), programs(job_id), results(job_id)


def again(job_id: str) -> str:
    """Return the key of a job's shards that were put back."""
    return f"{JOB}{job_id}:again"


def ready(tier: int, tenant: str = "") -> str:
    """Return the key of a tier's tenants, or of a tenant's jobs.

    Raises:
        ValueError: no tenant has this name.
    """
    if not tenant:
        return f"{READY}{tier}"
    if not is_tenant(tenant):
        raise ValueError(f"no tenant is called {tenant!r}")
    return f"{READY}{tier}:{tenant}"


def is_tenant(name: str) -> bool:
    """Tell whether a tenant may have this name."""
    return _TENANT.fullmatch(name) is not None


def tokens(tier: int) -> str:
    """Return the key of the tokens of a tier."""
    return f"{TOKENS}{tier}"


def wake(worker: str) -> str:
    """Return the key of the list that wakes a worker."""
    return f"{PREFIX}wake:{worker}"


def celery_meta(task_id: str) -> str:
    """Return the key of the record that ``AsyncResult(task_id)`` reads."""
    return CELERY_META + task_id


def job_of(key: str) -> str | None:
    """Return the id of the job that a key belongs to.

    It is ``None`` for a key of no job.
    """
    if key.startswith(JOB):
        return key.removeprefix(JOB).partition(":")[0]
    if key.startswith(CELERY_META):
        return key.removeprefix(CELERY_META).rpartition(".")[0]
    return None
