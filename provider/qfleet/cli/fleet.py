# SPDX-License-Identifier: Apache-2.0
"""Starting things: a local fleet, a worker; and which versions are installed."""

from __future__ import annotations

import os
import sys
import threading
from importlib.metadata import version as version_of
from pathlib import Path
from typing import NoReturn

import click

from qfleet.cli.group import interrupt_on_terminate, json_option, url_option

__all__ = ["up", "version", "warm", "worker"]


@click.command()
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Worker processes to start.")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that keeps the jobs when the fleet stops. Without it they are deleted then.",
)
@json_option
def up(workers: int, data: Path | None, as_json: bool) -> None:
    """Start a local fleet, print its url, and stop it on Ctrl-C.

    \b
    Example:
      qfleet up --workers 4 --data ~/qfleet-jobs
    """
    from qfleet import FleetProvider
    from qfleet.cli.engine_notes import follow_engines
    from qfleet.cli.output import write_json

    interrupt_on_terminate()
    try:
        with FleetProvider.local(workers=workers, data=data) as provider:
            if as_json:
                write_json(
                    {
                        "url": provider.url,
                        "workers": workers,
                        "server": provider.server,
                        "durable": provider.durable,
                    }
                )
            else:
                click.echo(
                    f"A fleet of {workers} workers on {provider.server} is up at\n\n"
                    f"  {provider.url}\n\n"
                    "From Python:      provider = FleetProvider(url)\n"
                    f"In another shell: export QFLEET_URL={provider.url}\n"
                    "                  qfleet run circuit.qasm\n\n"
                    "Ctrl-C stops it."
                )
            if not provider.durable:
                click.echo("Its jobs are kept in memory only: they are lost when it stops.", err=True)
            follow_engines(provider)
            threading.Event().wait()
    except KeyboardInterrupt:
        click.echo("The fleet is stopped.", err=True)


@click.command()
@url_option
@click.option("--concurrency", type=click.IntRange(min=1), help="Circuits at a time. Default: one per core.")
def worker(url: str | None, concurrency: int | None) -> NoReturn:
    """Run a worker in the foreground.

    It takes circuits from the Redis at URL until it is stopped: SIGTERM lets the running ones end.

    \b
    Example:
      QFLEET_URL=redis://broker:6379/0 qfleet worker --concurrency 4
    """
    if not url:
        raise click.UsageError("A worker needs the fleet's Redis: --url or QFLEET_URL.")
    # The url goes by the environment: it may hold a password, and any user can read a process's arguments.
    environment = os.environ | {"QFLEET_URL": url}
    if concurrency is not None:
        environment["QFLEET_CONCURRENCY"] = str(concurrency)
    os.execve(sys.executable, [sys.executable, "-m", "qfleet_worker"], environment)  # noqa: S606 - there is no shell to be careful of


@click.command()
def warm() -> NoReturn:
    """Compile the machine code of the fast simulation engine, once on each machine that runs workers.

    It takes up to a minute on two cores. Until then workers run circuits with numpy, which gives the same counts, more
    slowly, and one of them compiles it in the background.

    \b
    Example:
      qfleet warm
    """
    os.execv(sys.executable, [sys.executable, "-m", "qfleet_worker", "warm"])  # noqa: S606 - there is no shell to be careful of


@click.command()
@json_option
def version(as_json: bool) -> None:
    """Print the versions of qfleet and of what it stands on.

    \b
    Example:
      qfleet version --json
    """
    versions = {name: version_of(name) for name in ("qfleet", "qiskit", "celery", "redis", "numpy")}
    versions["python"] = ".".join(map(str, sys.version_info[:3]))
    if as_json:
        from qfleet.cli.output import write_json

        write_json(versions)
    else:
        for name, number in versions.items():
            click.echo(f"{name} {number}")
