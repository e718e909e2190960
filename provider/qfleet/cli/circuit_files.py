# SPDX-License-Identifier: Apache-2.0
"""Which circuits are in this file? OpenQASM 2, OpenQASM 3 and QPY, told apart by content."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from qfleet.cli.qpy_probe import first_reason, why_unreadable
from qfleet.errors import CircuitFileError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

__all__ = ["MAX_FILE_BYTES", "MIN_QPY_VERSION", "read_circuit_files", "read_circuits"]

#: a file above this isn't read
MAX_FILE_BYTES = 64 << 20

#: QPY below this version can run code when it is loaded (CVE-2025-2000)
MIN_QPY_VERSION = 13

#: a register above this isn't a circuit that can be simulated, and its bits alone would fill the memory
_MAX_REGISTER = 1_000_000

_QPY_MAGIC = b"QISKIT"
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_VERSION = re.compile(r"\s*OPENQASM\s+(\d+)(?:\.\d+)?\s*;")
_REGISTER = re.compile(r"\b(?:qreg|creg)\s+\w+\s*\[\s*([\d_]+)\s*\]|\b(?:qubit|bit)\s*\[\s*([\d_]+)\s*\]")
_WHERE = re.compile(r"(?:<input>:|L|line )?(\d+)(?:,|:C|:)\d+:? ")


def read_circuit_files(paths: Iterable[Path]) -> list[QuantumCircuit]:
    """The circuits of all files, in order. Raises `CircuitFileError` at the first file that can't be read."""
    return [circuit for path in paths for circuit in read_circuits(path)]


def read_circuits(path: Path) -> list[QuantumCircuit]:
    """The circuits of one file: one for OpenQASM, named like the file; any number for QPY, with their own names.

    Raises `CircuitFileError`, which names the file, the line where it is known, and what to do.
    """
    data = _content(path)
    if data.startswith(_QPY_MAGIC):
        return _from_qpy(path, data)
    text = _text(path, data)
    # every character of a comment but its line ends becomes a space, so that lines keep their numbers
    code = _COMMENT.sub(lambda comment: re.sub(r"[^\n]", " ", comment[0]), text)
    version = _VERSION.match(code)
    if version is None:
        raise CircuitFileError(
            f"{path} isn't a circuit: it starts neither with 'OPENQASM 2.0;' nor 'OPENQASM 3.0;' nor as a QPY file. "
            "Add the OpenQASM version as the first line, or write the circuit with qiskit.qpy.dump()."
        )
    _check_registers(path, code)
    if version[1] == "2":
        circuit = _from_qasm2(path, text)
    elif version[1] == "3":
        circuit = _from_qasm3(path, text)
    else:
        raise CircuitFileError(f"{path} is OpenQASM {version[1]}; versions 2 and 3 are read.")
    circuit.name = path.stem
    return [circuit]


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise CircuitFileError(f"{path} can't be read: {exc.strerror}.") from exc
    if len(data) > MAX_FILE_BYTES:
        raise CircuitFileError(
            f"{path} has more than {MAX_FILE_BYTES >> 20} MiB. Split it, or submit its circuits from Python."
        )
    if not data.strip():
        raise CircuitFileError(f"{path} is empty. A circuit file is OpenQASM 2, OpenQASM 3 or QPY.")
    return data


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise CircuitFileError(
            f"{path}, line {line}: not UTF-8 text, and the file isn't QPY either. "
            "A circuit file is OpenQASM 2, OpenQASM 3 or QPY."
        ) from exc


def _check_registers(path: Path, code: str) -> None:
    for register in _REGISTER.finditer(code):
        digits = (register[1] or register[2]).replace("_", "")
        # very long numbers aren't converted: Python refuses them above some thousand digits
        if len(digits) > 18 or int(digits) > _MAX_REGISTER:
            line = code.count("\n", 0, register.start()) + 1
            raise CircuitFileError(
                f"{path}, line {line}: a register of {digits[:20]} bits; {_MAX_REGISTER} is the largest that is read."
            )


def _from_qasm2(path: Path, text: str) -> QuantumCircuit:
    from qiskit import qasm2

    try:
        return qasm2.loads(
            text,
            # `qasm2.dumps` counts gates as part of qelib1.inc that the paper's qelib1.inc doesn't have
            include_path=(path.parent, *qasm2.LEGACY_INCLUDE_PATH),
            custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS,
            custom_classical=qasm2.LEGACY_CUSTOM_CLASSICAL,
        )
    except Exception as exc:
        raise _unreadable(path, "OpenQASM 2", exc) from exc


def _from_qasm3(path: Path, text: str) -> QuantumCircuit:
    from qiskit import qasm3

    # the parser writes what it found to stderr, and raises without it
    found = io.StringIO()
    try:
        with contextlib.redirect_stderr(found):
            return qasm3.loads(text)
    except Exception as exc:
        raise _unreadable(path, "OpenQASM 3", exc, found.getvalue()) from exc


def _from_qpy(path: Path, data: bytes) -> list[QuantumCircuit]:
    if len(data) <= len(_QPY_MAGIC):
        raise CircuitFileError(f"{path} isn't QPY that can be read: it ends within its header. Write it again.")
    # the version is read before Qiskit sees the file: loading an old one is what runs code
    version = data[len(_QPY_MAGIC)]
    if version < MIN_QPY_VERSION:
        raise CircuitFileError(
            f"{path} is QPY version {version}; only {MIN_QPY_VERSION} and newer are read, because loading an older one "
            "can run code (CVE-2025-2000). Write it again with qiskit.qpy.dump() of Qiskit 1.3 or newer."
        )
    reason = why_unreadable(data)
    if reason is not None:
        raise CircuitFileError(
            f"{path} isn't QPY that can be read: {reason.rstrip('.')}. "
            "Write it again with qiskit.qpy.dump() of the Qiskit that is installed here."
        )
    from qiskit import QuantumCircuit, qpy

    with warnings.catch_warnings():
        # "written by a newer Qiskit": if that matters, the load has failed above
        warnings.simplefilter("ignore")
        programs = qpy.load(io.BytesIO(data))
    circuits = [program for program in programs if isinstance(program, QuantumCircuit)]
    if not circuits or len(circuits) < len(programs):
        raise CircuitFileError(f"{path} is QPY with {len(programs)} programs, {len(circuits)} of them circuits.")
    return circuits


def _unreadable(path: Path, language: str, exc: Exception, found: str = "") -> CircuitFileError:
    if isinstance(exc, RecursionError):
        return CircuitFileError(f"{path} isn't {language} that can be read: its expressions are nested too deeply.")
    message = getattr(exc, "message", None) or str(exc) or found
    where = _WHERE.match(message)
    line = where[1] if where else _line_of_token(exc)
    reason = first_reason(message[where.end() :] if where else message)
    if not reason or isinstance(exc, LookupError):
        reason = "a syntax error" if line else f"something in it is out of range ({type(exc).__name__})"
    place = f", line {line}" if line else ""
    return CircuitFileError(
        f"{path}{place}: {reason.rstrip('.')}. Correct the file: this isn't {language} that Qiskit reads."
    )


def _line_of_token(exc: Exception) -> int | None:
    """The line where ANTLR gave up; the OpenQASM 3 parser keeps it in what caused its own, empty, error."""
    cancelled = exc.__cause__
    antlr = cancelled.args[0] if cancelled is not None and cancelled.args else None
    line = getattr(getattr(antlr, "offendingToken", None), "line", None)
    return line if isinstance(line, int) else None
