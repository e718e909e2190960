# SPDX-License-Identifier: Apache-2.0
"""Outcomes of shots that have come to the end of a circuit."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.driver.flow import Flow
from qfleet_worker.engines.driver.front import ShotFront
from qfleet_worker.engines.driver.moves import MovedErrors
from qfleet_worker.engines.driver.noise import flipped
from qfleet_worker.engines.driver.shot_records import ShotRecords
from qfleet_worker.engines.driver.stretches import AnyPlan, CompiledPlan
from qfleet_worker.engines.randomness.uniforms import Uniforms
from qfleet_worker.engines.results.outcomes import Tally
from qfleet_worker.engines.results.shot_rows import ShotRows
from qfleet_worker.engines.states.contract import ClbitRows, Samples


def read(
    front: ShotFront,
    flow: Flow[AnyPlan],
    records: ShotRecords,
    uniforms: Uniforms,
    first: int,
    tally: Tally | ShotRows,
    last: int = -1,
    moved: MovedErrors | None = None,
) -> ComplexArray | None:
    """Measure a front's shots at the end, and count the outcomes.

    Args:
        front: shots at the end of the program.
        flow: the compiled program.
        records: the clbits that the shots wrote before.
        uniforms: the random numbers of the shots.
        first: the number in `tally` of the shot that `uniforms` begins with.
        tally: takes the outcomes.
        last: the number of the last shot of all, if its amplitudes are asked for.
        moved: the errors of shots that flip what is measured.

    Returns:
        The amplitudes after the shot `last`, if it is in the front.

    Raises:
        EngineError: the norm of a state isn't 1.
    """
    amplitudes: ComplexArray | None = None
    plan = flow.blocks[front.block].plan
    shots, states = front.groups.settle()
    opposed = moved if moved is not None and moved.flips[shots].any() else None
    counted = last < 0 and not tally.keeps_shots and not flow.flips and not records.clbits and opposed is None
    for found in front.states.sample(plan, shots, states, uniforms, counted):
        if isinstance(found, ClbitRows):
            _add_clbit_rows(found, flow, plan, records, uniforms, first, tally, opposed)
            continue
        samples = found if opposed is None else _opposed(found, opposed, plan)
        active = [wire for wire in plan.measured if wire in samples.bits]
        if flow.flips:
            _add_rows(samples, plan, records, first, tally, _read_at_end(samples, flow, plan, uniforms))
        elif records.clbits:
            _add_rows(samples, plan, records, first, tally)
        else:
            _add(samples, plan, active, first, tally)
        if samples.shots[-1] == last:
            state = int(states[-1])
            values = {wire: int(samples.basis_states[-1]) >> samples.bits[wire] & 1 for wire in active}
            amplitudes = front.states.statevector(state, plan, values, complex(front.phases[state]))
    return amplitudes


def _opposed(samples: Samples, moved: MovedErrors, plan: CompiledPlan) -> Samples:
    """Return samples with the opposite values of some wires; see `read`."""
    masks = moved.flips[samples.shots]
    found, bits = samples.basis_states, dict(samples.bits)
    if not bits:
        found = np.zeros_like(masks)
    for wire in plan.measured:
        # Each shot has a value of its own.
        if wire not in bits:
            bits[wire] = len(bits)
            found = found | samples.values.get(wire, 0) << bits[wire]
    for rank, qubit in enumerate(moved.qubits):
        bit = bits.get(plan.wires[qubit])
        if bit is not None:
            found = found ^ (masks >> rank & 1) << bit
    return samples._replace(basis_states=found, bits=bits)


def _add(samples: Samples, plan: CompiledPlan, active: list[int], first: int, tally: Tally | ShotRows) -> None:
    clbits = 0
    for wire, clbit in plan.readout:
        if wire not in samples.bits and samples.values.get(wire, 0):
            clbits |= 1 << clbit
    if active:
        readout = [(samples.bits[wire], clbit) for wire, clbit in plan.readout if wire in samples.bits]
        if isinstance(tally, ShotRows) or samples.counts is None:
            tally.add(clbits, samples.shots + first, samples.basis_states, readout)
        else:
            tally.add_counts(clbits, samples.basis_states, samples.counts, readout)
    else:
        tally.add_same(clbits, samples.shots + first)


def _read_at_end(
    samples: Samples, flow: Flow[AnyPlan], plan: AnyPlan, uniforms: Uniforms
) -> dict[int, NDArray[np.uint8]]:
    """Return the bits that are read with an error, by clbit."""
    read = {}
    for wire, clbit in plan.readout:
        if clbit in flow.flips:
            event, flips = flow.flips[clbit]
            values = np.broadcast_to(_bits(samples, wire), samples.shots.shape)
            read[clbit] = flipped(uniforms, event, flips, samples.shots, values)
    return read


def _bits(samples: Samples, wire: int) -> NDArray[np.uint8] | np.uint8:
    """Return the value of a wire, of each shot or of all."""
    if wire in samples.bits:
        return (samples.basis_states >> samples.bits[wire] & 1).astype(np.uint8)
    return np.uint8(samples.values.get(wire, 0))


def _add_clbit_rows(
    found: ClbitRows,
    flow: Flow[AnyPlan],
    plan: AnyPlan,
    records: ShotRecords,
    uniforms: Uniforms,
    first: int,
    tally: Tally | ShotRows,
    opposed: MovedErrors | None,
) -> None:
    """Add shots whose final measurement is bytes of clbits."""
    at_end = {clbit: wire for wire, clbit in plan.readout}
    columns = tally.columns([*records.clbits, *[8 * byte for byte in found.columns]])
    rows = np.zeros((len(found.shots), len(columns)), np.uint8)
    rows[:, [columns[byte] for byte in found.columns]] = found.rows
    ranks = {} if opposed is None else {plan.wires[qubit]: rank for rank, qubit in enumerate(opposed.qubits)}
    for clbit, wire in at_end.items():
        column, place = columns[clbit >> 3], clbit & 7
        if opposed is not None and wire in ranks:
            rows[:, column] ^= ((opposed.flips[found.shots] >> ranks[wire] & 1) << place).astype(np.uint8)
        if clbit in flow.flips:
            event, flips = flow.flips[clbit]
            values = rows[:, column] >> place & 1
            rows[:, column] ^= (values ^ flipped(uniforms, event, flips, found.shots, values)) << place
    for clbit in records.clbits.keys() - at_end.keys():
        rows[:, columns[clbit >> 3]] |= records.clbits[clbit][found.shots] << np.uint8(clbit & 7)
    tally.add_rows(rows, found.shots + first)


def _add_rows(
    samples: Samples,
    plan: CompiledPlan,
    records: ShotRecords,
    first: int,
    tally: Tally | ShotRows,
    read: Mapping[int, NDArray[np.uint8]] = MappingProxyType({}),
) -> None:
    at_end = {clbit: wire for wire, clbit in plan.readout}
    columns = tally.columns([*records.clbits, *at_end])
    rows = np.zeros((len(samples.shots), len(columns)), np.uint8)
    whole = all(len(plane) == len(samples.shots) for plane in records.clbits.values())
    for clbit in records.clbits.keys() | at_end.keys():
        wire = at_end.get(clbit)
        bits: NDArray[np.uint8] | np.uint8
        if wire is None:
            plane = records.clbits[clbit]
            bits = plane if whole else plane[samples.shots]
        else:
            bits = read[clbit] if clbit in read else _bits(samples, wire)
        rows[:, columns[clbit >> 3]] |= bits << np.uint8(clbit & 7)
    tally.add_rows(rows, samples.shots + first)
