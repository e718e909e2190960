# SPDX-License-Identifier: Apache-2.0
"""Users with the rights that docs/redis.md names can do all there is to do; others are told what is missing."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from circuits import ENDLESS_SHOTS, bell, endless
from connections import connected
from make_jobs import claim_shard
from processes import free_port, is_dead, owner_process, process, redis_program, redis_server, shard_field
from references import ref
from waiting import until

from qfleet import EstimatorV2, FleetProvider, SamplerV2
from qfleet.errors import BrokerAuthenticationError, BrokerModeError, BrokerPermissionError
from qfleet.ledger.client import connect
from qfleet.wire.redis import keys, preflight
from qfleet.wire.redis.broker import parse_broker

PAGE = Path(__file__).resolve().parents[2] / "docs" / "redis.md"
#: Each user's rules, as the page has them.
RULES = {
    match[1]: match[2].split()
    for match in re.finditer(r"^ACL SETUSER qfleet-(client|worker) (.*)$", PAGE.read_text("utf-8"), re.MULTILINE)
}
#: What a client only likes to see.
OPTIONAL = {"info", "config|get"}


@pytest.fixture
def server() -> Iterator[redis.Redis]:
    with redis_server() as port, redis.Redis(port=port) as client:
        yield client


def add_user(server: redis.Redis, role: str, *more: str) -> str:
    """Add the user of the page, with rules more; the url with its login."""
    return add_user_with(server, role, *RULES[role], *more)


def add_user_with(server: redis.Redis, role: str, *rules: str) -> str:
    server.execute_command("ACL", "SETUSER", f"qfleet-{role}", *rules)
    port = server.connection_pool.connection_kwargs["port"]
    return f"redis://qfleet-{role}:{role}-password@127.0.0.1:{port}/0"


def test_the_page_has_both_users() -> None:
    assert RULES.keys() == {"client", "worker"}
    for rules in RULES.values():
        assert {"reset", "on", "~qfleet:*", "&qfleet:*", "-@dangerous"} <= set(rules)
        assert not {"+@all", "~*", "&*", "allkeys", "allchannels", "allcommands"} & set(rules)


def only_what_is_checked(role: str) -> list[str]:
    """Return the rules of a user with no command but those that the check of rights knows."""
    always = {
        "+@connection",
        "+@transaction",
        "+subscribe",
        "+unsubscribe",
        "+script|load",
        "+script|exists",
        "+memory|usage",
    }
    general = [rule for rule in RULES[role] if not rule.startswith(("+", "-"))]
    return [*general, *sorted(always), *(f"+{name}" for name in commands(role))]


@pytest.mark.parametrize(
    "rules", [RULES.__getitem__, only_what_is_checked], ids=["of the page", "only what is checked"]
)
def test_these_users_can_do_all_there_is_to_do(
    rules: Callable[[str], list[str]], server: redis.Redis, tmp_path: Path
) -> None:
    client_url, worker_url = (add_user_with(server, role, *rules(role)) for role in ("client", "worker"))
    server.acl_setuser("default", enabled=True, nopass=True, keys=["*"], channels=["*"], commands=["+@all"])
    with FleetProvider(client_url) as provider, worker_of(worker_url, provider, tmp_path / "log") as started:
        backend = provider.get_backend()
        for _ in range(3):  # from the second one on programs are copied
            job = backend.run([bell("a"), bell("b")], shots=10, max_job_size=1)
            assert job.result(timeout=60).success
        assert len(list(backend.run([bell()] * 3, max_job_size=1).as_completed(timeout=60))) == 3
        running = backend.run(endless(), shots=ENDLESS_SHOTS)
        simulating = owner_process(server, ref(running))
        behind = backend.run([bell()] * 3, max_job_size=1)
        assert behind.queue_position() == (0, 0)
        assert behind.estimated_time() is not None
        assert behind.pause() is True
        assert behind.resume() is True
        assert running.cancel() is True
        until(lambda: is_dead(simulating), "the process that simulated is gone")
        assert running.cancelled()
        assert behind.result(timeout=60).success
        # Its process is killed, and the shard waits again.
        running = backend.run(endless(), shots=ENDLESS_SHOTS)
        owner_process(server, ref(running)).kill()
        until(lambda: shard_field(server, ref(running), 0, "attempts") == "2", "another process has taken it")
        running.cancel()
        assert SamplerV2(backend).run([bell()], shots=5).result()[0].data.meas.num_shots == 5
        assert EstimatorV2(backend).run([(bell().remove_final_measurements(inplace=False), "ZZ")]).result()[0]
        assert len(provider.workers()) == 1
        assert provider.jobs(pending=True) == []
        assert len(provider.jobs(limit=None)) == 9
        assert provider.job(job.job_id()[:8]).done()
        assert provider.delete_job(job.job_id()) is True
        with connected(provider) as connection, connection.ledger() as ledger:
            ledger.trim()
        checks = {finding.check: finding for finding in provider.examine()}
        assert checks["Redis rights"].verdict == checks["Redis mode"].verdict == "ok"
        assert checks["Redis version"].verdict == "unknown"
        # While it runs something, which it hands back.
        backend.run(endless(), shots=ENDLESS_SHOTS)
        until(lambda: provider.workers()[0].holds, "the worker has it")
        started.terminate()
        started.wait(60)
        assert provider.workers() == []
    refused = {(entry["username"], entry["reason"], entry["object"]) for entry in server.acl_log(100)}
    assert {entry for entry in refused if entry[2] not in OPTIONAL} == set()


@contextmanager
def worker_of(url: str, provider: FleetProvider, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a worker with a user of its own, which is up when this begins."""
    settings = {"QFLEET_URL": url, "QFLEET_CONCURRENCY": "1", "QFLEET_GRACE_SECONDS": "0"}
    with process([sys.executable, "-m", "qfleet_worker"], log, **settings) as started:
        until(lambda: started.poll() is not None or provider.workers(), "the worker is up")
        assert started.poll() is None, log.read_text()
        yield started


# --- What is missing is told ---


def commands(role: str) -> list[str]:
    return sorted({command[0].lower() for command in preflight.commands_of(role)} - {"script", "memory"})


@pytest.mark.parametrize("role", ["client", "worker"])
def test_each_missing_command_is_told(role: str, server: redis.Redis) -> None:
    url = add_user(server, role)
    with connect(parse_broker(url)) as client:
        assert preflight.problems(client, role, 0) == []
        for name in [*commands(role), "script|load", "script|exists", "memory|usage"]:
            server.execute_command("ACL", "SETUSER", f"qfleet-{role}", f"-{name}")
            found = [missing.rule for missing in preflight.missing_rights(client, role, 0)]
            assert found == [f"+{name}"], name
            server.execute_command("ACL", "SETUSER", f"qfleet-{role}", f"+{name}")
        assert preflight.problems(client, role, 0) == []
    assert server.keys("*") == []  # nothing was changed


@pytest.mark.parametrize("role", ["client", "worker"])
@pytest.mark.parametrize("rule", ["resetkeys", "resetchannels", "-multi"])
def test_missing_keys_and_channels_are_told(rule: str, role: str, server: redis.Redis) -> None:
    url = add_user(server, role, rule)
    with connect(parse_broker(url)) as client:
        (text,) = preflight.problems(client, role, 0)
    expected = {"resetkeys": "(add ~qfleet:*)", "resetchannels": "(add &qfleet:*)", "-multi": "(add +multi)"}[rule]
    assert text.startswith("its user may not use ")
    assert expected in text


@pytest.mark.parametrize(
    ("command", "text", "rule"),
    [
        # Redis 7.0, and 7.2 or newer
        (("HKEYS", "k"), "this user has no permissions to run the 'hkeys' command", "+hkeys"),
        (("HKEYS", "k"), "User a has no permissions to run the 'hkeys' command", "+hkeys"),
        (("SCRIPT", "LOAD", ""), "User a has no permissions to run the 'script|load' command", "+script|load"),
        (("GET", "k"), "this user has no permissions to access one of the keys used as arguments", "~qfleet:*"),
        (("GET", "k"), "No permissions to access a key", "~qfleet:*"),
        (("PUBLISH", "c"), "this user has no permissions to access one of the channels used", "&qfleet:*"),
        (("PUBLISH", "c"), "No permissions to access a channel", "&qfleet:*"),
        (("GET", "k"), "WRONGTYPE Operation against a key", None),
    ],
)
def test_redis_texts_are_understood(command: tuple[str, ...], text: str, rule: str | None) -> None:
    found = preflight.missing_right(command, redis.ResponseError(text))
    assert (found.rule if found else None) == rule


@pytest.mark.parametrize(
    ("call", "missing"),
    [
        ("run", "-hset"),
        ("cancel", "-publish"),
        ("cancel", "resetchannels &qfleet:celery*"),
        ("workers", "-hvals"),
        ("jobs", "-evalsha"),
        ("run", "-lpush"),
    ],
)
def test_a_client_is_told_which_rule_to_add(call: str, missing: str, server: redis.Redis) -> None:
    url = add_user(server, "client")
    with FleetProvider(url) as provider:
        job = provider.get_backend().run(bell())
        claim_shard(server, ref(job), 0)  # so that workers are told of a cancel
        provider.close()
        server.execute_command("ACL", "SETUSER", "qfleet-client", *missing.split())
        calls = {
            "run": lambda: provider.get_backend().run(bell()),
            "cancel": job.cancel,
            "workers": provider.workers,
            "jobs": provider.jobs,
        }
        rule = "&qfleet:*" if "channels" in missing else missing.replace("-", "+")
        with pytest.raises(BrokerPermissionError) as caught:
            calls[call]()
        assert "user 'qfleet-client' may not use" in str(caught.value)
        assert f"(add {rule})" in str(caught.value)
        assert "password" not in str(caught.value).replace("client-password", "")
        assert "client-password" not in str(caught.value)
        (rights,) = [finding for finding in provider.examine() if finding.check == "Redis rights"]
        assert rights.verdict == "problem"
        assert f"(add {rule})" in rights.text


@pytest.mark.parametrize("missing", ["-publish", "resetchannels", "resetchannels &qfleet:celery*"])
def test_a_cancel_that_may_not_be_told_changes_nothing(missing: str, server: redis.Redis) -> None:
    with FleetProvider(add_user(server, "client")) as provider:
        job = provider.get_backend().run([bell(), bell()], max_job_size=1)
        before = server.hgetall(keys.shards(ref(job))), server.hgetall(keys.job(ref(job)))
        server.execute_command("ACL", "SETUSER", "qfleet-client", *missing.split())
        with pytest.raises(BrokerPermissionError):
            job.cancel()
        assert (server.hgetall(keys.shards(ref(job))), server.hgetall(keys.job(ref(job)))) == before


def test_a_wrong_password_is_another_error(server: redis.Redis) -> None:
    url = add_user(server, "client").replace("client-password", "wrong")
    with FleetProvider(url) as provider, pytest.raises(BrokerAuthenticationError, match="right user and password"):
        provider.workers()


# --- The worker ---


def ended(log: Path, **environment: str) -> tuple[int, list[str]]:
    """Start a worker that is expected to end at once; its exit code, and what it said."""
    with process([sys.executable, "-m", "qfleet_worker"], log, **environment) as started:
        started.wait(60)
    return started.returncode, log.read_text().splitlines()


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["-brpop"], r"its user may not use the command BRPOP \(add \+brpop\)\. See docs/redis\.md"),
        (["resetchannels", "&qfleet:job:*"], r"the channel qfleet:\{preflight\}:client:0 \(add &qfleet:"),
        (
            ["resetchannels", "&qfleet:job:*", "&qfleet:{preflight}:client:*"],
            r"the channel qfleet:/0\.celery\.pidbox \(add &qfleet:",
        ),
        (["resetkeys", "~other:*"], r"keys under qfleet: \(add ~qfleet:\*\)"),
        (["off"], "refuses the login"),
        ([">other", "<worker-password"], "refuses the login"),
    ],
)
def test_a_worker_says_what_it_lacks_and_ends(more: list[str], text: str, server: redis.Redis, tmp_path: Path) -> None:
    code, (line,) = ended(tmp_path / "log", QFLEET_URL=add_user(server, "worker", *more))
    assert code == 1
    assert re.search(text, line)
    assert "worker-password" not in line


def test_a_worker_waits_for_a_redis_that_isnt_there_yet(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    url = f"redis://127.0.0.1:{port}/0"
    with process([sys.executable, "-m", "qfleet_worker"], log, QFLEET_URL=url, QFLEET_CONCURRENCY="1") as started:
        until(lambda: "no Redis answers at" in log.read_text(), "it has tried")
        with redis_server(port=port), FleetProvider(url) as provider:
            until(provider.workers, "it takes tasks")
            assert provider.get_backend().run(bell()).result(timeout=60).success
            assert started.poll() is None


# --- Cluster mode ---


@pytest.fixture
def cluster() -> Iterator[str]:
    """Yield the url of a server in cluster mode that has all slots."""
    with redis_server("--cluster-enabled", "yes", "--cluster-port", str(free_port())) as port:
        with redis.Redis(port=port) as node:
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            until(lambda: "cluster_state:ok" in str(node.execute_command("CLUSTER", "INFO")), "the cluster is up")
        yield f"redis://127.0.0.1:{port}/0"


@pytest.mark.parametrize("options", ["", "?protocol=2"])
def test_a_client_refuses_cluster_mode_before_anything_is_stored(options: str, cluster: str) -> None:
    with FleetProvider(cluster + options) as provider:
        for call in (lambda: provider.get_backend().run(bell()), provider.workers, provider.jobs):
            with pytest.raises(BrokerModeError, match="it runs in cluster mode, which qfleet doesn't support; use"):
                call()
        (finding,) = provider.examine()
        assert (finding.check, finding.verdict) == ("Redis mode", "problem")
        assert "cluster mode" in finding.text
    with redis.Redis.from_url(cluster) as node:
        assert node.dbsize() == 0


def test_a_worker_and_doctor_refuse_cluster_mode(cluster: str, tmp_path: Path) -> None:
    code, (line,) = ended(tmp_path / "log", QFLEET_URL=cluster)
    assert code == 1
    assert "it runs in cluster mode" in line
    command = [str(Path(sys.executable).with_name("qfleet")), "doctor", "--url", cluster]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "problem  Redis mode: " in done.stdout


def test_a_sentinel_named_as_a_redis_is_refused(tmp_path: Path) -> None:
    port = free_port()
    configuration = tmp_path / "sentinel.conf"
    configuration.write_text(f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\n", "utf-8")
    with process([redis_program(), str(configuration), "--sentinel"], tmp_path / "log"):
        with redis.Redis(port=port) as probe:
            until(lambda: _answers(probe), "the Sentinel answers")
        with (
            FleetProvider(f"redis://127.0.0.1:{port}") as provider,
            pytest.raises(BrokerModeError, match=r"it is a Sentinel, .*write sentinel://"),
        ):
            provider.workers()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
