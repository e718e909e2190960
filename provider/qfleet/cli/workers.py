# SPDX-License-Identifier: Apache-2.0
"""The commands that list workers, and let them run empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from qfleet.cli.group import connect, json_option, url_option
from qfleet.cli.terminal import console, echo, write_json

if TYPE_CHECKING:
    from qfleet.wire.messages.presence import Presence

__all__ = ["drain", "workers"]


@click.command()
@url_option
@json_option
def workers(url: str | None, as_json: bool) -> None:
    """List the workers that are up.

    A worker that is draining takes no new tasks: see 'qfleet drain'.

    \b
    Example:
      qfleet workers
    """
    documents = [_document(worker) for worker in connect(url).workers()]
    if as_json:
        write_json({"workers": documents})
    elif documents:
        _print(documents)
    else:
        echo("No worker is up.")


def _document(worker: Presence) -> dict[str, Any]:
    return {
        "name": worker.name,
        "version": worker.version,
        "concurrency": worker.concurrency,
        "running": len(worker.holds),
        "memory_bytes": worker.memory_bytes,
        "engine": worker.engine,
        "draining": worker.draining,
    }


def _print(documents: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Table

    table = Table("name", "version", "running", "memory", "engine", "state", box=box.SIMPLE_HEAD, pad_edge=False)
    # Users copy the name.
    table.columns[0].no_wrap = True
    for worker in documents:
        running = f"{worker['running']} of {worker['concurrency']}"
        memory = f"{worker['memory_bytes'] / 2**30:.2f} GiB"
        state = "draining" if worker["draining"] else "up"
        table.add_row(worker["name"], worker["version"], running, memory, worker["engine"], state)
    console().print(table)


@click.command()
@click.argument("worker")
@click.option("--undo", is_flag=True, help="Let the worker take new tasks again.")
@url_option
@json_option
def drain(worker: str, undo: bool, url: str | None, as_json: bool) -> None:
    """Let a worker finish its tasks and take no new ones.

    It stays up. Once 'qfleet workers' shows that it runs nothing, it can be stopped without a wait. It obeys within a
    few seconds.

    The beginning of the WORKER's name is enough.

    \b
    Example:
      qfleet drain qfleet-3f2a
      qfleet drain qfleet-3f2a --undo
    """
    name = connect(url).drain(worker, undo=undo)
    if as_json:
        write_json({"worker": name, "draining": not undo})
    elif undo:
        echo(f"Worker {name} takes new tasks again.")
    else:
        echo(f"Worker {name} takes no new tasks.")
