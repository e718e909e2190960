# SPDX-License-Identifier: Apache-2.0
"""The sending of a job and its tokens in one transaction."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final, NamedTuple

import msgspec

from qfleet.errors import BrokerError, BrokerUnreachableError, JobNotFoundError
from qfleet.ledger.connection import Connection
from qfleet.ledger.new_job import NewJob
from qfleet.ledger.record import JobRecord
from qfleet.ledger.snapshot import first_snapshot
from qfleet.ledger.ticket import Ticket
from qfleet.wire.lua import UNPUBLISHED_SECONDS
from qfleet.wire.redis.references import id_of

logger = logging.getLogger(__name__)

#: The time in which Redis is asked whether it stored a job after the connection broke.
SETTLE_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 0.2
#: Every 256th job, by its random id, removes some ids of expired jobs.
_TRIMS: Final = "00"


class Sent(NamedTuple):
    """A job that is stored."""

    #: with the time of creation by Redis's clock
    record: JobRecord
    ticket: Ticket


def send(connection: Connection, job: NewJob, *, settle_seconds: float = SETTLE_SECONDS) -> Sent:
    """Store a whole job, and let it be run.

    Args:
        connection: the connection to Redis.
        job: the job.
        settle_seconds: how long Redis is asked whether it stored the job after the connection broke.

    Raises:
        BrokerError: Redis can't be used. Nothing is stored, or the text says that this isn't known.
        CapacityError: the job's record is too large for a Redis value.
    """
    hub = connection.hub
    job = replace(job, tenant=job.tenant or connection.tenant, listener=hub.name)
    # Before it is stored: it may end at once.
    ticket = hub.expect(job.job_id)
    copies, copied = connection.repeated.among(job.programs)
    with connection.ledger() as ledger:
        if id_of(job.job_id).startswith(_TRIMS):
            ledger.trim()
        if not connection.has_sent:
            ledger.prepare()
            connection.has_sent = True
        # A connection error from here on may come after the job was stored.
        ledger.connect()
    try:
        with connection.ledger() as ledger:
            created = ledger.store(job, copies=copies, copied=copied)
    except BrokerUnreachableError as exc:
        created = _settle(connection, job, exc, settle_seconds)
    except BaseException:
        # If one command of a transaction fails, as on a key of another type, the others are done all the same.
        _take_back(connection, job.job_id)
        raise
    ticket.stored = first_snapshot(job, created)
    return Sent(msgspec.structs.replace(job.record, created=created), ticket)


def _take_back(connection: Connection, job_id: str) -> None:
    """Delete a job that isn't stored as a whole.

    Workers find nothing for its tokens then.
    """
    with suppress(BrokerError), connection.ledger() as ledger:
        ledger.take_back(job_id)


def publish(connection: Connection, job_id: str, shards: Sequence[int]) -> None:
    """Put shards of a job of version 0.1 on the queue.

    If Redis becomes unreachable, the workers do so later.

    Args:
        connection: the connection to Redis.
        job_id: the job.
        shards: the indices of the shards.

    Raises:
        BrokerError: Redis refuses them.
    """
    try:
        connection.publish(job_id, shards)
        with connection.ledger() as ledger:
            ledger.published(job_id)
    except BrokerUnreachableError as exc:
        logger.warning(
            "the connection broke while tasks of job %s went on the queue; "
            "the workers put there what is missing after %d s: %s",
            id_of(job_id),
            UNPUBLISHED_SECONDS,
            exc,
        )


def _settle(connection: Connection, job: NewJob, error: BrokerUnreachableError, seconds: float) -> float:
    """Store the rest of a job although the connection broke.

    Args:
        connection: the connection to Redis.
        job: the job.
        error: the error of the connection.
        seconds: how long Redis is asked.

    Returns:
        The time of its creation by Redis's clock, in seconds since the epoch.

    Raises:
        BrokerUnreachableError: the job wasn't stored (`error` itself), or this isn't known.
    """
    deadline, shown = time.monotonic() + seconds, id_of(job.job_id)
    while True:
        try:
            with connection.ledger() as ledger:
                return ledger.store_again(job)
        except JobNotFoundError:
            raise error from error.__cause__
        except BrokerUnreachableError as exc:
            if time.monotonic() > deadline:
                raise BrokerUnreachableError(
                    f"the connection broke while job {shown} was being stored, and whether it was is not known; "
                    f"if it was, it will run, and provider.job({shown!r}) finds it. {exc}",
                    broker=exc.broker,
                    job_id=shown,
                ) from error
            time.sleep(_PAUSE_SECONDS)
