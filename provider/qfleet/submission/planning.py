# SPDX-License-Identifier: Apache-2.0
"""Plan of a job's shards: a pure function of the job.

It doesn't depend on the fleet. A circuit's result doesn't depend on its shard, so the plan affects speed alone: shards
are long enough that the queue's cost per task is small beside the work, and short enough that every worker gets some.
A long job begins with short shards, so that its first results come early.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from qfleet.errors import CapacityError
from qfleet.wire.cost.constants import FASTER_ENGINE
from qfleet.wire.cost.tiers import tier_of
from qfleet.wire.limits import MAX_REQUESTS, MAX_SHARDS
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.messages.work import CircuitWork, ShardWork, take_points

#: Predicted seconds of work that are worth a shard of their own in a short job.
SHORTEST_SHARD: Final = 0.01
#: Predicted seconds of work in a shard of a long job, at least and at most.
SHARD_SECONDS: Final = 0.2
LONGEST_SHARD: Final = 5.0
#: The number of shards that a job's length is aimed at.
MANY_SHARDS: Final = 2000
#: The number of shards that a short job is cut into, and of those at a long job's beginning that are a quarter as long.
FIRST_SHARDS: Final = 8
#: Largest predicted bytes of a shard's result.
SHARD_RESULT_BYTES: Final = 64 * 1024 * 1024
SHARD_CIRCUITS: Final = 10_000
#: Most shots whose bits a task returns: each takes some 20 bytes of `qfleet.wire.cost.cost.OVERHEAD_BYTES`.
_MOST_BITS: Final = 1 << 21


class ShotBlock(NamedTuple):
    """Shots of a circuit that are run together."""

    shots: int
    #: predicted
    seconds: float


@dataclass(frozen=True, slots=True)
class PlannedCircuit:
    """A circuit and its parameter sets, with its predicted time and size."""

    work: CircuitWork
    request: Request
    #: predicted, for all shots of one parameter set
    seconds: float
    #: of one parameter set, with its values and its observables
    result_bytes: int
    #: predicted bytes of memory, by engine
    needs: Mapping[str, int] = field(default_factory=dict)
    num_qubits: int = 0
    #: the blocks that its shots are worth cutting into, unless many parameter sets are; ``None`` for none
    block: ShotBlock | None = None

    @property
    def tier(self) -> int:
        """Return the tier of memory of a shard with this circuit."""
        return tier_of(self.needs.get(FASTER_ENGINE, 0))


@dataclass(frozen=True, slots=True)
class PlannedShard:
    """A shard, with its predicted time and memory."""

    work: ShardWork
    #: core seconds
    seconds: float
    #: predicted bytes of memory of its largest circuit, by engine
    needs: Mapping[str, int]
    #: of its widest circuit
    num_qubits: int = 0


def shots_at_once(output: Output, max_shot_size: int | None, num_clbits: int) -> int | None:
    """Return the largest number of a circuit's shots in one task.

    Args:
        output: the output of the job.
        max_shot_size: the user's limit; ``None`` for no limit.
        num_clbits: the number of the circuit's clbits.

    Returns:
        The number of shots; ``None`` for no limit.
    """
    if output != Output.BITS:
        return max_shot_size
    row = max((num_clbits + 7) // 8, 1)
    return min(max_shot_size or _MOST_BITS, _MOST_BITS, max(SHARD_RESULT_BYTES // row, 1))


@dataclass(frozen=True, slots=True)
class ShardLengths:
    """The largest shards of a job, in predicted seconds of work."""

    #: of each of the first `FIRST_SHARDS`
    first: float
    later: float

    @classmethod
    def of_job(cls, seconds: float) -> ShardLengths:
        """Return the lengths for a job by its predicted seconds."""
        later = min(max(seconds / MANY_SHARDS, SHARD_SECONDS), LONGEST_SHARD)
        if seconds >= FIRST_SHARDS * later:
            return cls(later / 4, later)
        number = math.ceil(min(max(seconds / SHORTEST_SHARD, 1), FIRST_SHARDS))
        return cls(seconds / number, seconds / number)

    def at(self, number: int) -> float:
        """Return the length of a shard by its number."""
        return self.first if number < FIRST_SHARDS else self.later


def plan(
    items: Sequence[PlannedCircuit],
    *,
    threads: int,
    max_job_size: int | None,
    max_shot_size: int | None,
    max_shards: int = MAX_SHARDS,
) -> list[PlannedShard]:
    """Cut a job into shards, circuits and parameter sets in order.

    The circuits of a shard need about the same memory: they are of one tier.

    Args:
        items: the circuits.
        threads: threads that a circuit may use; 0 for all cores.
        max_job_size: largest number of parameter sets in a shard; ``None`` for no limit.
        max_shot_size: largest number of a circuit's shots in one task; ``None`` for no limit.
        max_shards: largest number of shards of the job.

    Raises:
        CapacityError: the job needs more shards.
    """
    lengths = ShardLengths.of_job(sum([item.work.points * item.seconds for item in items]))
    shards: list[_Shard] = []
    most = min(max_job_size or SHARD_CIRCUITS, SHARD_CIRCUITS)
    for item in items:
        for block in _blocks(item, max_shot_size):
            first = 0
            while first < block.work.points:
                room = shards[-1].room(block, most) if shards else 0
                if room < 1:
                    if len(shards) == max_shards:
                        raise CapacityError(
                            f"the job comes to more than {max_shards} tasks; give a larger max_shot_size or "
                            "max_job_size, or cut the job",
                            limit=max_shards,
                        )
                    shards.append(_Shard(lengths.at(len(shards))))
                    room = max(1, shards[-1].room(block, most))
                taken = min(room, block.work.points - first)
                shards[-1].add(block, first, taken)
                first += taken
    return [shard.planned(threads) for shard in shards]


class _Shard:
    """A shard that is being filled."""

    def __init__(self, length: float) -> None:
        # The shards of equal circuits are equal, in spite of rounding.
        self._length = length * (1 + 1e-9)
        self._circuits: list[CircuitWork] = []
        self._requests: dict[Request, int] = {}
        self._needs: dict[str, int] = {}
        self._tier: int | None = None
        self._qubits = 0
        self._num_sets = 0
        self._seconds = 0.0
        self._result_bytes = 0.0

    def room(self, item: PlannedCircuit, most: int) -> int:
        """Return how many parameter sets of a circuit fit into the shard.

        Args:
            item: the circuit.
            most: largest number of parameter sets in the shard, of all circuits together.
        """
        if self._tier is not None and item.tier != self._tier:
            return 0
        if item.request not in self._requests and len(self._requests) == MAX_REQUESTS:
            return 0
        # Two blocks of one circuit in one shard would repeat work.
        if item.work.blocks > 1 and self._circuits and self._circuits[-1].index == item.work.index:
            return 0
        return min(
            most - self._num_sets,
            _room(self._length - self._seconds, item.seconds),
            _room(SHARD_RESULT_BYTES - self._result_bytes, item.result_bytes),
        )

    def add(self, item: PlannedCircuit, first: int, num_sets: int) -> None:
        """Add parameter sets of a circuit, from number `first` on."""
        work = take_points(item.work, first, num_sets)
        request = self._requests.setdefault(item.request, len(self._requests))
        self._circuits.append(work if not request else msgspec.structs.replace(work, request=request))
        self._tier = item.tier
        self._qubits = max(self._qubits, item.num_qubits)
        for engine, needed in item.needs.items():
            self._needs[engine] = max(needed, self._needs.get(engine, 0))
        self._num_sets += num_sets
        self._seconds += num_sets * item.seconds
        self._result_bytes += num_sets * item.result_bytes

    def planned(self, threads: int) -> PlannedShard:
        """Return the shard, filled."""
        work = ShardWork(tuple(self._circuits), tuple(self._requests), threads)
        return PlannedShard(work, self._seconds, self._needs, self._qubits)


def _room(left: float, each: float) -> int:
    return int(left / each) if left > 0 else 0


def _blocks(item: PlannedCircuit, max_shot_size: int | None) -> Iterator[PlannedCircuit]:
    """Yield the circuit, or blocks of its shots.

    A circuit with too many shots for one task is cut into blocks, one parameter set after the other.
    """
    shots = item.work.shots
    most = min(shots, max_shot_size or shots)
    seconds = item.seconds / -(-shots // most)
    if item.block is not None and item.work.points < FIRST_SHARDS and item.block.shots < most:
        most, seconds = item.block
    if most == shots:
        yield item
        return
    blocks = -(-shots // most)
    # Except for bits, a block may have all the outcomes of its circuit.
    result_bytes = item.result_bytes // (blocks if item.request.output == Output.BITS else 1)
    for number in range(item.work.points):
        work = take_points(item.work, number, 1)
        for first in range(0, shots, most):
            block = msgspec.structs.replace(work, first_shot=first, shots=min(most, shots - first), blocks=blocks)
            yield PlannedCircuit(block, item.request, seconds, result_bytes, item.needs, item.num_qubits)
