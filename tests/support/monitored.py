# SPDX-License-Identifier: Apache-2.0
"""Counts what is asked of a real Redis."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import redis


@contextmanager
def monitored(client: redis.Redis, *, scripts: bool = True) -> Iterator[list[str]]:
    """Yield a list of the commands that the server gets from any client, filled when the block ends.

    `scripts`: those that scripts run too.
    """
    seen: list[str] = []
    mark = uuid.uuid4().hex
    with client.monitor() as monitor:
        # From mark to mark: what connecting takes isn't counted.
        client.echo(f"begin-{mark}")
        while f"begin-{mark}" not in monitor.next_command()["command"]:
            pass
        yield seen
        client.echo(f"end-{mark}")
        while f"end-{mark}" not in (said := monitor.next_command())["command"]:
            if scripts or said["client_type"] != "lua":
                seen.append(said["command"])
