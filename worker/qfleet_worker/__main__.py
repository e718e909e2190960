# SPDX-License-Identifier: Apache-2.0
"""``python -m qfleet_worker`` runs a worker; with ``health`` it tells if this host's worker is up, and with ``warm`` it
compiles the machine code of the statevector engine, once on each machine.
"""

from __future__ import annotations

import argparse
import logging
import socket
import sys

from qfleet.wire.broker import BrokerUrlError
from qfleet_worker.app import make_app, node_name
from qfleet_worker.engines.ready import MachineCodeError, is_ready
from qfleet_worker.health import is_healthy
from qfleet_worker.lifecycle.lifeline import follow_stdin
from qfleet_worker.settings import Settings, SettingsError


def main(arguments: list[str] | None = None) -> int:
    """Run a worker until it is told to stop, or look after one. The exit code is 2 for wrong settings."""
    parser = argparse.ArgumentParser(
        prog="python -m qfleet_worker",
        description="Run a qfleet worker. It reads QFLEET_URL, QFLEET_CONCURRENCY, QFLEET_MEMORY_BYTES, "
        "QFLEET_MAX_ATTEMPTS, QFLEET_TIME_LIMIT_SECONDS, QFLEET_GRACE_SECONDS, QFLEET_WARM and QFLEET_LOG_LEVEL from "
        "its environment.",
        epilog="example: QFLEET_URL=redis://localhost:6379/0 python -m qfleet_worker",
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=("run", "health", "warm"),
        default="run",
        help="health: exit 0 if a worker of this host is up; warm: compile the engine's machine code",
    )
    command = parser.parse_args(arguments).command
    if command == "warm":
        return _warm()
    try:
        settings = Settings.from_environment()
    except (SettingsError, BrokerUrlError) as exc:
        print(f"qfleet worker: {exc}", file=sys.stderr)
        return 2
    if command == "health":
        return 0 if is_healthy(settings.broker, socket.gethostname()) else 1
    if settings.lifeline:
        follow_stdin(settings.broker, settings.lifeline)
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    make_app(settings).worker_main(
        [
            "worker",
            f"--hostname={node_name()}",
            f"--concurrency={settings.concurrency}",
            f"--loglevel={settings.log_level}",
            "--pool=prefork",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
        ]
    )
    return 0


def _warm() -> int:
    try:
        from qfleet_worker.engines.statevector.warm import warm
    except ImportError as exc:
        print(f"qfleet worker: {exc}; without numba circuits are run by numpy", file=sys.stderr)
        return 1
    if not is_ready():
        print(
            "Compiling the faster engine's machine code: up to a minute on two cores, once on each machine ...",
            flush=True,
        )
    try:
        seconds, compiling = warm()
    except MachineCodeError as exc:
        print(f"qfleet worker: {exc}", file=sys.stderr)
        return 1
    print(f"Ready after {seconds:.0f} s." if compiling else "The faster engine's machine code is compiled already.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
