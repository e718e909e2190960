# SPDX-License-Identifier: Apache-2.0
"""Workers that take no more shards, and finish those that they have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qfleet.errors import InvalidOptionError
from qfleet.wire.messages.presence import Presence
from qfleet.wire.redis import keys


def worker_called(name: str, workers: Iterable[Presence]) -> str:
    """Return the whole name of a worker that is up.

    Args:
        name: the name, or a beginning that no other worker's name has.
        workers: the workers that are up.

    Raises:
        InvalidOptionError: no worker, or more than one, has this name.
    """
    names = [worker.name for worker in workers]
    found = [each for each in names if each.startswith(name)] if name else []
    if name in names or len(found) == 1:
        return name if name in names else found[0]
    text = (
        f"the names of several workers begin with {name!r}: {', '.join(found)}; give more characters"
        if found
        else f"no worker that is up has a name that begins with {name!r}; `qfleet workers` lists them"
    )
    raise InvalidOptionError(text, option="worker", value=name)


def set_draining(client: Any, worker: str, *, draining: bool) -> None:
    """Set whether a worker takes shards. Raises redis-py's errors.

    Args:
        client: a ``redis.Redis``.
        worker: its whole name.
        draining: False to let it take shards again.
    """
    change = client.sadd if draining else client.srem
    change(keys.DRAINING, worker)
