# SPDX-License-Identifier: Apache-2.0
"""The client's only access to Redis and Celery.

It has the ledger of jobs, and publishes, waits and cancels. Not public.
"""

from qfleet.ledger.connection import Connection
from qfleet.ledger.facts import Facts, gather_facts
from qfleet.ledger.hub import EventHub
from qfleet.ledger.ledger import Ledger
from qfleet.ledger.listener import CoroutineListener, Listener, ThreadListener
from qfleet.ledger.new_job import LargestNeed, NewJob
from qfleet.ledger.record import CircuitRecord, JobRecord, NoiseRecord, PubRecord, lost_metadata
from qfleet.ledger.sending import Sent, publish, send
from qfleet.ledger.snapshot import JobSummary, Snapshot
from qfleet.ledger.ticket import End, Ticket
from qfleet.wire.redis.broker import redact

__all__ = [
    "CircuitRecord",
    "Connection",
    "CoroutineListener",
    "End",
    "EventHub",
    "Facts",
    "JobRecord",
    "JobSummary",
    "LargestNeed",
    "Ledger",
    "Listener",
    "NewJob",
    "NoiseRecord",
    "PubRecord",
    "Sent",
    "Snapshot",
    "ThreadListener",
    "Ticket",
    "gather_facts",
    "lost_metadata",
    "publish",
    "redact",
    "send",
]
