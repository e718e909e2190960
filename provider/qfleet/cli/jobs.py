# SPDX-License-Identifier: Apache-2.0
"""The commands for submitted jobs: jobs, status, result, retry, cancel."""

from __future__ import annotations

from pathlib import Path

import click

from qfleet.cli import interrupts
from qfleet.cli.group import FAILED, connect, json_option, url_option
from qfleet.cli.terminal import echo, write_json

__all__ = ["cancel", "jobs", "result", "retry", "status"]

_NO_WORKER = "No worker is up: queued jobs wait. Start one with 'qfleet worker'."


@click.command()
@click.option(
    "--limit", type=click.IntRange(min=1), default=10, show_default=True, help="Number of jobs to list, newest first."
)
@click.option("--pending/--finished", default=None, help="Only jobs that have not ended, or only jobs that have.")
@click.option("--tag", "tags", multiple=True, help="Only jobs with this tag; may be given several times.")
@click.option("--backend", "backend_name", help="Only jobs of this backend.")
@click.option("--tenant", help="Only jobs of this tenant.")
@url_option
@json_option
def jobs(
    limit: int,
    pending: bool | None,
    tags: tuple[str, ...],
    backend_name: str | None,
    tenant: str | None,
    url: str | None,
    as_json: bool,
) -> None:
    """List the fleet's jobs, newest first.

    A job that waits shows how many jobs of the same tenant come before it. One that hasn't ended shows the time until
    it ends, as an interval.

    \b
    Example:
      qfleet jobs
      qfleet jobs --pending --tag nightly --limit 100
    """
    provider = connect(url)
    from qfleet.cli.output import job_document, print_jobs

    if backend_name is not None:
        provider.get_backend(backend_name)  # raises an error for an unknown name
    listed = provider.jobs(
        limit=limit, backend_name=backend_name, pending=pending, job_tags=list(tags) or None, tenant=tenant
    )
    documents = [job_document(*each) for each in zip(listed, provider.metrics(listed), strict=True)]
    workers = len(provider.workers())
    if as_json:
        write_json({"jobs": documents, "workers": workers})
        return
    if documents:
        print_jobs(documents)
    else:
        echo("No jobs.")
    if workers == 0:
        echo(_NO_WORKER, err=True)


@click.command()
@click.argument("job_id", metavar="ID")
@url_option
@json_option
def status(job_id: str, url: str | None, as_json: bool) -> None:
    """Show a job: progress, place, time left, usage and errors.

    The beginning of the ID is enough.

    \b
    Example:
      qfleet status 1d8c2f0e
    """
    provider = connect(url)
    from qfleet.cli.output import job_document, print_job

    job = provider.job(job_id)
    document = job_document(job, job.metrics()) | {
        "error_message": job.error_message(),
        "workers": len(provider.workers()),
    }
    if as_json:
        write_json(document)
        return
    print_job(document)
    if document["workers"] == 0 and not job.in_final_state():
        echo(_NO_WORKER, err=True)


@click.command()
@click.argument("job_id", metavar="ID")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="Seconds to wait for the job to end.",
)
@click.option("--partial", is_flag=True, help="Print the circuits that succeeded if others failed.")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PNG",
    help="Write histograms to this image.",
)
@url_option
@json_option
def result(job_id: str, wait: float, partial: bool, plot: Path | None, url: str | None, as_json: bool) -> None:
    """Print the result of a job that has ended.

    A job of circuits or of a sampler has counts, a job of an estimator has expectation values.

    The beginning of the ID is enough.

    \b
    Example:
      qfleet result 1d8c2f0e
      qfleet result 1d8c2f0e --wait 60 --plot counts.png
    """
    provider = connect(url)
    from qfleet.cli.output import circuit_documents, print_counts, result_document
    from qfleet.cli.plot import check_plot, save_histograms
    from qfleet.cli.progress import wait_for_result
    from qfleet.cli.pubs import histogram_documents, print_pubs, pub_documents
    from qfleet.errors import FleetJobTimeoutError
    from qfleet.jobs.primitive import PrimitiveFleetJob

    if plot is not None:
        check_plot(plot)
    job = provider.job(job_id)
    if wait == 0 and not job.in_final_state():
        progress = job.progress()
        raise FleetJobTimeoutError(
            f"job {job_id} hasn't ended: {job.status().name}, {progress.done} of {progress.total} circuits done. "
            f"Wait for it: qfleet result {job_id} --wait 60",
            job_id=job.job_id(),
        )
    interrupts.say(f"interrupted; job {job_id} goes on")
    outcome = wait_for_result(job, wait or None, partial=partial)
    interrupts.say("interrupted; the result is still stored")
    primitive = isinstance(job, PrimitiveFleetJob)
    if as_json:
        own = {"pubs": pub_documents(outcome)} if primitive else {"circuits": circuit_documents(outcome)}
        write_json(result_document(job, own))
    elif primitive:
        print_pubs(outcome)
    else:
        print_counts(outcome)
    if plot is not None:
        save_histograms(histogram_documents(outcome) if primitive else circuit_documents(outcome), plot)
        if not as_json:
            echo(f"Histograms: {plot}")


@click.command()
@click.argument("job_id", metavar="ID")
@url_option
@json_option
def retry(job_id: str, url: str | None, as_json: bool) -> None:
    """Run a job's failed circuits again in the same job.

    The beginning of the ID is enough.

    \b
    Example:
      qfleet retry 1d8c2f0e
    """
    job = connect(url).job(job_id)
    circuits = job.retry_failed()
    if as_json:
        write_json({"id": job.job_id(), "circuits": circuits, "status": job.status().name})
    else:
        echo(f"{circuits} circuits of job {job.job_id()} run again.")


@click.command()
@click.argument("job_id", metavar="ID")
@url_option
@json_option
@click.pass_context
def cancel(ctx: click.Context, job_id: str, url: str | None, as_json: bool) -> None:
    """Cancel a job, queued or running.

    The beginning of the ID is enough. The exit code is 1 if the job had already ended.

    \b
    Example:
      qfleet cancel 1d8c2f0e
    """
    job = connect(url).job(job_id)
    cancelled = job.cancel()
    state = job.status().name
    if as_json:
        write_json({"id": job.job_id(), "cancelled": cancelled, "status": state})
    elif cancelled:
        echo(f"Job {job.job_id()} is cancelled.")
    else:
        echo(f"Job {job.job_id()} had already ended: {state}.", err=True)
    if not cancelled:
        ctx.exit(FAILED)
