# SPDX-License-Identifier: Apache-2.0
"""The commands: what they print, where, and how they exit when all goes well, or a job doesn't."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from qiskit.providers import JobStatus

from qfleet.errors import FleetJobTimeoutError, JobFailedError
from qfleet.health.finding import Finding
from qfleet.jobs.estimate import Estimate, QueuePosition

URL = "redis://broker:6379/0"


def error_of(result: Any) -> dict[str, str]:
    error: dict[str, str] = json.loads(result.stderr.splitlines()[-1])["error"]
    return error


class TestExplain:
    def test_a_table_without_a_fleet(self, qfleet_command: Any, bell: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("QFLEET_URL", raising=False)
        result = qfleet_command("explain", bell, bell, "--shots", "50")
        assert result.exit_code == 0
        lines = result.stdout.splitlines()
        assert lines.count("circuit 'bell': 2 simulated qubits, 4 operations, 50 shots") == 2
        assert len([line for line in lines if line.startswith("> statevector")]) == 2

    def test_a_document(self, qfleet_command: Any, bell: Path) -> None:
        result = qfleet_command("explain", bell, "--method", "stabilizer", "--json")
        (circuit,) = json.loads(result.stdout)["circuits"]
        assert (circuit["circuit"], circuit["method"], circuit["shots"]) == ("bell", "stabilizer", 1024)
        assert {each["method"]: each["refusal"] for each in circuit["methods"]}["stabilizer"] == ""

    def test_a_wrong_method(self, qfleet_command: Any, bell: Path) -> None:
        result = qfleet_command("explain", bell, "--method", "tableau")
        assert result.exit_code == 2
        assert "'stabilizer'" in result.stderr


@pytest.mark.usefixtures("fleet")
class TestRun:
    def test_a_table(self, qfleet_command: Any, fleet: Any, bell: Path) -> None:
        result = qfleet_command("run", bell, "--shots", "200", "--seed", "7", "--method", "statevector", "--url", URL)
        assert result.exit_code == 0
        assert fleet.urls == [URL]
        assert fleet.local_fleets == []
        assert fleet.job.options == {"shots": 200, "seed_simulator": 7, "method": "statevector"}
        assert "bell" in result.stdout
        assert "200" in result.stdout
        assert result.stderr == ""

    def test_what_is_not_given_is_left_to_the_backend(self, qfleet_command: Any, fleet: Any, bell: Path) -> None:
        assert qfleet_command("run", bell, "--url", URL).exit_code == 0
        assert fleet.job.options == {}

    def test_all_files_are_one_job(self, qfleet_command: Any, bell: Path, tmp_path: Path) -> None:
        (tmp_path / "second.txt").write_text(bell.read_text().replace("h q[0]", "x q[0]"))
        result = qfleet_command("run", bell, tmp_path / "second.txt", "--shots", "10", "--url", URL, "--json")
        document = json.loads(result.stdout)
        assert [circuit["name"] for circuit in document["circuits"]] == ["bell", "second"]
        assert document["circuits"][1]["counts"] == {"11": 10}
        assert document["id"] == "job-1"
        assert document["backend"] == "automatic"
        assert document["status"] == "DONE"

    def test_the_url_of_the_environment(
        self, qfleet_command: Any, fleet: Any, bell: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("QFLEET_URL", URL)
        assert qfleet_command("run", bell).exit_code == 0
        assert fleet.urls == [URL]

    def test_without_a_url_a_local_fleet_is_started_and_stopped(
        self, qfleet_command: Any, fleet: Any, bell: Path
    ) -> None:
        result = qfleet_command("run", bell, "--json")
        assert result.exit_code == 0
        assert fleet.local_fleets == [(2, None)]
        assert fleet.stopped == 1
        assert "a private Redis and 2 local workers" in result.stderr
        json.loads(result.stdout)

    def test_local_wins_over_the_environment(
        self, qfleet_command: Any, fleet: Any, bell: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("QFLEET_URL", URL)
        result = qfleet_command("run", bell, "--local", "3")
        assert result.exit_code == 0
        assert fleet.local_fleets == [(3, None)]
        assert result.stderr == ""

    def test_a_local_fleet_is_stopped_after_a_failure(self, qfleet_command: Any, fleet: Any, bell: Path) -> None:
        fleet.job_settings = {"error": JobFailedError("circuit bell failed")}
        assert qfleet_command("run", bell).exit_code == 1
        assert fleet.stopped == 1

    def test_part_of_a_job_that_failed(self, qfleet_command: Any, fleet: Any, bell: Path) -> None:
        fleet.job_settings = {"error": JobFailedError("circuit bell failed")}
        result = qfleet_command("run", bell, "--partial", "--json", "--url", URL)
        assert result.exit_code == 0
        assert len(json.loads(result.stdout)["circuits"]) == 1

    def test_a_picture(self, qfleet_command: Any, bell: Path, tmp_path: Path) -> None:
        picture = tmp_path / "out" / "counts.png"
        result = qfleet_command("run", bell, "--url", URL, "--plot", picture)
        assert result.exit_code == 0
        assert f"Histograms: {picture}" in result.stdout
        assert picture.read_bytes().startswith(b"\x89PNG")

    def test_json_stays_alone_on_stdout_with_a_picture(self, qfleet_command: Any, bell: Path, tmp_path: Path) -> None:
        result = qfleet_command("run", bell, "--url", URL, "--plot", tmp_path / "counts.png", "--json")
        json.loads(result.stdout)

    def test_no_worker_is_told(self, qfleet_command: Any, fleet: Any, bell: Path) -> None:
        fleet.workers = 0
        result = qfleet_command("run", bell, "--url", URL)
        assert "no worker is up" in result.stderr

    @pytest.mark.parametrize(
        ("error", "code"), [(KeyboardInterrupt(), 130), (FleetJobTimeoutError("not within 1 s"), 1)]
    )
    def test_a_job_on_a_given_fleet_goes_on_and_can_be_found(
        self, qfleet_command: Any, fleet: Any, bell: Path, error: Exception, code: int
    ) -> None:
        fleet.job_settings = {"error": error}
        result = qfleet_command("run", bell, "--url", URL, "--timeout", "1")
        assert result.exit_code == code
        assert fleet.job.waited == [1]
        assert fleet.job.state is not JobStatus.CANCELLED
        assert "qfleet result job-1 --wait 60" in result.stderr
        assert "qfleet cancel job-1" in result.stderr

    def test_an_interrupt_stops_a_local_fleet(self, qfleet_command: Any, fleet: Any, bell: Path) -> None:
        fleet.job_settings = {"error": KeyboardInterrupt()}
        result = qfleet_command("run", bell, "--json")
        assert result.exit_code == 130
        assert fleet.stopped == 1
        assert "job-1" not in result.stderr
        assert error_of(result) == {
            "type": "Interrupted",
            "message": "interrupted; the local fleet and its job are stopped",
        }

    def test_sigterm_is_an_interrupt(self, qfleet_command: Any, fleet: Any, bell: Path) -> None:
        fleet.job_settings = {"before_result": lambda: os.kill(os.getpid(), signal.SIGTERM)}
        result = qfleet_command("run", bell)
        assert result.exit_code == 130
        assert fleet.stopped == 1


class TestJobs:
    def test_a_table(self, qfleet_command: Any, make_job: Any) -> None:
        make_job()
        result = qfleet_command("jobs", "--url", URL)
        assert result.exit_code == 0
        for text in ("job-1", "automatic", "DONE", "1/1", "nightly"):
            assert text in result.stdout
        assert result.stderr == ""

    def test_as_json(self, qfleet_command: Any, make_job: Any) -> None:
        make_job(state=JobStatus.QUEUED, position=QueuePosition(2, 1), time=Estimate(1.5, 30.0), used=0.25)
        assert json.loads(qfleet_command("jobs", "--url", URL, "--json").stdout) == {
            "jobs": [
                {
                    "id": "job-1",
                    "backend": "automatic",
                    "status": "QUEUED",
                    "circuits_done": 0,
                    "circuits_total": 1,
                    "created": "2026-01-02T03:04:05+00:00",
                    "tags": ["nightly"],
                    "tenant": "somebody",
                    "priority": "normal",
                    "held": "",
                    "queue_position": {"jobs": 2, "tenants": 1},
                    "estimated_seconds": {"low": 1.5, "high": 30.0},
                    "usage_seconds": 0.25,
                }
            ],
            "workers": 2,
        }

    @pytest.mark.parametrize(
        ("arguments", "query"),
        [
            ([], {"limit": 10, "backend_name": None, "pending": None, "job_tags": None, "tenant": None}),
            (
                ["--pending", "--limit", "3"],
                {"limit": 3, "backend_name": None, "pending": True, "job_tags": None, "tenant": None},
            ),
            (
                ["--finished", "--tag", "a", "--tag", "b", "--backend", "qasm_simulator", "--tenant", "lab"],
                {
                    "limit": 10,
                    "backend_name": "qasm_simulator",
                    "pending": False,
                    "job_tags": ["a", "b"],
                    "tenant": "lab",
                },
            ),
        ],
    )
    def test_filters(self, qfleet_command: Any, fleet: Any, arguments: list[str], query: dict[str, Any]) -> None:
        result = qfleet_command("jobs", "--url", URL, *arguments)
        assert result.stdout == "No jobs.\n"
        assert fleet.queries == [query]

    def test_no_worker_is_told(self, qfleet_command: Any, fleet: Any, make_job: Any) -> None:
        make_job(state=JobStatus.QUEUED)
        fleet.workers = 0
        for arguments in (["jobs"], ["status", "job-1"]):
            result = qfleet_command(*arguments, "--url", URL)
            assert result.exit_code == 0
            assert "No worker is up" in result.stderr


class TestStatus:
    def test_lines(self, qfleet_command: Any, make_job: Any) -> None:
        make_job(state=JobStatus.ERROR, error=JobFailedError("circuit bell: out of memory"))
        result = qfleet_command("status", "job-1", "--url", URL)
        assert result.exit_code == 0
        assert "status:   ERROR" in result.stdout
        assert "circuits: 0 of 1 done" in result.stdout
        assert "out of memory" in result.stdout
        assert "tenant:   somebody" in result.stdout
        for absent in ("priority", "held", "waits", "ends in", "used"):
            assert absent not in result.stdout

    @pytest.mark.parametrize(
        ("position", "time", "lines"),
        [
            ((0, 0), (0.04, 9.96), ["waits:    0 jobs of the same tenant before it", "ends in:  at most 10 s"]),
            ((1, 1), (12, 119), ["1 job of the same tenant before it, in turns with 1 other tenant", "12 to 119 s"]),
            (
                (2, 3),
                (120, 7200),
                ["2 jobs of the same tenant before it, in turns with 3 other tenants", "2 min to 2 h"],
            ),
        ],
    )
    def test_a_job_that_waits_says_where_and_how_long(
        self,
        qfleet_command: Any,
        make_job: Any,
        position: tuple[int, int],
        time: tuple[float, float],
        lines: list[str],
    ) -> None:
        make_job(state=JobStatus.QUEUED, position=QueuePosition(*position), time=Estimate(*time))
        output = qfleet_command("status", "job-1", "--url", URL).stdout
        for line in lines:
            assert f"{line}\n" in output
        document = json.loads(qfleet_command("status", "job-1", "--url", URL, "--json").stdout)
        assert document["queue_position"] == {"jobs": position[0], "tenants": position[1]}
        assert document["estimated_seconds"] == {"low": time[0], "high": time[1]}

    def test_what_it_has_used(self, qfleet_command: Any, make_job: Any) -> None:
        make_job(used=12.34)
        assert "used:     12.3 core seconds\n" in qfleet_command("status", "job-1", "--url", URL).stdout
        make_job(used=None)
        assert "used" not in qfleet_command("status", "job-1", "--url", URL).stdout

    def test_a_job_that_waits_says_why(self, qfleet_command: Any, make_job: Any) -> None:
        job = make_job(state=JobStatus.QUEUED)
        job.priority, job.held = "high", "needs 64.0 GiB; the largest worker has 32.0 GiB"
        result = qfleet_command("status", "job-1", "--url", URL)
        assert "priority: high" in result.stdout
        assert "held:     needs 64.0 GiB; the largest worker has 32.0 GiB" in result.stdout

    def test_as_json(self, qfleet_command: Any, make_job: Any) -> None:
        make_job()
        document = json.loads(qfleet_command("status", "job-1", "--url", URL, "--json").stdout)
        assert set(document) == {
            *("id", "backend", "status", "circuits_done", "circuits_total", "created", "tags"),
            *("tenant", "priority", "held", "error_message", "workers"),
            *("queue_position", "estimated_seconds", "usage_seconds"),
        }
        assert (document["queue_position"], document["estimated_seconds"]) == (None, None)
        assert document["error_message"] is None
        assert document["workers"] == 2

    @pytest.mark.parametrize("name", ["status", "result", "pause", "resume", "cancel"])
    @pytest.mark.usefixtures("fleet")
    def test_an_unknown_id(self, qfleet_command: Any, name: str) -> None:
        result = qfleet_command(name, "job-2", "--url", URL, "--json")
        assert result.exit_code == 1
        assert error_of(result) == {"type": "JobNotFoundError", "message": "no job job-2"}


@pytest.mark.usefixtures("fleet")
class TestResult:
    def test_of_a_job_that_has_ended(self, qfleet_command: Any, make_job: Any, tmp_path: Path) -> None:
        make_job()
        result = qfleet_command("result", "job-1", "--url", URL, "--plot", tmp_path / "x.png")
        assert result.exit_code == 0
        assert "bell" in result.stdout
        assert (tmp_path / "x.png").exists()

    def test_as_json_it_is_what_run_writes(self, qfleet_command: Any, bell: Path) -> None:
        of_run = qfleet_command("run", bell, "--seed", "1", "--url", URL, "--json").stdout
        assert qfleet_command("result", "job-1", "--url", URL, "--json").stdout == of_run

    def test_of_a_job_that_goes_on(self, qfleet_command: Any, make_job: Any) -> None:
        job = make_job(state=JobStatus.RUNNING)
        result = qfleet_command("result", "job-1", "--url", URL)
        assert result.exit_code == 1
        assert "RUNNING, 0 of 1 circuits done" in result.stderr
        assert "--wait 60" in result.stderr
        assert job.waited == []

    def test_waiting(self, qfleet_command: Any, make_job: Any) -> None:
        job = make_job(state=JobStatus.RUNNING)
        assert qfleet_command("result", "job-1", "--url", URL, "--wait", "5").exit_code == 0
        assert job.waited == [5]

    def test_an_interrupt_leaves_the_job(self, qfleet_command: Any, make_job: Any) -> None:
        def interrupt() -> None:
            raise KeyboardInterrupt

        make_job(before_result=interrupt)
        result = qfleet_command("result", "job-1", "--wait", "60", "--url", URL)
        assert result.exit_code == 130
        assert "interrupted; job job-1 goes on" in result.stderr

    def test_of_a_job_that_failed(self, qfleet_command: Any, make_job: Any) -> None:
        make_job(state=JobStatus.ERROR, error=JobFailedError("circuit bell: out of memory"))
        result = qfleet_command("result", "job-1", "--url", URL)
        assert result.exit_code == 1
        assert result.stderr == "Error: circuit bell: out of memory\n"
        assert qfleet_command("result", "job-1", "--url", URL, "--partial").exit_code == 0


class TestRetry:
    def test_a_failed_job(self, qfleet_command: Any, make_job: Any) -> None:
        make_job(state=JobStatus.ERROR)
        result = qfleet_command("retry", "job-1", "--url", URL)
        assert (result.exit_code, result.stdout) == (0, "1 circuits of job job-1 run again.\n")

    def test_as_json(self, qfleet_command: Any, make_job: Any) -> None:
        make_job(state=JobStatus.ERROR)
        result = qfleet_command("retry", "job-1", "--url", URL, "--json")
        assert json.loads(result.stdout) == {"id": "job-1", "circuits": 1, "status": "QUEUED"}

    def test_nothing_failed(self, qfleet_command: Any, make_job: Any) -> None:
        make_job()
        result = qfleet_command("retry", "job-1", "--url", URL, "--json")
        assert result.exit_code == 1
        assert "no part of it failed" in error_of(result)["message"]


@pytest.mark.usefixtures("fleet")
class TestDoctor:
    well = Finding("workers", "ok", "2 up")
    unknown = Finding("disk", "unknown", "could not be checked", "ask who runs it")
    ill = Finding("orphan keys", "problem", "qfleet:job:\x1b[2J", "UNLINK them", ("qfleet:job:x",))

    def test_all_is_well(self, qfleet_command: Any, fleet: Any) -> None:
        fleet.findings = [self.well, self.unknown]
        result = qfleet_command("doctor", "--url", URL)
        assert result.exit_code == 0
        assert result.stdout.splitlines() == [
            "ok       workers: 2 up",
            "unknown  disk: could not be checked",
            "         -> ask who runs it",
        ]

    def test_a_problem(self, qfleet_command: Any, fleet: Any) -> None:
        fleet.findings = [self.well, self.ill]
        result = qfleet_command("doctor", "--url", URL)
        assert result.exit_code == 1
        assert "problem  orphan keys" in result.stdout
        assert "-> UNLINK them" in result.stdout
        assert "\x1b" not in result.stdout

    def test_as_json(self, qfleet_command: Any, fleet: Any) -> None:
        fleet.findings = [self.well, self.ill]
        result = qfleet_command("doctor", "--url", URL, "--json")
        assert result.exit_code == 1
        document = json.loads(result.stdout)
        assert document["problems"] == 1
        assert document["checks"][1] == {
            "check": "orphan keys",
            "verdict": "problem",
            "text": "qfleet:job:\x1b[2J",
            "remedy": "UNLINK them",
            "names": ["qfleet:job:x"],
        }


class TestPauseAndResume:
    def test_a_running_job(self, qfleet_command: Any, make_job: Any) -> None:
        job = make_job(state=JobStatus.RUNNING)
        assert qfleet_command("pause", "job-1", "--url", URL).stdout == "Job job-1 is paused.\n"
        assert job.held == "paused"
        assert "RUNNING, paused" in qfleet_command("jobs", "--url", URL).stdout
        assert "held:     paused" in qfleet_command("status", "job-1", "--url", URL).stdout
        assert qfleet_command("pause", "job-1", "--url", URL).stdout == "Job job-1 was already paused.\n"
        assert qfleet_command("resume", "job-1", "--url", URL).stdout == "Job job-1 goes on.\n"
        assert job.held == ""
        assert qfleet_command("resume", "job-1", "--url", URL).stdout == "Job job-1 was not paused.\n"

    def test_as_json(self, qfleet_command: Any, make_job: Any) -> None:
        make_job(state=JobStatus.RUNNING)
        document = {"id": "job-1", "changed": True, "held": "paused", "status": "RUNNING"}
        assert json.loads(qfleet_command("pause", "job-1", "--url", URL, "--json").stdout) == document
        document |= {"held": ""}
        assert json.loads(qfleet_command("resume", "job-1", "--url", URL, "--json").stdout) == document

    def test_a_job_that_had_ended(self, qfleet_command: Any, make_job: Any) -> None:
        make_job()
        result = qfleet_command("pause", "job-1", "--url", URL, "--json")
        assert (result.exit_code, result.stdout) == (1, "")
        assert error_of(result)["message"] == "job job-1 can't be paused: it is DONE"


class TestCancel:
    def test_a_running_job(self, qfleet_command: Any, make_job: Any) -> None:
        job = make_job(state=JobStatus.RUNNING)
        result = qfleet_command("cancel", "job-1", "--url", URL, "--json")
        assert result.exit_code == 0
        assert json.loads(result.stdout) == {"id": "job-1", "cancelled": True, "status": "CANCELLED"}
        assert job.state is JobStatus.CANCELLED

    def test_a_job_that_had_ended(self, qfleet_command: Any, make_job: Any) -> None:
        make_job(ended_before_cancel=True)
        result = qfleet_command("cancel", "job-1", "--url", URL)
        assert result.exit_code == 1
        assert result.stdout == ""
        assert "had already ended: DONE" in result.stderr


class TestWorkersAndDrain:
    def test_a_table(self, qfleet_command: Any, fleet: Any) -> None:
        lines = qfleet_command("workers", "--url", URL).stdout.splitlines()
        assert [line.split() for line in lines if "worker-" in line] == [
            ["worker-0", "1.0", "1", "of", "2", "1.00", "GiB", "statevector", "up"],
            ["worker-1", "1.0", "1", "of", "2", "1.00", "GiB", "statevector", "draining"],
        ]
        fleet.workers = 0
        assert qfleet_command("workers", "--url", URL).stdout == "No worker is up.\n"

    def test_as_json(self, qfleet_command: Any, fleet: Any) -> None:
        fleet.workers = 1
        assert json.loads(qfleet_command("workers", "--url", URL, "--json").stdout) == {
            "workers": [
                {
                    "name": "worker-0",
                    "version": "1.0",
                    "concurrency": 2,
                    "running": 1,
                    "memory_bytes": 2**30,
                    "engine": "statevector",
                    "draining": False,
                }
            ]
        }

    def test_drain(self, qfleet_command: Any, fleet: Any) -> None:
        assert qfleet_command("drain", "w", "--url", URL).stdout == "Worker w takes no new tasks.\n"
        assert qfleet_command("drain", "w", "--undo", "--url", URL).stdout == "Worker w takes new tasks again.\n"
        document = json.loads(qfleet_command("drain", "w", "--url", URL, "--json").stdout)
        assert document == {"worker": "w", "draining": True}
        assert fleet.drained == [("w", False), ("w", True), ("w", False)]


class TestWorkerAndVersion:
    def test_the_worker_gets_its_url_where_no_one_else_reads_it(
        self, qfleet_command: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls: list[Any] = []
        monkeypatch.setattr(os, "execve", lambda *call: calls.append(call))
        secret = "redis://:secret@broker:6379/0"
        result = qfleet_command("worker", "--url", secret, "--concurrency", "3")
        [(program, arguments, environment)] = calls
        assert program == sys.executable
        assert arguments == [sys.executable, "-m", "qfleet.cli.launch"]
        assert environment["QFLEET_URL"] == secret
        assert environment["QFLEET_CONCURRENCY"] == "3"
        assert "secret" not in result.output

    def test_version(self, qfleet_command: Any) -> None:
        assert qfleet_command("version").stdout.startswith("qfleet 0.")
        document = json.loads(qfleet_command("version", "--json").stdout)
        assert set(document) == {"qfleet", "qiskit", "celery", "redis", "numpy", "python"}
