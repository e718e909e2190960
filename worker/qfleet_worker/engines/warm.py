# SPDX-License-Identifier: Apache-2.0
"""Preparation of the machine code before the first circuit comes."""

from __future__ import annotations

import logging
import time

from qfleet_worker.engines.build import compile_machine_code
from qfleet_worker.engines.machine_code.folder import MachineCodeError
from qfleet_worker.engines.machine_code.loading import load, load_if_ready

logger = logging.getLogger(__name__)


def warm() -> tuple[float, float]:
    """Compile what isn't compiled yet, and load all machine code.

    Returns:
        The seconds that this took, and how many of them were spent compiling.

    Raises:
        MachineCodeError: it can't be compiled or kept.
    """
    begin, compiling = time.perf_counter(), 0.0
    if not load_if_ready():
        folder = compile_machine_code()
        try:
            load(folder)
        except MachineCodeError as exc:
            # The process that began it was cut short, or it was damaged since.
            logger.warning("%s; all of it is compiled again", exc)
            load(compile_machine_code(anew=True))
        compiling = time.perf_counter() - begin
    whole = time.perf_counter() - begin
    logger.info("machine code is ready after %.1f s, of which %.1f s were spent compiling", whole, compiling)
    return whole, compiling
