# SPDX-License-Identifier: Apache-2.0
"""Is the machine code of the statevector engine compiled? Told without numba, which takes a second to import.

`mark` leaves a file beside numba's cache that names what was compiled: by which numba and Python, from which sources.
"""

from __future__ import annotations

import os
import platform
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).parent / "statevector"


def is_ready() -> bool:
    """Whether a first circuit would find its machine code in the cache. Always False without numba."""
    try:
        return _mark().exists()
    except PackageNotFoundError:
        return False


def mark() -> None:
    """Remember that everything is compiled. Raises OSError where the cache's folder can't be written."""
    path = _mark()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def _mark() -> Path:
    folder = os.environ.get("NUMBA_CACHE_DIR")
    sources = [path.stat() for path in sorted(_PACKAGE.glob("*.py"))]
    what = (
        version("numba"),
        version("numpy"),
        platform.python_version(),
        os.environ.get("NUMBA_CPU_NAME", platform.machine()),
        [(source.st_mtime_ns, source.st_size) for source in sources],
    )
    name = f"qfleet-ready-{blake2b(repr(what).encode(), digest_size=8).hexdigest()}"
    return (Path(folder) if folder else _PACKAGE / "__pycache__") / name
