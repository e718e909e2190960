# SPDX-License-Identifier: Apache-2.0
"""Programs of a few bytes that could take gigabytes, or hours to compile, take what they read and write."""

from __future__ import annotations

import tracemalloc

import engine_oracle as oracle
import numpy as np
import pytest
from engine_oracle import measure, op
from engines import ENGINES
from make_experiments import make_experiment
from random_programs import program_of, random_program
from same_outcomes import assert_same

from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.cost.cost import cost
from qfleet.wire.messages.request import Request
from qfleet.wire.program.expressions import (
    BOOL,
    Binary,
    BinaryOp,
    Bit,
    Bits,
    Cast,
    Constant,
    Expression,
    Unary,
    UnaryOp,
    Variable,
)
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation, Program
from qfleet.wire.program.saves import Save, SaveKind
from qfleet_worker.engines.driver.flow import Flow, compile_flow
from qfleet_worker.engines.driver.limits import DEFAULT_LIMITS, DriverLimits
from qfleet_worker.engines.driver.stretches import Stretch
from qfleet_worker.engines.numpy.compiler import compile_program
from qfleet_worker.engines.numpy.plan import Plan
from qfleet_worker.engines.numpy.simulator import NumpySimulator
from qfleet_worker.engines.states.one_by_one import OneByOne
from qfleet_worker.engines.steps import EventStep

MOST = 1 << 24
SHOTS = 100


def jump(goal: int, *condition: Expression) -> Operation:
    return Operation(Op.JUMP_UNLESS if condition else Op.JUMP, (), (), (), None, -1, goal, condition)


def store(place: Expression, value: Expression) -> Operation:
    return Operation(Op.STORE, (), (), (), None, -1, -1, (place, value))


def save(number: int, targets: list[int]) -> Operation:
    return op(Op.SAVE, targets)._replace(save=number)


def toss(clbit: int = 0) -> list[Operation]:
    return [op(Op.H, [0]), measure(0, clbit)]


def weak(rounds: int) -> list[Operation]:
    """Measurements of an ancilla that nearly all leave another state behind."""
    return [
        each
        for at in range(rounds)
        for each in (
            op(Op.RY, [1], [1.3 + 0.01 * at]),
            op(Op.RY, [1], [0.3], [0]),
            measure(1, 0),
            op(Op.RX, [0], [0.7]),
        )
    ]


def equal(register: Bits, value: int) -> Expression:
    return Binary(BinaryOp.EQUAL, register, Constant(len(register.clbits), value.to_bytes(8, "little")))


LAST = Bits(tuple(range(MOST - 100, MOST)))
SPREAD = Bits(tuple(range(0, 1 << 13, 2)))

PROGRAMS = {
    "measures the last of many clbits": program_of([*toss(MOST - 1), *toss()], 1, MOST),
    "reads the last of many clbits": program_of([*toss(MOST - 1), jump(4, equal(LAST, 0)), *toss()], 1, MOST),
    "measures and reads many of many": program_of(
        [*[each for at in range(300) for each in toss(MOST - 1 - at)], jump(601, Bit(MOST - 1))], 1, MOST
    ),
    "stores to each second clbit": program_of(
        [store(SPREAD, Unary(UnaryOp.BIT_NOT, SPREAD)), jump(3, equal(SPREAD, 0)), op(Op.H, [0])], 1, 1 << 13
    ),
    "reads one register many times": program_of([jump(at + 1, equal(SPREAD, 0)) for at in range(100)], 1, 1 << 13),
    "has many variables, and reads one": program_of(
        [*weak(8), store(Variable(0), Cast(64, Bit(0))), *weak(2), jump(42, Cast(BOOL, Variable(0)))],
        2,
        1,
        variables=[64] * (1 << 16),
    ),
    "has wide variables in many states": program_of(
        [
            each
            for at in range(8)
            for each in (*weak(1), store(Variable(at), Unary(UnaryOp.BIT_NOT, Cast(1 << 16, Bit(0)))))
        ]
        + [jump(41 + at, Cast(BOOL, Variable(at))) for at in range(8)],
        2,
        1,
        variables=[1 << 16] * 8,
    ),
    "saves a thousand times after a measurement": program_of(
        [*toss(), *[save(at, [0]) for at in range(1000)]],
        1,
        1,
        saves=[Save(SaveKind.PROBABILITIES, str(at), "average") for at in range(1000)],
    ),
    "saves a list of many states": program_of(
        [*weak(10), save(0, [0])], 2, 1, saves=[Save(SaveKind.PROBABILITIES, "p", "list")]
    ),
    "saves a large matrix": program_of(
        [*[op(Op.H, [at]) for at in range(10)], measure(0, 0), save(0, list(range(10)))],
        10,
        1,
        saves=[Save(SaveKind.DENSITY_MATRIX, "d", "average")],
    ),
    "has an outcome for each shot": program_of(
        [each for at in range(30) for each in (op(Op.H, [0]), measure(0, 20 * at))], 1, 600
    ),
    "has many gates": program_of([op(Op.RXX, [at % 9, 9], [0.1 * at]) for at in range(20_000)], 10, 0),
}


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_memory_is_as_it_was_counted(program: Program, name: str) -> None:
    program = decode_program(encode_program(program))
    engine = ENGINES[name]()
    engine.run(make_experiment(oracle.program(1, 1, toss()), 1, 1))  # what is made once for all circuits
    tracemalloc.start()
    try:
        engine.run(make_experiment(program, SHOTS, 1, memory=True))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < cost(program, Request(memory=True), shots=SHOTS).memory_bytes


def compiled(program: Program, limits: DriverLimits = DEFAULT_LIMITS) -> Flow[Plan]:
    def plan(part: Stretch) -> Plan:
        return compile_program(part.program, part.first, part.last, part.events_before)

    return compile_flow(program, plan, limits)


def test_masks_are_as_wide_as_what_is_mentioned() -> None:
    flow = compiled(PROGRAMS["measures and reads many of many"])
    assert len(flow.scope) == 1
    assert {mask for rows in flow.live for mask in rows} == {0, 1}
    many = compiled(PROGRAMS["has many variables, and reads one"])
    assert many.variables == (0,)


@pytest.mark.parametrize("blocks", [100, 400])
def test_jumps_back_from_each_block_to_the_one_before_are_followed_once(blocks: int) -> None:
    """Each pass over all blocks would bring what is read one block further."""
    rows = [jump(3 * blocks + 1), op(Op.X, [0]), measure(0, 1), jump(3 * blocks + 2, Bit(0))]
    for at in range(1, blocks):
        rows += [op(Op.X, [0]), measure(0, 1), jump(3 * at - 2)]
    program = decode_program(encode_program(program_of([*rows, jump(3 * blocks - 2)], 1, 2)))
    # Once or twice for each block, after which nothing is live in the last one.
    exact, coarse = (compiled(program, DriverLimits(mask_visits=visits)) for visits in (3, 1))
    assert all(rows[0] for rows in exact.live[:-1])
    assert not exact.live[-1][0]
    assert coarse.live[-1][0]


@pytest.mark.parametrize(
    "limits", [DriverLimits(mask_bytes=0), DriverLimits(mask_visits=0), DriverLimits(mask_bytes=8)], ids=str
)
def test_too_many_live_names_change_nothing(limits: DriverLimits) -> None:
    for seed in range(25):
        program = random_program(np.random.default_rng(seed), 3, 6, 20)
        experiment = make_experiment(program, 60, seed, memory=True, output="statevector")
        assert_same([NumpySimulator(each).run(experiment) for each in (DEFAULT_LIMITS, limits)])


def test_live_names_are_coarse_where_they_take_too_much() -> None:
    program = program_of([*toss(0), jump(3, Bit(0)), *toss(1), jump(6, Bit(1)), *toss(2)], 1, 3)
    exact = compiled(program)
    assert [rows[-1] for rows in exact.live] == [1, 2, 0]
    coarse = compiled(program, DriverLimits(mask_bytes=0))
    assert [set(rows) for rows in coarse.live] == [{3}] * 3
    assert [len(rows) for rows in coarse.live] == [len(rows) for rows in exact.live]


@pytest.mark.parametrize(
    ("limits", "most"), [(DriverLimits(classical_bytes=1), 2), (DriverLimits(waiting_states=2), 3)], ids=str
)
def test_few_states_at_a_time_find_the_same(monkeypatch: pytest.MonkeyPatch, limits: DriverLimits, most: int) -> None:
    stored = [each for at in range(5) for each in (*weak(1), store(Variable(at), Cast(64, Bit(0))))]
    program = program_of(
        [*stored, *[jump(26 + at, Cast(BOOL, Variable(at))) for at in range(5)], op(Op.H, [1]), measure(1, 1)],
        2,
        2,
        variables=[64] * 5,
    )
    experiment = make_experiment(program, 200, 1, memory=True, output="statevector")
    states = most_states(monkeypatch)
    whole = NumpySimulator().run(experiment)
    assert max(states) > 8
    states.clear()
    assert_same([whole, NumpySimulator(limits).run(experiment)])
    assert max(states) <= most


def most_states(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the number of states at each measurement."""
    states: list[int] = []
    weights = OneByOne.weights

    def counting(self: OneByOne, step: EventStep) -> np.ndarray:
        states.append(len(self))
        return weights(self, step)

    monkeypatch.setattr(OneByOne, "weights", counting)
    return states


def test_a_save_in_a_loop_is_done_at_each_of_many_visits() -> None:
    """More often than a byte counts; some shots begin again meanwhile."""
    rounds = 300
    counter = Variable(0)
    loop = [
        store(counter, Binary(BinaryOp.ADD, counter, Constant(16, b"\x01"))),
        save(0, [0]),
        jump(2, Binary(BinaryOp.EQUAL, counter, Constant(16, rounds.to_bytes(2, "little")))),
    ]
    program = program_of([*toss(), *loop], 1, 1, variables=[16], saves=[Save(SaveKind.PROBABILITIES, "p", "list")])
    experiment = make_experiment(decode_program(encode_program(program)), 6, 1)
    for waiting in (None, 0):
        outcome = NumpySimulator(DriverLimits(waiting_bytes=waiting)).run(experiment)
        assert len(outcome.saved[0].places) == 4 * 6 * rounds


def test_a_wide_program_saves_with_its_clbits() -> None:
    program = program_of(
        [*toss(MOST - 1), save(0, [0])], 1, MOST, saves=[Save(SaveKind.PROBABILITIES, "p", "c_average")]
    )
    saved = NumpySimulator().run(make_experiment(program, 20, 1)).saved[0]
    width = MOST // 8
    assert saved.entries == 2
    keys = {int.from_bytes(saved.clbits[at * width : (at + 1) * width], "little") for at in range(2)}
    assert keys == {0, 1 << (MOST - 1)}


@pytest.mark.parametrize("name", ENGINES)
def test_a_state_that_no_machine_holds(name: str) -> None:
    """It is refused before memory is asked for, which would be promised beyond what there is."""
    rows = [op(Op.H, [qubit]) for qubit in range(60)]
    rows += [op(Op.RZZ, [qubit, (qubit + 1) % 60], [0.1]) for qubit in range(60)]
    program = oracle.program(60, 1, [*rows, *rows, measure(0, 0)])
    with pytest.raises(MemoryError, match="no machine holds the state of 60 qubits"):
        ENGINES[name]().run(make_experiment(program, 1, 1))
