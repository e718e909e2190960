# SPDX-License-Identifier: Apache-2.0
"""Each shot's visits are counted, whichever shots go with it."""

from __future__ import annotations

import numpy as np
import pytest
from make_experiments import make_experiment
from qiskit import QuantumCircuit

from qfleet.lowering.lower import lower
from qfleet_worker.engines.driver.flow import compile_flow
from qfleet_worker.engines.driver.shot_groups import ShotGroups
from qfleet_worker.engines.driver.visits import GOING_BACK, Visits
from qfleet_worker.engines.numpy.compiler import compile_program
from qfleet_worker.engines.numpy.simulator import NumpySimulator

SHOTS = 60


def part(of: tuple[ShotGroups, Visits], out: np.ndarray) -> tuple[ShotGroups, Visits]:
    """Divide a crowd, each of whose shots has a state of its own."""
    crowd, visits = of
    other = crowd.divide(out, np.where(out, np.cumsum(out), np.cumsum(~out)) - 1)
    return other, visits.copy()


@pytest.mark.parametrize("seed", range(8))
def test_shots_that_part_and_meet_again_are_counted_one_by_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    whole = ShotGroups(np.arange(SHOTS))
    whole.replace(np.arange(SHOTS), np.arange(SHOTS), SHOTS)
    groups = [(whole, Visits(SHOTS))]
    met = np.zeros((4, SHOTS), np.int64)
    of_each = 0
    for _ in range(200):
        at = int(rng.integers(len(groups)))
        crowd, visits = groups[at]
        shots = crowd.settle()[0]
        match rng.integers(4):
            case 0 if len(shots) > 1:
                out = rng.random(len(shots)) < 0.5
                out[0], out[-1] = False, True
                groups.append(part(groups[at], out))
            case 1 if len(groups) > 2:
                first, *others = [groups.pop(int(rng.integers(len(groups)))) for _ in range(3)]
                first[1].join([each for _, each in others], [each for each, _ in (first, *others)])
                sizes = [len(each.settle()[0]) for each, _ in (first, *others)]
                first[0].join([each for each, _ in others], sizes)
                groups.append(first)
            case _:
                event = int(rng.integers(1, 4))
                before = visits.add(event, crowd)
                of_each += not isinstance(before, int)
                assert np.broadcast_to(before, shots.shape).tolist() == met[event, shots].tolist()
                met[event, shots] += 1
    assert of_each > 5


def test_a_crowd_without_shots_has_met_nothing() -> None:
    one, other = ShotGroups(np.arange(3)), ShotGroups(np.arange(3, 5))
    visits, others = Visits(5), Visits(5)
    visits.add(1, one)
    visits.join([others], [one, other])
    one.join([other], [1, 1])
    nobody = one.divide(np.array([False, False]), np.array([0, 1]))
    assert visits.copy().add(1, nobody) == 0
    assert visits.add(1, one).tolist() == [1, 1, 1, 0, 0]  # type: ignore[union-attr]


def test_what_is_behind_is_forgotten() -> None:
    crowd, visits = ShotGroups(np.arange(3)), Visits(3)
    for event in (GOING_BACK, 1, 2, 2, 3):
        visits.add(event, crowd)
    visits.forget(2, True)
    assert [visits.add(event, crowd) for event in (GOING_BACK, 1, 2, 3)] == [1, 0, 2, 1]
    visits.forget(2, False)
    assert [visits.add(event, crowd) for event in (GOING_BACK, 2)] == [0, 3]


def loops() -> QuantumCircuit:
    """Return a loop; then a loop within another one."""
    circuit = QuantumCircuit(2, 2)

    def toss(qubit: int) -> None:
        circuit.h(qubit)
        circuit.measure(qubit, qubit)

    toss(0)
    with circuit.while_loop((circuit.clbits[0], 1)):
        toss(0)
    toss(1)
    with circuit.while_loop((circuit.clbits[1], 1)):
        toss(0)
        with circuit.while_loop((circuit.clbits[0], 1)):
            toss(0)
        toss(1)
    circuit.h([0, 1])
    circuit.measure([0, 1], [0, 1])
    return circuit


def test_what_lies_ahead_of_each_block() -> None:
    program = lower(loops())
    flow = compile_flow(program, lambda part: compile_program(part.program, part.first, part.last, part.events_before))
    # Two events are met at most once, the first one and that between the loops.
    assert sorted(set(flow.ahead)) == [(1, True), (2, True), (3, True), (4, True), (7, False)]
    assert [each.first_event for each in flow.ahead] == sorted(each.first_event for each in flow.ahead)
    straight = compile_flow(
        lower(QuantumCircuit(1)), lambda part: compile_program(part.program, part.first, part.last, part.events_before)
    )
    assert not straight.ahead
    assert not straight.loops
    assert flow.loops


@pytest.mark.parametrize("seed", range(4))
def test_loops_within_loops_give_a_shot_the_same_whoever_is_with_it(seed: int) -> None:
    program = lower(loops())

    def run(first: int, shots: int) -> list[bytes]:
        outcome = NumpySimulator().run(make_experiment(program, shots, seed, first, memory=True))
        assert outcome.memory is not None
        return [outcome.outcomes[row].tobytes() for row in outcome.memory]

    assert [row for shot in range(120) for row in run(shot, 1)] == run(0, 120)
