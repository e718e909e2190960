# SPDX-License-Identifier: Apache-2.0
"""The engine whose kernels are machine code.

It is available once the machine code is compiled. This module doesn't import numba. Nothing that is wrong with the
machine code keeps a worker from starting: the engine gives the reason, and isn't available.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from qfleet.wire.cost.cost import Cost, cost
from qfleet.wire.messages.request import Method, Request
from qfleet.wire.program.program import Program
from qfleet_worker.engines.contract import Simulator
from qfleet_worker.engines.driver.unitary import unitary_refusal
from qfleet_worker.engines.machine_code import folder as machine_code
from qfleet_worker.engines.machine_code.folder import MachineCodeError

logger = logging.getLogger(__name__)

COMPILED: Final = "machine code is compiled"
NOT_COMPILED: Final = "machine code isn't compiled on this worker; run `qfleet warm` there"
NO_NUMBA: Final = "numba isn't installed on this worker"
#: Characters of a reason that is passed on: it goes into results and presences.
MOST_TEXT: Final = 500


class StatevectorEngine:
    """States, density matrices and unitaries by vector kernels; see `qfleet_worker.engines.contract.Engine`.

    Args:
        marks: files of which one is there once the machine code is compiled; by default those of
            `qfleet_worker.engines.machine_code.folder.marks`.
    """

    name: Final = "statevector"
    methods: Final[frozenset[Method]] = frozenset({"statevector", "density_matrix", "superop", "unitary"})
    reason: Final = COMPILED

    def __init__(self, marks: Sequence[Path] | None = None) -> None:
        # To find the folder's name takes some milliseconds, to look for the mark only microseconds.
        self._marks = machine_code.marks() if marks is None else marks
        #: why the engine isn't available; empty once its machine code is loaded
        self.refusal = NOT_COMPILED if self._marks else NO_NUMBA
        #: marks of machine code that couldn't be loaded, with their inodes and times
        self._refused: set[tuple[Path, int, int]] = set()

    def available(self) -> str:
        """See `Engine.available`.

        It loads the machine code if that has been compiled in the meantime.
        """
        if self.refusal:
            for mark in self._marks:
                try:
                    status = os.stat(mark)
                except OSError:
                    continue
                version = mark, status.st_ino, status.st_mtime_ns
                if version not in self._refused and self._load(mark.parent):
                    break
                # It isn't tried again unless it changes.
                self._refused.add(version)
        return self.refusal

    def _load(self, folder: Path) -> bool:
        try:
            # What a process loads before it forks, its children share.
            from qfleet_worker.engines.machine_code.loading import load

            load(folder)
        except MachineCodeError as exc:
            self._refuse(str(exc))
            return False
        except Exception as exc:
            # numba may not fit numpy, or LLVM the processor: no reason not to run circuits.
            logger.warning("the faster engine can't be loaded", exc_info=exc)
            self._refuse(f"the faster engine can't be loaded: {type(exc).__name__}: {exc}")
            return False
        self.refusal = ""
        return True

    def _refuse(self, why: str) -> None:
        self.refusal = f"{why[:MOST_TEXT]}; run `qfleet warm` on this worker"
        logger.warning("circuits are run by numpy, since %s", self.refusal)

    def supports(self, program: Program, request: Request) -> str:
        """See `Engine.supports`."""
        return unitary_refusal(program) if request.method == "unitary" else ""

    def cost(
        self, program: Program, request: Request, *, shots: int, points: int = 1, num_observables: int = 0
    ) -> Cost:
        """See `Engine.cost`."""
        return cost(program, request, shots=shots, points=points, num_observables=num_observables, engine=self.name)

    def open(self) -> Simulator:
        """See `Engine.open`."""
        from qfleet_worker.engines.statevector.simulator import StatevectorSimulator

        return StatevectorSimulator()
