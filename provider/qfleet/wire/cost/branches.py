# SPDX-License-Identifier: Apache-2.0
"""Estimates of how often a program's operations run.

Random events branch, and loops repeat.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.cost.errors import ErrorRuns, error_runs
from qfleet.wire.messages.request import EXACT_METHODS, Method
from qfleet.wire.program.operations import EVENTS, IS_UNITARY, JUMPS, Op
from qfleet.wire.program.program import Program

#: The assumed number of turns of a loop whose end isn't known.
_PASSES: Final = 8
#: The largest number of loops around an operation that are counted.
_MOST_LOOPS: Final = 4
#: Branches that are followed at the most for exact means, those that were merged among them.
MOST_BRANCHES: Final = 1 << 14
#: Qubits of the widest gate that is one matrix on a density matrix.
_WIDEST_MATRIX: Final = 3
#: Matrices that a wider gate takes as long as.
_WIDE_GATE: Final = 50


def num_operations(program: Program) -> float:
    """Return the number of operations in one pass through a program.

    Loops are estimated.
    """
    return float(turns_of(program).sum()) if len(program.jumps) else len(program)


def num_sweeps(program: Program, method: Method) -> float:
    """Return the number of operations that take a state as a whole.

    Noise is none of them: a state that it leaves alone isn't touched, and in a density matrix it is a part of its gate.
    So are gates on one qubit there, with the next gate on several.
    """
    if method not in EXACT_METHODS:
        counted = np.where(program.codes == Op.NOISE, 0.0, 1.0)
    else:
        widths = program.num_controls.astype(np.int64) + program.num_targets
        counted = np.where((widths > 1) & IS_UNITARY[program.codes], 1.0, 0.0)
        counted[is_wide(program)] = _WIDE_GATE
    turns = turns_of(program) if len(program.jumps) else 1.0
    return float((counted * turns).sum()) + (program.num_qubits if method in EXACT_METHODS else 0)


def is_wide(program: Program) -> NDArray[np.bool_]:
    """Mark the rows that a density matrix needs extra room for.

    Their shape is (rows,).
    """
    widths = program.num_controls.astype(np.int64) + program.num_targets
    gates = (widths > _WIDEST_MATRIX) & IS_UNITARY[program.codes]
    prepares = np.isin(program.codes, [Op.INITIALIZE, Op.SET_DENSITY_MATRIX, Op.SET_SUPEROP])
    return np.asarray(gates | (prepares & (widths > 1)))


def turns_of(program: Program) -> NDArray[np.float64]:
    """Return how often each row runs in one pass, shape (rows,)."""
    if not len(program.jumps):
        return np.ones(len(program))
    rows = np.flatnonzero(JUMPS[program.codes])
    back = program.jumps <= rows
    starts = np.zeros(len(program) + 1)
    np.add.at(starts, program.jumps[back], 1)
    np.add.at(starts, rows[back] + 1, -1)
    turns: NDArray[np.float64] = float(_PASSES) ** np.minimum(np.cumsum(starts[:-1]), _MOST_LOOPS)
    return turns


def holds_branches(program: Program, shots: int, method: Method, *, exact: bool = False) -> bool:
    """Tell whether an engine may hold states of several branches together.

    Measurements that only measurements follow are sampled from one state. For the arguments see `passes`.
    """
    if method == "superop" or (exact and method == "density_matrix" and not len(program.jumps)):
        return False
    shots = MOST_BRANCHES if exact else shots
    if len(program.jumps):
        return True
    others = np.flatnonzero(program.codes != Op.MEASURE)
    return shots > 1 and bool(len(others)) and bool(_divides(program, method)[: others[-1] + 1].any())


class Passes(NamedTuple):
    """The passes of an engine through a program, by the shots."""

    #: one for each way to go on from the program's own random events
    branches: float
    #: the runs of shots with errors; ``None`` if errors don't branch
    errors: ErrorRuns | None
    #: branches that are followed in place of shots; 0 for shots
    followed: int = 0

    def of(self, shots: int) -> float:
        """Return the number of passes for some shots."""
        return self.with_errors(shots)[0]

    def with_errors(self, shots: int) -> tuple[float, float]:
        """Return the passes of some shots, and those with errors."""
        shots = self.followed or shots
        runs = self.errors.runs(shots) if self.errors else 0.0
        return float(min(shots, self.branches + runs)), runs


def passes(program: Program, method: Method, *, exact: bool = False, errors: ErrorRuns | None = None) -> Passes:
    """Return the number of times that an engine goes through a program.

    It is 1, unless the program has noise, or measures or resets and then goes on.

    Args:
        program: the program.
        method: the method.
        exact: True for means over all outcomes: branches are followed in place of shots. A density matrix has none,
            unless an outcome decides what comes next.
        errors: those of the program, if they are known.
    """
    if method == "superop" or (exact and method == "density_matrix" and not len(program.jumps)):
        return Passes(1.0, None, 1)
    divides = _divides(program, method) & (program.codes != Op.NOISE)
    others = np.flatnonzero(EVENTS[program.codes] == 0)
    before = np.count_nonzero(divides[: others[-1]]) if len(others) else 0
    drawn = None
    if method != "density_matrix" and len(program.channel_refs):
        drawn = errors or error_runs(program, turns_of(program))
    return Passes(2.0 ** min(int(before), 60), drawn, MOST_BRANCHES if exact else 0)


def _divides(program: Program, method: Method) -> NDArray[np.bool_]:
    """Mark the rows that may lead shots to different states.

    In a density matrix, noise and resets have one outcome.
    """
    if method == "density_matrix":
        return np.asarray(program.codes == Op.MEASURE)
    return np.asarray(EVENTS[program.codes] != 0)
