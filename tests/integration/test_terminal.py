# SPDX-License-Identifier: Apache-2.0
"""Texts of others reach a terminal as plain characters, by every command."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from circuits import bell
from command_line import QFLEET, on_terminal, qfleet
from connections import connected
from processes import redis_server
from qiskit import QuantumCircuit
from references import ref

from qfleet import FleetProvider, SamplerV2
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField

#: Sets the title, a colour by C0 and C1, turns the direction, has no width, piles up accents, begins a line of its own.
EVIL = (
    "\x1b]0;taken\x07\x1b[7;45m\x9b45m\u202e\u2066\u200f\u061c\u200b\ufeff\U000e0041\x7f\x00\b"
    f"a{chr(0x301) * 300}\r\nspoofed\x85spoofed\u2028spoofed\x0bspoofed"
)
#: What a terminal may get from us: colours, and the moves of the progress bar.
OURS = re.compile(r"\x1b\[(?:\d+(?:;\d+)*)?[mK]|\x1b\[\?25[lh]|\x1b\[1A|\x1b\[2K")


def assert_harmless(output: str) -> None:
    for part in ("\x1b]", "\x1b[7;45m", "\x9b", "\u202e", chr(0x301) * 5):
        assert part not in output
    plain = OURS.sub("", output).replace("\r", "")
    odd = sorted({char for char in plain if not char.isprintable()} - {"\n"})
    assert odd == []
    assert "\nspoofed" not in plain


@dataclass
class Fleet:
    url: str
    #: ids of jobs of others: of circuits, of a primitive, one that failed, one that waits
    done: str
    sampled: str
    failed: str
    waits: str
    #: whose tags no client of ours writes
    foreign: str


@pytest.fixture(scope="module")
def fleet(fleet_url: str) -> Iterator[Fleet]:
    """Yield the fleet of this test run, with jobs of somebody who means no good."""
    circuit = bell()
    circuit.name = EVIL
    tags = [EVIL, "x" * 100_000]
    with FleetProvider(fleet_url) as provider, connected(provider) as connection:
        backend, client = provider.get_backend(), connection.client
        never_ends = QuantumCircuit(1, 1, name=EVIL)
        with never_ends.while_loop((never_ends.clbits[0], 0)):
            never_ends.id(0)
        jobs = [backend.run(each, shots=5, job_tags=tags) for each in (circuit, never_ends, circuit, circuit)]
        sampled = SamplerV2(provider).run([bell()], shots=5)
        sampled.result(timeout=60)
        for job in jobs:
            job.result(timeout=60, partial=True)
        done, failed, waits, foreign = (job.job_id() for job in jobs)
        client.hset(keys.job(ref(sampled)), JobField.TAGS, json.dumps([EVIL]))
        client.hset(keys.job(ref(jobs[3])), JobField.TAGS, json.dumps([EVIL, "\ud800"]))
        client.hset(keys.job(ref(jobs[2])), mapping={JobField.count("SUCCESS"): 0, JobField.count("PENDING"): 1})
        yield Fleet(fleet_url, done, sampled.job_id(), failed, waits, foreign)
        for job in (*jobs, sampled):
            client.delete(*keys.of_job(ref(job)))


def test_jobs(fleet: Fleet) -> None:
    code, output = on_terminal("jobs", "--limit", "5", url=fleet.url)
    assert code == 0
    assert fleet.done[:8] in output
    assert_harmless(output)


@pytest.mark.parametrize("name", ["done", "failed", "sampled"])
def test_status(fleet: Fleet, name: str) -> None:
    job_id = getattr(fleet, name)
    code, output = on_terminal("status", job_id, url=fleet.url)
    assert code == 0, output
    assert job_id in output
    # shown for what it is
    assert r"\x1b]0;taken\x07\x1b[7;45m\x9b45m\u202e\u2066\u200f" in output
    assert len(output) < 12_000
    assert_harmless(output)


@pytest.mark.parametrize("command", ["status", "result"])
def test_tags_that_are_no_text(fleet: Fleet, command: str) -> None:
    _, output = on_terminal(command, fleet.foreign, url=fleet.url)  # some releases of msgspec can read them
    assert "Traceback" not in output
    assert_harmless(output)


@pytest.mark.parametrize("name", ["done", "failed", "sampled", "waits"])
def test_result(fleet: Fleet, name: str, tmp_path: Path) -> None:
    picture = str(tmp_path / f"{EVIL.replace(chr(0), '')[:100]}.png")
    code, output = on_terminal("result", getattr(fleet, name), "--plot", picture, url=fleet.url)
    assert code == (0 if name in ("done", "sampled") else 1)
    assert_harmless(output)


@pytest.mark.parametrize("command", ["retry", "cancel"])
def test_what_changes_a_job(fleet: Fleet, command: str) -> None:
    code, output = on_terminal(command, fleet.sampled, url=fleet.url)
    assert code == 1
    assert_harmless(output)


def test_doctor() -> None:
    with redis_server() as port, redis.Redis(port=port) as client:
        client.hset(
            keys.WORKERS,
            EVIL,
            json.dumps({"name": EVIL, "version": EVIL, "concurrency": 1, "memory_bytes": 1, "seen": 1}),
        )
        client.hset(keys.work(EVIL), "0", "")
        client.zadd(keys.UNFINISHED, {EVIL: 1})
        code, output = on_terminal("doctor", url=f"redis://127.0.0.1:{port}/0")
    assert code == 1
    assert "orphan keys" in output
    assert_harmless(output)


def test_run_a_file_of_such_a_name(fleet: Fleet, tmp_path: Path) -> None:
    path = tmp_path / f"{EVIL.replace(chr(0), '')[:60]}.qasm".replace("/", "")
    path.write_text('OPENQASM 2.0; include "qelib1.inc"; qreg q[1]; creg c[1]; measure q -> c;')
    code, output = on_terminal("run", str(path), "--shots", "5", url=fleet.url)
    assert code == 0
    assert "taken" in output
    assert_harmless(output)
    path.write_text(f"OPENQASM 2.0; {EVIL}")
    code, output = on_terminal("run", str(path), url=fleet.url)
    assert code == 1
    assert_harmless(output)


@pytest.mark.parametrize(
    "arguments",
    [
        [EVIL],
        [f"--{EVIL}"],
        ["status", EVIL],
        ["result", EVIL],
        ["cancel", EVIL, EVIL],
        ["run", EVIL],
        ["run", EVIL[:50], "--shots", EVIL],
        ["jobs", "--backend", EVIL],
        ["jobs", "--tag", EVIL, "--limit", EVIL],
        ["jobs", "--url", f"redis://{EVIL}"],
        ["up", "--data", "/proc/" + EVIL],
        ["up", "--data", "/proc/x\n\x1b[7;45m" + "x" * 100],
    ],
)
def test_wrong_arguments(arguments: list[str], fleet_url: str) -> None:
    arguments = [argument.replace("\0", "") for argument in arguments]
    code, output = on_terminal(*arguments, url=fleet_url)
    assert code in (1, 2)
    assert "Error: " in output
    assert_harmless(output)


def test_bytes_that_are_no_text(fleet_url: str, tmp_path: Path) -> None:
    for arguments in ([b"status", b"\xff\xfe"], [b"run", bytes(tmp_path) + b"/\xff.qasm"], [b"\xff"]):
        code, output = on_terminal(*arguments, url=fleet_url)
        assert code in (1, 2)
        # click shows a byte of a path as a box
        assert "udcff" in output or "\N{REPLACEMENT CHARACTER}" in output
        assert_harmless(output)
    (tmp_path / "folder").mkdir()
    path = bytes(tmp_path) + b"/\xff.qasm"
    with open(path, "w") as file:
        file.write('OPENQASM 2.0; include "qelib1.inc"; qreg q[1]; creg c[1]; measure q -> c;')
    code, output = on_terminal(b"run", path, url=fleet_url)
    assert_harmless(output)


def test_json_is_ascii(fleet: Fleet) -> None:
    for command in (["jobs"], ["status", fleet.failed], ["result", fleet.done], ["result", fleet.failed]):
        done = qfleet(*command, "--json", url=fleet.url)
        assert all(char.isprintable() or char == "\n" for char in done.stdout + done.stderr)
        assert (done.stdout + done.stderr).isascii()
        json.loads(done.stdout or done.stderr)


def test_an_output_of_another_encoding(fleet: Fleet) -> None:
    for encoding in ("ascii", "latin-1"):
        done = subprocess.run(
            [*QFLEET, "jobs", "--url", fleet.url], env={"PYTHONIOENCODING": encoding}, capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert fleet.done.encode() in done.stdout
