# SPDX-License-Identifier: Apache-2.0
"""OpenQASM 2 programs with includes and gate definitions of their own.

Qiskit knows many gates by name. If a file defines a gate with such a name, the file's definition applies. So Qiskit
gets only the names that the file doesn't define.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qfleet.errors import CircuitFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qiskit import QuantumCircuit
    from qiskit.qasm2 import CustomInstruction

__all__ = ["Program", "expand", "parse", "without_comments"]

#: The library in the language's paper. Qiskit has its gates built in.
_LIBRARY: Final = "qelib1.inc"
_MAX_INCLUDES: Final = 1000

_COMMENT = re.compile(r"""("[^"\n]*"|'[^'\n]*')|//[^\n]*|/\*.*?\*/""", re.DOTALL)
_INCLUDE = re.compile(r"""\binclude\s*(?:"([^"\n]*)"|'([^'\n]*)')\s*;""")
_VERSION = re.compile(r"\A\s*OPENQASM\s+[\d.]+\s*;")
_STRING = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'")
_GATE = re.compile(r"\bgate\s+([A-Za-z_]\w*)")
_OPAQUE = re.compile(r"\bopaque\s+([A-Za-z_]\w*)\s*(?:\(([^)]*)\))?([^;]*);")


@dataclass
class Program:
    """A program with its includes inserted.

    The library that Qiskit has built in is not inserted.
    """

    lines: list[str] = field(default_factory=list)
    #: for each line its file as the program names it ("" for the program itself), and its number in that file
    places: list[tuple[str, int]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Return the whole text."""
        return "\n".join(self.lines)

    def place(self, line: int) -> tuple[str, int]:
        """Return the file of a line, and the line's number there.

        Args:
            line: the number of the line in the whole text, from 1.
        """
        return self.places[line - 1] if 0 < line <= len(self.places) else ("", line)


def without_comments(text: str) -> str:
    """Return the text with comments replaced by spaces. Lines keep their numbers."""
    return _COMMENT.sub(lambda match: match[1] or re.sub(r"[^\n]", " ", match[0]), text)


def expand(path: Path, text: str, max_bytes: int) -> Program:
    """Return a program with the files that it includes inserted.

    Only files in the folder of the program and below it are included.

    Args:
        path: the program's file.
        text: the content of the file.
        max_bytes: the largest size of the result.

    Raises:
        CircuitFileError: an include can't be inserted; the text has the line and the reason.
    """
    program = Program()
    _Includes(path, max_bytes).append(text, program, path.parent, "")
    return program


class _Includes:
    """The includes of one program."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._root = Path(os.path.realpath(path.parent))
        self._left = max_bytes
        self._number = 0
        self._open: list[Path] = []

    def append(self, text: str, program: Program, folder: Path, name: str) -> None:
        """Append a file's text to a program.

        Args:
            text: the text of the file.
            program: the program.
            folder: the folder of the file.
            name: the name of the file in the program.
        """
        code = without_comments(text)
        line, begin = 1, 0
        for include in _INCLUDE.finditer(code):
            target = include[1] if include[1] is not None else include[2]
            at = code.count("\n", 0, include.start()) + 1
            file = self._find(target, folder, name, at)
            if file is None:
                continue
            self._add(program, code[begin : include.start()], name, line)
            self._open.append(file)
            inner = self._read(file, target, name, at)
            # The version may stand only at the head of the whole program.
            inner = _VERSION.sub(lambda version: re.sub(r"[^\n]", " ", version[0]), without_comments(inner))
            self.append(inner, program, file.parent, target)
            self._open.pop()
            line, begin = code.count("\n", 0, include.end()) + 1, include.end()
        self._add(program, code[begin:], name, line)

    def _add(self, program: Program, text: str, name: str, line: int) -> None:
        for number, each in enumerate(text.split("\n"), line):
            program.lines.append(each)
            program.places.append((name, number))

    def _find(self, target: str, folder: Path, name: str, line: int) -> Path | None:
        """Return the file that an include names.

        It is ``None`` for the library that Qiskit has built in.
        """
        for base in dict.fromkeys((folder, self._path.parent)):
            try:
                file = Path(os.path.realpath(base / target, strict=True))
            except (OSError, ValueError):
                continue
            if not file.is_relative_to(self._root):
                raise self._error(name, line, f"includes {target!r}, which is outside the file's folder. Copy it there")
            if target == _LIBRARY and _is_qiskits_library(file):
                return None
            return file
        if target == _LIBRARY:
            return None
        raise self._error(name, line, f"includes {target!r}, which doesn't exist. Copy it to the file's folder")

    def _read(self, file: Path, target: str, name: str, line: int) -> str:
        self._number += 1
        if self._number > _MAX_INCLUDES:
            raise self._error(name, line, f"has more than {_MAX_INCLUDES} includes. Use fewer files")
        if file in self._open[:-1] or file == Path(os.path.realpath(self._path)):
            raise self._error(name, line, f"includes {target!r}, which includes itself. Remove one of the includes")
        try:
            data = _regular_bytes(file, self._left + 1)
            text = data.decode("utf-8-sig")
        except OSError as exc:
            raise self._error(name, line, f"includes {target!r}, which can't be read: {exc.strerror}") from exc
        except UnicodeDecodeError as exc:
            raise self._error(name, line, f"includes {target!r}, which isn't UTF-8 text") from exc
        self._left -= len(data)
        if self._left < 0:
            raise self._error(name, line, "includes more text than is allowed. Remove some of it")
        return text

    def _error(self, name: str, line: int, what: str) -> CircuitFileError:
        return file_error(self._path, name, line, f": {what}.")


def file_error(path: Path, include: str, line: int, text: str) -> CircuitFileError:
    """Return the error about a line of a file.

    Args:
        path: the file.
        include: the name of the included file that the line is in; empty for the file itself.
        line: the number of the line there, from 1.
        text: what is wrong and what to do, as it follows the place.
    """
    place = f"line {line}" + (f" of {include!r}" if include else "")
    return CircuitFileError(f"{path}, {place}{text}", path=str(path), line=line, include=include or None)


def _regular_bytes(path: Path, limit: int) -> bytes:
    """Return the content of a regular file.

    Args:
        path: the file.
        limit: the largest number of bytes.

    Raises:
        OSError: it is a pipe or a device, which isn't waited for.
    """
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "it isn't a regular file")
        return file.read(limit)


def _is_qiskits_library(path: Path) -> bool:
    """Tell whether a file has the content of Qiskit's library.

    Comments and spaces are ignored.
    """
    from qiskit import qasm2

    for folder in qasm2.LEGACY_INCLUDE_PATH:
        known = folder / _LIBRARY
        if known.is_absolute() and known.is_file():
            try:
                data = _regular_bytes(path, 1 << 20).decode("utf-8-sig")
            except (OSError, UnicodeDecodeError):
                return False
            return without_comments(data).split() == without_comments(known.read_text("utf-8")).split()
    return False


def parse(text: str) -> QuantumCircuit:
    """Parse an OpenQASM 2 program with its includes inserted.

    It raises the errors of `qiskit.qasm2.loads`.
    """
    import math

    from qiskit import qasm2

    text = without_comments(text)
    code = _STRING.sub("", text)
    defined = set(_GATE.findall(code))
    opaque = dict(_opaque_gates(code))
    # `qasm2.dumps` writes an instruction without a definition as an opaque gate that Qiskit knows.
    customs = [
        custom
        for custom in qasm2.LEGACY_CUSTOM_INSTRUCTIONS
        if custom.name not in defined
        and opaque.get(custom.name, (custom.num_params, custom.num_qubits)) == (custom.num_params, custom.num_qubits)
    ]
    functions = [
        qasm2.CustomClassical(function.__name__, 1, function)
        for function in (math.asin, math.acos, math.atan)
        if function.__name__ not in defined and function.__name__ not in opaque
    ]
    own = [
        custom
        for custom in qasm2.LEGACY_CUSTOM_INSTRUCTIONS
        if custom.name in defined | opaque.keys() and _is_in_library(custom)
    ]
    if own:
        rest = " ".join(
            _declaration(custom) for custom in customs if _is_in_library(custom) and custom.name not in opaque
        )
        text = _INCLUDE.sub(rest, text)
    return qasm2.loads(text, include_path=(), custom_instructions=customs, custom_classical=functions)


def _opaque_gates(code: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield each opaque gate's name and numbers of parameters and qubits."""
    for name, *lists in _OPAQUE.findall(code):
        num_params, num_qubits = [len([each for each in names.split(",") if each.strip()]) for names in lists]
        yield name, (num_params, num_qubits)


def _is_in_library(custom: CustomInstruction) -> bool:
    return bool(not custom.builtin and custom.name != "delay")


def _declaration(custom: CustomInstruction) -> str:
    """Return a definition that makes Qiskit use its own gate.

    For a custom instruction Qiskit reads only the head of the definition.
    """
    params = ",".join(f"p{number}" for number in range(custom.num_params))
    qubits = ",".join(f"q{number}" for number in range(custom.num_qubits))
    return f"gate {custom.name}({params}) {qubits} {{ }}"
