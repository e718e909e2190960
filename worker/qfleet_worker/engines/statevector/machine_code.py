# SPDX-License-Identifier: Apache-2.0
"""How do the functions of this package become machine code, and how long did that take?

They are compiled by numba, and kept in numba's cache (``NUMBA_CACHE_DIR``, or beside its module). Those that Python
calls say for which arguments, and `compile_all` compiles them; one that is called before, or for others, is compiled
then. All are built into the machine code that calls them.

numba notices when a function's own module changes, but not when one of those changes whose functions were built into
it; so here the cache is good for all of them together.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from numba import njit
from numba.core import event, sigutils

_Function = TypeVar("_Function", bound=Callable[..., Any])


#: What a module has that machine code comes from: a function to be compiled, or instructions.
_MARKS = ("\n@machine_code\n", "\n@compiled_for(", "\nfrom llvmlite import ir\n")


def _package_stamp() -> tuple[float, int]:
    """What numba compares: a time and a size, of all modules together that machine code comes from."""
    modules = [
        path for path in Path(__file__).parent.glob("*.py") if any(mark in path.read_text("utf-8") for mark in _MARKS)
    ]
    stats = [path.stat() for path in modules]
    return max(stat.st_mtime for stat in stats), sum(stat.st_size for stat in stats)


_STAMP = _package_stamp()


#: A state's numbers in each precision.
_PRECISIONS = ({"real": "float64", "complex": "complex128"}, {"real": "float32", "complex": "complex64"})
#: The functions that Python calls, each with the types of arguments that it is compiled for.
_ENTRIES: list[tuple[Any, dict[str, None]]] = []


def compiled_for(signature: str) -> Callable[[_Function], _Function]:
    """A function that Python calls with arguments of these types, as numba writes them.

    ``{real}`` and ``{complex}`` are a state's numbers: with them, the function is compiled for each precision.
    """

    def entry(function: _Function) -> _Function:
        compiled = machine_code(function)
        _ENTRIES.append((compiled, dict.fromkeys(signature.format(**names) for names in _PRECISIONS)))
        return compiled

    return entry


def compile_all() -> None:
    """Compile, or load from the cache, the functions that Python calls, of all modules that were imported."""
    for function, signatures in _ENTRIES:
        for signature in signatures:
            types, _ = sigutils.normalize_signature(signature)
            # As a call would; with the text itself, numba would keep it where no call looks.
            function.compile(types)


def machine_code(function: _Function) -> _Function:
    """The function, compiled when it is first called, or before by `compile_all`; it runs without the GIL."""
    dispatcher = njit(cache=True, nogil=True)(function)
    index = getattr(dispatcher._cache, "_cache_file", None)
    if index is not None and hasattr(index, "_source_stamp"):
        index._source_stamp = _STAMP
    compiled: _Function = dispatcher
    return compiled


class _Stopwatch(event.Listener):
    """Adds up the time that numba compiles."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0
        self._begin = 0.0

    def on_start(self, _event: Any) -> None:
        if not self._depth:
            self._begin = time.perf_counter()
        self._depth += 1

    def on_end(self, _event: Any) -> None:
        self._depth -= 1
        if not self._depth:
            self.seconds += time.perf_counter() - self._begin


_stopwatch = _Stopwatch()
event.register("numba:compile", _stopwatch)


def seconds_compiling() -> float:
    """How long this process has compiled so far; 0 where all came from the cache."""
    return _stopwatch.seconds
