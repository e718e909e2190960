# SPDX-License-Identifier: Apache-2.0
"""The command line, as processes of their own on a real fleet."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
import yaml
from circuits import bell, bell_state, endless
from command_line import QFLEET, qfleet, serving
from processes import redis_program
from processes import redis_server as running_redis
from waiting import until

from qfleet import EstimatorV2, FleetProvider, SamplerV2
from qfleet.noise import Channel, NoiseModel

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
BELL = EXAMPLES / "qasm2" / "bell.qasm"
GHZ = EXAMPLES / "qasm3" / "ghz.qasm"


def document(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_results_of_primitives(fleet_url: str, tmp_path: Path) -> None:
    circuit = bell_state()
    with FleetProvider(fleet_url) as provider:
        estimated = EstimatorV2(provider).run([(circuit, ["ZZ", "XX", "ZI"])])
        sampled = SamplerV2(provider).run([bell()], shots=50)
        estimated.result(timeout=60)
        sampled.result(timeout=60)
    (pub,) = document(qfleet("result", estimated.job_id(), "--json", url=fleet_url))["pubs"]
    assert pub["evs"] == pytest.approx([1, 1, 0], abs=1e-12)
    (pub,) = document(qfleet("result", sampled.job_id(), "--json", url=fleet_url))["pubs"]
    assert sum(pub["points"][0]["counts"].values()) == pub["shots"] == 50
    assert document(qfleet("status", sampled.job_id(), "--json", url=fleet_url))["circuits_total"] == 1
    shown = qfleet("result", estimated.job_id(), url=fleet_url)
    assert "PUB 0 at 2" in shown.stdout
    picture = tmp_path / "bits.png"
    drawn = qfleet("result", sampled.job_id(), "--plot", picture, url=fleet_url)
    assert "PUB 0" in drawn.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    refused = qfleet("result", estimated.job_id(), "--plot", tmp_path / "no.png", url=fleet_url)
    assert refused.returncode == 1
    assert "the job has expectation values, not counts" in refused.stderr


def test_run_status_result_jobs_and_cancel(fleet_url: str, tmp_path: Path) -> None:
    picture = tmp_path / "counts.png"
    ran = document(qfleet("run", BELL, GHZ, "--shots", 300, "--seed", 5, "--plot", picture, "--json", url=fleet_url))
    names = [circuit["name"] for circuit in ran["circuits"]]
    assert names == ["bell", "ghz"]
    assert all(sum(circuit["counts"].values()) == 300 for circuit in ran["circuits"])
    assert picture.read_bytes().startswith(b"\x89PNG")

    assert document(qfleet("result", ran["id"], "--json", url=fleet_url))["circuits"] == ran["circuits"]
    status = document(qfleet("status", ran["id"], "--json", url=fleet_url))
    assert (status["status"], status["workers"], status["error_message"]) == ("DONE", 2, None)
    assert ran["id"] in [job["id"] for job in document(qfleet("jobs", "--limit", 50, "--json", url=fleet_url))["jobs"]]

    late = qfleet("cancel", ran["id"], url=fleet_url)
    assert (late.returncode, "had already ended: DONE" in late.stderr) == (1, True)


def test_noise_from_a_file(fleet_url: str, tmp_path: Path) -> None:
    NoiseModel().add(Channel.pauli({"X": 1.0}), "h").add(Channel.pauli({"IX": 1.0}), "cx").save(tmp_path / "flip.json")
    ran = document(qfleet("run", BELL, "--noise", tmp_path / "flip.json", "--shots", 100, "--json", url=fleet_url))
    [circuit] = ran["circuits"]
    # The error on CX flips its first qubit.
    assert circuit["counts"].keys() == {"01", "10"}
    assert (circuit["noise"]["places"], circuit["noise"]["errors_per_shot"]) == (2, 2.0)
    shown = qfleet("result", ran["id"], url=fleet_url)
    assert "Noise: 2 errors per shot at 2 places, 0 noisy measurements" in shown.stdout
    (tmp_path / "flip.json").write_text("{}")
    refused = qfleet("run", BELL, "--noise", tmp_path / "flip.json", "--json", url=fleet_url)
    assert refused.returncode == 1
    assert json.loads(refused.stderr)["error"]["type"] == "NoiseError"


def test_noise_of_a_fake_device(fleet_url: str) -> None:
    pytest.importorskip("qiskit_ibm_runtime", reason='pip install -e ".[dev]" installs it')
    options = ("--noise", "fake_manila", "--shots", 2000, "--seed", 5, "--json")
    ran = document(qfleet("run", BELL, *options, url=fleet_url))
    [circuit] = ran["circuits"]
    assert len(circuit["counts"]) == 4
    assert 0.8 < (circuit["counts"]["00"] + circuit["counts"]["11"]) / 2000 < 0.99
    assert circuit["noise"]["readouts"] == 2
    assert document(qfleet("run", BELL, *options, url=fleet_url))["circuits"] == ran["circuits"]
    unknown = qfleet("run", BELL, "--noise", "fake_manilla", url=fleet_url)
    assert unknown.returncode == 2
    assert "Did you mean 'fake_manila'?" in unknown.stderr


def test_the_same_seed_gives_the_same_counts(fleet_url: str) -> None:
    def counts(*options: object) -> Any:
        ran = document(qfleet("run", EXAMPLES / "qasm3" / "ghz.qasm", *options, "--json", url=fleet_url))
        return ran["circuits"][0]["counts"]

    assert counts("--seed", 3) == counts("--seed", 3) != counts("--seed", 4)


def test_a_table_for_people(fleet_url: str) -> None:
    ran = qfleet("run", BELL, url=fleet_url)
    assert ran.returncode == 0
    assert "bell" in ran.stdout
    assert "1024" in ran.stdout


def test_backends_and_methods(fleet_url: str) -> None:
    assert qfleet("run", BELL, "--backend", "basic_simulator", url=fleet_url).returncode == 0
    refused = qfleet("run", BELL, "--method", "unitary", url=fleet_url)
    assert refused.returncode == 1
    assert "'bell' holds 'measure' at position 2" in refused.stderr


def test_cancel_a_running_job(fleet_url: str) -> None:
    with FleetProvider(fleet_url) as provider:
        job = provider.get_backend().run(endless())
        until(job.running, "the job runs")
        assert document(qfleet("cancel", job.job_id(), "--json", url=fleet_url)) == {
            "id": job.job_id(),
            "cancelled": True,
            "status": "CANCELLED",
        }
        until(job.cancelled, "the job is cancelled")
        failed = qfleet("result", job.job_id(), url=fleet_url)
        assert (failed.returncode, "was cancelled" in failed.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["run", "absent.qasm"], 2, "does not exist"),
        (["run", BELL, "--shots", "many"], 2, "many"),
        (["run", BELL, "--shots", "0"], 2, "shots=0"),
        (["run", BELL, "--backend", "fast"], 2, "no backend 'fast'"),
        (["run", __file__], 1, "test_cli.py"),
        (["status", "no-such-job"], 1, "no job 'no-such-job'"),
        (["cancel", "no-such-job"], 1, "no job 'no-such-job'"),
        (["result", "no-such-job"], 1, "no job 'no-such-job'"),
        (["frobnicate"], 2, "No such command"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(fleet_url: str, arguments: list[Any], code: int, text: str) -> None:
    told = qfleet(*arguments, url=fleet_url)
    assert told.returncode == code
    assert text in told.stderr
    assert "Traceback" not in told.stderr
    assert not told.stdout


def test_errors_for_machines(fleet_url: str) -> None:
    told = qfleet("status", "no-such-job", "--json", url=fleet_url)
    assert (told.returncode, told.stdout) == (1, "")
    error = json.loads(told.stderr)["error"]
    assert (error["type"], error["fields"]) == ("JobNotFoundError", {"job_id": "no-such-job"})


def test_no_worker_is_up() -> None:
    with running_redis() as port:
        url = f"redis://127.0.0.1:{port}/0"
        with FleetProvider(url) as provider, serving("run", BELL, url=url) as run:
            assert run.stderr is not None
            assert "queued: no worker is up" in run.stderr.readline()
            (job,) = provider.jobs()
            for command in (["jobs"], ["status", job.job_id()]):
                shown = qfleet(*command, url=url)
                assert shown.returncode == 0
                assert "QUEUED" in shown.stdout
                assert "No worker is up" in shown.stderr
            # Ctrl-C: the job stays, and the way to it is told.
            os.killpg(run.pid, signal.SIGINT)
            said = run.communicate(timeout=60)[1]
            assert run.returncode == 130
            assert f"qfleet result {job.job_id()} --wait" in said
            assert provider.job(job.job_id()).status().name == "QUEUED"


def test_the_doctor_finds_a_good_fleet_good_and_tells_what_a_bad_one_lacks() -> None:
    compose = yaml.safe_load((EXAMPLES.parent / "compose.yaml").read_text("utf-8"))
    options = [word.replace("${QFLEET_REDIS_PASSWORD:-}", "") for word in compose["services"]["redis"]["command"][1:]]
    with running_redis(*options) as port:
        url = f"redis://127.0.0.1:{port}/0"
        told = qfleet("doctor", "--json", url=url)
        assert told.returncode == 1
        problems = [check for check in json.loads(told.stdout)["checks"] if check["verdict"] == "problem"]
        assert [(check["check"], check["remedy"]) for check in problems] == [
            ("workers", "start one: qfleet worker --url URL")
        ]
        with FleetProvider(url) as provider, serving("worker", "--url", url, "--concurrency", 1):
            until(provider.workers, "the worker is up")
            document(qfleet("run", BELL, "--json", url=url))
            checks = document(qfleet("doctor", "--json", url=url))["checks"]
            assert {check["verdict"] for check in checks} == {"ok"}
            assert qfleet("doctor", url=url).stdout.count("\n") == len(checks)


@pytest.mark.parametrize("kept", [False, True])
def test_the_doctor_is_content_with_a_local_fleet_at_once(kept: bool, tmp_path: Path) -> None:
    with serving("up", "--json", *(["--data", tmp_path / "jobs"] if kept else [])) as fleet:
        assert fleet.stdout is not None
        started = json.loads(fleet.stdout.readline())
        assert started["durable"] is kept
        for _ in range(2):
            checks = document(qfleet("doctor", "--json", url=started["url"]))["checks"]
            assert {check["verdict"] for check in checks} == {"ok"}, checks
            document(qfleet("run", BELL, "--json", url=started["url"]))
        (durability,) = (check["text"] for check in checks if check["check"] == "appendonly")
        assert durability == "yes" if kept else "qfleet up --data" in durability


def test_up_says_what_it_starts_and_refuses_a_folder_that_is_taken(tmp_path: Path) -> None:
    with serving("up", "--workers", 1, "--data", tmp_path / "jobs") as first:
        assert first.stderr is not None
        assert first.stdout is not None
        assert f"private Redis, which keeps its jobs in {tmp_path / 'jobs'}, and 1 worker" in first.stderr.readline()
        url = until(lambda: re.search(r"redis\+socket://\S+", first.stdout.readline()), "the url")[0]
        second = qfleet("up", "--data", tmp_path / "jobs")
        assert second.returncode == 1
        assert f"process {first.pid} has started, at {url}" in second.stderr.splitlines()[-1]
        # what the refusal says to do
        assert document(qfleet("run", BELL, "--json", url=url))["status"] == "DONE"


def test_retry_refuses_a_job_in_which_nothing_failed(fleet_url: str) -> None:
    ran = document(qfleet("run", BELL, "--json", url=fleet_url))
    told = qfleet("retry", ran["id"], "--json", url=fleet_url)
    assert told.returncode == 1
    assert "no part of it failed" in json.loads(told.stderr)["error"]["message"]


def test_a_worker_takes_over_what_waits() -> None:
    with running_redis() as port:
        url = f"redis://127.0.0.1:{port}/0"
        with FleetProvider(url) as provider, serving("worker", "--url", url, "--concurrency", 1) as worker:
            until(provider.workers, "the worker is up")
            assert provider.workers()[0].concurrency == 1
            # The password of a url would be in the arguments otherwise.
            assert not any(url in word for word in psutil.Process(worker.pid).cmdline())
            assert document(qfleet("run", BELL, "--json", url=url))["status"] == "DONE"
            worker.terminate()
            worker.communicate(timeout=60)
            assert worker.returncode == 0
            until(lambda: not provider.workers(), "the worker has left")


def test_up_serves_until_ctrl_c() -> None:
    with serving("up", "--workers", 1, "--json") as fleet:
        assert fleet.stdout is not None
        told = json.loads(fleet.stdout.readline())
        assert told["workers"] == 1
        started = psutil.Process(fleet.pid).children(recursive=True)
        assert len(started) >= 3  # the server, the worker, its pool
        assert document(qfleet("run", BELL, "--json", url=told["url"]))["status"] == "DONE"
        os.killpg(fleet.pid, signal.SIGINT)
        fleet.communicate(timeout=60)
        assert fleet.returncode == 0
        assert not psutil.wait_procs(started, timeout=30)[1]


def test_run_without_a_fleet_starts_one_and_stops_it() -> None:
    ran = qfleet("run", BELL, "--json")
    assert json.loads(ran.stdout)["status"] == "DONE"
    assert "starting a private Redis and 2 local workers" in ran.stderr


def test_a_password_is_never_printed() -> None:
    redis_program()
    told = qfleet("jobs", url="redis://:s3cret@127.0.0.1:1/0")
    assert told.returncode == 1
    assert "redis://:***@127.0.0.1:1/0" in told.stderr
    assert "s3cret" not in told.stderr + told.stdout


def test_it_is_a_module_too() -> None:
    done = subprocess.run([sys.executable, "-m", "qfleet", "version"], capture_output=True, text=True, check=True)
    assert done.stdout == qfleet("version").stdout


@pytest.mark.parametrize("closed", [1, 2])
def test_a_stream_that_is_closed(fleet_url: str, closed: int) -> None:
    for command in ("jobs", "status no-such-job"):
        words = f"{QFLEET[0]} {command} {closed}>&-"
        done = subprocess.run(words, shell=True, env={"QFLEET_URL": fleet_url}, capture_output=True, check=False)  # noqa: S602
        assert done.returncode == (0 if command == "jobs" else 1)
        assert b"Traceback" not in done.stderr


def test_version() -> None:
    versions = document(qfleet("version", "--json"))
    assert versions["redis"] == redis.__version__
    assert set(versions) >= {"qfleet", "qiskit", "celery", "python"}
