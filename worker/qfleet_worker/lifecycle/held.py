# SPDX-License-Identifier: Apache-2.0
"""The requests that this worker holds, and whether it stops.

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
            return {*state.requests.values(), *state.reserved_requests, *state.active_requests}


def is_stopping() -> bool:
    """Tell whether this worker was told to stop."""
    # They become exit codes, of which one is 0.
    return any(told is not None and told is not False for told in (state.should_stop, state.should_terminate))
