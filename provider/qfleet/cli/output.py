# SPDX-License-Identifier: Apache-2.0
"""Tables and JSON documents of jobs and results."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from qfleet.cli.terminal import console, echo

if TYPE_CHECKING:
    from qiskit.result import Result

    from qfleet.jobs.circuits import FleetJob
    from qfleet.jobs.primitive import PrimitiveFleetJob

__all__ = [
    "circuit_documents",
    "interval",
    "job_document",
    "outcome_rows",
    "print_counts",
    "print_job",
    "print_jobs",
    "result_document",
]

#: Units of time with their seconds, the largest first.
_UNITS: Final = (("d", 86_400), ("h", 3600), ("min", 60))
#: The number of outcomes of a circuit that a table shows; JSON has all of them.
_TOP = 6


def job_document(job: FleetJob | PrimitiveFleetJob, metrics: dict[str, Any]) -> dict[str, Any]:
    """Return the document of a job that `jobs` and `status` write.

    Args:
        job: the job.
        metrics: what is known of it, from `qfleet.FleetJob.metrics`.
    """
    return {
        "id": job.job_id(),
        "backend": job.backend().name,
        "status": metrics["status"],
        "circuits_done": metrics["circuits_done"],
        "circuits_total": metrics["num_circuits"],
        "created": job.creation_date.isoformat(),
        "tags": list(job.tags),
        "tenant": job.tenant,
        "priority": job.priority,
        "held": metrics["held"],
        "queue_position": metrics["queue_position"],
        "estimated_seconds": metrics["estimated_seconds"],
        "usage_seconds": metrics["usage"]["seconds"],
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
    noise = (getattr(experiment, "metadata", None) or {}).get("noise")
    if noise is not None:
        document["noise"] = {**noise, "method": experiment.metadata["method"]}
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
    documents = circuit_documents(result)
    for document in documents:
        name, shots = document["name"], document["shots"]
        for number, row in enumerate(_outcome_rows(document)):
            table.add_row(name if number == 0 else "", str(shots) if number == 0 else "", *row)
        table.add_section()
    console().print(table)
    noises = dict.fromkeys(_noise_line(document["noise"]) for document in documents if "noise" in document)
    for line in noises:
        echo(line)


def _noise_line(noise: dict[str, Any]) -> str:
    """Return a line about the noise of a circuit."""
    return (
        f"Noise: {noise['errors_per_shot']:.3g} errors per shot at {noise['places']} places, {noise['readouts']} noisy "
        f"measurements; method {noise['method']}"
    )


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
    columns = {
        "id": [document["id"] for document in documents],
        "backend": [document["backend"] for document in documents],
        "status": [document["status"] + (", paused" if document["held"] == "paused" else "") for document in documents],
        "circuits": [f"{document['circuits_done']}/{document['circuits_total']}" for document in documents],
        "jobs before": [_jobs_before(document["queue_position"]) for document in documents],
        "ends in": [interval(document["estimated_seconds"]) for document in documents],
        "created": [_local_time(document["created"]) for document in documents],
        "tags": [", ".join(document["tags"]) for document in documents],
        "tenant": [document["tenant"] if several else "" for document in documents],
    }
    # Without jobs that wait or run, nothing is known of most.
    shown = {name: cells for name, cells in columns.items() if any(cells) or name == "tags"}
    table = Table(*shown, box=box.SIMPLE_HEAD, pad_edge=False)
    # Users copy the id and look for the status.
    table.columns[0].no_wrap = table.columns[2].no_wrap = True
    for row in zip(*shown.values(), strict=True):
        table.add_row(*row)
    console().print(table)


def _jobs_before(position: dict[str, int] | None) -> str:
    return "" if position is None else str(position["jobs"])


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
        "ends in": interval(document["estimated_seconds"]),
        "used": _used(document["usage_seconds"]),
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


def _used(seconds: float | None) -> str:
    return f"{seconds:.1f} core seconds" if seconds else ""


def interval(seconds: dict[str, float] | None) -> str:
    """Return an interval as text, such as "10 to 40 s".

    The text never claims more than the interval: its lower end is rounded down, its upper end up.

    Args:
        seconds: ``low`` and ``high``; the text is empty for ``None``, and if both are 0.
    """
    if seconds is None or not seconds["high"]:
        return ""
    low, low_unit = _rounded(seconds["low"], math.floor)
    high, high_unit = _rounded(seconds["high"], math.ceil)
    if low == "0":
        return f"at most {high} {high_unit}"
    return f"{low} to {high} {high_unit}" if low_unit == high_unit else f"{low} {low_unit} to {high} {high_unit}"


def _rounded(seconds: float, whole: Callable[[float], int]) -> tuple[str, str]:
    """Return a time as a rounded number and its unit.

    Args:
        seconds: the time.
        whole: rounds a number up or down.
    """
    unit, size = next((each for each in _UNITS if seconds >= 2 * each[1]), ("s", 1))
    number = seconds / size
    return str(whole(number)) if number >= 10 else f"{whole(10 * number) / 10:g}", unit


def _local_time(iso: str) -> str:
    from datetime import datetime

    return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M:%S")
