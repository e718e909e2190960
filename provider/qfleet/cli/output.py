# SPDX-License-Identifier: Apache-2.0
"""Tables and JSON documents of jobs and results; the progress bar."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from qfleet.cli import interrupts
from qfleet.cli.terminal import console, echo

if TYPE_CHECKING:
    from qiskit.result import Result

    from qfleet.jobs.circuits import FleetJob
    from qfleet.jobs.primitive import PrimitiveFleetJob

__all__ = [
    "circuit_documents",
    "job_document",
    "outcome_rows",
    "print_counts",
    "print_job",
    "print_jobs",
    "result_document",
    "wait_for_result",
]

#: The number of outcomes of a circuit that a table shows; JSON has all of them.
_TOP = 6


def job_document(job: FleetJob | PrimitiveFleetJob) -> dict[str, Any]:
    """Return the document of a job that `jobs` and `status` write."""
    progress = job.progress()
    return {
        "id": job.job_id(),
        "backend": job.backend().name,
        "status": job.status().name,
        "circuits_done": progress.done,
        "circuits_total": progress.total,
        "created": job.creation_date.isoformat(),
        "tags": list(job.tags),
        "tenant": job.tenant,
        "priority": job.priority,
        "held": job.held,
    }


def result_document(job: FleetJob | PrimitiveFleetJob, own: dict[str, Any]) -> dict[str, Any]:
    """Return the document of a result.

    Args:
        job: the job.
        own: other keys of the document.
    """
    return {
        "id": job.job_id(),
        "backend": job.backend().name,
        "status": job.status().name,
        **own,
    }


def circuit_documents(result: Result) -> list[dict[str, Any]]:
    """Return a document for each circuit.

    Its ``counts`` are by bitstring, most frequent first; ``None`` if nothing is measured.
    """
    return [_circuit_document(result, index) for index in range(len(result.results))]


def _circuit_document(result: Result, index: int) -> dict[str, Any]:
    experiment = result.results[index]
    data = experiment.data.to_dict()
    counts: dict[str, int] | None = None
    if "counts" in data:
        unsorted = result.get_counts(index)
        counts = dict(sorted(unsorted.items(), key=lambda item: (-item[1], item[0])))
    document = {
        "name": experiment.header["name"],
        "success": experiment.success,
        "status": experiment.status,
        "shots": experiment.shots,
        "seed": getattr(experiment, "seed_simulator", None),
        "counts": counts,
    }
    for name in ("statevector", "unitary"):
        pairs = _complex_pairs(data.get(name))
        if pairs is not None:
            document[name] = pairs
    return document


def _complex_pairs(values: Any) -> Any:
    """Return complex numbers as pairs of real ones.

    It is ``None`` for data of another kind that a circuit saved under the name.
    """
    import numpy as np

    array = np.asarray(values)
    return np.stack([array.real, array.imag], axis=-1).tolist() if array.ndim and array.dtype.kind in "cfi" else None


def print_counts(result: Result) -> None:
    """Print a table of each circuit's most frequent outcomes."""
    from rich.table import Table

    table = Table("circuit", "shots", "outcome", "count", "share")
    for column in table.columns[3:]:
        column.justify = "right"
    table.columns[2].overflow = "fold"
    for document in circuit_documents(result):
        name, shots = document["name"], document["shots"]
        for number, row in enumerate(_outcome_rows(document)):
            table.add_row(name if number == 0 else "", str(shots) if number == 0 else "", *row)
        table.add_section()
    console().print(table)


def _outcome_rows(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    if not document["success"]:
        return [(document["status"], "", "")]
    counts = document["counts"]
    if not counts:
        amplitudes = [name for name in ("statevector", "unitary") if name in document]
        return [(f"{' and '.join(amplitudes)}: see --json" if amplitudes else "nothing measured", "", "")]
    return outcome_rows(counts)


def outcome_rows(counts: dict[str, int]) -> list[tuple[str, str, str]]:
    """Return the most frequent outcomes with their counts and shares.

    Args:
        counts: numbers of shots by bitstring, in descending order.
    """
    shots = sum(counts.values())
    rows = [(bits, str(count), f"{count / shots:.1%}") for bits, count in list(counts.items())[:_TOP]]
    if len(counts) > _TOP:
        rest = sum(list(counts.values())[_TOP:])
        rows.append((f"{len(counts) - _TOP} others", str(rest), f"{rest / shots:.1%}"))
    return rows


def print_jobs(documents: Iterable[dict[str, Any]]) -> None:
    """Print a table of jobs."""
    from rich import box
    from rich.table import Table

    documents = list(documents)
    several = len({document["tenant"] for document in documents}) > 1
    names = ["id", "backend", "status", "circuits", "created", "tags", *(["tenant"] if several else [])]
    table = Table(*names, box=box.SIMPLE_HEAD, pad_edge=False)
    # Users copy the id and look for the status.
    table.columns[0].no_wrap = table.columns[2].no_wrap = True
    for document in documents:
        circuits = f"{document['circuits_done']}/{document['circuits_total']}"
        created = _local_time(document["created"])
        status = document["status"] + (", paused" if document["held"] == "paused" else "")
        row = [document["id"], document["backend"], status, circuits, created, ", ".join(document["tags"])]
        table.add_row(*row, *([document["tenant"]] if several else []))
    console().print(table)


def print_job(document: dict[str, Any]) -> None:
    """Print one job, a line for each property."""
    lines = {
        "job": document["id"],
        "backend": document["backend"],
        "status": document["status"],
        "circuits": f"{document['circuits_done']} of {document['circuits_total']} done",
        "created": _local_time(document["created"]),
        "tags": ", ".join(document["tags"]),
        "tenant": document["tenant"],
        "priority": document["priority"] if document["priority"] != "normal" else "",
        "held": document["held"],
        "waits": _position(document["queue_position"]),
        "ends in": _interval(document["estimated_seconds"]),
        "error": document["error_message"],
    }
    for name, value in lines.items():
        if value:
            echo(f"{name + ':':<9} {value}")


def _position(position: dict[str, int] | None) -> str:
    if position is None:
        return ""
    jobs, tenants = position["jobs"], position["tenants"]
    text = f"{jobs} {'job' if jobs == 1 else 'jobs'} of the same tenant before it"
    return text + (f", in turns with {tenants} other {'tenant' if tenants == 1 else 'tenants'}" if tenants else "")


def _interval(seconds: dict[str, float] | None) -> str:
    if seconds is None or not seconds["high"]:
        return ""
    return f"{_duration(seconds['low'])} to {_duration(seconds['high'])}"


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def _local_time(iso: str) -> str:
    from datetime import datetime

    return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def wait_for_result(job: Any, timeout: float | None = None, *, partial: bool = False) -> Any:
    """Return a job's result, and show a progress bar meanwhile.

    The bar is shown if stderr is a terminal.

    Args:
        job: the job.
        timeout: seconds to wait; ``None`` waits forever.
        partial: see `qfleet.FleetJob.result`.

    Raises:
        QfleetError: see `qfleet.FleetJob.result`.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        return job.result(timeout=timeout, partial=partial)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    ends = None if timeout is None else time.monotonic() + timeout
    shown_on = console(stderr=True)
    with Progress(*columns, console=shown_on) as bar:
        interrupts.on_bar(not shown_on.is_dumb_terminal)
        task = bar.add_task("QUEUED", total=job.progress().total)

        def show(_job_id: str, status: Any, running: Any) -> None:
            bar.update(task, completed=running.progress().done, description=status.name)

        job.wait_for_final_state(timeout=timeout, wait=0.1, callback=show)
        show(job.job_id(), job.status(), job)
    interrupts.on_bar(False)
    return job.result(timeout=None if ends is None else max(0.0, ends - time.monotonic()), partial=partial)
