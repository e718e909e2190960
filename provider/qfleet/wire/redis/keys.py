# SPDX-License-Identifier: Apache-2.0
"""The Redis keys of qfleet. No other module formats a key.

A job belongs to a tenant, and so do its keys: they begin with ``qfleet:{<tenant>}:``, braces included. Those of clients
of version 0.1 begin with ``qfleet:`` alone. A job's *reference* is ``<tenant>/<id>``, or the bare id of such a job.
The keys of the whole fleet have references and, of shards, ``<reference>.<index>``: their task ids.

The keys of a tenant, which a Redis user of that tenant may read:

``qfleet:{<tenant>}:jobs``
    zset: job ids by time of creation (seconds since the epoch). An id whose ledger is gone belongs to an expired job.
``qfleet:{<tenant>}:ids``
    zset: the same ids, all with the score 0, so that they are in alphabetical order. ``qfleet:{<tenant>}:trimmed`` is
    the number of these that were looked at when ids of expired jobs were last removed.
``qfleet:{<tenant>}:job:<id>``
    hash: the ledger of a job, see `JobField`.
``qfleet:{<tenant>}:job:<id>:shards``
    hash: for each shard ``<index>:<field>``, see `ShardField`; for each circuit that is cut into blocks of shots
    ``blocks:<circuit>``, the number of its blocks that ran.
``qfleet:{<tenant>}:job:<id>:work``, ``...:programs``, ``...:results``
    hash: shard index -> `qfleet.wire.messages.work.ShardWork`; content hash -> `qfleet.wire.program.program.Program`;
    shard index -> `qfleet.wire.messages.result.ShardResult`.
``qfleet:{<tenant>}:job:<id>:again``
    zset: indices of shards that were put back, to be chosen before those that never ran; the score is the index.
``qfleet:{<tenant>}:job:<id>:events``
    channel: messages for those that wait for a job that another process sent: ``moved`` or ``ended``, at the job's last
    move. There are none unless the ledger says that somebody listens.
``qfleet:{<tenant>}:client:<client>``
    channel: the same messages for the process that sent a job, with the job's reference behind them. For a job with one
    shard and a small result, the times of its end and its beginning, its core seconds and the result follow.
``qfleet:{<tenant>}:program:<content hash>``
    string: a program that several jobs had; it expires some time after its last use.

Those that a user of that tenant may write, too:

``qfleet:{<tenant>}:in:job:<id>``, ``...:work``, ``...:programs``
    hash: a job that no worker has admitted yet, as its keys above.
``qfleet:{<tenant>}:in:box``, ``qfleet:{<tenant>}:in:answer:<token>``
    list: the inbox, what the tenant wants of workers, see `qfleet.wire.messages.wish`; a worker's answer.

The keys of the whole fleet:

``qfleet:inboxes``
    set: tenants with something in their inbox. The list ``qfleet:bell`` gets an entry each time: it rings for a worker.
``qfleet:tenants``
    set: tenants that have or had jobs.
``qfleet:unfinished``, ``qfleet:active``
    zset: references of jobs with shards left to run, by time of creation; the same of jobs from clients of version 0.1,
    whose messages name the shard to run.
``qfleet:sched``
    hash: what is known of all the shards that wait, see `SchedField`.
``qfleet:ready:<tier>``
    zset: tenant -> virtual time (core seconds / weight), of tenants that have shards of this tier to choose.
``qfleet:ready:<tier>:<tenant>``
    zset: reference -> predicted seconds left, by weight and age; of jobs with shards of this tier to choose.
``qfleet:vt``, ``qfleet:weights``
    hash: tenant -> virtual time, of tenants without shards to choose; tenant -> its share's weight, where that isn't 1.
``qfleet:used``
    hash: tenant -> core seconds that its jobs have used; of very many tenants, those with the most.
``qfleet:quotas``, ``qfleet:queued``
    hash: ``running:<tenant>``, ``circuits:<tenant>``, ``bytes:<tenant>`` -> the most that the tenant may have; the same
    but for the first, of tenants with quotas: what their jobs have that haven't ended.
``qfleet:running:<tenant>``
    set: task ids of the shards that run, of a tenant that may run only some at once.
``qfleet:tokens:<tier>``
    list: an empty string for each shard of this tier that can be chosen. A worker that pops one chooses a shard.
``qfleet:wake:<worker>``
    list: an empty string ends this worker's wait for a token.
``qfleet:started``
    zset: task id of each shard that runs, or is being stopped, by the time of its start.
``qfleet:cancelling``, ``qfleet:unplaceable``
    set, zset: references of jobs that are being cancelled, and of those that no worker can hold by the time since when.
``qfleet:workers``, ``qfleet:holds``
    hash: worker name -> `qfleet.wire.messages.presence.Presence` as JSON; the task ids of the shards that it holds.
``qfleet:draining``, ``qfleet:reconciler``
    set, string: workers that shall take no more shards; the worker that last looked for lost shards, until another may.
``qfleet:in-memory``, ``qfleet:celery-task-meta-<task id>``
    string: exists if a local fleet keeps its jobs in memory on purpose; a shard's record of a worker of version 0.1.
``qfleet:shards``
    list: the Celery queue. kombu keeps ``qfleet:_kombu*`` beside it.

All keys of a job expire together, a retention time after its last shard has ended.
"""

from __future__ import annotations

import re
from typing import Final

from qfleet.wire.redis.references import is_tenant, parts_of, reference

#: The beginning of every key, also of Celery's and kombu's, so that other applications can use the same database.
PREFIX: Final = "qfleet:"
QUEUE: Final = "shards"
INBOXES: Final = f"{PREFIX}inboxes"
BELL: Final = f"{PREFIX}bell"
TENANTS: Final = f"{PREFIX}tenants"
UNFINISHED: Final = f"{PREFIX}unfinished"
ACTIVE: Final = f"{PREFIX}active"
SCHED: Final = f"{PREFIX}sched"
#: The text before a tier, or a tier, a colon and a tenant.
READY: Final = f"{PREFIX}ready:"
VT: Final = f"{PREFIX}vt"
WEIGHTS: Final = f"{PREFIX}weights"
USED: Final = f"{PREFIX}used"
QUOTAS: Final = f"{PREFIX}quotas"
QUEUED: Final = f"{PREFIX}queued"
#: The text before a tenant.
RUNNING: Final = f"{PREFIX}running:"
#: The text before a tier.
TOKENS: Final = f"{PREFIX}tokens:"
STARTED: Final = f"{PREFIX}started"
CANCELLING: Final = f"{PREFIX}cancelling"
UNPLACEABLE: Final = f"{PREFIX}unplaceable"
RECONCILER: Final = f"{PREFIX}reconciler"
WORKERS: Final = f"{PREFIX}workers"
HOLDS: Final = f"{PREFIX}holds"
DRAINING: Final = f"{PREFIX}draining"
IN_MEMORY: Final = f"{PREFIX}in-memory"
#: The text that Celery's result backend puts before a task id.
CELERY_META: Final = f"{PREFIX}celery-task-meta-"

#: What `JobField.HELD` is of a job that is being cancelled, and of one that was paused.
CANCELLED: Final = "cancelled"
PAUSED: Final = "paused"

#: A key of a job: its tenant if it has one, its id.
_OF_JOB: Final = re.compile(rf"{PREFIX}(?:{{([^}}]*)}}:)?job:([^:]*)", re.DOTALL)


def home(tenant: str) -> str:
    """Return the text before a tenant's keys, or version 0.1's."""
    return f"{PREFIX}{{{tenant}}}:" if tenant else PREFIX


def jobs(tenant: str) -> str:
    """Return the key of a tenant's job ids by time."""
    return f"{home(tenant)}jobs"


def ids(tenant: str) -> str:
    """Return the key of a tenant's job ids by name."""
    return f"{home(tenant)}ids"


def trimmed(tenant: str) -> str:
    """Return the key of the place where ids were last removed."""
    return f"{home(tenant)}trimmed"


def inbox(tenant: str) -> str:
    """Return the key of what a tenant wants of workers."""
    return f"{home(tenant)}in:box"


def answer(tenant: str, token: str) -> str:
    """Return the key of a worker's answer to a tenant."""
    return f"{home(tenant)}in:answer:{token}"


def incoming(ref: str) -> str:
    """Return the key of a job that no worker has admitted yet."""
    tenant, job_id = parts_of(ref)
    return f"{home(tenant)}in:job:{job_id}"


def job(ref: str) -> str:
    """Return the key of a job's ledger, by the job's reference."""
    tenant, job_id = parts_of(ref)
    return f"{home(tenant)}job:{job_id}"


def shards(ref: str) -> str:
    """Return the key of the states of a job's shards."""
    return f"{job(ref)}:shards"


def work(ref: str) -> str:
    """Return the key of the work of a job's shards."""
    return f"{job(ref)}:work"


def programs(ref: str) -> str:
    """Return the key of the programs of a job's circuits."""
    return f"{job(ref)}:programs"


def program(tenant: str, name: str) -> str:
    """Return the key of a tenant's program, by its content hash."""
    return f"{home(tenant)}program:{name}"


def results(ref: str) -> str:
    """Return the key of the results of a job's shards."""
    return f"{job(ref)}:results"


def events(ref: str) -> str:
    """Return the channel that tells other processes of a job's moves."""
    return f"{job(ref)}:events"


def client(tenant: str, name: str) -> str:
    """Return the channel that tells a client of its jobs."""
    return f"{home(tenant)}client:{name}"


def of_job(ref: str) -> tuple[str, str, str, str, str]:
    """Return the five keys of a job."""
    return job(ref), shards(ref), work(ref), programs(ref), results(ref)


def again(ref: str) -> str:
    """Return the key of a job's shards that were put back."""
    return f"{job(ref)}:again"


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
    """Return the reference of the job that a key belongs to.

    It is ``None`` for a key of no job.
    """
    found = _OF_JOB.match(key)
    if found:
        return reference(found[1] or "", found[2])
    if key.startswith(CELERY_META):
        return key.removeprefix(CELERY_META).rpartition(".")[0]
    return None
