# SPDX-License-Identifier: Apache-2.0
"""Help, wrong command lines and failures: what is told, where, and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from qfleet.cli.command import qfleet
from qfleet.cli.group import message_of
from qfleet.errors import BrokerUnreachableError, CapacityError, InvalidOptionError

URL = "redis://broker:6379/0"


def error_of(result: Any) -> dict[str, str]:
    error: dict[str, str] = json.loads(result.stderr.splitlines()[-1])["error"]
    return error


class TestHelp:
    @pytest.mark.parametrize("name", sorted(qfleet.commands))
    def test_every_command_has_examples_that_parse(self, qfleet_command: Any, bell: Path, name: str) -> None:
        help_text = qfleet_command(name, "--help")
        assert help_text.exit_code == 0
        lines = help_text.stdout.splitlines()
        examples = lines[lines.index("  Example:") + 1 :]
        for example in examples[: examples.index("")]:
            words = example.split()
            words = words[words.index("qfleet") + 1 :]
            assert words.pop(0) == name
            # only the files of the examples aren't there
            words = [str(bell) if word.endswith(".qasm") else word for word in words]
            qfleet.commands[name].make_context(name, words, resilient_parsing=False)

    def test_every_command_is_told_in_a_line(self, qfleet_command: Any) -> None:
        lines = qfleet_command("--help").stdout.splitlines()
        commands = lines[lines.index("Commands:") + 1 :]
        assert [line.split()[0] for line in commands] == sorted(qfleet.commands)
        assert not [line for line in commands if line.endswith("...")]

    def test_exit_codes_are_told(self, qfleet_command: Any) -> None:
        text = qfleet_command("--help").stdout
        for code in ("0    done", "1    failed", "2    the command line", "130  interrupted"):
            assert code in text

    def test_help_is_quick_since_it_imports_neither_qiskit_nor_celery(self) -> None:
        code = (
            "import sys, qfleet.cli.command; "
            "print(sorted({'qiskit', 'celery', 'redis', 'numpy', 'rich'} & set(sys.modules)))"
        )
        output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert output.stdout == "[]\n"


class TestUsageErrors:
    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (["nonsense"], "No such command"),
            (["run"], "Missing argument"),
            (["run", "not-there.qasm"], "does not exist"),
            (["run", "."], "is a directory"),
            (["run", "BELL", "--shots", "many"], "'many' is not a valid integer"),
            (["run", "BELL", "--shots", "2.5"], "not a valid integer"),
            (["run", "BELL", "--local", "0"], "not in the range"),
            (["run", "BELL", "--local", "2", "--url", URL], "give only one of them"),
            (["run", "BELL", "--backend", "none-such"], "none-such"),
            (["jobs", "--backend", "none-such", "--url", URL], "none-such"),
            (["run", "BELL", "--plot", "x.doc"], "image format"),
            (["run", "BELL", "--nonsense"], "No such option"),
            (["jobs"], "--url or in QFLEET_URL"),
            (["status", "job-1"], "--url or in QFLEET_URL"),
            (["result"], "Missing argument"),
            (["worker"], "--url or set QFLEET_URL"),
            (["worker", "--concurrency", "0"], "not in the range"),
            (["up", "--workers", "0"], "not in the range"),
        ],
    )
    @pytest.mark.usefixtures("fleet")
    def test_exit_code_2(self, qfleet_command: Any, bell: Path, arguments: list[str], text: str) -> None:
        arguments = [str(bell) if word == "BELL" else word for word in arguments]
        result = qfleet_command(*arguments)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert text in result.stderr

    @pytest.mark.parametrize("arguments", [["jobs"], ["run", "not-there.qasm"], ["result", "--nonsense"]])
    @pytest.mark.usefixtures("fleet")
    def test_as_json(self, qfleet_command: Any, arguments: list[str]) -> None:
        result = qfleet_command(*arguments, "--json")
        assert result.exit_code == 2
        assert result.stdout == ""
        assert error_of(result)["type"] == "UsageError"

    def test_a_wrong_option_value_is_one_too(self, qfleet_command: Any, fleet: Any, bell: Path) -> None:
        fleet.run_error = InvalidOptionError("shots=0: a positive integer is needed")
        result = qfleet_command("run", bell, "--shots", "0", "--url", URL)
        assert result.exit_code == 2
        assert result.stderr == "Error: shots=0: a positive integer is needed\n"


class TestFailures:
    def test_a_file_that_is_no_circuit(self, qfleet_command: Any, fleet: Any, bell: Path, tmp_path: Path) -> None:
        bad = tmp_path / "bad.qasm"
        bad.write_text("hello")
        result = qfleet_command("run", bell, bad, "--json")
        assert result.exit_code == 1
        assert result.stdout == ""
        assert error_of(result)["type"] == "CircuitFileError"
        assert str(bad) in error_of(result)["message"]
        assert fleet.urls == []

    def test_in_one_line_without_traceback(self, qfleet_command: Any, fleet: Any, bell: Path) -> None:
        fleet.run_error = BrokerUnreachableError("no Redis answers\nat redis://:***@broker \x1b[31m")
        result = qfleet_command("run", bell, "--url", URL)
        assert result.exit_code == 1
        assert result.stderr == "Error: no Redis answers at redis://:***@broker \\x1b[31m\n"

    def test_as_json(self, qfleet_command: Any, fleet: Any, bell: Path) -> None:
        fleet.run_error = BrokerUnreachableError("no Redis answers")
        result = qfleet_command("run", bell, "--url", URL, "--json")
        assert result.exit_code == 1
        assert result.stdout == ""
        assert json.loads(result.stderr) == {"error": {"type": "BrokerUnreachableError", "message": "no Redis answers"}}

    def test_fields_as_json(self, qfleet_command: Any, fleet: Any, bell: Path) -> None:
        fleet.run_error = CapacityError("too large", circuit="bell", needed_bytes=2**40, path=(("a", 0), ("b", 1)))
        result = qfleet_command("run", bell, "--url", URL, "--json")
        assert error_of(result)["fields"] == {"circuit": "bell", "needed_bytes": 2**40, "path": [["a", 0], ["b", 1]]}

    def test_a_bug_keeps_its_traceback(self, qfleet_command: Any, fleet: Any, bell: Path) -> None:
        fleet.run_error = ZeroDivisionError("a bug")
        assert isinstance(qfleet_command("run", bell, "--url", URL).exception, ZeroDivisionError)

    def test_the_message_of_an_error_without_one(self) -> None:
        assert message_of(ValueError("a\n b")) == "a b"
