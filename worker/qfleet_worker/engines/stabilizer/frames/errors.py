# SPDX-License-Identifier: Apache-2.0
"""Channels and readout errors, as frames draw them."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.channels import Channel
from qfleet.wire.program.program import Program
from qfleet_worker.engines.stabilizer.kernels.chances import places_per_log
from qfleet_worker.engines.stabilizer.kernels.frames import Errors

_ALWAYS: Final = (1 << 64) - 1


class FrameErrors(NamedTuple):
    """The errors of a program."""

    errors: Errors
    #: bool, shape (channels,): False where nothing ever happens
    happens: NDArray[np.bool_]
    #: int32, shape (measurements,): the kind of each one's readout error; -1 without one
    flip_kinds: NDArray[np.int32]


def is_pauli(channel: Channel) -> bool:
    """Tell whether a channel is a mixture of Paulis."""
    return not channel.operators and not any(channel.masks[2::3])


class _Table(NamedTuple):
    """The branches of a channel that do something."""

    #: of any of them
    chance: float
    #: by Walker's method; see `Errors`
    limits: tuple[int, ...]
    others: tuple[int, ...]
    #: the masks of X and Z of each
    masks: tuple[tuple[int, int], ...]


def frame_errors(program: Program) -> FrameErrors:
    """Return the errors of a program whose channels are mixtures of Paulis.

    Sites with equal chances have one number, so that errors are found by walking over all of them.
    """
    chances: dict[float, int] = {}
    tables = [_table(channel) for channel in program.channels]
    chance_of = [chances.setdefault(table.chance, len(chances)) if table.chance else -1 for table in tables]
    begins = np.cumsum([0, *[len(table.masks) for table in tables]])
    others = [begin + other for begin, table in zip(begins.tolist(), tables, strict=False) for other in table.others]
    x, z = np.array([mask for table in tables for mask in table.masks], np.uint8).reshape(-1, 2).T
    flip_kinds, flip_chances, flip_limits = _readout(program, chances)
    errors = Errors(
        np.maximum(program.operands, ~program.operands),
        np.array([channel.num_targets for channel in program.channels], np.int32),
        np.array([places_per_log(chance) for chance in chances], np.float64),
        np.array(chance_of, np.int32),
        begins.astype(np.int32),
        np.array([limit for table in tables for limit in table.limits], np.uint64),
        np.array(others, np.int32),
        np.ascontiguousarray(x),
        np.ascontiguousarray(z),
        flip_chances,
        flip_limits,
    )
    return FrameErrors(errors, np.array(chance_of, np.int32) >= 0, flip_kinds)


@lru_cache(maxsize=1 << 12)
def _table(channel: Channel) -> _Table:
    masks = np.frombuffer(channel.masks, np.uint8).reshape(-1, 3)[:, :2].tolist()
    chances = channel.chances().tolist()
    found: dict[tuple[int, int], float] = {}
    for weight, (x, z) in zip(chances, masks, strict=True):
        if weight and x | z:
            found[x, z] = found.get((x, z), 0.0) + weight
    # Sums without rounding are the same on all machines.
    total = math.fsum(found.values())
    limits, others = _alias([weight / total for weight in found.values()])
    return _Table(min(total / math.fsum(chances), 1.0), tuple(limits), tuple(others), tuple(found))


def _alias(chances: list[float]) -> tuple[list[int], list[int]]:
    """Return Walker's table of some chances that add up to 1.

    Returns:
        For each column, the number below which a random word selects it, and the column that is selected otherwise.
    """
    size = len(chances)
    left = [chance * size for chance in chances]
    small = [column for column in range(size) if left[column] < 1]
    large = [column for column in range(size) if left[column] >= 1]
    limits, others = [_ALWAYS] * size, list(range(size))
    while small and large:
        column, other = small.pop(), large[-1]
        limits[column], others[column] = _limit(left[column]), other
        left[other] -= 1 - left[column]
        if left[other] < 1:
            small.append(large.pop())
    return limits, others


def _limit(chance: float) -> int:
    """Return the number that a random word is below with this chance."""
    return min(int(chance * 2.0**64), _ALWAYS)


def _readout(
    program: Program, chances: dict[float, int]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint64]]:
    """Return the readout errors of a program.

    Returns:
        The kind of each measurement's error; the number of each kind's chance; and its limits.
    """
    if not len(program.flips):
        return np.full(len(program.clbits), -1, np.int32), np.zeros(0, np.int32), np.zeros((0, 2), np.uint64)
    distinct, kinds = np.unique(program.flips.reshape(-1, 2), axis=0, return_inverse=True)
    larger = distinct.max(axis=1)
    numbers = [chances.setdefault(chance, len(chances)) if chance else -1 for chance in larger.tolist()]
    limits = [
        [_ALWAYS if chance == most else _limit(chance / most) for chance in pair] if most else [0, 0]
        for pair, most in zip(distinct.tolist(), larger.tolist(), strict=True)
    ]
    happens = larger[kinds.ravel()] > 0
    return (
        np.where(happens, kinds.ravel(), -1).astype(np.int32),
        np.array(numbers, np.int32),
        np.array(limits, np.uint64).reshape(-1, 2),
    )
