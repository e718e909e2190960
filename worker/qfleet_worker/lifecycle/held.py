# SPDX-License-Identifier: Apache-2.0
"""The requests of the shards that this worker holds.

Celery keeps them right also over the loss of its connection.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from celery.worker import state


def held_requests() -> set[Any]:
    """Return the requests whose tasks run, or are about to."""
    while True:
        # A thread may ask while Celery's own one changes the sets.
        with suppress(RuntimeError):
            return {*state.reserved_requests, *state.active_requests}
