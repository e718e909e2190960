# SPDX-License-Identifier: Apache-2.0
"""How is numba's cache filled before the first circuit comes?"""

from __future__ import annotations

import logging
import time

from qfleet_worker.engines.ready import mark
from qfleet_worker.engines.statevector import engine as _engine  # noqa: F401 - imports all that there is to compile
from qfleet_worker.engines.statevector.machine_code import compile_all, seconds_compiling

logger = logging.getLogger(__name__)


def warm() -> tuple[float, float]:
    """Compile, or load from the cache, all the machine code that the engine calls.

    Returns the seconds that this took, and how many of them went into compiling. Raises OSError where nothing can be
    kept: set ``NUMBA_CACHE_DIR`` then.
    """
    begin, before = time.perf_counter(), seconds_compiling()
    compile_all()
    mark()
    compiling = seconds_compiling() - before
    whole = time.perf_counter() - begin
    logger.info("machine code is ready after %.1f s, of which %.1f s were spent compiling", whole, compiling)
    return whole, compiling
