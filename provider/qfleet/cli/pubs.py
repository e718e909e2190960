# SPDX-License-Identifier: Apache-2.0
"""The results of primitives as tables and as JSON documents."""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from qfleet.cli.output import outcome_rows
from qfleet.cli.terminal import console
from qfleet.errors import QfleetError
from qfleet.jobs.pub_results import ERROR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from qiskit.primitives import PrimitiveResult, PubResult

__all__ = ["histogram_documents", "print_pubs", "pub_documents"]

#: The number of parameter sets of a PUB that a table shows; JSON has all of them.
_TOP = 10


def pub_documents(result: PrimitiveResult[PubResult]) -> list[dict[str, Any]]:
    """Return a document for each PUB.

    An estimator's PUB has ``evs`` and ``stds``, nested lists of its shape, with ``None`` for missing values. A PUB of a
    sampler has the ``counts`` of each parameter set by bitstrings of all registers, the last register first.
    """
    return [_pub_document(number, pub) for number, pub in enumerate(result)]


def histogram_documents(result: PrimitiveResult[PubResult]) -> list[dict[str, Any]]:
    """Return a document for `qfleet.cli.plot` for each parameter set.

    Raises:
        QfleetError: the job is an estimator's.
    """
    documents = pub_documents(result)
    if any("evs" in document for document in documents):
        raise QfleetError("there is nothing to draw: the job has expectation values, not counts; --json prints them")
    return [
        {"name": _place(document["pub"], point["index"]), "shots": document["shots"], "counts": point["counts"]}
        for document in documents
        for point in document["points"]
    ]


def print_pubs(result: PrimitiveResult[PubResult]) -> None:
    """Print a table of the first parameter sets of each PUB."""
    from rich.table import Table

    documents = [_pub_document(number, pub, _TOP) for number, pub in enumerate(result)]
    estimated = any("evs" in document for document in documents)
    if estimated:
        table = Table("PUB", "expectation value", "standard error")
    else:
        table = Table("PUB", "shots", "outcome", "count", "share")
    for column in table.columns[1 if estimated else 3 :]:
        column.justify = "right"
    for document in documents:
        if document["error"]:
            table.add_row(f"PUB {document['pub']}: ERROR: {document['error']}")
        for row in _value_rows(document) if estimated else _outcome_rows(document):
            table.add_row(*row)
        table.add_section()
    console().print(table)


def _pub_document(number: int, pub: PubResult, most: int | None = None) -> dict[str, Any]:
    """Return the document of a PUB.

    Args:
        number: the index of the PUB.
        pub: its result.
        most: the largest number of parameter sets whose counts are made, which takes time; ``None`` for all.
    """
    data = pub.data
    document: dict[str, Any] = {"pub": number, "error": pub.metadata.get(ERROR), "shape": list(data.shape)}
    if "evs" in data:
        return document | {name: _numbers(data[name]) for name in ("evs", "stds")}
    points = []
    if len(data):
        bits = pub.join_data()
        for index in islice(np.ndindex(*data.shape), most):
            counts = bits.get_counts(index)
            points.append({"index": list(index), "counts": dict(sorted(counts.items(), key=lambda x: (-x[1], x[0])))})
    return document | {"shots": pub.metadata["shots"], "points": points}


def _numbers(values: NDArray[np.float64]) -> Any:
    """Return nested lists with ``None`` for NaN, which JSON doesn't have."""
    numbers = values.astype(object)
    numbers[np.isnan(values)] = None
    return numbers.tolist()


def _value_rows(document: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    evs, stds = np.array(document["evs"], float), np.array(document["stds"], float)
    for index in islice(np.ndindex(*document["shape"]), _TOP):
        yield _place(document["pub"], index), f"{evs[index]:.6f}", f"{stds[index]:.6f}"
    if evs.size > _TOP:
        yield f"{evs.size - _TOP} others", "see --json", ""


def _outcome_rows(document: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for point in document["points"]:
        for number, row in enumerate(outcome_rows(point["counts"])):
            first = (_place(document["pub"], point["index"]), str(document["shots"])) if number == 0 else ("", "")
            yield *first, *row
    others = math.prod(document["shape"]) - len(document["points"])
    if others and document["points"]:
        yield f"{others} others", "", "see --json", "", ""


def _place(pub: int, index: list[int] | tuple[int, ...]) -> str:
    return f"PUB {pub}" + (f" at {', '.join(map(str, index))}" if index else "")
