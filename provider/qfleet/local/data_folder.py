# SPDX-License-Identifier: Apache-2.0
"""The folder of jobs, which one local fleet at a time uses.

The lock is ``flock`` on a file in the folder. The server inherits it, so that it lasts exactly as long as the server: a
fleet that was killed doesn't leave it behind, and another spelling of the folder's name doesn't bypass it. The file
names the process that has the folder, for the message to other fleets.
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

#: The files that a server reads from its folder at its start. Their author can make the server do anything.
_READ_BY_SERVER: Final = ("appendonlydir", "appendonly.aof")
_SERVER_NAMES: Final = frozenset({"redis-server", "valkey-server"})
#: The time for a killed fleet to release the folder, and for a starting fleet to name its process.
_SETTLE_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.02
#: The tolerance between two readings of a process's start time.
_SAME_START_SECONDS: Final = 2.0
_MOST_BYTES: Final = 4096


class _Holder(msgspec.Struct, frozen=True):
    """The process that has the folder."""

    url: str
    host: str
    #: the process that started the fleet, and its own start time in seconds since the epoch
    pid: int
    began: float

    @classmethod
    def this_process(cls, url: str) -> _Holder:
        """Return this process as holder, with its fleet's url."""
        return cls(url, socket.gethostname(), os.getpid(), psutil.Process().create_time())

    def is_gone(self) -> bool:
        """Tell whether the process is known to have ended.

        It is never known to have ended on another machine.
        """
        if self.host != socket.gethostname():
            return False
        try:
            process = psutil.Process(self.pid)
            began: float = process.create_time()
            return abs(began - self.began) > _SAME_START_SECONDS or process.status() == str(psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True

    def describe(self) -> str:
        """Return a text that names the process."""
        if self.host != socket.gethostname():
            return f"process {self.pid} on {self.host}"
        return "this process" if self.pid == os.getpid() else f"process {self.pid}"


class DataFolder:
    """A folder of jobs.

    If it doesn't exist, it is made for this user alone.

    Raises:
        LocalFleetError: the folder can't be used.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._named = os.fspath(folder)
        if not self._named:
            raise LocalFleetError(
                "no folder is named to keep jobs in: the name is empty, like that of a variable that isn't set. "
                "Name one, or leave it out: jobs are kept in memory then"
            )
        with self._errors():
            # The server gets an absolute path, which stays right if this process changes its folder.
            self.path = Path(folder).expanduser().resolve()
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor: int | None = None

    def lock(self, url: str) -> int:
        """Take the folder for a fleet.

        Args:
            url: the url of the fleet.

        Returns:
            The descriptor that holds the lock until `release` closes it.

        Raises:
            LocalFleetError: another fleet has the folder, or the folder can't be used.
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
                        f"{holder.url}. Use that fleet with FleetProvider(url) or --url, stop it first, or name "
                        "another folder",
                        folder=self._named,
                        url=holder.url,
                    )
                # The workers of a killed fleet end its server, unless they were killed too.
                for server in self._servers():
                    with contextlib.suppress(psutil.Error):
                        if any(file.path == str(self.path / LOCK_NAME) for file in server.open_files()):
                            server.terminate()
            if time.monotonic() > deadline:
                raise LocalFleetError(
                    f"jobs can't be kept in {self._named}: an unknown process has locked "
                    f"{LOCK_NAME} in it. `fuser {self.path / LOCK_NAME}` names it; stop it, or name another folder",
                    folder=self._named,
                )
            time.sleep(_POLL_SECONDS)
        self._check_content()
        return descriptor

    def release(self) -> None:
        """Close the descriptor.

        The folder stays locked while a server has inherited it.
        """
        with shielded():
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None:
                os.close(descriptor)

    def leave(self) -> None:
        """Note that the fleet is about to stop.

        The next fleet then waits instead of being refused.
        """
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
        """Yield the servers of this user in the folder.

        A server changes to its folder when it starts.
        """
        for process in psutil.process_iter(["name"]):
            with contextlib.suppress(psutil.Error, OSError):
                if process.info["name"] in _SERVER_NAMES and os.path.samefile(process.cwd(), self.path):
                    yield process

    def _check_content(self) -> None:
        """Check that the folder is safe to use.

        Raises:
            LocalFleetError: a server without the lock uses the folder, or its jobs belong to another user.
        """
        for server in self._servers():
            raise LocalFleetError(
                f"{self._named} is used by {server.info['name']}, process {server.pid}, which keeps its own data "
                "there. Stop it, or name another folder",
                folder=self._named,
            )
        for name in _READ_BY_SERVER:
            with self._errors(), contextlib.suppress(FileNotFoundError):
                status = os.lstat(self.path / name)
                self._check_owner(name, status)
                os.chmod(self.path / name, 0o700 if stat.S_ISDIR(status.st_mode) else 0o600)

    def _check_owner(self, name: str, status: os.stat_result) -> None:
        if status.st_uid != os.geteuid() or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise LocalFleetError(
                f"jobs can't be kept in {self._named}: {name} in it is not a file of this user (it belongs to user "
                f"{status.st_uid}). Name a folder of your own",
                folder=self._named,
            )

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError, ValueError) as exc:
            raise LocalFleetError(
                f"jobs can't be kept in {self._named}: {getattr(exc, 'strerror', None) or exc}. "
                "Name a folder that exists or can be created, and that this user may write to",
                folder=self._named,
            ) from exc


def _read(descriptor: int) -> _Holder | None:
    """Return the process that the file names.

    It is ``None`` while the file is being written.
    """
    try:
        return msgspec.json.decode(os.pread(descriptor, _MOST_BYTES, 0), type=_Holder)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
