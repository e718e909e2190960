# SPDX-License-Identifier: Apache-2.0
"""The command that runs circuit files as one job."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qfleet.cli import interrupts
from qfleet.cli.group import files_argument, json_option, noise_option, url_option
from qfleet.cli.terminal import echo, write_json

if TYPE_CHECKING:
    from qfleet import FleetProvider

__all__ = ["run"]

_LOCAL_WORKERS = 2


@click.command()
@files_argument
@click.option("--shots", type=int, help="Number of shots of each circuit. Default: that of the backend, 1024.")
@click.option("--seed", type=int, help="Seed of the job; the same seed gives the same counts.")
@click.option(
    "--method",
    help="automatic, statevector, density_matrix, stabilizer, matrix_product_state, superop or unitary. "
    "Default: automatic.",
)
@click.option("--priority", help="low, normal or high, among the jobs of the same tenant. Default: normal.")
@noise_option
@click.option("--backend", "backend_name", default="automatic", show_default=True, help="Backend that runs the job.")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PNG",
    help="Write histograms to this image.",
)
@click.option("--partial", is_flag=True, help="Print the circuits that succeeded if others fail.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds to wait; the job goes on after.")
@click.option(
    "--local", type=click.IntRange(min=1), metavar="N", help="Start a local fleet of N workers for this job only."
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
    priority: str | None,
    noise_name: str | None,
    backend_name: str,
    plot: Path | None,
    partial: bool,
    timeout: float | None,
    local: int | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Run the circuits of FILE... as one job and print their counts.

    Files are OpenQASM 2, OpenQASM 3 or QPY (version 13 or newer). The content tells the format.

    Without --url or QFLEET_URL, a private Redis and two workers are started for this job and stopped after it. 'qfleet
    up' starts a fleet that stays up. On a given fleet, Ctrl-C leaves the job running and prints its id. On a local
    fleet, it stops the fleet.

    With --noise DEVICE, circuits are transpiled for the device first, unless they have its gates alone: other gates
    would have no noise.

    A file that doesn't exist is a usage error (exit code 2); a file that isn't a circuit is a failure (exit code 1).

    \b
    Example:
      qfleet run bell.qasm
      qfleet run bell.qasm grover.qasm --shots 4096 --seed 7 --plot counts.png
      qfleet run bell.qasm --url redis://broker:6379/0 --timeout 60 --json
      qfleet run bell.qasm --noise fake_manila --seed 7
    """
    if local is not None and ctx.get_parameter_source("url") is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("--local starts a fleet, and --url names one: give only one of them.")
    interrupts.say("interrupted; nothing was submitted")
    from qfleet.cli.circuit_files import read_circuit_files
    from qfleet.cli.engine_notes import tell_engine
    from qfleet.cli.noise_source import read_noise
    from qfleet.cli.output import circuit_documents
    from qfleet.cli.plot import check_plot, save_histograms

    if plot is not None:
        check_plot(plot)
    noise = None if noise_name is None else read_noise(noise_name)
    circuits = read_circuit_files(files)
    options: dict[str, Any] = {"shots": shots, "seed_simulator": seed, "method": method, "priority": priority}
    if noise is not None:
        circuits, options["noise_model"] = noise.prepare(circuits), noise.model
    given = {name: value for name, value in options.items() if value is not None}
    if local is None and url:
        job = _submit(_given_fleet(url), circuits, backend_name, given)
        result = _result_of_given(job, timeout, partial=partial)
        _print(job, result, as_json=as_json)
    else:
        start = _local_fleet(local)
        with interrupts.raised(), start() as provider:
            interrupts.say("interrupted; the local fleet and its job are stopped")
            result = _run_locally(provider, circuits, backend_name, given, timeout, partial=partial, as_json=as_json)
    tell_engine(result)
    if plot is not None:
        save_histograms(circuit_documents(result), plot)
        if not as_json:
            echo(f"Histograms: {plot}")


def _given_fleet(url: str) -> FleetProvider:
    from qfleet import FleetProvider

    return FleetProvider(url)


def _local_fleet(workers: int | None) -> Callable[[], FleetProvider]:
    """Return a function that starts a local fleet.

    Slow imports are done before it is called.
    """
    from qfleet import FleetProvider

    if workers is None:
        echo(
            f"No fleet is given (--url or QFLEET_URL): starting a private Redis and {_LOCAL_WORKERS} local workers for "
            "this job.",
            err=True,
        )
    return functools.partial(FleetProvider.local, workers=workers or _LOCAL_WORKERS)


def _run_locally(
    provider: FleetProvider,
    circuits: list[Any],
    backend_name: str,
    options: dict[str, Any],
    timeout: float | None,
    *,
    partial: bool,
    as_json: bool,
) -> Any:
    """Run circuits and print their result.

    The result is printed here since the job is lost when the local fleet stops.
    """
    from qfleet.cli.progress import wait_for_result

    try:
        job = provider.get_backend(backend_name).run(circuits, **options)
        result = wait_for_result(job, timeout, partial=partial)
    except KeyboardInterrupt:
        # Without the note that the job goes on.
        raise KeyboardInterrupt from None
    _print(job, result, as_json=as_json)
    return result


def _submit(provider: FleetProvider, circuits: list[Any], backend_name: str, options: dict[str, Any]) -> Any:
    """Submit a job and return it.

    From then on the message of an interrupt says how to find the job.
    """
    backend = provider.get_backend(backend_name)
    with interrupts.raised():
        job = backend.run(circuits, **options)
        interrupts.say(f"interrupted; job {job.job_id()} goes on: {_next_step(job)}")
    if not provider.workers():
        echo(f"Job {job.job_id()} is queued: no worker is up. Start one with 'qfleet worker'.", err=True)
    return job


def _result_of_given(job: Any, timeout: float | None, *, partial: bool) -> Any:
    from qfleet.cli.progress import wait_for_result
    from qfleet.errors import FleetJobTimeoutError

    try:
        result = wait_for_result(job, timeout, partial=partial)
    except FleetJobTimeoutError:
        echo(f"The job goes on: {_next_step(job)}", err=True)
        raise
    interrupts.say(f"interrupted; job {job.job_id()} has ended: qfleet result {job.job_id()}")
    return result


def _next_step(job: Any) -> str:
    return f"qfleet result {job.job_id()} --wait 60   or   qfleet cancel {job.job_id()}"


def _print(job: Any, result: Any, *, as_json: bool) -> None:
    from qfleet.cli.output import circuit_documents, print_counts, result_document

    if as_json:
        write_json(result_document(job, {"circuits": circuit_documents(result)}))
    else:
        print_counts(result)
