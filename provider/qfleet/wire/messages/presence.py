# SPDX-License-Identifier: Apache-2.0
"""Presence of workers: a record for each, renewed every few seconds."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct

#: Seconds between two renewals.
PERIOD_SECONDS: Final = 3.0
#: A record older than this belongs to a worker that is gone.
STALE_SECONDS: Final = 15.0
#: The engine that every worker has, which gives the same shots as the faster one.
SLOWER_ENGINE: Final = "numpy"
#: Task ids of the shards that a worker holds.
Holds: TypeAlias = tuple[Annotated[str, Meta(max_length=256)], ...]


class Presence(Struct, frozen=True):
    """A worker's record."""

    #: its identity, new at each start: Celery's node name ``qfleet-<token>@<host>``
    name: str
    version: str
    #: shards that it runs at the same time
    concurrency: int
    #: bytes of memory that its shards may use together
    memory_bytes: int
    #: seconds since the epoch, by the clock of Redis
    seen: float
    #: the engine that runs circuits there, and the reason; empty for a worker of an older version
    engine: Annotated[str, Meta(max_length=200)] = ""
    engine_reason: Annotated[str, Meta(max_length=4096)] = ""
    #: True while a faster engine is compiled there in the background
    compiling: bool = False
    #: task ids of the shards that it has; stored apart, where tenants can't read them
    holds: Holds = ()
    #: the machine of its process ids: `qfleet.wire.messages.machine.machine_id`
    machine: str = ""
    #: the id of its main process
    process_id: int = 0
    #: cores that one shard may use; 0 for a worker of an older version
    cores: int = 0
    #: seconds that its last shards took, by the core seconds predicted; 0 if none ended yet
    pace: float = 0.0
    #: True while it takes no more shards; the script that stores the record adds it
    draining: bool = False
