# SPDX-License-Identifier: Apache-2.0
"""Output to the terminal, with the text of others as plain characters.

The command line writes to a terminal through this module alone.

Tags, names, errors and file names come from files and from other users of a fleet. Characters that a terminal obeys or
can't show (control characters, escape sequences, marks that change the writing direction, characters without width,
bytes that aren't text) are written as in a Python string: ``\\x1b``.
"""

from __future__ import annotations

import io
import json
import re
import sys
import unicodedata
from typing import TYPE_CHECKING, Any, Final, TextIO

import click

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["console", "echo", "guard", "harmless", "one_line", "write_json"]

#: The largest numbers of characters that are shown of a line and of a table's cell.
_MOST_OF_LINE, _MOST_OF_CELL = 4000, 1000
#: The largest number of accents and other marks on one letter.
_MOST_MARKS: Final = 4
#: The width of output that isn't a terminal.
_WIDE: Final = 200

_PLAIN = re.compile(r"[\n\t\x20-\x7e]*")
_LINE_ENDS = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")


def harmless(text: str) -> str:
    """Return a text without characters that a terminal obeys.

    Line ends and tabs are kept.
    """
    if _PLAIN.fullmatch(text):
        return text
    shown, marks = [], 0
    for char in text:
        category = "" if char.isascii() else unicodedata.category(char)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if char in "\n\t" or (char.isprintable() and marks <= _MOST_MARKS):
            shown.append(char)
        else:
            shown.append(" " if category == "Zs" else _escape(ord(char)))
    return "".join(shown)


def one_line(text: str, most: int = _MOST_OF_LINE) -> str:
    """Return a text as one harmless line of limited length."""
    left = len(text) - most
    line = harmless(_LINE_ENDS.sub(" ", text[:most]))
    return f"{line}… ({left} more characters)" if left > 0 else line


def echo(*lines: str, err: bool = False) -> None:
    """Write lines to stdout or stderr.

    Line ends inside a line become spaces.
    """
    click.echo("\n".join(map(one_line, lines)), err=err)


def write_json(document: object, *, err: bool = False) -> None:
    """Write one document in ASCII to stdout or stderr."""
    click.echo(json.dumps(document), err=err)


def console(*, stderr: bool = False) -> Console:
    """Return the console for tables and progress bars."""
    from rich.console import Console
    from rich.segment import Segment

    class Harmless(Console):
        """A console that makes text of others harmless.

        It keeps its own colours and cursor movements.
        """

        def render_str(self, text: str, **options: Any) -> Any:
            # Before a table measures the text.
            return super().render_str(one_line(text, _MOST_OF_CELL), **options)

        def render(self, *arguments: Any, **options: Any) -> Any:
            # Everything else that is printed, such as a `rich.text.Text`.
            for segment in super().render(*arguments, **options):
                yield segment if segment.control else Segment(harmless(segment.text), segment.style)

        def on_broken_pipe(self) -> None:
            # By default, rich ends the process.
            raise

    stream = sys.stderr if stderr else sys.stdout
    # A file or a pipe has room for any table.
    width = None if stream is not None and stream.isatty() else _WIDE
    # Names and tags come from files and from other users: they aren't markup.
    file = stream.under if isinstance(stream, _Guarded) else stream
    return Harmless(file=file, stderr=stderr, markup=False, highlight=False, emoji=False, width=width)


class _Guarded(io.TextIOWrapper):
    """A stream of this process that makes all output harmless.

    The output may come from libraries, warnings and tracebacks.
    """

    def __init__(self, under: io.TextIOWrapper) -> None:
        #: for writers with their own colours
        self.under = under
        under.reconfigure(errors="backslashreplace")
        super().__init__(
            under.buffer, encoding=under.encoding, errors="backslashreplace", newline="\n", write_through=True
        )

    def write(self, text: str) -> int:
        super().write(harmless(text))
        return len(text)


def guard() -> None:
    """Make stdout and stderr of this process harmless."""
    for name in ("stdout", "stderr"):
        stream: TextIO | None = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            setattr(sys, name, _Guarded(stream))


def _escape(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
