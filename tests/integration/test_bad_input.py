# SPDX-License-Identifier: Apache-2.0
"""Each bad input gets one clear error, and nothing is lost or left half-written."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis
from circuits import bell, wide
from make_jobs import claim_shard
from processes import Worker, keys_with, redis_server, worker
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.exceptions import QiskitError
from qiskit.providers import JobStatus
from references import ref

from qfleet import FleetBackend, FleetProvider
from qfleet.errors import (
    BrokerAuthenticationError,
    BrokerFullError,
    BrokerUnreachableError,
    CapacityError,
    FleetJobTimeoutError,
    InvalidOptionError,
    JobFailedError,
    UnboundParameterError,
)
from qfleet.ledger import Ledger, NewJob
from qfleet.ledger.client import connect
from qfleet.wire.redis import keys
from qfleet.wire.redis.broker import CONNECT_TIMEOUT_SECONDS, parse_broker
from qfleet_worker.store import Store

PASSWORD = "geheim"
#: More than the 512 MiB above which the client asks what the workers have.
MEMORY_BYTES = 600 * 2**20


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Yield a server with a password."""
    with redis_server("--requirepass", PASSWORD, client={"password": PASSWORD}) as port:
        yield port


@pytest.fixture(scope="module")
def server(port: int) -> Iterator[redis.Redis]:
    with redis.Redis(port=port, password=PASSWORD) as client:
        yield client


@pytest.fixture(scope="module")
def one_worker(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Yield the only worker of that server."""
    url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
    log = tmp_path_factory.mktemp("worker") / "log"
    with worker(url, log, QFLEET_MEMORY_BYTES=str(MEMORY_BYTES)) as started:
        yield started


@pytest.fixture
def backend(port: int, one_worker: Worker) -> Iterator[FleetBackend]:
    with FleetProvider(f"redis://:{PASSWORD}@127.0.0.1:{port}/0") as provider:
        yield provider.get_backend("automatic")


@pytest.fixture
def idle(redis_url: str) -> Iterator[FleetProvider]:
    """Yield a provider of a Redis without workers."""
    with FleetProvider(redis_url) as provider:
        yield provider


# --- Redis ---


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Yield a port where connections are accepted, and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


def _urls(port: int) -> list[str]:
    login = f"user:{PASSWORD}@127.0.0.1:{port}"
    return [f"redis://{login}/0", f"rediss://{login}/0", f"sentinel://{login}/0?master_name=main"]


@pytest.mark.parametrize("kind", [0, 1, 2], ids=["redis", "rediss", "sentinel"])
@pytest.mark.parametrize("how", ["refused", "silent"])
def test_an_unreachable_redis_is_named_within_seconds(how: str, kind: int, silent_port: int) -> None:
    port = silent_port if how == "silent" else 1
    with FleetProvider(_urls(port)[kind]) as provider:
        started = time.monotonic()
        with pytest.raises(BrokerUnreachableError, match=rf"user:\*\*\*@127\.0\.0\.1:{port}") as caught:
            provider.get_backend().run(bell())
        assert time.monotonic() - started < 8
    assert PASSWORD not in str(caught.value)
    assert "object at" not in str(caught.value)


def test_a_missing_socket_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(BrokerUnreachableError, match="redis\\.sock"):
        FleetProvider(f"redis+socket://{tmp_path}/redis.sock").jobs()


@pytest.mark.parametrize("ask", ["job", "jobs", "workers", "delete_job"])
def test_every_question_says_that_redis_is_unreachable(ask: str) -> None:
    provider = FleetProvider("redis://127.0.0.1:1/0")
    with pytest.raises(BrokerUnreachableError):
        getattr(provider, ask)(*(["some-id"] if "job" in ask and ask != "jobs" else []))


def test_a_slow_answer_is_waited_for_longer_than_a_first_one(redis_url: str) -> None:
    with connect(parse_broker(redis_url)) as client:
        assert client.wait(1, int(CONNECT_TIMEOUT_SECONDS * 1000) + 300) == 0


@pytest.mark.parametrize("login", [":falsch@", "user:falsch@", ""], ids=["password", "user", "none"])
def test_a_wrong_password(login: str, port: int) -> None:
    provider = FleetProvider(f"redis://{login}127.0.0.1:{port}/0")
    with pytest.raises(BrokerAuthenticationError, match="refuses the login") as caught:
        provider.get_backend().run(bell())
    assert "falsch" not in str(caught.value)
    assert f"127.0.0.1:{port}" in str(caught.value)


def test_a_full_redis_takes_no_job_and_keeps_nothing_of_it() -> None:
    with redis_server("--maxmemory-policy", "noeviction") as port, redis.Redis(port=port) as client:
        backend = FleetProvider(f"redis://127.0.0.1:{port}/0").get_backend()
        job = backend.run(bell())
        stored = job.job_id()
        before, tokens = keys_with(client, ""), client.llen(keys.tokens(0))
        client.config_set("maxmemory", 1000)
        for circuit in (bell(), wide(10, layers=1000)):
            with pytest.raises(BrokerFullError, match="out of memory"):
                backend.run(circuit)
        assert keys_with(client, "") == before
        assert client.zrange(keys.jobs(job.tenant), 0, -1) == [stored.encode()]
        assert client.llen(keys.tokens(0)) == tokens
        assert backend.retrieve_job(stored).status() is JobStatus.QUEUED
        client.config_set("maxmemory", 0)
        assert backend.run(bell()).status() is JobStatus.QUEUED


def test_a_job_is_cancelled_and_deleted_although_redis_is_full() -> None:
    with (
        redis_server("--maxmemory-policy", "noeviction") as port,
        redis.Redis(port=port) as client,
        FleetProvider(f"redis://127.0.0.1:{port}/0") as provider,
    ):
        job = provider.get_backend().run([bell()] * 3, max_job_size=1)
        client.config_set("maxmemory", 1000)
        assert job.cancel() is True
        assert job.status() is JobStatus.CANCELLED
        assert provider.delete_job(job.job_id()) is True
        assert keys_with(client, job.job_id()) == []


def test_a_full_redis_lets_a_worker_take_a_shard_and_fail_it() -> None:
    with redis_server("--maxmemory-policy", "noeviction") as port, redis.Redis(port=port) as client:
        job = FleetProvider(f"redis://127.0.0.1:{port}/0").get_backend().run(bell())
        store = Store(client, "unit@test", room_seconds=0)
        client.config_set("maxmemory", 1000)
        taken = claim_shard(client, ref(job), 0)
        assert job.status() is JobStatus.RUNNING
        assert store.finish(taken, b"result", whole=1, blocks=[], error="") is True
        assert job.error_message() == f"circuit 0 ({job.result(partial=True).results[0].header['name']!r}): " + (
            "Redis is out of memory: it has no room for a result of 0.0 MiB"
        )


#: A worker whose results wait for room but a second.
HASTY = (
    "-c",
    "import sys, qfleet_worker.store as store; "
    "store.Store.__init__.__kwdefaults__['room_seconds'] = 1.0; "
    "from qfleet_worker.__main__ import main; sys.exit(main([]))",
)


def test_a_result_for_which_redis_has_no_room_is_an_error_of_its_circuit(tmp_path: Path) -> None:
    with redis_server("--maxmemory-policy", "noeviction") as port, redis.Redis(port=port) as client:
        url = f"redis://127.0.0.1:{port}/0"
        with worker(url, tmp_path / "log", program=HASTY), FleetProvider(url) as provider:
            client.config_set("maxmemory", client.info("memory")["used_memory"] + 500_000)
            circuit = QuantumCircuit(17)
            circuit.h(range(17))
            job = provider.get_backend("statevector_simulator").run(circuit)
            with pytest.raises(JobFailedError, match=r"Redis is out of memory: it has no room for .* 2\.0 MiB"):
                job.result(timeout=60)
            assert not client.exists(keys.results(ref(job)))
            assert all(client.ttl(key) > 0 for key in keys_with(client, job.job_id()))


def test_a_redis_that_fills_up_while_a_job_is_stored_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        redis_server("--maxmemory-policy", "noeviction") as port,
        redis.Redis(port=port) as client,
        FleetProvider(f"redis://127.0.0.1:{port}/0") as provider,
    ):
        submit = Ledger._submit

        def full(self: Ledger, job: NewJob, lacking: Sequence[str]) -> float:
            client.config_set("maxmemory", 1000)
            return submit(self, job, lacking)

        monkeypatch.setattr(Ledger, "_submit", full)
        monkeypatch.setattr(Ledger, "prepare", lambda _: None)  # Redis lacks the script
        with pytest.raises(BrokerFullError):
            provider.get_backend().run(bell())
        # A token that stands for no shard.
        assert keys_with(client, "") == [keys.tokens(0)]


# --- No worker ---


def test_without_a_worker_the_job_waits_and_the_error_says_why(idle: FleetProvider) -> None:
    assert idle.workers() == []
    job = idle.get_backend().run(bell())
    assert job.status() is JobStatus.QUEUED
    with pytest.raises(FleetJobTimeoutError, match=r"it is QUEUED .* No worker is up at redis\+socket://"):
        job.result(timeout=0.05)
    assert job.status() is JobStatus.QUEUED


def test_with_a_worker_the_error_doesnt_say_that_there_is_none(backend: FleetBackend) -> None:
    job = backend.run(wide(20, layers=10))
    with pytest.raises(FleetJobTimeoutError) as caught:
        job.result(timeout=0.001)
    assert "No worker" not in str(caught.value)
    job.result(timeout=60)


# --- What run() refuses ---


@pytest.fixture
def nothing_stored(redis_url: str) -> Iterator[None]:
    with connect(parse_broker(redis_url)) as client:
        before = (keys_with(client, ""), client.llen(keys.tokens(0)))
        yield
        assert (keys_with(client, ""), client.llen(keys.tokens(0))) == before


def test_a_circuit_too_large_for_any_worker(backend: FleetBackend, server: redis.Redis) -> None:
    before = keys_with(server, "job:")
    with pytest.raises(
        CapacityError,
        match=r"'huge': its 26 qubits and 1024 shots need (1\.2|3\.1) GiB of memory; the largest worker has 0\.6 GiB",
    ):
        backend.run([bell(), wide(26, "huge")])
    assert keys_with(server, "job:") == before


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize(
    ("name", "qubits", "size"), [("statevector_simulator", 26, "1024"), ("unitary_simulator", 13, "1024")]
)
def test_a_result_too_large_for_redis(name: str, qubits: int, size: str, idle: FleetProvider) -> None:
    circuit = QuantumCircuit(qubits, name="broad")
    with pytest.raises(CapacityError, match=rf"'broad': its result would take {size} MiB.*512 MiB"):
        idle.get_backend(name).run(circuit)


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize(
    ("name", "tags", "text"),
    [
        ("a\ud800b", [], r"name of a circuit: 'a\\ud800b' has the lone surrogate '\\ud800'"),
        ("a", ["\ud800"], r"job_tags: '\\ud800' has the lone surrogate"),
    ],
    ids=["circuit", "tag"],
)
def test_text_that_no_encoding_can_write(name: str, tags: list[str], text: str, idle: FleetProvider) -> None:
    with pytest.raises(InvalidOptionError, match=text):
        idle.get_backend().run(bell(name), job_tags=tags)


def test_metadata_that_no_encoding_can_write_stay_here(idle: FleetProvider) -> None:
    circuit = bell()
    circuit.metadata = {"a": "\ud800", "b": 1}
    job = idle.get_backend().run(circuit, metadata={"\ud800": 1, "b": 2})
    assert job.metadata == {"\ud800": 1, "b": 2}
    assert idle.job(job.job_id()).metadata == {"b": 2}


@pytest.mark.parametrize("job_id", [None, 7, b"abc"])
def test_an_id_that_isnt_a_string(job_id: Any, idle: FleetProvider) -> None:
    for find in (idle.job, idle.delete_job, idle.get_backend().retrieve_job):
        with pytest.raises(TypeError, match=r"job_id=.*a string is needed"):
            find(job_id)


def test_an_id_that_no_encoding_can_write(idle: FleetProvider) -> None:
    with pytest.raises(InvalidOptionError, match=r"job_id: .* has the lone surrogate"):
        idle.job("\ud800")


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize(
    ("circuits", "text"),
    [
        ([bell(), "OPENQASM 2.0;"], "item 1 of the list is str"),
        ([None], "item 0 of the list is NoneType"),
        ("OPENQASM 2.0;", "not str"),
        (7, "not int"),
        (None, "not NoneType"),
    ],
)
def test_something_that_isnt_a_circuit(circuits: Any, text: str, idle: FleetProvider) -> None:
    with pytest.raises((TypeError, QiskitError), match=text):
        idle.get_backend().run(circuits)


@pytest.mark.usefixtures("nothing_stored")
def test_an_empty_list(idle: FleetProvider) -> None:
    with pytest.raises(InvalidOptionError, match="empty"):
        idle.get_backend().run([])


@pytest.mark.usefixtures("nothing_stored")
def test_an_unbound_parameter_is_named(idle: FleetProvider) -> None:
    circuit = QuantumCircuit(1, name="ansatz")
    circuit.rx(Parameter("ϑ_17"), 0)
    with pytest.raises(UnboundParameterError, match="ϑ_17") as caught:
        idle.get_backend().run([bell(), circuit])
    assert "ansatz" in str(caught.value)


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("shots", [0, -1, 2.5, "many", None, True, 2**31])
def test_wrong_shots(shots: Any, idle: FleetProvider) -> None:
    with pytest.raises(InvalidOptionError, match=r"shots=.*a whole number from 1 to") as caught:
        idle.get_backend().run(bell(), shots=shots)
    assert repr(shots) in str(caught.value)


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize(
    "url", ["", "http://localhost", "localhost:6379", "redis://", "redis://host:port", "sentinel://h"]
)
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(InvalidOptionError):
        FleetProvider(url)
