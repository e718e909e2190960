# SPDX-License-Identifier: Apache-2.0
"""The functions that numba turns into machine code.

A function that Python calls declares its arguments' types (`compiled_for`), and its machine code is kept. All others
become part of the machine code that calls them (`machine_code`, `inner_code`, `built_in`). What is kept lies in a
folder that `folder` names after all that it depends on: sources, libraries, processor. Processes that only run circuits
load it (`load`) and write nothing; those that compile (`qfleet_worker.engines.build`) write into folders of
their own. A function that is called without having been loaded is compiled then, for this process alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from numba import config, njit, types
from numba.core import event, sigutils
from numba.extending import register_jitable, typeof_impl

from qfleet_worker.engines.machine_code.folder import MachineCodeError

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Class = TypeVar("_Class", bound=type[Any])

#: A state's numbers in each precision; double, which most circuits have, comes first.
_PRECISIONS = ({"real": "float64", "complex": "complex128"}, {"real": "float32", "complex": "complex64"})
#: What the names of all modules of engines begin with.
_ENGINES = f"{__name__.rpartition('.machine_code.')[0]}."
#: The functions that Python calls, each with the types of arguments that it is compiled for.
_ENTRIES: dict[str, tuple[Any, dict[str, None]]] = {}
#: The classes that signatures may name, each with the types of its members by name.
_STRUCTURES: dict[str, tuple[Any, dict[str, str]]] = {}


def structure(**members: str) -> Callable[[_Class], _Class]:
    """Let signatures name a NamedTuple, whose members have these types.

    They may be structures that were named before. ``{real}`` and ``{complex}`` are a state's numbers, as in
    `compiled_for`.
    """

    def named(cls: _Class) -> _Class:
        if tuple(members) != cls._fields:
            raise TypeError(f"{cls.__name__} has the members {cls._fields}, not {tuple(members)}")
        _STRUCTURES[cls.__name__] = cls, members
        return cls

    return named


def compiled_for(*arguments: str) -> Callable[[_Function], _Function]:
    """Make a function that Python calls with arguments of these types.

    The types are written as numba writes them. ``{real}`` and ``{complex}`` are a state's numbers: with them, or with a
    `structure` that has them, the function is compiled for each precision. `flat` gives the function that takes a
    structure's members in its place.
    """

    def entry(function: _Function) -> _Function:
        types_of_members = [text for argument in arguments for text in _member_types(argument)]
        is_packed = len(types_of_members) > len(arguments)
        compiled: Any = _entry_of(function, arguments) if is_packed else _dispatcher(function)
        signature = ", ".join(types_of_members)
        flat = compiled.flat if isinstance(compiled, _Entry) else compiled
        _ENTRIES[name_of(function)] = flat, dict.fromkeys(f"({signature.format(**names)},)" for names in _PRECISIONS)
        return compiled  # type: ignore[no-any-return]

    return entry


def flat(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a compiled function that takes its structures' members as arguments.

    They are in order. To pack a structure, and unpack it for a call, takes Python a microsecond; some circuits take
    only six.
    """
    return function.flat if isinstance(function, _Entry) else function


class _Entry:
    """A function with structures among its arguments.

    Python calls it in one form, machine code in another.
    """

    #: what is compiled and kept: numba takes two microseconds for a structure, and nothing for its members
    flat: Any
    #: calls it with the members of its arguments; numba builds it into machine code that calls this entry
    py_func: Callable[..., Any]
    targetoptions: ClassVar[dict[str, str]] = {"inline": "always"}


@typeof_impl.register(_Entry)  # type: ignore[untyped-decorator]
def _type_of_entry(value: _Entry, _context: Any) -> Any:
    return types.Dispatcher(value.flat)


def _member_types(argument: str) -> list[str]:
    """Return the types of an argument's members, in order.

    For an argument that isn't a structure, it is its own type.
    """
    if argument not in _STRUCTURES:
        return [argument]
    return [text for member in _STRUCTURES[argument][1].values() for text in _member_types(member)]


def _entry_of(function: Callable[..., Any], arguments: Sequence[str]) -> _Entry:
    """Return the entry of a function with structures among its arguments."""
    names = [f"a{at}" for at in range(len(arguments))]
    patterns, packed, members = [], [], []
    for argument, name in zip(arguments, names, strict=True):
        pattern, made, own = _unpacking(argument, name)
        patterns.append(f"    {pattern} = {name}\n" if pattern != name else "")
        packed.append(made)
        members += own
    body = f"{''.join(patterns)}    return compiled({', '.join(members)})\n"
    source = (
        f"def flat({', '.join(members)}):\n    return inner({', '.join(packed)})\n"
        f"def call(self, {', '.join(names)}):\n{body}"
        f"def unpacked({', '.join(names)}):\n{body}"
    )
    namespace = {"inner": built_in(function), **{name: cls for name, (cls, _) in _STRUCTURES.items()}}
    exec(source, namespace)  # noqa: S102 - made of the names above
    made_flat: Any = namespace["flat"]
    made_flat.__module__, made_flat.__qualname__ = function.__module__, function.__qualname__
    namespace["compiled"] = _dispatcher(made_flat)
    entry: _Entry = type(function.__name__, (_Entry,), {"__call__": namespace["call"], "__doc__": function.__doc__})()
    entry.flat, entry.py_func = namespace["compiled"], namespace["unpacked"]
    return entry


def _unpacking(argument: str, name: str) -> tuple[str, str, list[str]]:
    """Return code to unpack and pack an argument, and its members.

    Returns:
        A pattern for the argument's members, an expression that packs them again, and their names.
    """
    if argument not in _STRUCTURES:
        return name, name, [name]
    parts = [_unpacking(member, f"{name}_{at}") for at, member in enumerate(_STRUCTURES[argument][1].values())]
    pattern = f"({', '.join(part[0] for part in parts)})"
    return pattern, f"{argument}({', '.join(part[1] for part in parts)})", [each for part in parts for each in part[2]]


def machine_code(function: _Function) -> _Function:
    """Make a function that machine code calls.

    If Python calls it, it is compiled then.
    """
    # Nobody calls it through ctypes.
    return _dispatcher(function, no_cfunc_wrapper=True, _nrt=True)


def inner_code(function: _Function) -> _Function:
    """Make a function that machine code calls, without references to arrays.

    It makes no arrays and returns none, and numba counts no references in it. For a structure's arrays, to count them
    takes longer than what a small function does.
    """
    return _dispatcher(function, no_cfunc_wrapper=True, _nrt=False)


def built_in(function: _Function) -> _Function:
    """Make a function that becomes a part of its few callers.

    A call would pass each member of each array, a hundred numbers, and numba would compile the function once by itself
    and once more in its caller.
    """
    return _dispatcher(function, no_cfunc_wrapper=True, inline="always")


def shared(function: _Function) -> _Function:
    """Let machine code call a function that Python also calls.

    Python calls it as it stands.
    """
    known: _Function = register_jitable(function)
    return known


def _dispatcher(function: _Function, **options: bool | str) -> _Function:
    """Return a function that numba compiles for types it first meets.

    It runs without the GIL.
    """
    if config.DISABLE_JIT:
        raise ImportError("NUMBA_DISABLE_JIT is set")
    dispatcher: Any = njit(nogil=True, **options)(function)
    template = dispatcher.get_call_template

    def of_types(arguments: Any, keywords: dict[str, Any]) -> Any:
        """Return numba's own template, but take a constant for any number.

        numba would compile the function again for each constant. For True and False that is right: such an argument
        chooses what a function does.
        """
        return template(
            [_of_any_value(each) for each in arguments], {name: _of_any_value(each) for name, each in keywords.items()}
        )

    dispatcher.get_call_template = of_types
    compiled: _Function = dispatcher
    return compiled


def _of_any_value(given: Any) -> Any:
    return types.unliteral(given) if isinstance(given, types.IntegerLiteral) else given


def name_of(function: Callable[..., Any]) -> str:
    """Return the name under which a function's machine code is kept.

    It is the module's name below `engines`, and the function's own.
    """
    return f"{function.__module__.removeprefix(_ENGINES)}.{function.__qualname__}"


def entry_names() -> list[str]:
    """Return the names of all functions that Python calls.

    They are those of the modules that were imported.
    """
    return list(_ENTRIES)


class Locator:
    """The folder of a function's machine code, as numba asks for it.

    Each function has a folder of its own under `root`.
    """

    root: ClassVar[Path] = Path()

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def from_function(cls, function: Callable[..., Any], _source: str) -> Locator:
        """Return the locator of a function.

        numba's own locators refuse a folder that can't be written.
        """
        return cls(cls.root / name_of(function))

    def get_cache_path(self) -> str:
        """Return the folder."""
        return str(self._path)

    def ensure_cache_path(self) -> None:
        """Make the folder, before something is written into it.

        Raises:
            OSError: it can't be made.
        """
        self._path.mkdir(parents=True, exist_ok=True)

    def get_source_stamp(self) -> str:
        """Return the same stamp for all sources.

        The name of the folder above stands for their contents.
        """
        return ""

    def get_disambiguator(self) -> str:
        """Return nothing: each function has a folder of its own."""
        return ""


def keep_in(root: Path) -> None:
    """Look for machine code in a folder from now on.

    What is compiled is kept there.

    Raises:
        MachineCodeError: numba doesn't take the folder.
    """
    Locator.root = root
    before = config.CACHE_LOCATOR_CLASSES
    config.CACHE_LOCATOR_CLASSES = f"{__name__}.{Locator.__name__}"
    try:
        for name, (function, _) in _ENTRIES.items():
            function.enable_caching()
            if function.stats.cache_path != str(root / name):
                raise MachineCodeError(f"numba keeps {name} in {function.stats.cache_path}, not in {root}")
    finally:
        config.CACHE_LOCATOR_CLASSES = before


def load(root: Path) -> None:
    """Load all machine code from a folder; nothing is written.

    Raises:
        MachineCodeError: some of it isn't there.
    """
    try:
        with _compiling_forbidden():
            keep_in(root)
            compile_all()
    finally:
        for function, _ in _ENTRIES.values():
            # What is compiled later, for types that weren't foreseen, belongs to this process alone.
            function._cache.disable()


def compile_all(names: list[str] | None = None) -> None:
    """Load or compile some of the functions that Python calls.

    A function is compiled where nothing is kept. Without `names`, it is done for all functions.
    """
    for name in _ENTRIES if names is None else names:
        function, signatures = _ENTRIES[name]
        for signature in signatures:
            arguments, _ = sigutils.normalize_signature(signature)
            # As a call would; with the text itself, numba would keep it where no call looks.
            function.compile(arguments)


class _Stopwatch(event.Listener):
    """A stopwatch of numba's compiling, which can also forbid it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.forbidden = False
        self._depth = 0
        self._begin = 0.0

    def on_start(self, event: Any) -> None:
        if not self._depth:
            self._begin = time.perf_counter()
        self._depth += 1
        if self.forbidden:
            raise MachineCodeError(f"{name_of(event.data['dispatcher'].py_func)} isn't compiled")

    def on_end(self, event: Any) -> None:  # noqa: ARG002 - numba's signature
        self._depth -= 1
        if not self._depth:
            self.seconds += time.perf_counter() - self._begin


_stopwatch = _Stopwatch()
event.register("numba:compile", _stopwatch)


@contextmanager
def _compiling_forbidden() -> Iterator[None]:
    _stopwatch.forbidden = True
    try:
        yield
    finally:
        _stopwatch.forbidden = False


def seconds_compiling() -> float:
    """Return how long this process has compiled so far, in seconds.

    It is 0 where all was loaded.
    """
    return _stopwatch.seconds
