# SPDX-License-Identifier: Apache-2.0
"""Machine code with real files and processes: damaged, unsafe, out of reach, half done, compiled by two at once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from kept_code import SMALL, choose, compiled_folder, copy, environment, python, tree
from waiting import until

from qfleet_worker.engines.build import MODULE
from qfleet_worker.engines.machine_code import folder as ready

#: Runs what follows in place of the interpreter's own user, who may not be able to read the interpreter.
AS_NOBODY = """
import os
import qfleet_worker.engines.statevector.simulator
os.setgid(65534)
os.setuid(65534)
"""
WARM = ("-m", "qfleet_worker", "warm")

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def compiled() -> Path:
    return compiled_folder()


@pytest.fixture
def cache() -> Iterator[Path]:
    """Yield a folder that other users may enter, too."""
    folder = Path(tempfile.mkdtemp(prefix="qfleet-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def only(folder: Path, pattern: str) -> Path:
    return next(folder.glob(pattern))


def test_what_is_compiled_is_loaded_and_nothing_written(compiled: Path, cache: Path) -> None:
    folder = copy(compiled, cache)
    before = tree(cache)
    assert choose(cache) == "statevector: machine code is compiled"
    assert tree(cache) == before
    (folder / ready.MARK).unlink()
    assert choose(cache).startswith("numpy: ")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        ("statevector.compiler.tables.compile_rows/*.nbc", cut),
        ("statevector.kernels.stage.run_stage/*.nbc", flip),
        ("statevector.kernels.parts.move/*.nbi", empty),
        ("statevector.kernels.parts.move/*.nbi", flip),
        ("statevector.kernels.small_states.find/*.nbi", Path.unlink),
        (ready.MARK, cut),
        (ready.MARK, empty),
    ],
)
def test_damaged_machine_code_is_not_loaded(
    pattern: str, damage: Callable[[Path], None], compiled: Path, cache: Path
) -> None:
    damage(only(copy(compiled, cache), pattern))
    before = tree(cache)
    said = choose(cache)
    assert said.startswith("numpy: ")
    assert "qfleet warm" in said
    assert tree(cache) == before


def test_a_mark_alone_is_not_enough(compiled: Path, cache: Path) -> None:
    folder = cache / "qfleet" / compiled.name
    folder.mkdir(parents=True)
    (folder / ready.MARK).write_text("{}")
    assert "isn't compiled" in choose(cache)


@pytest.mark.parametrize(
    "place", [".", "statevector.kernels.parts.move", "statevector.kernels.parts.move/parts.move-.*.nbi", ready.MARK]
)
def test_machine_code_that_others_can_write_is_not_loaded(place: str, compiled: Path, cache: Path) -> None:
    path = only(copy(compiled, cache), place) if place != "." else copy(compiled, cache)
    path.chmod(0o777)
    said = choose(cache)
    assert said.startswith("numpy: ")
    assert "isn't safe to load" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files to another user")
@pytest.mark.parametrize("place", ["", "statevector.kernels.parts.move/parts.move-.*.nbc"])
def test_machine_code_of_another_user_is_not_loaded(place: str, compiled: Path, cache: Path) -> None:
    folder = copy(compiled, cache)
    os.chown(only(folder, place) if place else folder, 65534, 65534)
    assert "isn't safe to load" in choose(cache)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
class TestAnotherUser:
    """Root has compiled, as in an image; somebody else runs circuits, and can write nothing."""

    def test_loads_what_root_compiled(self, compiled: Path, cache: Path) -> None:
        copy(compiled, cache)
        assert choose(cache, before=AS_NOBODY, HOME="/nonexistent") == "statevector: machine code is compiled"

    def test_starts_where_it_may_read_nothing(self, compiled: Path, cache: Path) -> None:
        copy(compiled, cache)
        cache.chmod(0o700)
        assert choose(cache, before=AS_NOBODY, HOME="/nonexistent").startswith("numpy: ")

    def test_starts_where_some_of_it_may_not_be_read(self, compiled: Path, cache: Path) -> None:
        only(copy(compiled, cache), "statevector.kernels.parts.move/*.nbc").chmod(0o600)
        assert "is damaged" in choose(cache, before=AS_NOBODY)

    def test_starts_with_an_empty_cache(self, cache: Path) -> None:
        assert choose(cache, before=AS_NOBODY).startswith("numpy: ")


@pytest.mark.parametrize("place", ["/nonexistent/folder", "/proc/self/mem", "relative", ""])
def test_a_cache_that_is_nowhere_keeps_no_worker_from_starting(place: str, cache: Path) -> None:
    assert choose(place, before=f"import os; os.chdir({str(cache)!r})", HOME="").split(":")[0] in (
        "numpy",
        "statevector",
    )


def test_warm_says_why_nothing_can_be_kept(cache: Path) -> None:
    (cache / "file").touch()
    done = python(WARM, environment(cache / "file"))
    assert done.returncode == 1
    assert "can't be written" in done.stderr
    assert "NUMBA_CACHE_DIR" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_was_begun_is_gone_on_with(compiled: Path, cache: Path) -> None:
    folder = copy(compiled, cache, without=[SMALL])
    (folder / "work").mkdir()
    before = tree(folder)
    done = python(WARM, environment(cache))
    assert done.returncode == 0, done.stderr
    after = tree(folder)
    assert all(after.pop(name) == before[name] for name in before if name != "work")
    assert {name.partition("/")[0] for name in after} == {SMALL, ready.MARK}
    assert choose(cache).startswith("statevector: ")
    assert "compiled already" in python(WARM, environment(cache)).stdout


def test_two_at_once_wait_for_each_other(compiled: Path, cache: Path) -> None:
    copy(compiled, cache, without=[SMALL])
    both = [
        subprocess.Popen([sys.executable, *WARM], env=environment(cache), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate()[0] != "" and process.returncode for process in both] == [0, 0]
    assert choose(cache).startswith("statevector: ")


def test_no_room_on_the_disk(compiled: Path, cache: Path) -> None:
    """A limit to the size of a file stands for a full disk."""
    folder = copy(compiled, cache, without=["statevector.kernels.stage.run_stage", SMALL])
    script = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); "
        "sys.argv = ['warm', 'warm']; runpy.run_module('qfleet_worker', run_name='__main__')"
    )
    done = python(["-c", script], environment(cache))
    assert done.returncode == 1
    assert "compiling failed" in done.stderr
    assert "File too large" in done.stderr
    assert not (folder / ready.MARK).exists()
    assert choose(cache).startswith("numpy: ")


@pytest.fixture
def stopped(compiled: Path, cache: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a process whose child compiles in the background, all of it: some minutes if it is let."""
    script = f"import subprocess, sys, os; subprocess.run([sys.executable, '-m', {MODULE!r}, str(os.getpid())])"
    with subprocess.Popen([sys.executable, "-c", script], env=environment(cache)) as process:
        yield process
        process.kill()


def test_compiling_ends_with_the_process_that_wanted_it(stopped: subprocess.Popen[bytes], cache: Path) -> None:
    parent = psutil.Process(stopped.pid)
    # The one in the background, and one that compiles.
    until(lambda: len(parent.children(recursive=True)) >= 2, "it compiles")
    processes = parent.children(recursive=True)
    assert all(process.nice() >= 10 for process in processes)
    stopped.send_signal(signal.SIGKILL)
    until(lambda: not any(process.is_running() for process in processes), "all have ended")
    # And the next one isn't kept from going on with it.
    lock = next((cache / "qfleet").glob("*.lock"))
    with lock.open("ab") as file:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_one_alone_compiles_in_the_background(stopped: subprocess.Popen[bytes], cache: Path) -> None:
    until(lambda: list((cache / "qfleet").glob("*/work")), "it compiles")
    other = python(["-m", MODULE, str(os.getpid())], environment(cache))
    assert other.returncode == 3
    assert other.stderr == ""
