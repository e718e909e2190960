# SPDX-License-Identifier: Apache-2.0
"""Notes on standard error about the slower engine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from qfleet.cli.terminal import echo
from qfleet.wire.messages.presence import PERIOD_SECONDS, SLOWER_ENGINE

if TYPE_CHECKING:
    from qfleet import FleetProvider

__all__ = ["follow_engines", "tell_engine"]

_HINT: Final = ". Run `qfleet warm` once on each machine with workers to compile the faster one"


def tell_engine(result: Any) -> None:
    """Print that the slower engine ran circuits, and why.

    Args:
        result: a `qiskit.result.Result`.
    """
    of_circuits = [getattr(circuit, "metadata", None) or {} for circuit in result.results]
    reasons = {metadata["engine_reason"] for metadata in of_circuits if metadata.get("engine") == SLOWER_ENGINE}
    if reasons:
        echo(f"The slower engine, {SLOWER_ENGINE}, ran circuits: {_told(reasons)}.", err=True)


def follow_engines(provider: FleetProvider) -> None:
    """Print notes while workers use the slower engine.

    It returns once the faster one is compiled, or if no worker compiles it.
    """
    told = ""
    while True:
        slow = [worker for worker in provider.workers() if worker.engine == SLOWER_ENGINE]
        if not slow:
            break
        why = _told({worker.engine_reason for worker in slow})
        if why != told:
            echo(f"Workers use the slower engine, {SLOWER_ENGINE}: {why}.", err=True)
            told = why
        if not any(worker.compiling for worker in slow):
            return
        time.sleep(PERIOD_SECONDS)
    if told:
        echo("The faster engine is compiled: workers use it from now on.", err=True)


def _told(reasons: set[str]) -> str:
    """Return the workers' reasons in one line, with a remedy."""
    text = "; ".join(sorted(reasons))
    return text if "qfleet warm" in text else text + _HINT
