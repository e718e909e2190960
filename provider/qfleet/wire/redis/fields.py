# SPDX-License-Identifier: Apache-2.0
"""Fields of hashes in Redis."""

from __future__ import annotations

from typing import Final


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
    #: circuits and bytes that count among what its tenant has queued
    COUNTED: Final = "counted"
    #: 1 if the work of each shard is small enough to come with the choice of the shard
    INLINE: Final = "inline"
    #: 1 if its tenant may run only some shards at once
    LIMITED: Final = "limited"
    #: the quota that it would have exceeded, the figure and the limit
    REFUSED: Final = "refused"

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
    #: 1 if ``qfleet:quotas`` must be read
    QUOTAS: Final = "quotas"

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
