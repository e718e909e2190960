# SPDX-License-Identifier: Apache-2.0
"""Histograms of counts, one for each circuit."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qfleet.errors import InvalidOptionError, MissingExtraError, QfleetError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["check_plot", "save_histograms"]

#: The largest numbers that are still readable in one image.
_MAX_CIRCUITS, _MAX_BARS = 24, 16
_MAX_LABEL = 16


def check_plot(path: Path) -> None:
    """Check that an image can be written to a path.

    The check comes before the job runs.

    Raises:
        MissingExtraError: matplotlib isn't installed.
        InvalidOptionError: the path is a folder, or has the ending of an unknown format.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
    except ImportError as exc:
        raise MissingExtraError('plotting needs matplotlib: pip install "qfleet[plot]"', extra="plot") from exc
    kinds = sorted(FigureCanvasAgg.get_supported_filetypes())
    if path.suffix[1:].lower() not in kinds:
        raise InvalidOptionError(
            f"{path} isn't an image format that can be written; use one of these endings: {', '.join(kinds)}",
            option="plot",
            value=str(path),
        )
    if path.is_dir():
        raise InvalidOptionError(f"{path} is a folder; name an image file", option="plot", value=str(path))


def save_histograms(documents: Iterable[dict[str, Any]], path: Path) -> None:
    """Write a histogram of each circuit with counts into one image.

    At most 24 circuits are drawn.

    Args:
        documents: the ``name``, ``shots`` and ``counts`` of each circuit.
        path: the image file.

    Raises:
        QfleetError: there are no counts, or the file can't be written.
    """
    check_plot(path)
    # Not pyplot, which looks for a display and keeps every figure.
    from matplotlib.figure import Figure

    measured = [document for document in documents if document["counts"]]
    if not measured:
        raise QfleetError("there is nothing to draw: no circuit of the job has counts. Measure the qubits.")
    shown = measured[:_MAX_CIRCUITS]
    columns = math.ceil(math.sqrt(len(shown)))
    rows = math.ceil(len(shown) / columns)
    figure = Figure(figsize=(4.5 * columns, 3.4 * rows), layout="constrained")
    if len(shown) < len(measured):
        figure.suptitle(f"{len(shown)} of {len(measured)} circuits")
    for number, document in enumerate(shown, start=1):
        _histogram(figure.add_subplot(rows, columns, number), document)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            # A letter that the font lacks is drawn as a box.
            warnings.filterwarnings("ignore", "Glyph", UserWarning)
            figure.savefig(path, dpi=120)
    except OSError as exc:
        raise QfleetError(f"{path} can't be written: {exc.strerror}") from exc


def _histogram(axes: Axes, document: dict[str, Any]) -> None:
    counts: dict[str, int] = document["counts"]
    frequent = list(counts)[:_MAX_BARS]
    # By outcome, as in textbooks, and not by frequency.
    bars = {outcome: counts[outcome] for outcome in sorted(frequent)}
    rest = sum(counts.values()) - sum(bars.values())
    labels = [_short(outcome) for outcome in bars]
    heights = list(bars.values())
    colors = ["#3b6fb6"] * len(heights)
    if rest:
        labels.append(f"{len(counts) - len(bars)} others")
        heights.append(rest)
        colors.append("#b8bec8")
    axes.bar(range(len(heights)), heights, color=colors)
    axes.set_xticks(range(len(heights)), labels, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
    # A circuit's name isn't a formula, even with dollar signs.
    axes.set_title(f"{document['name']} ({document['shots']} shots)", fontsize=10, parse_math=False)
    axes.set_ylabel("counts", fontsize=8)
    axes.tick_params(axis="y", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _short(outcome: str) -> str:
    if len(outcome) <= _MAX_LABEL:
        return outcome
    half = _MAX_LABEL // 2
    return f"{outcome[:half]}…{outcome[-half:]}"
