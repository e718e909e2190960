# SPDX-License-Identifier: Apache-2.0
"""Circuits from files: OpenQASM 2, OpenQASM 3 and QPY, recognized by content."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from qfleet.cli import qasm2_source
from qfleet.cli.circuit_formats import LANGUAGES, Format, UnreadableError, parse
from qfleet.cli.circuit_probe import Probe
from qfleet.cli.qasm2_source import without_comments
from qfleet.errors import CircuitFileError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

__all__ = ["MAX_FILE_BYTES", "MIN_QPY_VERSION", "read_circuit_files", "read_circuits"]

#: The size of the largest file that is read.
MAX_FILE_BYTES = 64 << 20

#: Older QPY can run code when it is loaded (CVE-2025-2000).
MIN_QPY_VERSION = 13

#: Larger registers can't be simulated, and their bits alone would fill the memory.
_MAX_REGISTER = 1_000_000
#: The deepest nesting of parentheses and braces: the stack of a parser is limited.
_MAX_NESTING = 200

_QPY_MAGIC = b"QISKIT"
_VERSION = re.compile(r"\s*OPENQASM\s+(\d+)(?:\.\d+)?\s*;")
_REGISTER = re.compile(r"\b(?:qreg|creg)\s+\w+\s*\[\s*(\d\w*)\s*\]|\b(?:qubit|bit)\s*\[\s*(\d\w*)\s*\]")
_BRACKET = re.compile(r"[(\[{}\])]")


def read_circuit_files(paths: Iterable[Path]) -> list[QuantumCircuit]:
    """Return the circuits of all files in order.

    Raises:
        CircuitFileError: a file can't be read.
    """
    with Probe() as probe:
        return [circuit for path in paths for circuit in read_circuits(path, probe)]


def read_circuits(path: Path, probe: Probe) -> list[QuantumCircuit]:
    """Return the circuits of one file.

    An OpenQASM file is one circuit, named after the file. A QPY file has any number of circuits with their own names.

    Args:
        path: the file.
        probe: tries each circuit before this process reads it.

    Raises:
        CircuitFileError: the file can't be read; the text has the file, the line if it is known, and a remedy.
    """
    data = _content(path)
    if data.startswith(_QPY_MAGIC):
        _check_qpy(path, data)
        return _circuits(path, "qpy", data, probe)
    text = _text(path, data)
    code = without_comments(text)
    version = _VERSION.match(code)
    if version is None:
        raise _error(
            path,
            " isn't a circuit: it doesn't start with 'OPENQASM 2.0;' or 'OPENQASM 3.0;', and isn't a QPY file. "
            "Add the OpenQASM version as the first line, or write the circuit with qiskit.qpy.dump().",
        )
    if version[1] == "2":
        program = qasm2_source.expand(path, text, MAX_FILE_BYTES)
        _check_text(path, program.text, program)
        circuits = _circuits(path, "qasm2", program.text.encode(), probe, program)
    elif version[1] == "3":
        _check_text(path, code)
        circuits = _circuits(path, "qasm3", text.encode(), probe)
    else:
        raise _error(path, f" is OpenQASM {version[1]}; only versions 2 and 3 can be read.")
    circuits[0].name = path.stem
    return circuits


def _circuits(
    path: Path, kind: Format, data: bytes, probe: Probe, program: qasm2_source.Program | None = None
) -> list[QuantumCircuit]:
    try:
        probe.check(kind, data)
        return parse(kind, data)
    except UnreadableError as exc:
        raise _error(path, _problem(kind, exc), exc.line, program) from exc


def _problem(kind: Format, exc: UnreadableError) -> str:
    """Return the end of the message about an unreadable file.

    It follows the file's name and line.
    """
    if exc.too_large:
        return f": {exc.reason}. Split it, or submit its circuits from Python."
    if kind == "qpy":
        return f" isn't readable QPY: {exc.reason}. Write it again with qiskit.qpy.dump() of the installed Qiskit."
    return f": {exc.reason}. Correct the file: it isn't {LANGUAGES[kind]} that Qiskit can read."


def _error(
    path: Path, text: str, line: int | None = None, program: qasm2_source.Program | None = None
) -> CircuitFileError:
    """Return the error about a file.

    Args:
        path: the file.
        text: what is wrong and what to do, as it follows the file's name and line.
        line: the number of the line in the text that was parsed, from 1.
        program: the source of that text, if it has includes.
    """
    if not line:
        return CircuitFileError(f"{path}{text}", path=str(path))
    include, number = program.place(line) if program else ("", line)
    return qasm2_source.file_error(path, include, number, text)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise _error(path, f" can't be read: {exc.strerror}.") from exc
    if len(data) > MAX_FILE_BYTES:
        raise _error(path, f" has more than {MAX_FILE_BYTES >> 20} MiB. Split it, or submit its circuits from Python.")
    if not data.strip():
        raise _error(path, " is empty. A circuit file is OpenQASM 2, OpenQASM 3 or QPY.")
    return data


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        text = ": not UTF-8 text, and the file isn't QPY. A circuit file is OpenQASM 2, OpenQASM 3 or QPY."
        raise _error(path, text, line) from exc


def _check_text(path: Path, code: str, program: qasm2_source.Program | None = None) -> None:
    """Check the sizes of registers and the depth of nesting.

    A parser would use too much memory or stack on larger ones.

    Raises:
        CircuitFileError: a register is too large, or the nesting is too deep.
    """
    for register in _REGISTER.finditer(code):
        digits = (register[1] or register[2]).replace("_", "").lower()
        if not _is_small(digits):
            line = code.count("\n", 0, register.start()) + 1
            text = f": a register of {digits[:20]} bits; the largest possible is {_MAX_REGISTER}."
            raise _error(path, text, line, program)
    depth = 0
    for bracket in _BRACKET.finditer(code):
        depth += 1 if bracket[0] in "([{" else -1
        if depth > _MAX_NESTING:
            line = code.count("\n", 0, bracket.start()) + 1
            text = f": its expressions are nested too deeply; at most {_MAX_NESTING} levels are allowed. Reduce them."
            raise _error(path, text, line, program)


def _is_small(digits: str) -> bool:
    """Tell whether a register is small enough.

    Digits that aren't a number are left to the parser.
    """
    # Python refuses to convert numbers of some thousand digits.
    if len(digits.lstrip("0")) > 40:
        return False
    try:
        return int(digits, 10 if digits.isdecimal() else 0) <= _MAX_REGISTER
    except ValueError:
        return True


def _check_qpy(path: Path, data: bytes) -> None:
    if len(data) <= len(_QPY_MAGIC):
        raise _error(path, " isn't readable QPY: it ends in its header. Write it again.")
    # Checked before Qiskit loads the file: loading an old version can run code.
    version = data[len(_QPY_MAGIC)]
    if version < MIN_QPY_VERSION:
        raise _error(
            path,
            f" is QPY version {version}; only {MIN_QPY_VERSION} and newer can be read, because loading an older one "
            "can run code (CVE-2025-2000). Write it again with qiskit.qpy.dump() of Qiskit 1.3 or newer.",
        )
