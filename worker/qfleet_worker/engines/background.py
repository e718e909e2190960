# SPDX-License-Identifier: Apache-2.0
"""Has the faster engine compiled in the background, by one process of a machine, while the worker runs circuits."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from typing import Final

from qfleet_worker.engines.choose import MOST_TEXT, NO_NUMBA, NOT_COMPILED, Engines
from qfleet_worker.engines.numpy.engine import NumpyEngine
from qfleet_worker.engines.statevector.build import ELSEWHERE, MODULE
from qfleet_worker.engines.statevector.machine_code.folder import MachineCodeError, folder_to_fill
from qfleet_worker.machine.resources import usable_bytes

logger = logging.getLogger(__name__)

COMPILING: Final = "the faster engine is being compiled in the background; `qfleet warm` does so beforehand"
#: What circuits may use, below which there isn't enough beside them.
_LEAST_BYTES: Final = 2 << 30
#: Seconds between two tries while another worker's process compiles.
_AGAIN_SECONDS: Final = 15.0


class Background:
    """The engine of a worker's main process, and the process that compiles a faster one.

    Its own processes look for themselves. The main process loads the faster engine too: those that are forked later
    have it from the start.
    """

    def __init__(self, engines: Engines, *, allowed: bool) -> None:
        """Begin to compile, if that is wanted, `allowed` and possible."""
        self._engines = engines
        self._process: subprocess.Popen[bytes] | None = None
        self._next_try = 0.0
        #: whether to try at all; a try that failed would fail again
        self._tries = allowed and isinstance(engines.look(), NumpyEngine) and self._is_possible()
        self._compiles = False
        self._begin()
        if isinstance(engines.engine, NumpyEngine):
            logger.warning("circuits are run by numpy: %s", self.reason)

    @property
    def compiles(self) -> bool:
        """Whether the faster engine is being compiled on this machine."""
        return self._compiles and isinstance(self._engines.engine, NumpyEngine)

    @property
    def reason(self) -> str:
        """Why circuits are run by this engine."""
        return COMPILING if self.compiles else self._engines.reason

    def report(self) -> dict[str, str | bool]:
        """See what became of it, and return it as fields of a `qfleet.wire.messages.presence.Presence`."""
        before = self._engines.engine
        engine = self._engines.look()
        if engine is not before:
            logger.warning("circuits are run by the faster engine from now on")
        self._follow()
        return {"engine": engine.name, "engine_reason": self.reason, "compiling": self.compiles}

    def _is_possible(self) -> bool:
        if self._engines.reason == NO_NUMBA or usable_bytes() < _LEAST_BYTES:
            return False
        try:
            folder_to_fill()
        except MachineCodeError as exc:
            self._engines.reason = f"{self._engines.reason} ({str(exc)[:MOST_TEXT]})"
            return False
        return True

    def _begin(self) -> None:
        if not self._tries or self._process is not None or time.monotonic() < self._next_try:
            return
        self._next_try = time.monotonic() + _AGAIN_SECONDS
        self._compiles = True
        # In the group of the worker's processes, for whoever ends that.
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
        if code and self._engines.reason == NOT_COMPILED:
            last = (said.decode("utf-8", "replace").strip().splitlines() or [f"it ended with {code}"])[-1]
            self._engines.reason = (
                f"the faster engine can't be compiled: {last[:MOST_TEXT]}; run `qfleet warm` on this worker"
            )
            logger.warning("circuits are run by numpy: %s", self._engines.reason)
