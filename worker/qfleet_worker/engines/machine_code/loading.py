# SPDX-License-Identifier: Apache-2.0
"""Loading of machine code that was compiled before."""

from __future__ import annotations

import logging
from pathlib import Path

from qfleet_worker.engines.machine_code import registry as machine_code
from qfleet_worker.engines.machine_code.folder import MachineCodeError, check, ready_folders
from qfleet_worker.engines.machine_code.modules import import_all

logger = logging.getLogger(__name__)

_loaded: Path | None = None


def load(folder: Path) -> None:
    """Load all machine code from a folder; nothing is written.

    Raises:
        MachineCodeError: some of it can't be used.
    """
    global _loaded
    if folder == _loaded:
        return
    check(folder)
    import_all()
    try:
        machine_code.load(folder)
    except MachineCodeError:
        raise
    except Exception as exc:
        # What numba raises for a file that it can't read may be anything.
        raise MachineCodeError(f"what lies in {folder} can't be loaded: {type(exc).__name__}: {exc}") from exc
    _loaded = folder


def load_if_ready() -> bool:
    """Load the machine code that fits this process, if compiled.

    Returns:
        Whether it is loaded.
    """
    if _loaded is not None:
        return True
    for folder in ready_folders():
        try:
            load(folder)
        except MachineCodeError as exc:
            logger.warning("%s", exc)
        else:
            return True
    return False
