# SPDX-License-Identifier: Apache-2.0
"""The commands that start fleets and workers, and print versions."""

from __future__ import annotations

import os
import signal
import sys
import threading
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING, NoReturn

import click

from qfleet.cli import interrupts
from qfleet.cli.group import json_option, url_option
from qfleet.cli.terminal import echo, write_json

if TYPE_CHECKING:
    from qfleet import FleetProvider

__all__ = ["up", "version", "warm", "worker"]


@click.command()
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Worker processes to start.")
@click.option(
    "--data",
    type=click.Path(file_okay=False),
    help="Folder that keeps the jobs after the fleet has stopped; created if it doesn't exist. Default: none are kept.",
)
@json_option
def up(workers: int, data: str | None, as_json: bool) -> None:
    """Start a local fleet, print its url, and stop it on Ctrl-C.

    It starts a private Redis, which no other user of the machine can reach, and worker processes, which run one circuit
    at a time each. All of them stop with this command.

    Only one fleet at a time can use a --data folder. A second one is refused with the url of the first, which any
    number of clients may use.

    \b
    Example:
      qfleet up
      qfleet up --workers 4 --data ~/qfleet-jobs
    """
    from qfleet import FleetProvider
    from qfleet.cli.engine_notes import follow_engines

    if not as_json:
        where = f"which keeps its jobs in {data}" if data is not None else "which keeps its jobs in memory"
        echo(f"Starting a private Redis, {where}, and {_counted(workers)} ...", err=True)
    is_up = False
    interrupts.say("interrupted; the fleet was not started")
    with interrupts.raised():
        try:
            with FleetProvider.local(workers=workers, data=data) as provider:
                _announce(provider, workers, as_json=as_json)
                is_up = True
                follow_engines(provider)
                threading.Event().wait()
        except KeyboardInterrupt:
            if not is_up:
                raise
            interrupts.forget()
    echo("The fleet is stopped.", err=True)


def _announce(provider: FleetProvider, workers: int, *, as_json: bool) -> None:
    if as_json:
        write_json({"url": provider.url, "workers": workers, "server": provider.server, "durable": provider.durable})
        return
    echo(
        f"A fleet of {_counted(workers)} on {provider.server} is up at",
        "",
        f"  {provider.url}",
        "",
        "From Python:      provider = FleetProvider(url)",
        f"In another shell: export QFLEET_URL={provider.url}",
        "                  qfleet run circuit.qasm",
        "",
        "Ctrl-C stops it.",
    )


def _counted(workers: int) -> str:
    return "1 worker" if workers == 1 else f"{workers} workers"


@click.command()
@url_option
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    help="Number of circuits that run at the same time. Default: one per core.",
)
def worker(url: str | None, concurrency: int | None) -> NoReturn:
    """Run a worker in the foreground.

    It runs circuits from the Redis at URL until it is stopped. After SIGTERM it finishes the circuits that are running.

    \b
    Example:
      QFLEET_URL=redis://broker:6379/0 qfleet worker --concurrency 4
    """
    if not url:
        raise click.UsageError("A worker needs the url of the fleet's Redis: give --url or set QFLEET_URL.")
    # The url is passed in the environment: it may hold a password, and any user can read a process's arguments.
    environment = os.environ | {"QFLEET_URL": url}
    if concurrency is not None:
        environment["QFLEET_CONCURRENCY"] = str(concurrency)
    _become_worker(environment)


def _become_worker(environment: dict[str, str], *arguments: str) -> NoReturn:
    """Replace this process by a worker.

    Signals wait until the new program has installed its handlers.
    """
    words = [sys.executable, "-m", "qfleet.cli.launch", *arguments]
    signal.pthread_sigmask(signal.SIG_BLOCK, interrupts.SIGNALS)
    try:
        os.execve(sys.executable, words, environment)  # noqa: S606 - no shell is started
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, interrupts.SIGNALS)


@click.command(short_help="Compile the fast simulation engine, once on each machine.")
def warm() -> NoReturn:
    """Compile the machine code of the fast simulation engine.

    Run this once on each machine that runs workers. Compiling takes about a minute on two cores. Until it is done,
    workers run circuits with numpy, which gives the same counts but is slower, and one of them compiles the engine in
    the background.

    \b
    Example:
      qfleet warm
    """
    _become_worker(dict(os.environ), "warm")


@click.command()
@json_option
def version(as_json: bool) -> None:
    """Print the versions of qfleet and of its main dependencies.

    \b
    Example:
      qfleet version --json
    """
    versions = {name: version_of(name) for name in ("qfleet", "qiskit", "celery", "redis", "numpy")}
    versions["python"] = ".".join(map(str, sys.version_info[:3]))
    if as_json:
        write_json(versions)
    else:
        for name, number in versions.items():
            echo(f"{name} {number}")
