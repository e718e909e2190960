# SPDX-License-Identifier: Apache-2.0
"""How jobs and results look: as tables for people, as documents for machines, and as a progress bar."""

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

#: outcomes of one circuit that a table shows; JSON has them all
_TOP = 6


def job_document(job: FleetJob | PrimitiveFleetJob) -> dict[str, Any]:
    """A job as JSON: the keys that `jobs` and `status` write."""
    progress = job.progress()
    return {
        "id": job.job_id(),
        "backend": job.backend().name,
        "status": job.status().name,
        "circuits_done": progress.done,
        "circuits_total": progress.total,
        "created": job.creation_date.isoformat(),
        "tags": list(job.tags),
    }


def result_document(job: FleetJob | PrimitiveFleetJob, own: dict[str, Any]) -> dict[str, Any]:
    """A result as JSON: the keys that `run` and `result` write, and those of its own."""
    return {
        "id": job.job_id(),
        "backend": job.backend().name,
        "status": job.status().name,
        **own,
    }


def circuit_documents(result: Result) -> list[dict[str, Any]]:
    """What each circuit of a result gave. `counts` maps bitstrings, most frequent first; None if unmeasured."""
    return [_circuit_document(result, index) for index in range(len(result.results))]


def _circuit_document(result: Result, index: int) -> dict[str, Any]:
    experiment = result.results[index]
    data = experiment.data.to_dict()
    counts: dict[str, int] | None = None
    if "counts" in data:
        found = result.get_counts(index)
        counts = dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
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
    """Complex numbers as pairs of real ones; ``None`` for what else a circuit may have saved under such a name."""
    import numpy as np

    array = np.asarray(values)
    return np.stack([array.real, array.imag], axis=-1).tolist() if array.ndim and array.dtype.kind in "cfi" else None


def print_counts(result: Result) -> None:
    """A table of each circuit's most frequent outcomes."""
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
        found = [name for name in ("statevector", "unitary") if name in document]
        return [(f"{' and '.join(found)}: see --json" if found else "nothing measured", "", "")]
    return outcome_rows(counts)


def outcome_rows(counts: dict[str, int]) -> list[tuple[str, str, str]]:
    """The most frequent outcomes, their counts and shares, of counts in descending order."""
    shots = sum(counts.values())
    rows = [(bits, str(count), f"{count / shots:.1%}") for bits, count in list(counts.items())[:_TOP]]
    if len(counts) > _TOP:
        rest = sum(list(counts.values())[_TOP:])
        rows.append((f"{len(counts) - _TOP} others", str(rest), f"{rest / shots:.1%}"))
    return rows


def print_jobs(documents: Iterable[dict[str, Any]]) -> None:
    """A table of jobs, one a row."""
    from rich import box
    from rich.table import Table

    table = Table("id", "backend", "status", "circuits", "created", "tags", box=box.SIMPLE_HEAD, pad_edge=False)
    # a job's id is there to be copied, and its status to be seen
    table.columns[0].no_wrap = table.columns[2].no_wrap = True
    for document in documents:
        circuits = f"{document['circuits_done']}/{document['circuits_total']}"
        created = _local_time(document["created"])
        table.add_row(
            document["id"], document["backend"], document["status"], circuits, created, ", ".join(document["tags"])
        )
    console().print(table)


def print_job(document: dict[str, Any]) -> None:
    """One job, a line for each thing known of it."""
    lines = {
        "job": document["id"],
        "backend": document["backend"],
        "status": document["status"],
        "circuits": f"{document['circuits_done']} of {document['circuits_total']} done",
        "created": _local_time(document["created"]),
        "tags": ", ".join(document["tags"]),
        "error": document["error_message"],
    }
    for name, value in lines.items():
        if value:
            echo(f"{name + ':':<9} {value}")


def _local_time(iso: str) -> str:
    from datetime import datetime

    return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def wait_for_result(job: Any, timeout: float | None = None, *, partial: bool = False) -> Any:
    """The job's result; a progress bar on stderr tells how it comes, if that is a terminal.

    Raises what `job.result` raises; `timeout` is in seconds.
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
