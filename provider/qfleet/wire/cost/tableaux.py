# SPDX-License-Identifier: Apache-2.0
"""The time and memory of Clifford circuits on tableaux.

Gates change some rows of a tableau, and a measurement may change all. Shots are frames: Paulis by which they differ
from one run, in blocks. A program that saves, or whose shots differ in more than Paulis, has tableaux for its branches
instead.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from qfleet.wire.cost.branches import num_operations, passes
from qfleet.wire.cost.constants import TABLEAU
from qfleet.wire.messages.request import tableau_bytes
from qfleet.wire.program.operations import EVENTS, IS_FLOW, JUMPS, PER_TARGET, Op, flags_by_code
from qfleet.wire.program.program import Program

#: True if frames pass a row in some shots and skip it in others.
_IS_PLAIN: Final = IS_FLOW | flags_by_code(lambda spec: spec.op in (Op.X, Op.Y, Op.Z, Op.GLOBAL_PHASE, Op.NOISE))
#: Shots of a block of frames.
BLOCK_SHOTS: Final = 1024
#: Tableaux that are held at the peak: one that is run, one for the reference, and copies for branches.
_TABLEAUX: Final = 2
_BRANCHING_TABLEAUX: Final = 4
#: Threads that have frames of their own, as the memory is counted.
_THREADS: Final = 16


def tableau_memory(program: Program, shots: int) -> int:
    """Return the bytes of a program's tableaux and frames at the peak."""
    branching = _runs_branches(program)
    tableaux = (_BRANCHING_TABLEAUX if branching else _TABLEAUX) * tableau_bytes(program.num_qubits)
    if branching:
        # Each state has a bit for each qubit.
        return tableaux + min(shots, _MOST_STATES) * (program.num_qubits // 8 + 1)
    blocks = min(_THREADS, -(-shots // BLOCK_SHOTS))
    return tableaux + blocks * BLOCK_SHOTS // 8 * (2 * program.num_qubits + len(program.clbits))


#: Tableaux that differ where branches meet other gates than Paulis, roughly.
_MOST_TABLEAUX: Final = 16
#: States that the driver holds together.
_MOST_STATES: Final = 1 << 16


def tableau_seconds(program: Program, shots: int, terms: int) -> float:
    """Return the predicted seconds of one thread for some shots.

    Args:
        program: the program.
        shots: its shots.
        terms: Pauli terms that it saves the expectation values of.
    """
    operations, words = num_operations(program), program.num_qubits // 64 + 1
    counts = EVENTS[program.codes]
    events = float(np.where(counts == PER_TARGET, program.num_targets, counts).sum())
    rows = operations * (TABLEAU.seconds_per_operation + TABLEAU.seconds_per_word * words)
    rows += events * TABLEAU.seconds_per_word_of_measurement * program.num_qubits * words
    rows += terms * TABLEAU.seconds_per_word_of_measurement * program.num_qubits * words
    row_bytes = (program.num_clbits + 7) // 8
    found = TABLEAU.seconds_per_circuit + rows + shots * row_bytes * TABLEAU.seconds_per_byte
    if _runs_branches(program):
        branches = passes(program, "stabilizer").of(shots)
        found += (branches - 1) * operations * TABLEAU.seconds_per_operation_of_branch
        if not has_plain_feedback(program):
            # Branches that meet other gates have tableaux of their own, until they are equal again.
            size = program.num_qubits * words
            each = TABLEAU.seconds_per_event_of_tableau + size * TABLEAU.seconds_per_word_of_tableau
            found += min(branches - 1, _MOST_TABLEAUX) * events * each
        return found
    blocks = -(-shots // BLOCK_SHOTS)
    return found + blocks * operations * TABLEAU.seconds_per_operation_of_block


def _runs_branches(program: Program) -> bool:
    """Tell whether frames can't run a program."""
    resets = any([any(channel.masks[2::3]) for channel in program.channels])
    return bool(len(program.saves) or resets or not has_plain_feedback(program))


def has_plain_feedback(program: Program) -> bool:
    """Tell whether shots differ in Paulis, noise and stores alone.

    Jumps go forwards then. Frames run most of these programs; expressions aren't looked at.
    """
    jumps = np.flatnonzero(JUMPS[program.codes] > 0)
    if (program.jumps <= jumps).any():
        return False
    depth = np.zeros(len(program) + 2, np.int64)
    np.add.at(depth, jumps + 1, 1)
    np.add.at(depth, program.jumps, -1)
    skipped = np.cumsum(depth)[: len(program)] > 0
    return bool((_IS_PLAIN[program.codes] & (program.num_controls == 0))[skipped].all())
