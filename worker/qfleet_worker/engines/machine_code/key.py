# SPDX-License-Identifier: Apache-2.0
"""The name of machine code, made of all that it depends on.

numba isn't imported, which takes a second on a cold machine.
"""

from __future__ import annotations

import os
import platform
import sys
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Final

from qfleet_worker.engines.gates import codes

#: The folder of all engines.
ENGINES: Final = Path(__file__).parents[1]
#: The sources there: modules, and folders of them.
SOURCES: Final = ("machine_code", "stabilizer/codes.py", "stabilizer/kernels", "statevector")
#: Variables of numba that change no machine code.
_HARMLESS: Final = frozenset(
    (
        "NUMBA_CACHE_DIR",
        "NUMBA_CACHE_LOCATOR_CLASSES",
        "NUMBA_DEBUG_CACHE",
        "NUMBA_NUM_THREADS",
        "NUMBA_THREADING_LAYER",
    )
)
#: The file of numba's settings, in the working folder.
_CONFIGURATION: Final = Path(".numba_config.yaml")


def cache_key() -> str:
    """Return the name of the machine code that fits this process.

    It has the platform, then the sources. The platform is the processor as LLVM knows it, the versions of the libraries
    and of Python, and numba's settings.

    Raises:
        importlib.metadata.PackageNotFoundError: numba or llvmlite isn't installed.
        ImportError: llvmlite can't be imported.
    """
    return f"{_digest(_platform())}-{_digest(_sources())}"


def _platform() -> list[bytes]:
    libraries = [version(name) for name in ("numba", "llvmlite", "numpy")]
    # llvmlite alone: numba asks the same functions, and is imported only where there is something to load.
    import llvmlite.binding as llvm

    try:
        features = llvm.get_host_cpu_features().flatten()
    except RuntimeError:  # of a processor that LLVM doesn't know
        features = ""
    settings = sorted(
        f"{name}={value}" for name, value in os.environ.items() if name.startswith("NUMBA_") and name not in _HARMLESS
    )
    parts = [
        *libraries,
        sys.implementation.cache_tag or "",
        platform.python_version(),
        llvm.get_process_triple(),
        llvm.get_host_cpu_name(),
        features,
        *settings,
    ]
    return [*(part.encode("utf-8", "surrogateescape") for part in parts), _content(_CONFIGURATION)]


def _sources() -> list[bytes]:
    # By their paths: two modules of different folders may have one name.
    found = [path for name in SOURCES for path in (ENGINES / name, *(ENGINES / name).rglob("*.py")) if path.is_file()]
    paths = {path.relative_to(ENGINES).as_posix(): path for path in found}
    sources = [part for name in sorted(paths) for part in (name.encode(), _content(paths[name]))]
    # Of the operations, machine code knows these by number; all else of them is an argument.
    return [*sources, *(f"{name}={number}".encode() for name, number in codes.numbers().items())]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it isn't there, or is an editor's link to nowhere
        return b""


def _digest(parts: list[bytes]) -> str:
    digest = blake2b(digest_size=8)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()
