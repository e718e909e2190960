# SPDX-License-Identifier: Apache-2.0
"""Blocks of a circuit's shots that are worth tasks of their own.

Shots with random errors are simulated one by one where their errors differ, so a circuit with noise may take long, and
several workers can share its shots. But each block repeats the run that its shots have in common. So shots are cut
late: blocks are so long that this run is a small part of each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from qfleet.submission.planning import LONGEST_SHARD, MANY_SHARDS, SHARD_SECONDS, ShotBlock

#: Runs of a circuit without errors that a block takes as long as, at least.
RUNS_OF_A_BLOCK: Final = 20


def block_of(seconds_of: Callable[[int], float], shots: int, multiple: int = 1) -> ShotBlock | None:
    """Return the blocks that a circuit's shots are cut into.

    Args:
        seconds_of: returns the predicted seconds of some shots, which don't fall as the number of shots grows.
        shots: shots of the circuit.
        multiple: shots that are run together anyway: blocks are multiples of it.

    Returns:
        ``None`` if the circuit isn't worth two blocks.
    """
    whole = seconds_of(shots)
    wanted = max(min(max(whole / MANY_SHARDS, SHARD_SECONDS), LONGEST_SHARD), RUNS_OF_A_BLOCK * seconds_of(1))
    if whole < 2 * wanted:
        return None
    fits, too_many = 1, shots
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        fits, too_many = (middle, too_many) if seconds_of(middle) <= wanted else (fits, middle)
    blocks = -(-shots // fits)
    even = -(-shots // (blocks * multiple)) * multiple
    return ShotBlock(even, seconds_of(even)) if even < shots else None
