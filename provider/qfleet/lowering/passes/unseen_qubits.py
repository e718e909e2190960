# SPDX-License-Identifier: Apache-2.0
"""Drop the qubits with noise that no outcome depends on.

A circuit that was scheduled for a large device has a delay on each of its qubits, and with noise each of them would be
simulated.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qfleet.lowering.selection import only_rows
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program


def drop_unseen_qubits(program: Program) -> Program:
    """Return a noisy program without the operations on qubits that nothing observes.

    Nothing measures or saves such a qubit, nor another one that shares operations with it. Programs without noise stay
    as they are.
    """
    if not len(program.channel_refs):
        return program
    counts = program.num_controls.astype(np.int64) + program.num_targets
    qubits = np.maximum(program.operands, ~program.operands)
    rows = np.repeat(np.arange(len(program)), counts)
    seen = np.zeros(program.num_qubits, np.bool_)
    seen[qubits[(program.codes[rows] == Op.MEASURE) | (program.codes[rows] == Op.SAVE)]] = True
    if seen[qubits].all():
        return program
    for qubit in _reached(np.flatnonzero(seen).tolist(), _neighbours(counts, qubits)):
        seen[qubit] = True
    kept = np.ones(len(program), np.bool_)
    kept[rows[~seen[qubits]]] = False
    return program if kept.all() else only_rows(program, kept)


def _neighbours(counts: NDArray[np.int64], qubits: NDArray[np.int32]) -> dict[int, list[int]]:
    """Return for each qubit others that share an operation with it.

    All qubits of an operation are connected through its first one.
    """
    starts = np.cumsum(counts) - counts
    first = qubits[np.repeat(starts, counts)]
    several = first != qubits
    found: dict[int, list[int]] = {}
    for one, other in np.unique(np.stack([first[several], qubits[several]]), axis=1).T.tolist():
        found.setdefault(one, []).append(other)
        found.setdefault(other, []).append(one)
    return found


def _reached(seen: list[int], neighbours: dict[int, list[int]]) -> set[int]:
    """Return the qubits that are connected to some qubits."""
    found = set(seen)
    while seen:
        new = [each for each in neighbours.get(seen.pop(), ()) if each not in found]
        found.update(new)
        seen += new
    return found
