# SPDX-License-Identifier: Apache-2.0
"""Parsers of the circuit formats, with errors in one line."""

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

#: The names of the formats.
LANGUAGES: Final[dict[Format, str]] = {"qasm2": "OpenQASM 2", "qasm3": "OpenQASM 3", "qpy": "QPY"}

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_WHERE = re.compile(r"(?:<input>:|L|line )?(\d+)(?:,|:C|:)\d+:? ")
_MAX_REASON: Final = 300


class UnreadableError(Exception):
    """Text or bytes can't be parsed, or are too much to run."""

    def __init__(self, reason: str, line: int | None = None, *, too_large: bool = False) -> None:
        super().__init__(reason)
        #: True if only the size is wrong
        self.too_large = too_large
        #: the reason in one printable line
        self.reason = "".join(each if each.isprintable() else " " for each in reason)[:_MAX_REASON].strip().rstrip(".")
        #: the line of the text, from 1; ``None`` if it isn't known
        self.line = line


def parse(kind: Format, data: bytes) -> list[QuantumCircuit]:
    """Parse circuits: one for OpenQASM, any number for QPY.

    Args:
        kind: the format.
        data: OpenQASM as UTF-8 text with its includes inserted, or QPY.

    Raises:
        UnreadableError: the data can't be parsed.
    """
    # The OpenQASM 3 parser writes its messages to stderr, and raises an error without them.
    messages = io.StringIO()
    try:
        with contextlib.redirect_stderr(messages):
            return _parse(kind, data)
    except UnreadableError:
        raise
    except MemoryError:
        raise
    except RecursionError as exc:
        raise UnreadableError("its expressions are nested too deeply") from exc
    except Exception as exc:
        raise _unreadable(exc, messages.getvalue()) from exc


def _parse(kind: Format, data: bytes) -> list[QuantumCircuit]:
    if kind == "qasm2":
        from qfleet.cli import qasm2_source

        return [qasm2_source.parse(data.decode())]
    if kind == "qasm3":
        from qiskit import qasm3

        return [qasm3.loads(data.decode())]
    from qiskit import QuantumCircuit, qpy

    with warnings.catch_warnings():
        # "Written by a newer Qiskit": if it matters, loading fails.
        warnings.simplefilter("ignore")
        programs = qpy.load(io.BytesIO(data))
    circuits = [program for program in programs if isinstance(program, QuantumCircuit)]
    if not circuits or len(circuits) < len(programs):
        raise UnreadableError(f"it holds {len(programs)} programs, {len(circuits)} of them circuits")
    return circuits


def _unreadable(exc: Exception, messages: str) -> UnreadableError:
    message = getattr(exc, "message", None) or str(exc) or messages
    where = _WHERE.match(message)
    line = int(where[1]) if where else _line_of_token(exc)
    reason = _first_reason(message[where.end() :] if where else message)
    if not reason or isinstance(exc, LookupError):
        reason = "a syntax error" if line else f"something in it is out of range ({type(exc).__name__})"
    return UnreadableError(reason, line)


def _first_reason(text: str) -> str:
    """Return one plain line of the native reader's coloured backtrace."""
    lines = [line.strip() for line in _ANSI.sub("", text).splitlines()]
    return next((line.split("Error:", 1)[1].strip() for line in lines if "Error:" in line), lines[0] if lines else "")


def _line_of_token(exc: Exception) -> int | None:
    """Return the line at which ANTLR failed.

    The OpenQASM 3 parser keeps it in the cause of its empty error.
    """
    cancelled = exc.__cause__
    antlr = cancelled.args[0] if cancelled is not None and cancelled.args else None
    line = getattr(getattr(antlr, "offendingToken", None), "line", None)
    return line if isinstance(line, int) else None
