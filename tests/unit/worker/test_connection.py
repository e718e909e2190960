# SPDX-License-Identifier: Apache-2.0
"""A worker doesn't stay away for long after its Redis is there again."""

from __future__ import annotations

from typing import Any

import kombu.connection
import pytest
from celery import Celery

from qfleet_worker.connection import RECONNECT_SECONDS, Messaging


def test_pauses_between_attempts_to_connect_stay_short(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    def try_again(*arguments: Any, **_: Any) -> None:
        *_, start, step, longest, _callback = arguments
        pauses.extend([start, step, longest])

    monkeypatch.setattr(kombu.connection, "retry_over_time", try_again)
    app = Celery("test", broker="redis://localhost:1", set_as_current=False, amqp=Messaging)
    app.connection_for_read().ensure_connection(None, None, callback=None)
    assert pauses[2] == RECONNECT_SECONDS
    assert pauses[0] <= RECONNECT_SECONDS
