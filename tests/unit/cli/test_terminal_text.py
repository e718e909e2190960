# SPDX-License-Identifier: Apache-2.0
"""Characters that a terminal obeys are written out; others stay as they are."""

from __future__ import annotations

import io
import logging
import sys

import pytest
from rich.table import Table
from rich.text import Text

from qfleet.cli.terminal import console, echo, guard, harmless, one_line, write_json


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "θ = π/2 → ∞",
        "日本語",
        "עברית",
        "العربية",
        "हिन्दी",
        "ภาษาไทย",
        "e\u0301e\u0302\u0323",
        "😀",
        "a\tb\nc",
        "│┃…",
    ],
)
def test_what_people_write_is_shown(text: str) -> None:
    assert harmless(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb\bc\x07", "a\\x0db\\x08c\\x07"),
        ("\x7f\x00", "\\x7f\\x00"),
        ("\u202eevil\u202c", "\\u202eevil\\u202c"),
        ("\u2066\u2069\u200e\u200f\u061c", "\\u2066\\u2069\\u200e\\u200f\\u061c"),
        ("\u200b\u200d\u2060\ufeff\u00ad", "\\u200b\\u200d\\u2060\\ufeff\\xad"),
        ("\U000e0041", "\\U000e0041"),
        ("\udcff\ud800", "\\udcff\\ud800"),
        ("\ue000\uffff", "\\ue000\\uffff"),
        ("a\u00a0b\u3000c", "a b c"),
        ("\u2028\u2029\x85", "\\u2028\\u2029\\x85"),
    ],
)
def test_what_a_terminal_obeys_is_written_out(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_few_accents_stand_on_a_letter() -> None:
    assert harmless("a" + "\u0301" * 6 + "b\u0301") == "a" + "\u0301" * 4 + "\\u0301\\u0301" + "b\u0301"


def test_one_line_is_one_line() -> None:
    assert one_line("a\nb\r\nc\x85d\u2028e\tf\x0bg") == "a b c d e f g"
    assert one_line("x" * 10, most=4) == "xxxx… (6 more characters)"
    assert one_line("  indented  ") == "  indented  "


def test_echo_writes_lines_of_its_own_only(capsys: pytest.CaptureFixture[str]) -> None:
    echo("a\nb", "c\x1b[2J")
    echo("d\x9b", err=True)
    assert capsys.readouterr() == ("a b\nc\\x1b[2J\n", "d\\x9b\n")


def test_a_table_shows_cells_and_texts_harmlessly(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("a", "b\x1b[31m")
    table.add_row("one\ntwo\x1b]0;title\x07", Text("x\x9by"))
    table.add_row("z" * 5000, "")
    console().print(table)
    out = capsys.readouterr().out
    assert "one two\\x1b]0;title\\x07" in out
    assert "x\\x9by" in out
    assert 0 < out.count("z") <= 1000
    assert not {"\x1b", "\x9b", "\x07"} & set(out)


def test_json_is_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"text": "\x1b\x7f\x9b\u202eé\ud800"})
    assert capsys.readouterr().out == '{"text": "\\u001b\\u007f\\u009b\\u202e\\u00e9\\ud800"}\n'


def test_what_libraries_write_is_harmless_too(monkeypatch: pytest.MonkeyPatch) -> None:
    # pytest's handlers are no part of a command
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    written = {name: io.BytesIO() for name in ("stdout", "stderr")}
    for name, stream in written.items():
        monkeypatch.setattr(sys, name, io.TextIOWrapper(stream, encoding="ascii"))
    guard()
    print("a\x1b[2J\nb\udcffé")
    logging.getLogger("of.a.library").warning("w\x9b")
    console().print("tab\x1b[31mle")
    sys.stdout.flush()
    assert written["stdout"].getvalue() == b"a\\x1b[2J\nb\\udcff\\xe9\ntab\\x1b[31mle\n"
    assert written["stderr"].getvalue() == b"w\\x9b\n"
