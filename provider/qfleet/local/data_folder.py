# SPDX-License-Identifier: Apache-2.0
"""The folder that keeps a local fleet's jobs: one server at a time writes there.

The lock is ``flock`` on a file in the folder. The server inherits it, so that it lasts exactly as long as the server
does: it can't be left behind by a fleet that was killed, and no other spelling of the folder's name gets around it.
The file says who has the folder, for the message to whoever wants it too.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import psutil

from qfleet.errors import LocalFleetError
from qfleet.ledger.shielded import shielded

LOCK_NAME: Final = "qfleet.lock"

#: What a server reads from its folder when it starts: whoever wrote it can make the server do anything.
_READ_BY_SERVER: Final = ("appendonlydir", "appendonly.aof")
_SERVER_NAMES: Final = frozenset({"redis-server", "valkey-server"})
#: How long a fleet that was killed, or one that is just starting, gets to let go of the folder or to say who it is.
_SETTLE_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.02
#: Two looks at when a process started may differ by this much.
_SAME_START_SECONDS: Final = 2.0
_MOST_BYTES: Final = 4096


class _Holder(msgspec.Struct, frozen=True):
    """Who has the folder."""

    url: str
    host: str
    #: the process that started the fleet, and when it began itself, in seconds since the epoch
    pid: int
    began: float

    @classmethod
    def this_process(cls, url: str) -> _Holder:
        return cls(url, socket.gethostname(), os.getpid(), psutil.Process().create_time())

    def is_gone(self) -> bool:
        """Whether the process has ended. One of another machine is never known to have."""
        if self.host != socket.gethostname():
            return False
        try:
            process = psutil.Process(self.pid)
            began: float = process.create_time()
            return abs(began - self.began) > _SAME_START_SECONDS or process.status() == str(psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True

    def describe(self) -> str:
        """Return words for the process."""
        if self.host != socket.gethostname():
            return f"process {self.pid} on {self.host}"
        return "this process" if self.pid == os.getpid() else f"process {self.pid}"


class DataFolder:
    """A folder of jobs. Makes it, for this user alone, if it isn't there. Raises `LocalFleetError`."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._named = os.fspath(folder)
        if not self._named:
            raise LocalFleetError(
                "no folder is named to keep jobs in: the name is empty, like that of a variable that isn't set. "
                "Name one, or leave it out: jobs are kept in memory then"
            )
        with self._errors():
            # The server is told its place once: it shall stay there whatever folder this process goes to.
            self.path = Path(folder).expanduser().resolve()
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor: int | None = None

    def lock(self, url: str) -> int:
        """Take the folder for the fleet at a url; return the descriptor that holds it until `release` closes it.

        Raises:
            LocalFleetError: a fleet has the folder, and where that is; or the folder can't be used.
        """
        with self._errors(), shielded():
            self._descriptor = descriptor = self._open()
        deadline = time.monotonic() + _SETTLE_SECONDS
        while not self._take(descriptor, url):
            holder = _read(descriptor)
            if holder is not None:
                if not holder.is_gone():
                    raise LocalFleetError(
                        f"{self._named} keeps the jobs of a local fleet that {holder.describe()} has started, at "
                        f"{holder.url}. Use that fleet, by FleetProvider(url) or --url; or stop it first; or name "
                        "another folder",
                        folder=self._named,
                        url=holder.url,
                    )
                # Its workers end the server of a fleet that was killed, unless they were killed with it.
                for server in self._servers():
                    with contextlib.suppress(psutil.Error):
                        if any(file.path == str(self.path / LOCK_NAME) for file in server.open_files()):
                            server.terminate()
            if time.monotonic() > deadline:
                raise LocalFleetError(
                    f"jobs can't be kept in {self._named}: a process that doesn't say who it is has locked "
                    f"{LOCK_NAME} in it. `fuser {self.path / LOCK_NAME}` names it; stop it, or name another folder",
                    folder=self._named,
                )
            time.sleep(_POLL_SECONDS)
        self._check_content()
        return descriptor

    def release(self) -> None:
        """Close the descriptor. The folder stays locked while a server has inherited it."""
        with shielded():
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None:
                os.close(descriptor)

    def leave(self) -> None:
        """Say that the fleet here is about to stop: who comes next shall wait for that instead of being refused."""
        with contextlib.suppress(OSError):
            os.truncate(self.path / LOCK_NAME, 0)

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(self.path / LOCK_NAME, flags, 0o600)
        try:
            self._check_owner(LOCK_NAME, os.fstat(descriptor))
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _take(self, descriptor: int, url: str) -> bool:
        with self._errors(), shielded():
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, msgspec.json.encode(_Holder.this_process(url)), 0)
            return True

    def _servers(self) -> Iterator[psutil.Process]:
        """Yield the servers of this user that have the folder for their own: each goes there when it starts."""
        for process in psutil.process_iter(["name"]):
            with contextlib.suppress(psutil.Error, OSError):
                if process.info["name"] in _SERVER_NAMES and os.path.samefile(process.cwd(), self.path):
                    yield process

    def _check_content(self) -> None:
        """Raise if a server is in the folder that took no lock, or if the jobs in it were written by somebody else."""
        for server in self._servers():
            raise LocalFleetError(
                f"{self._named} is used by {server.info['name']}, process {server.pid}, which keeps its own data "
                "there. Stop it, or name another folder",
                folder=self._named,
            )
        for name in _READ_BY_SERVER:
            with self._errors(), contextlib.suppress(FileNotFoundError):
                found = os.lstat(self.path / name)
                self._check_owner(name, found)
                os.chmod(self.path / name, 0o700 if stat.S_ISDIR(found.st_mode) else 0o600)

    def _check_owner(self, name: str, found: os.stat_result) -> None:
        if found.st_uid != os.geteuid() or not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            raise LocalFleetError(
                f"jobs can't be kept in {self._named}: {name} in it is not a file of this user (it belongs to user "
                f"{found.st_uid}). Name a folder of your own",
                folder=self._named,
            )

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError, ValueError) as exc:
            raise LocalFleetError(
                f"jobs can't be kept in {self._named}: {getattr(exc, 'strerror', None) or exc}. "
                "Name a folder that is there or can be made, and that this user may write",
                folder=self._named,
            ) from exc


def _read(descriptor: int) -> _Holder | None:
    """Return who says that it has the folder; ``None`` while it is being written."""
    try:
        return msgspec.json.decode(os.pread(descriptor, _MOST_BYTES, 0), type=_Holder)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
