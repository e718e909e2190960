# SPDX-License-Identifier: Apache-2.0
"""Compilation of the engines' machine code, shared by several processes.

One function is compiled by one process alone: numba keeps a function's machine code in an index that it reads and
writes anew. Each process keeps all that it compiles in a folder of its own, and moves a function's machine code into
place when it is complete. After an interruption, the next process goes on from there.

``python -m qfleet_worker.engines.build PARENT`` compiles in the background, and ends with the process
PARENT; ``python -m qfleet_worker.engines.build PARENT FOLDER`` is one of the processes that share the work.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from qfleet_worker.engines.machine_code.folder import (
    MARK,
    MachineCodeError,
    check,
    clear,
    drop_outdated,
    folder_to_fill,
    folders,
    lock_of,
    mark,
)
from qfleet_worker.machine.resources import usable_cores

#: Modules that take longest, in the order in which they are begun; then all others. One process compiles those that
#: stand together: functions that they have in common are compiled once.
_LONGEST: Final = (
    ("statevector.compiler.tables", "statevector.compiler.values", "statevector.compiler.small"),
    ("statevector.kernels.stage",),
    ("statevector.kernels.pauli_sums",),
)
#: More processes would be of no use: the first modules take longer than all others together.
MOST_PROCESSES: Final = 2
#: Memory of one process at most; it takes a quarter of that.
PROCESS_BYTES: Final = 1 << 31
#: Niceness of a process in the background: circuits get nine tenths of a core that it shares with them.
_NICE: Final = 10
#: Exit code of a process that has nothing to do.
ELSEWHERE: Final = 3
_WORK: Final = "work"
#: How this module is run.
MODULE: Final = "qfleet_worker.engines.build"
#: Seconds between two checks that the process that wanted the machine code still runs.
_LOOK_SECONDS: Final = 0.5


logger = logging.getLogger(__name__)


class CompilingElsewhereError(MachineCodeError):
    """Another process compiles into the same folder."""


def compile_machine_code(processes: int = 0, *, anew: bool = False, wait: bool = True) -> Path:
    """Compile what isn't compiled yet, and return its folder.

    Args:
        processes: how many share the work; 0: as many as there are cores, and at most `MOST_PROCESSES`.
        anew: compile all of it again, whatever there is.
        wait: wait for another process that compiles the same, instead of raising `CompilingElsewhereError`.

    Raises:
        MachineCodeError: it fails, or can't be kept.
    """
    folder = folder_to_fill()
    try:
        with _only_one(folder, wait=wait):
            if anew:
                clear(folder)
            if not _is_whole(folder):
                _compile_into(folder, processes or min(usable_cores(), MOST_PROCESSES))
                drop_outdated(folder)
    except OSError as exc:
        raise MachineCodeError(f"what was compiled can't be kept: {exc}") from exc
    return folder


@contextmanager
def _only_one(folder: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock of a folder.

    The lock ends with the process that has it.
    """
    with lock_of(folder).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            if not wait:
                raise CompilingElsewhereError(f"another process compiles into {folder}") from exc
            logger.warning("another process compiles into %s: waiting for it", folder)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def die_with(parent: int) -> None:
    """Watch this process's parent, and end with it."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _is_whole(folder: Path) -> bool:
    """Tell whether all is compiled; remove what is damaged.

    Another process may have compiled it in the meantime.
    """
    if not (folder / MARK).exists():
        return False
    try:
        check(folder)
    except MachineCodeError:
        clear(folder)
        return False
    return True


def _compile_into(folder: Path, processes: int) -> None:
    work = folder / _WORK
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    arguments = [sys.executable, "-m", MODULE, str(os.getpid()), str(folder)]
    started = [
        subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(processes)
    ]
    try:
        said = [process.communicate()[1].decode("utf-8", "replace") for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    for process, text in zip(started, said, strict=True):
        if process.returncode:
            last = (text.strip().splitlines() or [f"it ended with {process.returncode}"])[-1]
            raise MachineCodeError(f"compiling failed: {last}")
    shutil.rmtree(work, ignore_errors=True)
    mark(folder)


def _modules(names: list[str]) -> list[list[str]]:
    """Return the functions' names in groups, the longest first.

    One process compiles a group.
    """
    found: dict[tuple[str, ...], list[str]] = {group: [] for group in _LONGEST}
    for name in names:
        module = name.rpartition(".")[0]
        group = next((group for group in _LONGEST if module in group), (module,))
        found.setdefault(group, []).append(name)
    return list(found.values())


def _compile_share(folder: Path) -> None:
    """Compile modules that no other process has begun, until there are none."""
    from qfleet_worker.engines.machine_code.modules import import_all
    from qfleet_worker.engines.machine_code.registry import compile_all, entry_names, keep_in

    import_all()

    own = folder / _WORK / str(os.getpid())
    keep_in(own)
    for names in _modules(entry_names()):
        try:
            (folder / _WORK / f"{names[0]}.begun").touch(exist_ok=False)
        except FileExistsError:
            continue
        for name in names:
            if not (folder / name).exists():
                compile_all([name])
                (own / name).rename(folder / name)
    if folder not in folders():
        raise MachineCodeError("sources or libraries changed meanwhile; compile again")


def _limit_memory() -> None:
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    limit = PROCESS_BYTES if hard == resource.RLIM_INFINITY else min(PROCESS_BYTES, hard)
    with contextlib.suppress(ValueError, OSError):  # not on macOS
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def main(arguments: list[str]) -> int:
    """Compile in the background, or a share, and return the exit code.

    If it fails, the last line of standard error says why, and the code is 1.
    """
    # Ctrl-C is for the process that wants this one's work, and ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(int(arguments[0]))
    try:
        if len(arguments) > 1:
            # Others read what root compiles; nobody else may write it.
            os.umask(os.umask(0o022) | 0o022)
            _limit_memory()
            _compile_share(Path(arguments[1]))
        else:
            os.nice(_NICE)
            compile_machine_code(max(1, min(usable_cores(), MOST_PROCESSES) // 2), wait=False)
    except CompilingElsewhereError:
        return ELSEWHERE
    except MachineCodeError as exc:
        print(exc, file=sys.stderr)
        return 1
    except Exception as exc:  # noqa: BLE001 - the parent process reads and reports it
        print(f"{type(exc).__name__}: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
