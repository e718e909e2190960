# SPDX-License-Identifier: Apache-2.0
"""A child process with limits that tries to read and lower circuits.

A small file may expand to more than any memory holds: with a wrong length, nested definitions or repeated loops. So
each file is first parsed and lowered in a child process with limits, and in this process only if the child succeeded.
``python -m qfleet.cli.circuit_probe`` is the child: it reads requests from stdin, and answers each with one line.
"""

from __future__ import annotations

import json
import resource
import selectors
import signal
import struct
import subprocess
import sys
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from qfleet.cli.circuit_formats import Format, UnreadableError, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Probe"]

#: The bytes of memory that any file may use, and those for each of its bytes. Parsers in Python use many.
_MEMORY: Final = 512 << 20
_MEMORY_PER_BYTE: Final[dict[Format, int]] = {"qasm2": 500, "qasm3": 2000, "qpy": 200}
#: The same for processor time in seconds.
_SECONDS: Final = 3.0
_SECONDS_PER_BYTE: Final[dict[Format, float]] = {"qasm2": 1e-5, "qasm3": 5e-5, "qpy": 1e-5}
#: Seconds of wall time for each second of processor time, which other programs share, and for the child's start.
_SLOWDOWN: Final = 10
_START_SECONDS: Final = 60

#: Format and number of bytes.
_HEAD = struct.Struct("<5sQ")


class Probe:
    """A child process that tries circuits one by one.

    It starts at the first circuit and ends with the context.

    Args:
        seconds: processor time that this process grants the child for any file; the child keeps to its own limit.
        start_seconds: wall time for the start of the child.
    """

    def __init__(self, *, seconds: float = _SECONDS, start_seconds: float = _START_SECONDS) -> None:
        self._seconds = seconds
        self._start_seconds = start_seconds
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Probe:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def check(self, kind: Format, data: bytes) -> None:
        """Try to parse and lower circuits.

        Args:
            kind: the format.
            data: see `qfleet.cli.circuit_formats.parse`.

        Raises:
            UnreadableError: the circuits can't be read or lowered, or not within the limits.
        """
        child = self._child or subprocess.Popen(
            [sys.executable, "-m", "qfleet.cli.circuit_probe"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._child = child
        seconds = _allowed_seconds(kind, len(data), self._seconds)
        wall_seconds = seconds * _SLOWDOWN + self._start_seconds
        answer = _answer(child, _HEAD.pack(kind.encode(), len(data)), data, wall_seconds)
        if answer is None:
            self._end()
            raise UnreadableError(_death(child.returncode, seconds, _allowed_bytes(kind, len(data))), too_large=True)
        problem = json.loads(answer)
        if problem is not None:
            reason, line, too_large = problem
            raise UnreadableError(reason, line, too_large=too_large)

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None


def _answer(child: subprocess.Popen[bytes], head: bytes, data: bytes, seconds: float) -> bytes | None:
    """Return a child's answer to a request, one line.

    Args:
        child: the child.
        head: the line that announces the request.
        data: the circuits.
        seconds: the time that the child has.

    Returns:
        The line; ``None`` if the child ends without an answer or takes longer.
    """
    stdin, stdout = cast(BinaryIO, child.stdin), cast(BinaryIO, child.stdout)
    try:
        stdin.write(head)
        stdin.write(data)
        stdin.flush()
    except BrokenPipeError:
        child.wait()
        return None
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        if not selector.select(seconds):
            child.kill()
    line = stdout.readline()
    if not line:
        child.wait()
    return line or None


def _death(code: int, seconds: float, memory: int) -> str:
    """Return the reason why a child ended without an answer.

    Args:
        code: its exit code.
        seconds: the processor time that it was allowed.
        memory: the bytes of memory that it was allowed.
    """
    if -code in (signal.SIGPROF, signal.SIGKILL):
        return f"reading it takes more than {seconds:.0f} s"
    return f"reading it takes more than {memory >> 20} MiB of memory, or crashes the reader"


def _allowed_seconds(kind: Format, size: int, seconds: float = _SECONDS) -> float:
    return seconds + _SECONDS_PER_BYTE[kind] * size


def _allowed_bytes(kind: Format, size: int) -> int:
    return _MEMORY + _MEMORY_PER_BYTE[kind] * size


def _main() -> None:
    # Imported first, so that no file is charged for slow imports.
    import psutil
    import qiskit_qasm3_import  # noqa: F401
    from qiskit import qasm2, qasm3, qpy  # noqa: F401

    from qfleet.lowering.lower import lower  # noqa: F401

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    base = psutil.Process().memory_info().vms
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    for kind, data in _requests(sys.stdin.buffer):
        limit = base + _allowed_bytes(kind, len(data)) + len(data)
        resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
        # The signal at the end of the time ends the process.
        signal.setitimer(signal.ITIMER_PROF, _allowed_seconds(kind, len(data)))
        answer = _tried(kind, data)
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(answer), flush=True)


def _requests(stdin: BinaryIO) -> Iterator[tuple[Format, bytes]]:
    while head := stdin.read(_HEAD.size):
        kind, size = _HEAD.unpack(head)
        yield cast(Format, kind.rstrip(b"\0").decode()), stdin.read(size)


def _tried(kind: Format, data: bytes) -> tuple[str, int | None, bool] | None:
    """Return the reason why circuits are refused; ``None`` if they aren't.

    Args:
        kind: the format.
        data: see `qfleet.cli.circuit_formats.parse`.

    Returns:
        The reason, its line in the text, and whether the circuits are too large.
    """
    from qfleet.errors import CapacityError, QfleetError
    from qfleet.lowering.lower import lower

    circuit = None
    try:
        for circuit in parse(kind, data):
            lower(circuit)
    except UnreadableError as exc:
        return exc.reason, exc.line, False
    except MemoryError:
        return f"reading it takes more than {_allowed_bytes(kind, len(data)) >> 20} MiB of memory", None, True
    except CapacityError as exc:
        # An OpenQASM circuit has no name of its own.
        name = f"circuit {circuit.name!r} " if circuit is not None and kind != "qpy" else ""
        return exc.message.replace(name, "it ", 1) if name else exc.message, None, True
    except QfleetError:
        # Another backend may run it, and raises the error if not.
        return None
    except Exception as exc:  # noqa: BLE001 - a definition may raise anything, and raises it again when it is run
        return f"lowering it raises {exc!r}", None, False
    return None


if __name__ == "__main__":
    _main()
