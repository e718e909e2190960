# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and SIGTERM end every command with one line, whenever they come, and nothing is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from circuits import ENDLESS_SHOTS, endless
from command_line import QFLEET, catches, on_terminal, serving
from processes import left_behind, redis_server
from qiskit import qpy
from waiting import until

from qfleet import FleetProvider

BELL = Path(__file__).resolve().parents[2] / "examples" / "qasm2" / "bell.qasm"
SIGNALS = [signal.SIGINT, signal.SIGTERM]

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="/proc tells when a handler is set")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Yield a Redis without workers, with a job that waits."""
    with redis_server() as port:
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Yield the folder for temporary files. A short name: in a longer one a fleet would take its place elsewhere."""
    with tempfile.TemporaryDirectory(prefix="qfi-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def begun(process: subprocess.Popen[str]) -> None:
    """Wait until the interpreter is up, and the command is the one that gets the signals."""
    until(lambda: process.poll() is not None or catches(process.pid, signal.SIGTERM), "the command begins")


def moments(number: int, seconds: float) -> list[float]:
    """Moments within a time, one in each part of it; others in each run of the tests."""
    return [(part + random.random()) * seconds / number for part in range(number)]


def assert_told(process: subprocess.Popen[str], err: str) -> None:
    """Assert that the signal ended the command, which says so in one line, or that it had ended before."""
    assert "Traceback" not in err
    assert "ignored" not in err
    if process.returncode == 130:
        assert len([line for line in err.splitlines() if "interrupted" in line]) == 1, err
    else:
        assert process.returncode == 0, (process.returncode, err)


@pytest.mark.parametrize("command", ["jobs", "jobs --json", "version", "doctor --help"])
def test_a_command_that_asks(command: str, url: str) -> None:
    for number, moment in enumerate(moments(4, 1.5)):
        with serving(*command.split(), url=url) as process:
            begun(process)
            time.sleep(moment)
            process.send_signal(SIGNALS[number % 2])
            out, err = process.communicate(timeout=60)
            assert_told(process, err)
            if "--json" in command and process.returncode == 130:
                assert json.loads(err) == {"error": {"type": "Interrupted", "message": "interrupted"}}
                assert not out or json.loads(out)


def test_run_says_whether_there_is_a_job(url: str) -> None:
    with FleetProvider(url) as provider:

        def ids() -> set[str]:
            return {job.job_id() for job in provider.jobs(limit=None)}

        for number, moment in enumerate([*moments(8, 2.0), 60.0]):
            before = ids()
            with serving("run", BELL, url=url) as process:
                begun(process)
                # at the latest when the job is there
                with contextlib.suppress(AssertionError):
                    until(lambda known=before: ids() - known, "there is a job", moment)
                process.send_signal(SIGNALS[number % 2])
                _, err = process.communicate(timeout=60)
            assert process.returncode == 130
            assert_told(process, err)
            new = ids() - before
            if new:
                assert f"ob {new.pop()} goes on: " in err
            else:
                # the second before the command has begun
                assert err in ("Error: interrupted; nothing was submitted\n", "Error: interrupted\n")


def test_run_takes_its_progress_bar_away(url: str) -> None:
    code, output = on_terminal("run", str(BELL), url=url, until="QUEUED")
    assert code == 130
    assert output.rindex("\x1b[?25h") > output.rindex("\x1b[?25l")
    assert "goes on: qfleet result" in output.splitlines()[-1]
    assert "Traceback" not in output


@pytest.mark.parametrize("command", ["run", "up", "up --data"])
def test_a_local_fleet_is_stopped_at_any_moment(command: str, scratch: Path, tmp_path: Path) -> None:
    words = [BELL if word == "BELL" else word for word in command.replace("run", "run BELL").split()]
    if "--data" in words:
        words += [tmp_path / "jobs"]
    for number, moment in enumerate(moments(6, 4.0)):
        with serving(*words, TMPDIR=str(scratch)) as process:
            begun(process)
            time.sleep(moment)
            process.send_signal(SIGNALS[number % 2])
            _, err = process.communicate(timeout=60)
            assert_told(process, err)
            if words[0] == "up" and process.returncode == 0:
                assert err.splitlines()[-1] == "The fleet is stopped."
            until(lambda: not left_behind(scratch), "nothing is left")


@pytest.mark.parametrize("command", ["run", "up --data"])
def test_ctrl_c_again_and_again(command: str, scratch: Path, tmp_path: Path) -> None:
    with (tmp_path / "endless.qpy").open("wb") as file:
        qpy.dump(endless(), file)
    words = {
        "run": ["run", tmp_path / "endless.qpy", "--shots", ENDLESS_SHOTS],
        "up --data": ["up", "--data", tmp_path / "jobs"],
    }[command]
    for moment in moments(3, 5.0):
        with serving(*words, TMPDIR=str(scratch)) as process:
            begun(process)
            time.sleep(moment)
            while process.poll() is None:
                process.send_signal(signal.SIGINT)
                time.sleep(random.random() / 5)
            err = process.communicate()[1]
            assert_told(process, err)
            until(lambda: not left_behind(scratch), "nothing is left")


@pytest.mark.parametrize("command", ["worker", "warm"])
def test_what_becomes_a_worker(command: str, url: str, tmp_path: Path) -> None:
    for number, moment in enumerate(moments(4, 1.5)):
        with serving(command, url=url, NUMBA_CACHE_DIR=str(tmp_path / "cache")) as process:
            begun(process)
            time.sleep(moment)
            process.send_signal(SIGNALS[number % 2])
            _, err = process.communicate(timeout=60)
            assert "Traceback" not in err
            # 0: the worker had begun to take tasks
            assert process.returncode in (0, 130)
            assert process.returncode == 0 or err.splitlines()[-1] == "Error: interrupted"


def test_a_signal_that_is_ignored_stays_ignored(url: str) -> None:
    ignore = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    words = [sys.executable, "-c", ignore, *QFLEET, "run", str(BELL)]
    environment = os.environ | {"QFLEET_URL": url}
    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "no worker is up" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert "goes on" in process.stderr.read()
    assert process.returncode == 130


@pytest.mark.parametrize("command", ["jobs", "jobs --json", "doctor", "--help", "run"])
def test_nobody_reads_on(command: str, fleet_url: str) -> None:
    """As in ``qfleet jobs | head -1``."""
    read, write = os.pipe()
    os.close(read)
    words = [*command.split(), *([str(BELL)] if command == "run" else [])]
    with serving(*words, url=fleet_url, stdout=write) as process:
        os.close(write)
        _, err = process.communicate(timeout=60)
    assert err == ""
    assert process.returncode == 141


def test_output_that_cant_be_written(fleet_url: str) -> None:
    with open("/dev/full", "w") as full, serving("jobs", url=fleet_url, stdout=full.fileno()) as process:
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "Error: [Errno 28] No space left on device\n")
