# SPDX-License-Identifier: Apache-2.0
"""Random dynamic circuits, blocks within blocks, against an oracle that knows no jumps."""

from __future__ import annotations

import flow_oracle
import numpy as np
import pytest
from engines import ENGINES
from hypothesis import given, settings
from hypothesis import strategies as st
from make_experiments import make_experiment
from qiskit import QuantumCircuit
from qiskit.circuit.classical import expr, types
from reference import assert_drawn_from

from qfleet.lowering.lower import lower
from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet_worker.engines.driver.limits import DriverLimits
from qfleet_worker.engines.numpy.simulator import NumpySimulator

QUBITS = CLBITS = 3


class Maker:
    """Makes one random circuit."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.circuit = QuantumCircuit(QUBITS, CLBITS)
        self.word = self.circuit.add_var("word", expr.lift(5, types.Uint(3)))
        #: measurements and resets left; each doubles the ways that the oracle follows
        self.random_left = 6
        self.statements(3, in_loop=False)

    def statements(self, depth: int, *, in_loop: bool) -> None:
        for _ in range(self.rng.integers(1, 5)):
            self.statement(depth, in_loop=in_loop)

    def statement(self, depth: int, *, in_loop: bool) -> None:  # noqa: C901 - a list of cases
        qc, a, b = self.circuit, *map(int, self.rng.permutation(QUBITS)[:2])
        kinds = ["gate", "gate", "gate", "swap", "random", "random", "store"]
        kinds += ["if", "else", "switch", "for", "while", "box"] if depth else []
        kinds += ["leave"] if in_loop else []
        match self.rng.choice(kinds):
            case "gate":
                qc.ry(float(self.rng.uniform(0, 3)), a)
                qc.cx(a, b)
            case "swap":
                qc.swap(a, b) if self.rng.random() < 0.5 else qc.iswap(a, b)
            case "random" if self.random_left:
                self.random_left -= 1
                qc.measure(a, int(self.rng.integers(CLBITS))) if self.rng.random() < 0.8 else qc.reset(a)
            case "store":
                self.store()
            case "if":
                with qc.if_test(self.condition()):
                    self.statements(depth - 1, in_loop=in_loop)
            case "else":
                with qc.if_test(self.condition()) as otherwise:
                    self.statements(depth - 1, in_loop=in_loop)
                with otherwise:
                    self.statements(depth - 1, in_loop=in_loop)
            case "switch":
                target = qc.cregs[0] if self.rng.random() < 0.5 else self.word
                with qc.switch(target) as case:
                    with case(int(self.rng.integers(4)), int(self.rng.integers(4, 8))):
                        self.statements(depth - 1, in_loop=in_loop)
                    if self.rng.random() < 0.5:
                        with case(case.DEFAULT):
                            self.statements(depth - 1, in_loop=in_loop)
            case "for":
                with qc.for_loop(range(int(self.rng.integers(0, 3)))) as step:
                    qc.rx(step + 0.5, a)
                    self.loop_body(depth)
            case "while":
                count = qc.add_var(f"count{len(qc.data)}{self.rng.integers(1 << 30)}", expr.lift(0, types.Uint(2)))
                with qc.while_loop(expr.less(count, 2)):
                    qc.store(count, expr.add(count, 1))
                    self.loop_body(depth)
            case "box":
                with qc.box():  # which Qiskit lets no break leave
                    self.statements(depth - 1, in_loop=False)
            case "leave":
                with qc.if_test(self.condition()):
                    qc.break_loop() if self.rng.random() < 0.5 else qc.continue_loop()

    def loop_body(self, depth: int) -> None:
        # What is in a loop happens twice.
        self.random_left //= 2
        self.statements(depth - 1, in_loop=True)

    def store(self) -> None:
        register, bit = self.circuit.cregs[0], self.circuit.clbits[int(self.rng.integers(CLBITS))]
        places = [
            (self.word, expr.add(self.word, register)),
            (self.word, expr.bit_xor(self.word, expr.shift_left(register, 1))),
            (register, expr.bit_not(self.word)),
            (bit, expr.logic_not(bit)),
            (expr.index(register, 1), expr.less(self.word, 4)),
        ]
        self.circuit.store(*places[int(self.rng.integers(len(places)))])

    def condition(self) -> object:
        register, bit = self.circuit.cregs[0], self.circuit.clbits[int(self.rng.integers(CLBITS))]
        conditions = [
            (bit, int(self.rng.integers(2))),
            (register, int(self.rng.integers(8))),
            expr.lift(bit),
            expr.less(self.word, register),
            expr.logic_or(bit, expr.equal(self.word, 5)),
        ]
        return conditions[int(self.rng.integers(len(conditions)))]


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**62))
@pytest.mark.parametrize("name", ENGINES)
def test_random_dynamic_circuits(name: str, circuit_seed: int, seed: int) -> None:
    circuit = Maker(circuit_seed).circuit
    program = decode_program(encode_program(lower(circuit)))
    outcome = ENGINES[name]().run(make_experiment(program, 2000, seed, memory=True, output="statevector"))
    numbers = [row[0] for row in outcome.outcomes]
    ways = flow_oracle.ways(circuit)
    exact = flow_oracle.probabilities(circuit)
    assert_drawn_from(
        {str(number): int(count) for number, count in zip(numbers, outcome.counts, strict=True)},
        {str(number): chance for number, chance in exact.items()},
    )
    last = numbers[outcome.memory[-1]]
    assert any(
        np.abs(way.state / np.linalg.norm(way.state) - outcome.amplitudes).max() < 1e-7
        for way in ways
        if way.clbits == last
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**62))
@pytest.mark.parametrize("name", ENGINES)
def test_shots_run_alone_find_the_same(name: str, circuit_seed: int, seed: int) -> None:
    """A shot by itself is never merged with others, nor put off."""
    program = lower(Maker(circuit_seed).circuit)
    shots = 40
    outcome = ENGINES[name]().run(make_experiment(program, shots, seed, memory=True))
    alone = [
        ENGINES[name]().run(make_experiment(program, 1, seed, first_shot=shot)).outcomes[0] for shot in range(shots)
    ]
    assert [outcome.outcomes[row].tobytes() for row in outcome.memory] == [row.tobytes() for row in alone]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**62))
def test_memory_changes_nothing(circuit_seed: int, seed: int) -> None:
    program = lower(Maker(circuit_seed).circuit)
    experiment = make_experiment(program, 200, seed, memory=True, output="statevector")
    whole = NumpySimulator(DriverLimits(waiting_bytes=1 << 30)).run(experiment)
    for budget in (200, 0):
        outcome = NumpySimulator(DriverLimits(waiting_bytes=budget)).run(experiment)
        assert outcome.outcomes.tobytes() == whole.outcomes.tobytes()
        assert outcome.memory.tobytes() == whole.memory.tobytes()
        assert outcome.amplitudes.tobytes() == whole.amplitudes.tobytes()
