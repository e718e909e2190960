# SPDX-License-Identifier: Apache-2.0
"""What do the measurements at the end of a circuit find?"""

from __future__ import annotations

import numpy as np

from qfleet_worker.engines.numpy_engine.outcomes import Tally
from qfleet_worker.engines.numpy_engine.plan import Plan
from qfleet_worker.engines.numpy_engine.sampling import Sampler
from qfleet_worker.engines.numpy_engine.state import State
from qfleet_worker.engines.numpy_engine.trajectories import Leaf

#: Shots that are drawn at a time.
SHOTS = 1 << 18


def read(
    plan: Plan, state: State, leaf: Leaf, rng: np.random.Generator, tally: Tally, shot: int | None
) -> dict[int, int]:
    """Measure all that the plan measures at its end, for the shots of a leaf, into `tally`.

    The state stays as it is. Returns what the leaf's shot number `shot` found on each active wire measured; nothing for
    ``None``. Raises `EngineError` for a state whose norm isn't 1.
    """
    sampler = Sampler(state.amplitudes)
    state.check(sampler.total)
    bits = {wire: bit for bit, wire in enumerate(reversed(state.order))}
    clbits = leaf.clbits
    for wire, clbit in plan.readout:
        clbits |= (wire not in bits and state.values.get(wire, 0)) << clbit
    active = [wire for wire in plan.measured if wire in bits]
    if not active:
        tally.add_same(clbits, leaf.shots)
        return {}
    readout = [(bits[wire], clbit) for wire, clbit in plan.readout if wire in bits]
    picked: dict[int, int] = {}
    for begin in range(0, leaf.shots, SHOTS):
        found = sampler.draw(rng, min(SHOTS, leaf.shots - begin))
        tally.add(clbits, found, readout)
        if shot is not None and begin <= shot < begin + len(found):
            picked = {wire: int(found[shot - begin]) >> bits[wire] & 1 for wire in active}
    return picked
