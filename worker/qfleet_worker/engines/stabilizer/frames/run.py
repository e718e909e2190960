# SPDX-License-Identifier: Apache-2.0
"""All shots of an experiment, run by Pauli frames.

A block has 1,024 shots and random numbers of its own, which depend on the seed and the block's number. So a shot's
outcome depends on the program, the seed and the shot's number, though the numbers belong to blocks: of a block that is
cut, a part is kept.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.messages.request import Output
from qfleet_worker.engines.contract import Experiment, Outcome
from qfleet_worker.engines.results.collection import collection
from qfleet_worker.engines.results.outcomes import Tally
from qfleet_worker.engines.results.shot_rows import ShotRows
from qfleet_worker.engines.stabilizer.frames.errors import frame_errors
from qfleet_worker.engines.stabilizer.frames.plan import FramePlan, NotFramesError, frame_plan
from qfleet_worker.engines.stabilizer.frames.steps import frame_steps
from qfleet_worker.engines.stabilizer.kernels.counting import find_distinct
from qfleet_worker.engines.stabilizer.kernels.frames import Errors, Steps, run_blocks
from qfleet_worker.engines.stabilizer.kernels.rows import BLOCK
from qfleet_worker.engines.stabilizer.tableau import Reference
from qfleet_worker.engines.threads import ThreadTeam

#: Bytes of the outcomes that are collected at a time, unless those of one block are more.
OUTCOME_BYTES: Final = 8 * 1024 * 1024
#: Blocks that are collected at a time at most.
_MOST_BLOCKS: Final = 256

_OUTPUTS: Final = frozenset({Output.COUNTS, Output.BITS})
_NO_PLACES: Final = np.zeros(0, np.int32)


def run_frames(experiment: Experiment, team: ThreadTeam, outcome_bytes: int = OUTCOME_BYTES) -> Outcome | None:
    """Run an experiment by frames; return ``None`` if they can't run it.

    Args:
        experiment: its program has Clifford operations, and noise of Paulis and resets.
        team: threads that share the blocks.
        outcome_bytes: bytes of the outcomes that are collected at a time, unless those of one block are more.
    """
    program = experiment.program
    if experiment.request.output not in _OUTPUTS:
        return None
    try:
        plan = frame_plan(program)
    except NotFramesError:
        return None
    tally = collection(experiment)
    if not plan.columns:
        tally.add_same(0, np.arange(experiment.shots))
        return Outcome(*tally.result())
    errors = frame_errors(program)
    steps = frame_steps(program, plan, errors, Reference(program.num_qubits))
    tally.columns([8 * column for column in plan.columns])
    words = -(-len(plan.columns) // 8)
    first, end = experiment.first_shot // BLOCK, -(-(experiment.first_shot + experiment.shots) // BLOCK)
    at_once = max(1, min(end - first, _MOST_BLOCKS, outcome_bytes // (8 * BLOCK * words)))
    outcomes = np.empty((at_once * BLOCK, words), np.uint64)
    counter = _Counter(len(outcomes), tally)
    done = 0
    for block in range(first, end, at_once):
        blocks = min(at_once, end - block)
        _run(steps, errors.errors, plan, experiment, team, block, outcomes[: blocks * BLOCK])
        # Of the first and the last block, other experiments may have shots.
        begin = experiment.first_shot + done - block * BLOCK
        shots = min(experiment.shots - done, blocks * BLOCK - begin)
        counter.add(outcomes[begin : begin + shots], done, len(plan.columns))
        done += shots
    return Outcome(*tally.result())


def _run(
    steps: Steps,
    errors: Errors,
    plan: FramePlan,
    experiment: Experiment,
    team: ThreadTeam,
    first_block: int,
    outcomes: NDArray[np.uint64],
) -> None:
    """Run some blocks; the threads share them."""
    num_qubits, seed = experiment.program.num_qubits, experiment.seed

    def run(begin: int, end: int) -> None:
        own = outcomes[begin * BLOCK : end * BLOCK]
        run_blocks(steps, errors, num_qubits, plan.num_rows, seed, first_block + begin, end - begin, own)

    team.share(len(outcomes) // BLOCK, run)


class _Counter:
    """Outcomes on their way into a collection.

    Args:
        shots: how many are added at a time, at most.
        tally: takes them.
    """

    def __init__(self, shots: int, tally: Tally | ShotRows) -> None:
        self._tally = tally
        counted = isinstance(tally, Tally)
        self._table = np.empty(1 << (2 * shots).bit_length() if counted else 0, np.int32)
        self._firsts, self._counts = np.empty(shots * counted, np.int32), np.empty(shots * counted, np.int64)

    def add(self, outcomes: NDArray[np.uint64], first: int, columns: int) -> None:
        """Add the outcomes of shots.

        Args:
            outcomes: those of each shot, uint64, shape (shots, words).
            first: the number of the first shot.
            columns: the bytes of an outcome.
        """
        shots = np.arange(first, first + len(outcomes))
        if isinstance(self._tally, ShotRows):
            self._tally.add_rows(outcomes.view(np.uint8)[:, :columns], shots)
            return
        places = np.empty(len(outcomes), np.int32) if self._tally.keeps_shots else _NO_PLACES
        self._table.fill(-1)
        found = find_distinct(outcomes, self._table, self._firsts, self._counts, places)
        # A row without what fills its last word, as one element.
        wholes = np.ndarray(len(outcomes), np.dtype((np.void, columns)), outcomes, 0, outcomes.strides[:1])
        rows = wholes[self._firsts[:found]].view(np.uint8).reshape(found, columns)
        self._tally.add_distinct(rows, self._counts[:found].copy(), shots, places)
