# SPDX-License-Identifier: Apache-2.0
"""How the results of primitives look: as tables for people, and as documents for machines."""

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

#: points of one PUB that a table shows; JSON has them all
_TOP = 10


def pub_documents(result: PrimitiveResult[PubResult]) -> list[dict[str, Any]]:
    """What each PUB gave: ``evs`` and ``stds``, nested as its shape is; or the ``counts`` of each point.

    `counts` maps bitstrings of all registers, the last one first; ``None`` stands for a mean that isn't there.
    """
    return [_pub_document(number, pub) for number, pub in enumerate(result)]


def histogram_documents(result: PrimitiveResult[PubResult]) -> list[dict[str, Any]]:
    """The points of samplers' PUBs as what `qfleet.cli.plot` draws. Raises `QfleetError` for means."""
    documents = pub_documents(result)
    if any("evs" in document for document in documents):
        raise QfleetError("there is nothing to draw: the job gave means, not counts; --json has them")
    return [
        {"name": _place(document["pub"], point["index"]), "shots": document["shots"], "counts": point["counts"]}
        for document in documents
        for point in document["points"]
    ]


def print_pubs(result: PrimitiveResult[PubResult]) -> None:
    """A table of each PUB's first points."""
    from rich.table import Table

    documents = [_pub_document(number, pub, _TOP) for number, pub in enumerate(result)]
    means = any("evs" in document for document in documents)
    table = Table("point", "mean", "standard error") if means else Table("point", "shots", "outcome", "count", "share")
    for column in table.columns[1 if means else 3 :]:
        column.justify = "right"
    for document in documents:
        if document["error"]:
            table.add_row(f"PUB {document['pub']}: ERROR: {document['error']}")
        for row in _mean_rows(document) if means else _outcome_rows(document):
            table.add_row(*row)
        table.add_section()
    console().print(table)


def _pub_document(number: int, pub: PubResult, most: int | None = None) -> dict[str, Any]:
    """`most`: points whose counts are made, which takes its time."""
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


def _numbers(means: NDArray[np.float64]) -> Any:
    """Nested lists. JSON has no NaN."""
    found = means.astype(object)
    found[np.isnan(means)] = None
    return found.tolist()


def _mean_rows(document: dict[str, Any]) -> Iterator[tuple[str, ...]]:
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
