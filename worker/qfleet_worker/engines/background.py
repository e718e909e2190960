# SPDX-License-Identifier: Apache-2.0
"""Compilation of the faster engine in the background.

One process of the machine compiles it, while the worker runs circuits.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from typing import Final

from qfleet_worker.engines.build import ELSEWHERE, MODULE
from qfleet_worker.engines.choose import Engines
from qfleet_worker.engines.machine_code.folder import MachineCodeError, folder_to_fill
from qfleet_worker.engines.statevector.engine import MOST_TEXT, NO_NUMBA, NOT_COMPILED, StatevectorEngine
from qfleet_worker.machine.resources import usable_bytes

logger = logging.getLogger(__name__)

COMPILING: Final = "the faster engine is being compiled in the background; `qfleet warm` does so beforehand"
#: Memory that circuits may use, below which there isn't enough for the compiler beside them.
_LEAST_BYTES: Final = 2 << 30
#: Seconds between two tries while another worker's process compiles.
_AGAIN_SECONDS: Final = 15.0


class Background:
    """The main process's engines, and the process that compiles the faster one.

    The processes that run circuits look for the faster engine themselves. The main process loads it too, so that
    processes that are forked later have it from the start.

    Args:
        engines: the engines of the main process.
        faster: the engine among them that is compiled.
        allowed: whether to compile at all.
    """

    def __init__(self, engines: Engines, faster: StatevectorEngine, *, allowed: bool) -> None:
        self._engines = engines
        self._faster = faster
        self._process: subprocess.Popen[bytes] | None = None
        self._next_try = 0.0
        #: whether to try at all; a try that failed would fail again
        self._tries = allowed and bool(faster.refusal) and self._is_possible()
        self._compiles = False
        self._begin()
        if faster.refusal:
            logger.warning("circuits are run by numpy: %s", self.reason)

    @property
    def compiles(self) -> bool:
        """Tell whether the faster engine is being compiled on this machine."""
        return self._compiles and bool(self._faster.refusal)

    @property
    def reason(self) -> str:
        """Return why circuits are run by this engine."""
        return COMPILING if self.compiles else self._engines.reason

    def report(self) -> dict[str, str | bool]:
        """Check on the compilation, and return it as fields of a `Presence`.

        See `qfleet.wire.messages.presence.Presence`.
        """
        before = self._engines.engine
        engine = self._engines.look()
        if engine is not before:
            logger.warning("circuits are run by the faster engine from now on")
        self._follow()
        return {"engine": engine.name, "engine_reason": self.reason, "compiling": self.compiles}

    def _refuse(self, why: str) -> None:
        self._faster.refusal = why
        self._engines.look()

    def _is_possible(self) -> bool:
        if self._faster.refusal == NO_NUMBA or usable_bytes() < _LEAST_BYTES:
            return False
        try:
            folder_to_fill()
        except MachineCodeError as exc:
            self._refuse(f"{self._faster.refusal} ({str(exc)[:MOST_TEXT]})")
            return False
        return True

    def _begin(self) -> None:
        if not self._tries or self._process is not None or time.monotonic() < self._next_try:
            return
        self._next_try = time.monotonic() + _AGAIN_SECONDS
        self._compiles = True
        # In the process group of the worker, which may be ended as a whole.
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULE, str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def _follow(self) -> None:
        if self._process is None or self._process.poll() is None:
            self._begin()
            return
        code, (_, said) = self._process.returncode, self._process.communicate()
        self._process = None
        if code == ELSEWHERE:
            return
        self._tries = self._compiles = False
        if code and self._faster.refusal == NOT_COMPILED:
            last = (said.decode("utf-8", "replace").strip().splitlines() or [f"it ended with {code}"])[-1]
            self._refuse(f"the faster engine can't be compiled: {last[:MOST_TEXT]}; run `qfleet warm` on this worker")
            logger.warning("circuits are run by numpy: %s", self._engines.reason)
