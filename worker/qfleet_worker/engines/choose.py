# SPDX-License-Identifier: Apache-2.0
"""Chooses the engine that circuits are run with: *statevector* once its machine code is compiled, *numpy* until then.

Both give the same shots, so that a job may begin with one and end with the other. Nothing that is wrong with the
machine code keeps a worker from starting: it says so, and goes on with numpy.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from qfleet_worker.engines.contract import Engine
from qfleet_worker.engines.numpy.engine import NumpyEngine
from qfleet_worker.engines.statevector.machine_code import folder as ready
from qfleet_worker.engines.statevector.machine_code.folder import MachineCodeError

logger = logging.getLogger(__name__)

COMPILED: Final = "machine code is compiled"
NOT_COMPILED: Final = "machine code isn't compiled on this worker; run `qfleet warm` there"
#: Characters of a reason that is told on: it goes into results and presences.
MOST_TEXT: Final = 500
NO_NUMBA: Final = "numba isn't installed on this worker"


class Engines:
    """The engine of this process, which becomes the faster one when that is ready.

    Args:
        marks: the files of which one is there when it is; by default those of `ready.marks`.
    """

    def __init__(self, marks: list[Path] | None = None) -> None:
        #: called in a process that has loaded the faster engine, which takes memory of its own
        self.on_load: Callable[[], None] = lambda: None
        self.engine: Engine = NumpyEngine()
        #: why this engine, for the metadata of results and for whoever looks at the workers
        self.reason = NOT_COMPILED
        # The name of the folder takes some milliseconds to find, a look at whether the mark is there microseconds.
        self._marks = ready.marks() if marks is None else marks
        if not self._marks:
            self.reason = NO_NUMBA
        self._refused: set[tuple[Path, int, int]] = set()

    def look(self) -> Engine:
        """Return the engine to use from now on: asked for each shard, since the faster one may be ready by now."""
        if isinstance(self.engine, NumpyEngine):
            for mark in self._marks:
                try:
                    found = os.stat(mark)
                except OSError:
                    continue
                version = mark, found.st_ino, found.st_mtime_ns
                if version not in self._refused and self._load(mark.parent):
                    break
                # Not before it is another one.
                self._refused.add(version)
        return self.engine

    def _load(self, folder: Path) -> bool:
        try:
            from qfleet_worker.engines.statevector.engine import StatevectorEngine
            from qfleet_worker.engines.statevector.machine_code.loading import load

            load(folder)
            engine = StatevectorEngine()
        except MachineCodeError as exc:
            self._refuse(str(exc))
            return False
        except Exception as exc:
            # numba may not fit numpy, or LLVM the processor: no reason not to run circuits.
            logger.warning("the faster engine can't be loaded", exc_info=exc)
            self._refuse(f"the faster engine can't be loaded: {type(exc).__name__}: {exc}")
            return False
        self.engine, self.reason = engine, COMPILED
        self.on_load()
        return True

    def _refuse(self, why: str) -> None:
        self.reason = f"{why[:MOST_TEXT]}; run `qfleet warm` on this worker"
        logger.warning("circuits are run by numpy, since %s", self.reason)


def choose_engine() -> tuple[Engine, str]:
    """Return the engine for circuits that are run now, and why it is this one."""
    engines = Engines()
    engine = engines.look()
    if engines.reason == NOT_COMPILED:
        logger.warning("circuits are run by numpy: %s", engines.reason)
    return engine, engines.reason
