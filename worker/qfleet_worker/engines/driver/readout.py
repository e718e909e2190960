# SPDX-License-Identifier: Apache-2.0
"""What did shots find that have come to the end of a circuit?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.driver.front import Front
from qfleet_worker.engines.driver.shot_records import Notes
from qfleet_worker.engines.driver.stretches import CompiledPlan
from qfleet_worker.engines.gates.matrices import ComplexArray
from qfleet_worker.engines.randomness.uniforms import Uniforms
from qfleet_worker.engines.results.outcomes import Tally
from qfleet_worker.engines.states.contract import Samples


def read(
    front: Front, plan: CompiledPlan, notes: Notes, uniforms: Uniforms, first: int, tally: Tally, last: int = -1
) -> ComplexArray | None:
    """Measure all that a plan measures at its end, for shots that have come there, into `tally`.

    `first` is the tally's number of the shot that `uniforms` begins with. Returns the amplitudes after the shot with
    the number `last`, the last one of all, if it is among these. Raises `EngineError` for a state whose norm isn't 1.
    """
    amplitudes: ComplexArray | None = None
    shots, members = front.crowd.settle()
    for samples in front.states.sample(plan, shots, members, uniforms):
        active = [wire for wire in plan.measured if wire in samples.bits]
        if notes.clbits:
            _add_rows(samples, plan, notes, first, tally)
        else:
            _add(samples, plan, active, first, tally)
        if samples.shots[-1] == last:
            member = int(members[-1])
            values = {wire: int(samples.basis_states[-1]) >> samples.bits[wire] & 1 for wire in active}
            amplitudes = front.states.statevector(member, plan, values, complex(front.phases[member]))
    return amplitudes


def _add(samples: Samples, plan: CompiledPlan, active: list[int], first: int, tally: Tally) -> None:
    clbits = 0
    for wire, clbit in plan.readout:
        if wire not in samples.bits and samples.values.get(wire, 0):
            clbits |= 1 << clbit
    if active:
        readout = [(samples.bits[wire], clbit) for wire, clbit in plan.readout if wire in samples.bits]
        tally.add(clbits, samples.shots + first, samples.basis_states, readout)
    else:
        tally.add_same(clbits, samples.shots + first)


def _add_rows(samples: Samples, plan: CompiledPlan, notes: Notes, first: int, tally: Tally) -> None:
    at_end = {clbit: wire for wire, clbit in plan.readout}
    columns = tally.columns([*notes.clbits, *at_end])
    rows = np.zeros((len(samples.shots), len(columns)), np.uint8)
    whole = all(len(plane) == len(samples.shots) for plane in notes.clbits.values())
    for clbit in notes.clbits.keys() | at_end.keys():
        wire = at_end.get(clbit)
        bits: NDArray[np.uint8] | np.uint8
        if wire is None:
            plane = notes.clbits[clbit]
            bits = plane if whole else plane[samples.shots]
        elif wire in samples.bits:
            bits = (samples.basis_states >> samples.bits[wire] & 1).astype(np.uint8)
        else:
            bits = np.uint8(samples.values.get(wire, 0))
        rows[:, columns[clbit >> 3]] |= bits << np.uint8(clbit & 7)
    tally.add_rows(rows, samples.shots + first)
