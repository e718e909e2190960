# SPDX-License-Identifier: Apache-2.0
"""Tables of results in Markdown, for a terminal or a document."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from _circuits import FORMS
from _measure import Row, geometric_mean


def heading(machine: dict[str, Any]) -> str:
    """Describe the machine, the time and the command of a measurement."""
    versions = ", ".join(f"{package} {version}" for package, version in machine["versions"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB; {machine['system']}; Python "
        f"{machine['python']}, {versions}.\n{machine['date']}, `{machine['command']}`, load before {machine['load']}."
    )


def table(title: str, rows: Sequence[Row]) -> str:
    """Return the table of the rows of a mode."""
    lines = _compared(rows) if "ours" in rows[0].values else _plain(rows)
    columns = [_column(list(texts), right=at > 1) for at, texts in enumerate(zip(*lines, strict=True))]
    return "\n".join([f"**{title}**", "", *(f"| {' | '.join(line)} |" for line in zip(*columns, strict=True))])


def _column(texts: list[str], right: bool) -> list[str]:
    """Return a column's cells at equal width, with a rule below one."""
    width = max(map(len, texts))
    first, *rest = (text.rjust(width) if right else text.ljust(width) for text in texts)
    return [first, "-" * (width - 1) + ":" if right else "-" * width, *rest]


def _compared(rows: Sequence[Row]) -> list[list[str]]:
    """Return the cells of a table that compares us with peers.

    It has our milliseconds, each peer's time over ours, and the geometric means over the families.
    """
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    ours = [name for name in names if name.startswith("ours")]
    peers = [name for name in names if name not in ours]
    heads = [*(f"{name.replace('_', ' ')}, ms" for name in ours), *(f"{name} / ours" for name in peers)]
    lines = [["qubits", "circuit", *heads]]
    for num_qubits, form in dict.fromkeys((row.qubits, _form(row)) for row in rows):
        group = [row for row in rows if (row.qubits, _form(row)) == (num_qubits, form)]
        for row in group:
            times = [_number(row.values[name] * 1e3) if name in row.values else "" for name in ours]
            ratios = [_number(_ratio(row, name)) if name in row.values else "" for name in peers]
            lines.append([str(num_qubits), row.case, *times, *ratios])
        if len(group) > 2:
            by_peer = [[_ratio(row, name) for row in group if name in row.values] for name in peers]
            means = [_number(geometric_mean(ratios)) if ratios else "" for ratios in by_peer]
            lines.append([str(num_qubits), f"*geometric mean{form}*", *[""] * len(ours), *means])
    return lines


def _form(row: Row) -> str:
    """Return a comma and the form of a row's circuit.

    The native form has neither.
    """
    form = row.case.rpartition(", ")[2]
    return f", {form}" if form in FORMS and form != row.case else ""


def _plain(rows: Sequence[Row]) -> list[list[str]]:
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    cells = [[str(row.qubits), row.case, *(_number(row.values[name]) for name in names)] for row in rows]
    return [["qubits", "circuit", *names], *cells]


def _ratio(row: Row, name: str) -> float:
    """Return a peer's time over ours at the same precision."""
    return (
        row.values[name] / row.values["ours_single" if name.startswith("qsim") or name.endswith("_single") else "ours"]
    )


def _number(value: float) -> str:
    """Format a number with three digits."""
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}" if value > 0 else "0"
