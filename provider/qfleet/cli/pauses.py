# SPDX-License-Identifier: Apache-2.0
"""The commands that pause jobs, and let them go on."""

from __future__ import annotations

import click

from qfleet.cli.group import connect, json_option, url_option
from qfleet.cli.terminal import echo, write_json

__all__ = ["pause", "resume"]


@click.command()
@click.argument("job_id", metavar="ID")
@url_option
@json_option
def pause(job_id: str, url: str | None, as_json: bool) -> None:
    """Let no other circuits of a job start.

    Circuits that are running are finished. The job waits for 'qfleet resume', and can be cancelled meanwhile.

    The beginning of the ID is enough. A second pause changes nothing.

    \b
    Example:
      qfleet pause 1d8c2f0e
    """
    job = connect(url).job(job_id)
    changed = job.pause()
    if as_json:
        write_json({"id": job.job_id(), "changed": changed, "held": job.held, "status": job.status().name})
    else:
        echo(f"Job {job.job_id()} {'is' if changed else 'was already'} paused.")


@click.command()
@click.argument("job_id", metavar="ID")
@url_option
@json_option
def resume(job_id: str, url: str | None, as_json: bool) -> None:
    """Let a paused job go on.

    The beginning of the ID is enough. For a job that isn't paused, nothing changes.

    \b
    Example:
      qfleet resume 1d8c2f0e
    """
    job = connect(url).job(job_id)
    changed = job.resume()
    if as_json:
        write_json({"id": job.job_id(), "changed": changed, "held": job.held, "status": job.status().name})
    else:
        echo(f"Job {job.job_id()} {'goes on' if changed else 'was not paused'}.")
