# SPDX-License-Identifier: Apache-2.0
"""Drop the qubits with noise that no outcome depends on.

A circuit that was scheduled for a large device has a delay on each of its qubits, and with noise each of them would be
simulated.
"""

from __future__ import annotations

import numpy as np

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
    several = counts[rows] > 1
    pairs = np.unique(np.stack([rows[several], qubits[several]]), axis=1)
    while True:
        # A row that has a seen qubit lets all of its qubits be seen.
        of_rows = np.zeros(len(program), np.bool_)
        of_rows[pairs[0][seen[pairs[1]]]] = True
        found = pairs[1][of_rows[pairs[0]]]
        if seen[found].all():
            break
        seen[found] = True
    kept = np.ones(len(program), np.bool_)
    kept[rows[~seen[qubits]]] = False
    return program if kept.all() else only_rows(program, kept)
