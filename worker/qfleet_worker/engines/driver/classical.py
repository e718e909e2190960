# SPDX-License-Identifier: Apache-2.0
"""Clbits and variables that the expressions of a program mention.

Their values are kept beside the states of the shots.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.bits import mask_of, places, to_bits
from qfleet_worker.engines.driver.expressions import Memory, Value
from qfleet_worker.engines.driver.flow import Block, Flow
from qfleet_worker.engines.driver.front import ShotFront
from qfleet_worker.engines.driver.scope import Scope
from qfleet_worker.engines.driver.shot_records import ShotRecords

#: Bytes of a small number, or of an empty tuple.
_NUMBER_BYTES: Final = 40


def most_states(flow: Flow[Any]) -> int | None:
    """Return how many states have room for classical values of their own.

    It is ``None`` where states share these values.
    """
    scope = flow.scope
    stored = {place for block in flow.blocks for place in scope.parted(block.names.changes)[1]}
    if not stored:
        return None
    # A state has a tuple of all variables, and numbers of its own in those that are stored to.
    each = 8 * len(scope.types) + sum([_NUMBER_BYTES + max(scope.types[place], 0) // 8 for place in stored])
    return max(1, flow.limits.classical_bytes // (each + len(scope.clbits) + _NUMBER_BYTES))


class ClassicalValues:
    """The values of clbits and variables that have a name.

    Args:
        scope: the names.
        records: have the clbits of each shot; a front has the variables of each state.
    """

    def __init__(self, scope: Scope, records: ShotRecords) -> None:
        self._scope = scope
        self._records = records

    def kinds(self, front: ShotFront, last: NDArray[np.int64], names: int) -> NDArray[np.int64]:
        """Return a number for each state, shape (states,).

        The numbers of two states are equal if the states agree in all of these names.

        Args:
            front: the states.
            last: a shot of each state, shape (states,).
            names: the mask of the names.
        """
        kinds = np.zeros(len(last), np.int64)
        if not names or len(last) == 1:
            return kinds
        scope, clbits = self._scope, self._records.clbits
        named, variables = scope.parted(places(names))
        columns = [clbits[scope.clbits[name]][last] for name in named if scope.clbits[name] in clbits]
        for column in columns[:60]:
            kinds = kinds << 1 | column
        if len(columns) <= 60 and not variables:
            return kinds
        rows = np.stack(columns, axis=1) if columns else np.zeros((len(last), 0), np.uint8)
        numbers: dict[tuple[bytes, tuple[Value, ...]], int] = {}
        for at, values in enumerate(front.variables):
            key = rows[at].tobytes(), tuple([values[place] for place in variables])
            kinds[at] = numbers.setdefault(key, len(numbers))
        return kinds

    def memories(self, front: ShotFront, names: set[int]) -> tuple[list[Memory], NDArray[np.int64]]:
        """Return the distinct values of these names, and each state's place.

        Returns:
            The values, once for all states that agree in them; and for each state its place among them, shape
            (states,).
        """
        scope = self._scope
        last = front.groups.last_shots()
        if len(last) == 1:
            first = which = np.zeros(1, np.int64)
        else:
            kinds = self.kinds(front, last, mask_of(names, len(scope)))
            _, first, which = np.unique(kinds, return_index=True, return_inverse=True)
        clbits = [(name, scope.clbits[name]) for name in scope.parted(names)[0]]
        memories = [Memory(self._records.of(clbits, int(last[at])), list(front.variables[at])) for at in first.tolist()]
        return memories, which

    def store(self, front: ShotFront, block: Block[Any], store: Callable[[Memory], None]) -> None:
        """Write the values that a block stores at its end.

        They are written for all shots of a front.
        """
        scope, changes = self._scope, block.names.changes
        clbits, variables = scope.parted(changes)
        # The part of a place that a store leaves unchanged is written again.
        memories, which = self.memories(front, set(changes).union(*block.names.reads))
        for memory in memories:
            store(memory)
        if clbits:
            shots, states = front.groups.settle()
            width = clbits[-1] + 1
            bits = np.stack([to_bits(memory.clbits, width) for memory in memories])
            for name in clbits:
                self._records.write(scope.clbits[name], shots, bits[which, name][states])
        if variables:
            for at, number in enumerate(which.tolist()):
                values = list(front.variables[at])
                for place in variables:
                    values[place] = memories[number].variables[place]
                front.variables[at] = tuple(values)
