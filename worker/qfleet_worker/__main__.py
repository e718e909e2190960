# SPDX-License-Identifier: Apache-2.0
"""The command ``python -m qfleet_worker``, which runs a worker.

With ``health`` it reports whether this machine's worker is up. With ``warm`` it compiles the engines' machine code,
which is needed once on each machine.
"""

from __future__ import annotations

import argparse
import logging
import secrets
import signal
import socket
import sys

from celery.worker import state

from qfleet.wire.messages.machine import machine_id
from qfleet.wire.redis.broker import BrokerUrlError
from qfleet_worker.app import make_app
from qfleet_worker.engines.machine_code.folder import MachineCodeError, is_ready
from qfleet_worker.health import is_healthy
from qfleet_worker.lifecycle.lifeline import follow_stdin
from qfleet_worker.lifecycle.pool import TaskPool
from qfleet_worker.preflight import refusal_reason
from qfleet_worker.settings import Settings, SettingsError


def main(arguments: list[str] | None = None) -> int:
    """Run a worker, check its health, or compile its machine code.

    Args:
        arguments: the arguments of the command; by default those of this process.

    Returns:
        The exit code: 2 for wrong settings, 1 for an unusable Redis, and not 0 for a worker that failed.
    """
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
        help="health: exit 0 if a worker of this machine or container is up; warm: compile the engines' machine code",
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
        return 0 if is_healthy(settings.broker, machine_id()) else 1
    if settings.lifeline:
        follow_stdin(settings.broker, settings.lifeline)
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Until Celery installs its own handler. A worker may be told to stop while it still waits for its Redis.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(settings)
    except KeyboardInterrupt:
        return 0


def _run(settings: Settings) -> int:
    refusal = refusal_reason(settings.broker)
    if refusal:
        print(f"qfleet worker: {refusal}", file=sys.stderr)
        return 1
    # Host names and process ids aren't unique: many containers may share a host name and run their worker as process 1.
    name = f"qfleet-{secrets.token_hex(6)}@{socket.gethostname()}"
    worker = make_app(settings, name).Worker(
        hostname=name,
        concurrency=settings.concurrency,
        loglevel=settings.log_level,
        pool_cls=TaskPool,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    # Celery counts a stop by SIGINT as a failure.
    was_told_to_stop = state.should_stop is not None and not state.should_terminate
    return 0 if was_told_to_stop else int(worker.exitcode or 0)


def _warm() -> int:
    try:
        from qfleet_worker.engines.warm import warm
    except ImportError as exc:
        print(f"qfleet worker: {exc}; without numba circuits are run by numpy", file=sys.stderr)
        return 1
    if not is_ready():
        print(
            "Compiling the engines' machine code: about a minute on two cores, once on each machine ...",
            flush=True,
        )
    try:
        seconds, compiling = warm()
    except MachineCodeError as exc:
        print(f"qfleet worker: {exc}", file=sys.stderr)
        return 1
    print(f"Ready after {seconds:.0f} s." if compiling else "The engines' machine code is compiled already.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
