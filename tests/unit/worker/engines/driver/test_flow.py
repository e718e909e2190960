# SPDX-License-Identifier: Apache-2.0
"""Do dynamic circuits give what their blocks, loops, conditions and variables say? Judged by an oracle of its own."""

from __future__ import annotations

from collections.abc import Callable

import flow_oracle
import numpy as np
import pytest
from engines import ENGINES
from make_experiments import make_experiment
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import BreakLoopOp, Clbit, Instruction, Parameter, Qubit
from qiskit.circuit.classical import expr, types
from reference import assert_drawn_from

from qfleet.lowering.lower import lower
from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet_worker.engines.contract import EngineError, Outcome, Simulator
from qfleet_worker.engines.driver import trajectories
from qfleet_worker.engines.numpy.simulator import NumpySimulator
from qfleet_worker.engines.statevector.simulator import StatevectorSimulator

CIRCUITS: dict[str, Callable[[], QuantumCircuit]] = {}


def circuit(make: Callable[[], QuantumCircuit]) -> Callable[[], QuantumCircuit]:
    CIRCUITS[make.__name__] = make
    return make


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Simulator:
    return ENGINES[request.param]()


def run(engine: Simulator, circuit: QuantumCircuit, shots: int = 4000, seed: int = 11, **options) -> Outcome:
    program = decode_program(encode_program(lower(circuit)))
    return engine.run(make_experiment(program, shots, seed, **options))


def counts(outcome: Outcome) -> dict[int, int]:
    numbers = [int.from_bytes(row.tobytes(), "little") for row in outcome.outcomes]
    return dict(zip(numbers, outcome.counts.tolist(), strict=True))


def check(engine: Simulator, circuit: QuantumCircuit, shots: int = 4000) -> None:
    seen = counts(run(engine, circuit, shots))
    assert sum(seen.values()) == shots
    exact = flow_oracle.probabilities(circuit)
    assert_drawn_from({str(key): n for key, n in seen.items()}, {str(key): p for key, p in exact.items()})


@circuit
def teleportation() -> QuantumCircuit:
    qc = QuantumCircuit(3, 3)
    qc.u(0.7, 0.3, 1.9, 0)
    qc.h(1)
    qc.cx(1, 2)
    qc.cx(0, 1)
    qc.h(0)
    qc.measure([0, 1], [0, 1])
    with qc.if_test((qc.clbits[1], 1)):
        qc.x(2)
    with qc.if_test((qc.clbits[0], True)):
        qc.z(2)
    qc.measure(2, 2)
    return qc


@circuit
def repeat_until_success() -> QuantumCircuit:
    qc = QuantumCircuit(2, 2)
    qc.x(0)
    qc.measure(0, 0)
    with qc.while_loop((qc.clbits[0], 1)):
        qc.reset(0)
        qc.ry(1.2, 0)
        qc.cry(0.8, 0, 1)
        qc.measure(0, 0)
    qc.measure(1, 1)
    return qc


@circuit
def repetition_code() -> QuantumCircuit:
    data, ancillas = QuantumRegister(3, "d"), QuantumRegister(2, "a")
    syndrome, out = ClassicalRegister(2, "s"), ClassicalRegister(3, "o")
    qc = QuantumCircuit(data, ancillas, syndrome, out)
    for _ in range(5):
        qc.rx(0.4, data)
        for ancilla in range(2):
            qc.reset(ancillas[ancilla])
            qc.cx(data[ancilla], ancillas[ancilla])
            qc.cx(data[ancilla + 1], ancillas[ancilla])
        qc.measure(ancillas, syndrome)
        with qc.switch(syndrome) as case:
            with case(1):
                qc.x(data[0])
            with case(2):
                qc.x(data[2])
            with case(3):
                qc.x(data[1])
    qc.measure(data, out)
    return qc


@circuit
def if_in_for_in_while() -> QuantumCircuit:
    qc = QuantumCircuit(3, 4)
    angle = Parameter("t")
    qc.h(0)
    qc.measure(0, 0)
    n = qc.add_var("n", expr.lift(0, types.Uint(4)))
    with qc.while_loop(expr.less(n, 6)):
        qc.store(n, expr.add(n, 1))
        with qc.for_loop(range(1, 4), angle):
            qc.ry(angle * 0.3, 1)
            qc.measure(1, 1)
            with qc.if_test((qc.clbits[1], 1)) as otherwise:
                qc.x(2)
                qc.break_loop()
            with otherwise:
                qc.h(2)
            qc.ry(0.2, 2)
        with qc.if_test((qc.clbits[0], 1)):
            qc.ry(0.5, 0)
            qc.measure(0, 0)
            qc.continue_loop()
        qc.measure(2, 2)
        with qc.if_test((qc.clbits[2], 1)):
            qc.break_loop()
    qc.measure([0, 2], [0, 3])
    return qc


@circuit
def switch_with_default_and_several_labels() -> QuantumCircuit:
    qc = QuantumCircuit(QuantumRegister(4, "q"), ClassicalRegister(3, "c"), ClassicalRegister(1, "d"))
    qc.h([0, 1, 2])
    qc.measure([0, 1, 2], [0, 1, 2])
    with qc.switch(qc.cregs[0]) as case:
        with case(0, 3, 5):
            qc.x(3)
        with case(1):
            qc.ry(0.5, 3)
        with case(case.DEFAULT):
            qc.h(3)
    with qc.switch(qc.clbits[0]) as case, case(True):
        qc.y(3)
    qc.measure(3, 3)
    return qc


@circuit
def switch_on_an_expression() -> QuantumCircuit:
    qc = QuantumCircuit(3, 3)
    qc.h([0, 1])
    qc.measure([0, 1], [0, 1])
    with qc.switch(expr.bit_xor(qc.cregs[0], 3)) as case:
        with case(0):
            qc.x(2)
        with case(2, case.DEFAULT):
            qc.ry(1, 2)
    qc.measure(2, 2)
    return qc


@circuit
def clbits_go_from_one_to_zero() -> QuantumCircuit:
    qc = QuantumCircuit(2, 2)
    qc.x(0)
    qc.measure(0, 0)
    with qc.if_test((qc.clbits[0], 1)):
        qc.h(0)
        qc.measure(0, 0)
    with qc.if_test((qc.clbits[0], 0)):
        qc.x(1)
    qc.measure(1, 1)
    qc.measure(0, 0)
    qc.reset(0)
    with qc.if_test((qc.clbits[1], 1)):
        qc.measure(0, 1)
    return qc


@circuit
def swaps_in_blocks() -> QuantumCircuit:
    qc = QuantumCircuit(4, 5)
    qc.ry(0.3, 0)
    qc.ry(1.3, 1)
    qc.ry(2.1, 2)
    qc.swap(0, 1)
    qc.measure(2, 0)
    with qc.if_test((qc.clbits[0], 1)) as otherwise:
        qc.swap(0, 3)
        qc.iswap(1, 2)
    with otherwise:
        qc.swap(1, 2)
        qc.cswap(0, 1, 3)
    with qc.while_loop((qc.clbits[0], 1)):
        qc.swap(0, 1)
        qc.swap(1, 2)
        qc.ry(0.4, 2)
        qc.measure(2, 0)
        qc.swap(2, 3)
    qc.swap(0, 2)
    qc.measure(range(4), range(1, 5))
    return qc


@circuit
def a_loop_from_the_first_operation_on() -> QuantumCircuit:
    qc = QuantumCircuit(2, 2)
    with qc.while_loop((qc.cregs[0], 0)):
        qc.h(0)
        qc.cx(0, 1)
        qc.measure([0, 1], [0, 1])
        qc.rx(0.4, [0, 1])
    return qc


@circuit
def variables_of_every_type() -> QuantumCircuit:
    qc = QuantumCircuit(3, 3)
    flag = qc.add_var("flag", expr.lift(True))
    wide = qc.add_var("wide", expr.lift(1 << 90, types.Uint(100)))
    real = qc.add_var("real", expr.lift(0.25))
    none = expr.Var.new("none", types.Uint(3))
    qc.add_uninitialized_var(none)
    qc.h(0)
    qc.measure(0, 0)
    qc.store(flag, qc.clbits[0])
    qc.store(wide, expr.shift_right(wide, 88))
    with qc.if_test(flag):
        inner = qc.add_var("inner", expr.cast(wide, types.Uint(3)))
        qc.store(real, expr.add(real, expr.cast(inner, types.Float())))
        qc.store(expr.index(wide, 5), True)
    with qc.if_test(expr.less(real, 4.0)):
        qc.ry(0.7, 1)
    with qc.if_test(expr.equal(wide, 36)):
        qc.x(2)
    with qc.if_test(expr.equal(none, 0)):
        qc.h(1)
    qc.measure([1, 2], [1, 2])
    return qc


@circuit
def stores_to_clbits_and_registers() -> QuantumCircuit:
    low, high = ClassicalRegister(3, "low"), ClassicalRegister(2, "high")
    qc = QuantumCircuit(QuantumRegister(2), low, high, [Clbit()])
    qc.h([0, 1])
    qc.measure([0, 1], [0, 1])
    qc.store(high, expr.cast(expr.bit_and(low, 1), types.Uint(2)))
    qc.store(qc.clbits[5], expr.logic_and(low[0], high[1]))
    qc.store(expr.index(low, high), True)
    with qc.if_test(expr.lift(low[0])):
        qc.store(low, 0)
    return qc


@circuit
def a_register_wider_than_64_bits() -> QuantumCircuit:
    wide = ClassicalRegister(70, "wide")
    qc = QuantumCircuit(QuantumRegister(3), wide, ClassicalRegister(1, "out"))
    qc.h([0, 1])
    qc.measure([0, 1], [0, 69])
    with qc.if_test((wide, (1 << 69) + 1)):
        qc.x(2)
    with qc.if_test(expr.greater(wide, 1 << 69)):
        qc.ry(0.3, 2)
    qc.measure(2, 70)
    return qc


@circuit
def blocks_on_other_bits() -> QuantumCircuit:
    body = QuantumCircuit([Qubit(), Qubit()], ClassicalRegister(2, "own"))
    body.ry(1.0, 0)
    body.cx(0, 1)
    body.measure(0, 1)
    inner = QuantumCircuit(1, 1)
    inner.x(0)
    inner.measure(0, 0)
    body.if_else((body.cregs[0], 2), inner, None, [1], [0])
    qc = QuantumCircuit(4, 4, global_phase=0.3)
    qc.h(3)
    qc.measure(3, 3)
    qc.if_else((qc.clbits[3], 1), body, None, [2, 0], [1, 0])
    qc.for_loop(range(2), None, body, [1, 3], [2, 3])
    qc.box(body, [0, 1], [0, 1])
    return qc


@circuit
def control_flow_in_a_definition() -> QuantumCircuit:
    inner = QuantumCircuit(2, 2)
    inner.h(0)
    inner.measure(0, 0)
    body = QuantumCircuit(1)
    body.x(0)
    inner.if_else((inner.clbits[0], 1), body, None, [1], [])
    inner.measure(1, 1)
    wrapped = Instruction("wrapped", 2, 2, [])
    wrapped.definition = inner
    qc = QuantumCircuit(3, 3)
    qc.append(wrapped, [2, 0], [1, 2])
    with qc.for_loop(range(2)):
        qc.append(wrapped, [0, 1], [0, 1])
    return qc


@circuit
def a_for_loop_over_a_variable() -> QuantumCircuit:
    qc = QuantumCircuit(2, 2)
    var = expr.Var.new("i", types.Uint(4))
    body = QuantumCircuit(2, 2, inputs=[var])
    with body.if_test(expr.greater(var, 4)):
        body.ry(0.4, 0)
    body.h(1)
    body.measure(1, 1)
    leave = QuantumCircuit(2, 2)
    leave.append(BreakLoopOp(2, 2), [0, 1], [0, 1])
    body.if_else((body.clbits[1], 1), leave, None, [0, 1], [0, 1])
    qc.for_loop([1, 7, 5], var, body, [0, 1], [0, 1])
    qc.measure(0, 0)
    return qc


@pytest.mark.parametrize("name", CIRCUITS)
def test_counts_are_drawn_from_what_the_circuit_means(engine: Simulator, name: str) -> None:
    check(engine, CIRCUITS[name]())


@pytest.mark.parametrize("name", CIRCUITS)
def test_shots_cut_anyhow_find_the_same(engine: Simulator, name: str) -> None:
    made = CIRCUITS[name]()

    def rows(first: int, shots: int) -> list[bytes]:
        outcome = run(engine, made, shots, memory=True, first_shot=first)
        return [outcome.outcomes[row].tobytes() for row in outcome.memory]

    whole = rows(0, 200)
    assert rows(0, 1) + rows(1, 90) + rows(91, 109) == whole


@pytest.mark.parametrize("name", CIRCUITS)
def test_replayed_branches_end_the_same(name: str) -> None:
    whole, small, none = (run(NumpySimulator(budget), CIRCUITS[name](), 200) for budget in (1 << 30, 100, 0))
    assert counts(whole) == counts(small) == counts(none)


@pytest.mark.parametrize("name", CIRCUITS)
def test_the_state_after_the_last_shot(engine: Simulator, name: str) -> None:
    made = CIRCUITS[name]()
    ways = flow_oracle.ways(made)
    for seed in range(4):
        outcome = run(engine, made, 3, seed, memory=True, output="statevector")
        last = int.from_bytes(outcome.outcomes[outcome.memory[-1]].tobytes(), "little")
        assert np.linalg.norm(outcome.amplitudes) == pytest.approx(1)
        assert any(
            np.abs(way.state / np.linalg.norm(way.state) - outcome.amplitudes).max() < 1e-7
            for way in ways
            if way.clbits == last
        )


def test_an_endless_loop_is_named(engine: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trajectories, "MAX_PASSES", 50)
    qc = QuantumCircuit(1, 1)
    qc.h(0)
    with qc.if_test((qc.clbits[0], 0)), qc.while_loop((qc.clbits[0], 0), label="forever"):
        qc.x(0)
    with pytest.raises(
        EngineError, match=r"^while_loop at position 0 \('forever'\) in if_else at position 1 didn't end: .* 50 times"
    ):
        run(engine, qc)


def test_a_loop_may_end_at_the_limit(engine: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trajectories, "MAX_PASSES", 50)
    for passes in (50, 51):
        qc = QuantumCircuit(1, 6)
        n = qc.add_var("n", expr.lift(0, types.Uint(6)))
        with qc.while_loop(expr.less(n, passes)):
            qc.store(n, expr.add(n, 1))
        qc.store(qc.cregs[0], n)
        if passes == 50:
            assert counts(run(engine, qc)) == {50: 4000}
        else:
            with pytest.raises(EngineError, match="didn't end"):
                run(engine, qc)


def test_each_pass_of_a_loop_has_random_numbers_of_its_own(engine: Simulator) -> None:
    """Sixteen tosses of one coin in a loop are as many bits."""
    qc = QuantumCircuit(1, 16)
    n = qc.add_var("n", expr.lift(0, types.Uint(16)))
    bit = Clbit()
    qc.add_bits([bit])
    with qc.while_loop(expr.less(n, 16)):
        qc.h(0)
        qc.measure(0, bit)
        qc.store(expr.index(qc.cregs[0], n), bit)
        qc.store(n, expr.add(n, 1))
    outcome = run(engine, qc, 600, memory=True)
    bits = np.unpackbits(outcome.outcomes[outcome.memory][:, :2], axis=1)
    assert abs(bits.mean() - 0.5) < 0.03
    correlations = np.corrcoef(bits.T) - np.eye(16)
    assert np.abs(correlations).max() < 0.25


@pytest.mark.parametrize("num_qubits", [11, 14, 18])
def test_blocks_on_many_qubits(num_qubits: int) -> None:
    """Conditions that always hold, around the same gates as in a circuit without any."""
    rng = np.random.default_rng(num_qubits)
    plain = QuantumCircuit(num_qubits)
    qc = QuantumCircuit(num_qubits, 1)
    number = qc.add_var("number", expr.lift(0, types.Uint(4)))

    def layer(on: list[QuantumCircuit]) -> None:
        for _ in range(2 * num_qubits):
            a, b, c = (int(qubit) for qubit in rng.permutation(num_qubits)[:3])
            angle = rng.uniform(0, 6)
            for each in on:
                each.ry(angle, a)
                each.cp(angle, a, b)
                each.swap(b, c)
                each.iswap(a, c)
                each.ccx(a, b, c)

    layer([plain, qc])
    with qc.if_test(expr.equal(number, 0)):
        layer([plain, qc])
    with qc.while_loop(expr.less(number, 1)):
        layer([plain, qc])
        qc.store(number, expr.add(number, 1))
    with qc.if_test(expr.equal(number, 0)):
        layer([qc])
    layer([plain, qc])
    exact = StatevectorSimulator().run(make_experiment(lower(plain), 1, 1, output="statevector")).amplitudes
    for engine, threads in ((NumpySimulator(), 1), (StatevectorSimulator(), 1), (StatevectorSimulator(), 2)):
        amplitudes = run(engine, qc, 1, output="statevector", threads=threads).amplitudes
        assert np.abs(amplitudes - exact).max() < 1e-11
