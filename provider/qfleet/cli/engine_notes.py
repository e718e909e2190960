# SPDX-License-Identifier: Apache-2.0
"""Tells of circuits and workers that the slower engine runs, on standard error."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from qfleet.cli.terminal import echo
from qfleet.wire.messages.presence import PERIOD_SECONDS, SLOWER_ENGINE

if TYPE_CHECKING:
    from qfleet import FleetProvider

__all__ = ["follow_engines", "tell_engine"]

_HINT: Final = ". `qfleet warm` compiles the faster one, once on each machine that runs workers"


def tell_engine(result: Any) -> None:
    """Say in one line which circuits of a `qiskit.result.Result` the slower engine ran, and why."""
    said = [getattr(found, "metadata", None) or {} for found in result.results]
    reasons = {metadata["engine_reason"] for metadata in said if metadata.get("engine") == SLOWER_ENGINE}
    if reasons:
        echo(f"The slower engine, {SLOWER_ENGINE}, ran circuits: {_told(reasons)}.", err=True)


def follow_engines(provider: FleetProvider) -> None:
    """Say that workers have the slower engine, and once the faster one has been compiled there. Returns then."""
    told = ""
    while True:
        slow = [worker for worker in provider.workers() if worker.engine == SLOWER_ENGINE]
        if not slow:
            break
        why = _told({worker.engine_reason for worker in slow})
        if why != told:
            echo(f"Workers run the slower engine, {SLOWER_ENGINE}: {why}.", err=True)
            told = why
        if not any(worker.compiling for worker in slow):
            return
        time.sleep(PERIOD_SECONDS)
    if told:
        echo("The faster engine is compiled: workers run circuits with it from now on.", err=True)


def _told(reasons: set[str]) -> str:
    """What workers wrote, in one line, with a way out."""
    text = "; ".join(sorted(reasons))
    return text if "qfleet warm" in text else text + _HINT
