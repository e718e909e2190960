# SPDX-License-Identifier: Apache-2.0
"""What do the measurements at the end of a circuit find?"""

from __future__ import annotations

import numpy as np

from qfleet_worker.engines.numpy_engine.flow import AnyPlan
from qfleet_worker.engines.numpy_engine.outcomes import Tally
from qfleet_worker.engines.numpy_engine.randomness import FINAL_EVENT, Uniforms
from qfleet_worker.engines.numpy_engine.state import State
from qfleet_worker.engines.numpy_engine.trajectories import Leaf

#: Shots that are sampled at a time.
SHOTS = 1 << 18


def read(state: State, leaf: Leaf[AnyPlan], uniforms: Uniforms, first: int, tally: Tally) -> dict[int, int]:
    """Measure all that the leaf's plan measures at its end, for the shots of a leaf, into `tally`.

    `first` is the tally's number of the shot that `uniforms` begins with. The state stays as it is. Returns what the
    leaf's last shot found on each active wire measured. Raises `EngineError` for a state whose norm isn't 1.
    """
    sampler = state.sampler()
    state.check(sampler.total)
    bits = {wire: bit for bit, wire in enumerate(reversed(state.order))}
    plan, clbits = leaf.plan, leaf.clbits
    for wire, clbit in plan.readout:
        clbits = clbits & ~(1 << clbit) | (wire not in bits and state.values.get(wire, 0)) << clbit
    active = [wire for wire in plan.measured if wire in bits]
    if not active:
        tally.add_same(clbits, leaf.shots + first)
        return {}
    readout = [(bits[wire], clbit) for wire, clbit in plan.readout if wire in bits]
    found = np.zeros(0, np.int64)
    for begin in range(0, len(leaf.shots), SHOTS):
        shots = leaf.shots[begin : begin + SHOTS]
        found = sampler.find(uniforms.of(FINAL_EVENT, shots))
        tally.add(clbits, shots + first, found, readout)
    return {wire: int(found[-1]) >> bits[wire] & 1 for wire in active}
