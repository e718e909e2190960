# SPDX-License-Identifier: Apache-2.0
"""The command that runs circuit files: all of them as one job."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qfleet.cli.group import interrupt_on_terminate, json_option, url_option

if TYPE_CHECKING:
    from qfleet import FleetProvider

__all__ = ["run"]

_LOCAL_WORKERS = 2


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--shots", type=int, help="Shots of each circuit. Default: the backend's, 1024.")
@click.option("--seed", type=int, help="Seed of the job: the same seed gives the same counts.")
@click.option("--method", help="Simulation method. Default: automatic.")
@click.option("--backend", "backend_name", default="automatic", show_default=True, help="Backend that runs the job.")
@click.option(
    "--plot", type=click.Path(dir_okay=False, path_type=Path), metavar="PNG", help="Write histograms to this picture."
)
@click.option("--partial", is_flag=True, help="Print what succeeded of a job that fails in part.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds to wait. The job goes on after.")
@click.option(
    "--local", type=click.IntRange(min=1), metavar="N", help="Run on a local fleet of N workers, just for this."
)
@url_option
@json_option
@click.pass_context
def run(
    ctx: click.Context,
    files: tuple[Path, ...],
    shots: int | None,
    seed: int | None,
    method: str | None,
    backend_name: str,
    plot: Path | None,
    partial: bool,
    timeout: float | None,
    local: int | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Run the circuits of FILE... as one job and print their counts.

    Files are OpenQASM 2, OpenQASM 3 or QPY (version 13 and newer), told apart by content. Without a url, a fleet of two
    local workers is started for this job. Ctrl-C leaves a job on a given fleet running, and prints its id; it stops a
    local fleet.

    A file that doesn't exist is a usage error (exit code 2); one that isn't a circuit is a failure (1).

    \b
    Example:
      qfleet run bell.qasm grover.qasm --shots 4096 --seed 7 --plot counts.png
    """
    if local is not None and ctx.get_parameter_source("url") is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("--local starts a fleet and --url names one: give one of them.")
    from qfleet.cli.circuit_files import read_circuit_files
    from qfleet.cli.engine_notes import tell_engine
    from qfleet.cli.output import circuit_documents, print_counts, result_document, write_json
    from qfleet.cli.plot import check_plot, save_histograms

    if plot is not None:
        check_plot(plot)
    circuits = read_circuit_files(files)
    options = {"shots": shots, "seed_simulator": seed, "method": method}
    given = {name: value for name, value in options.items() if value is not None}

    interrupt_on_terminate()
    with ExitStack() as stack:
        if local is None and url:
            job, result = _run_on(
                _given_fleet(url), circuits, backend_name, given, timeout, partial=partial, goes_on=True
            )
        else:
            provider = stack.enter_context(_local_fleet(local))
            job, result = _run_on(provider, circuits, backend_name, given, timeout, partial=partial, goes_on=False)
        # within the block: a local fleet takes the job with it when it stops
        if as_json:
            write_json(result_document(job, {"circuits": circuit_documents(result)}))
        else:
            print_counts(result)
        tell_engine(result)
    if plot is not None:
        save_histograms(circuit_documents(result), plot)
        if not as_json:
            click.echo(f"Histograms: {plot}")


def _given_fleet(url: str) -> FleetProvider:
    from qfleet import FleetProvider

    return FleetProvider(url)


def _local_fleet(workers: int | None) -> FleetProvider:
    from qfleet import FleetProvider

    if workers is None:
        click.echo(
            f"No fleet is given (--url or QFLEET_URL): {_LOCAL_WORKERS} local workers are started for this job.",
            err=True,
        )
    return FleetProvider.local(workers=workers or _LOCAL_WORKERS)


def _run_on(
    provider: FleetProvider,
    circuits: list[Any],
    backend_name: str,
    options: dict[str, Any],
    timeout: float | None,
    *,
    partial: bool,
    goes_on: bool,
) -> tuple[Any, Any]:
    from qfleet.cli.output import wait_for_result
    from qfleet.errors import FleetJobTimeoutError

    job = provider.get_backend(backend_name).run(circuits, **options)
    next_step = f"qfleet result {job.job_id()} --wait 60   or   qfleet cancel {job.job_id()}"
    try:
        if goes_on and not provider.workers():
            click.echo(f"Job {job.job_id()} is queued: no worker is up. Start one with 'qfleet worker'.", err=True)
        return job, wait_for_result(job, timeout, partial=partial)
    except FleetJobTimeoutError:
        if goes_on:
            click.echo(f"The job goes on: {next_step}", err=True)
        raise
    except KeyboardInterrupt:
        if goes_on:
            raise KeyboardInterrupt(f"interrupted; job {job.job_id()} goes on: {next_step}") from None
        raise KeyboardInterrupt from None
