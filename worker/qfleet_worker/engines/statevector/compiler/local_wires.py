# SPDX-License-Identifier: Apache-2.0
"""The choice of a stage's local wires, in machine code.

A stage is a pass over the state, and the more gates it has, the fewer passes a circuit takes.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import inner_code
from qfleet_worker.engines.statevector.compiler.draft import CHANGES, READS
from qfleet_worker.engines.statevector.kernels.bits import popcount

#: Gates that a search for better wires looks at.
SEARCH_GATES = 512


@inner_code
def first_locals(gates: NDArray[Any], waiting: NDArray[Any], always: int, local_bits: int, every: int) -> int:
    """Return local wires for the gates that wait, taken in order.

    `always` are local in any case.
    """
    chosen, size = always, popcount(always)
    changed = seen = 0
    for gate in waiting:
        changes, reads = gates[gate, CHANGES], gates[gate, READS]
        if reads & changed == 0 and changes & (changed | seen) == 0:
            more = changes & ~chosen
            extra = popcount(more) if more else 0
            if size + extra <= local_bits or more == 0:
                chosen |= more
                size += extra
                continue
        changed |= changes
        if changed == every:
            break
        seen |= reads
    wire = 1
    while size < local_bits and wire <= every:
        if not chosen & wire:
            chosen |= wire
            size += 1
        wire <<= 1
    return chosen


@inner_code
def better_locals(gates: NDArray[Any], waiting: NDArray[Any], always: int, chosen: int, every: int) -> int:
    """Exchange local wires for others as long as more gates fit.

    Of random gates, a fifth fewer stages are needed.
    """
    waiting = waiting[:SEARCH_GATES]
    best = _fitting(gates, waiting, chosen, every)
    leaving = chosen & ~always
    while leaving:
        old = leaving & -leaving
        leaving ^= old
        others = every & ~chosen
        while others:
            new = others & -others
            others ^= new
            fitting = _fitting(gates, waiting, chosen ^ old ^ new, every)
            if fitting > best:
                best, chosen = fitting, chosen ^ old ^ new
                leaving, others = chosen & ~always, 0
    return chosen


@inner_code
def _fitting(gates: NDArray[Any], waiting: NDArray[Any], local: int, every: int) -> int:
    """Count the gates that may run where these wires are local."""
    changed = seen = number = 0
    for gate in waiting:
        changes, reads = gates[gate, CHANGES], gates[gate, READS]
        if reads & changed == 0 and changes & (changed | seen | ~local) == 0:
            number += 1
            continue
        changed |= changes
        if changed == every:
            break
        seen |= reads
    return number
