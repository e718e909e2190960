# SPDX-License-Identifier: Apache-2.0
"""The client's only access to Redis and Celery: the ledger of jobs, publishing, waiting, cancelling."""

from qfleet.queue.connection import Connection
from qfleet.queue.facts import Facts, gather_facts
from qfleet.queue.hub import Hub
from qfleet.queue.ledger import Ledger, NewJob
from qfleet.queue.listener import CoroutineListener, Listener, ThreadListener
from qfleet.queue.record import CircuitRecord, JobRecord, PubRecord, lost_metadata
from qfleet.queue.sending import publish, send
from qfleet.queue.snapshot import JobSummary, Snapshot
from qfleet.wire.broker import redact

__all__ = [
    "CircuitRecord",
    "Connection",
    "CoroutineListener",
    "Facts",
    "Hub",
    "JobRecord",
    "JobSummary",
    "Ledger",
    "Listener",
    "NewJob",
    "PubRecord",
    "Snapshot",
    "ThreadListener",
    "gather_facts",
    "lost_metadata",
    "publish",
    "redact",
    "send",
]
