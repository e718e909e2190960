# SPDX-License-Identifier: Apache-2.0
"""Parse circuits in each format, and say in one line what is wrong with text or bytes that can't be parsed."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

__all__ = ["LANGUAGES", "Format", "UnreadableError", "parse"]

Format = Literal["qasm2", "qasm3", "qpy"]

#: What people call the formats.
LANGUAGES: Final[dict[Format, str]] = {"qasm2": "OpenQASM 2", "qasm3": "OpenQASM 3", "qpy": "QPY"}

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_WHERE = re.compile(r"(?:<input>:|L|line )?(\d+)(?:,|:C|:)\d+:? ")
_MAX_REASON: Final = 300


class UnreadableError(Exception):
    """Text or bytes can't be parsed, or hold more than can be run."""

    def __init__(self, reason: str, line: int | None = None, *, too_large: bool = False) -> None:
        super().__init__(reason)
        #: whether nothing is wrong but the size
        self.too_large = too_large
        #: one printable line
        self.reason = "".join(each if each.isprintable() else " " for each in reason)[:_MAX_REASON].strip().rstrip(".")
        #: the line of the text, counted from 1; ``None`` where it isn't known
        self.line = line


def parse(kind: Format, data: bytes) -> list[QuantumCircuit]:
    """Parse circuits: one for OpenQASM, any number for QPY.

    Args:
        kind: the format.
        data: UTF-8 text of OpenQASM, whose includes are in it already; or QPY.

    Raises:
        UnreadableError: they can't be parsed.
    """
    # The OpenQASM 3 parser writes what it found to stderr, and raises without it.
    found = io.StringIO()
    try:
        with contextlib.redirect_stderr(found):
            return _parse(kind, data)
    except UnreadableError:
        raise
    except MemoryError:
        raise
    except RecursionError as exc:
        raise UnreadableError("its expressions are nested too deeply") from exc
    except Exception as exc:
        raise _unreadable(exc, found.getvalue()) from exc


def _parse(kind: Format, data: bytes) -> list[QuantumCircuit]:
    if kind == "qasm2":
        from qfleet.cli import qasm2_source

        return [qasm2_source.parse(data.decode())]
    if kind == "qasm3":
        from qiskit import qasm3

        return [qasm3.loads(data.decode())]
    from qiskit import QuantumCircuit, qpy

    with warnings.catch_warnings():
        # "Written by a newer Qiskit": if that matters, the load fails.
        warnings.simplefilter("ignore")
        programs = qpy.load(io.BytesIO(data))
    circuits = [program for program in programs if isinstance(program, QuantumCircuit)]
    if not circuits or len(circuits) < len(programs):
        raise UnreadableError(f"it holds {len(programs)} programs, {len(circuits)} of them circuits")
    return circuits


def _unreadable(exc: Exception, found: str) -> UnreadableError:
    message = getattr(exc, "message", None) or str(exc) or found
    where = _WHERE.match(message)
    line = int(where[1]) if where else _line_of_token(exc)
    reason = _first_reason(message[where.end() :] if where else message)
    if not reason or isinstance(exc, LookupError):
        reason = "a syntax error" if line else f"something in it is out of range ({type(exc).__name__})"
    return UnreadableError(reason, line)


def _first_reason(text: str) -> str:
    """Return one plain line out of the native reader's coloured backtrace."""
    lines = [line.strip() for line in _ANSI.sub("", text).splitlines()]
    return next((line.split("Error:", 1)[1].strip() for line in lines if "Error:" in line), lines[0] if lines else "")


def _line_of_token(exc: Exception) -> int | None:
    """Return the line where ANTLR gave up, which the OpenQASM 3 parser keeps in the cause of its own, empty, error."""
    cancelled = exc.__cause__
    antlr = cancelled.args[0] if cancelled is not None and cancelled.args else None
    line = getattr(getattr(antlr, "offendingToken", None), "line", None)
    return line if isinstance(line, int) else None
