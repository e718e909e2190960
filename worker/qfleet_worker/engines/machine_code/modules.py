# SPDX-License-Identifier: Apache-2.0
"""The modules with functions that Python calls as machine code.

They are named, not imported: engines import this package.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

#: Each imports the others of its engine.
MODULES: Final = ("qfleet_worker.engines.statevector.simulator", "qfleet_worker.engines.stabilizer.simulator")


def import_all() -> None:
    """Import all modules that have functions to compile or to load."""
    for name in MODULES:
        import_module(name)
