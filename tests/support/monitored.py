# SPDX-License-Identifier: Apache-2.0
"""The commands that a real Redis gets."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import redis


@contextmanager
def monitored(client: redis.Redis, *, scripts: bool = True) -> Iterator[list[str]]:
    """Yield a list of the server's commands, filled when the block ends.

    Args:
        client: a client of the server. Commands of all clients count.
        scripts: True to include the commands that scripts run.
    """
    seen: list[str] = []
    mark = uuid.uuid4().hex
    with client.monitor() as monitor:
        # From mark to mark, so the commands of connecting don't count.
        client.echo(f"begin-{mark}")
        while f"begin-{mark}" not in monitor.next_command()["command"]:
            pass
        yield seen
        client.echo(f"end-{mark}")
        while f"end-{mark}" not in (said := monitor.next_command())["command"]:
            if scripts or said["client_type"] != "lua":
                seen.append(said["command"])
