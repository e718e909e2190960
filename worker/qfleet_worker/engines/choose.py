# SPDX-License-Identifier: Apache-2.0
"""Which engine does this worker run circuits with?"""

from __future__ import annotations

import logging

from qfleet_worker.engines.base import Engine
from qfleet_worker.engines.numpy_engine import NumpyEngine
from qfleet_worker.engines.ready import is_ready

logger = logging.getLogger(__name__)


def choose_engine() -> tuple[Engine, str]:
    """The engine, and why: *statevector*, if its machine code is compiled; else *numpy*, which gives the same shots.

    Compiling takes a minute or two, which no circuit should wait for.
    """
    if not is_ready():
        logger.warning("circuits are run by numpy: compile the faster engine with `qfleet warm`, once on each machine")
        return NumpyEngine(), "machine code isn't compiled on this worker; run `qfleet warm` there"
    from qfleet_worker.engines.statevector import StatevectorEngine, warm

    warm()  # loads the machine code, for the first circuit not to wait for it
    return StatevectorEngine(), "machine code is compiled"
