# SPDX-License-Identifier: Apache-2.0
"""Tests of every engine. A new engine is one line in `engines.ENGINES`, or in `engines.METHODS` if it can't run all."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
from collections import Counter

import engine_oracle as oracle
import msgspec
import numpy as np
import pytest
from engine_oracle import UNITARY_OPS, measure, op
from engines import ENGINES, PRECISIONS, counts, programs
from hypothesis import given, settings
from hypothesis import strategies as st
from make_experiments import make_experiment

from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.messages.request import Output, Precision
from qfleet.wire.program.operations import IS_UNITARY, Op
from qfleet.wire.program.program import Operation, Program
from qfleet_worker.engines.contract import EngineError, Outcome, Simulator

#: A first circuit never waits for the compiler.
pytestmark = pytest.mark.usefixtures("nothing_compiles")


def assert_drawn_from(seen: dict[int, int], exact: dict[int, float]) -> None:
    """Pearson's chi-square test at six standard deviations; nothing impossible may be seen at all."""
    assert set(seen) <= set(exact)
    shots = sum(seen.values())
    chi_square = sum((seen.get(key, 0) - shots * p) ** 2 / (shots * p) for key, p in exact.items() if shots * p > 1)
    freedom = len(exact)
    assert chi_square < freedom + 6 * math.sqrt(2 * freedom) + 10


# --------------------------------------------------------------------------------------------------------- measurement


@settings(max_examples=400, deadline=None)
@given(
    programs(
        [Op.H, Op.RY, Op.X, Op.SWAP, Op.UNITARY, Op.MEASURE, Op.MEASURE, Op.RESET, Op.INITIALIZE, Op.RZZ, Op.T],
        qubits=4,
        clbits=5,
        length=14,
    ).filter(lambda program: sum(len(each.targets) for each in program if not IS_UNITARY[each.code]) <= 8),
    st.integers(0, 2**63 - 1),
)
@pytest.mark.parametrize("name", ENGINES)
def test_counts_memory_and_last_state_agree_with_the_oracle(name: str, program: Program, seed: int) -> None:
    outcome = ENGINES[name]().run(make_experiment(program, 3000, seed, memory=True, output="statevector"))
    seen = counts(outcome)
    assert sum(seen.values()) == 3000
    assert_drawn_from(seen, oracle.probabilities(program))
    assert outcome.memory.dtype == np.uint32
    assert Counter(outcome.memory.tolist()) == dict(enumerate(outcome.counts.tolist()))
    last = list(seen)[outcome.memory[-1]]
    assert any(
        abs(np.vdot(state, outcome.amplitudes)) == pytest.approx(np.linalg.norm(state), abs=1e-9)
        for clbits, state in oracle.branches(program)
        if clbits == last
    )
    assert np.linalg.norm(outcome.amplitudes) == pytest.approx(1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**63 - 1))
@pytest.mark.parametrize("name", ENGINES)
def test_gates_of_any_width_between_measurements(name: str, program_seed: int, seed: int) -> None:
    """Seven qubits, some in a known state from a measurement, and gates with up to six controls."""
    rng = np.random.default_rng(program_seed)
    operations = [op(Op.RY, [qubit], [rng.uniform(0, 3)]) for qubit in range(7)]
    for clbit in range(4):
        operations.append(measure(int(rng.integers(7)), clbit))
        operations += [oracle.random_operation(rng, 7, 0, [Op.X, Op.RY, Op.ISWAP, Op.P, Op.RZZ]) for _ in range(5)]
    program = oracle.program(7, 4, operations)
    outcome = ENGINES[name]().run(make_experiment(program, 1, seed, output="statevector"))
    (found,) = counts(outcome)
    (state,) = (state for clbits, state in oracle.branches(program) if clbits == found)
    assert abs(np.vdot(state, outcome.amplitudes)) == pytest.approx(np.linalg.norm(state), abs=1e-9)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("num_qubits", [1, 5, 13])
def test_counts_follow_the_amplitudes(engine: Simulator, num_qubits: int, precision: Precision) -> None:
    rng = np.random.default_rng(num_qubits)
    gates = [oracle.random_operation(rng, num_qubits, 0, UNITARY_OPS) for _ in range(12 * num_qubits)]
    program = oracle.program(num_qubits, 0, gates)
    exact = np.abs(engine.run(make_experiment(program, 1, 1, output="statevector")).amplitudes) ** 2
    measured = oracle.program(num_qubits, num_qubits, [*gates, *(measure(qubit, qubit) for qubit in range(num_qubits))])
    seen = counts(engine.run(make_experiment(measured, 200_000, 3, precision=precision)))
    assert_drawn_from(seen, {at: float(p) for at, p in enumerate(exact) if p > 1e-9})


def test_some_qubits_measured_twice_and_crosswise(engine: Simulator) -> None:
    program = oracle.program(
        3, 4, [op(Op.RY, [0], [1.0]), op(Op.X, [2]), measure(0, 3), measure(2, 1), measure(0, 0), measure(1, 2)]
    )
    exact = math.sin(0.5) ** 2
    assert_drawn_from(counts(engine.run(make_experiment(program, 50_000, 1))), {0b0010: 1 - exact, 0b1011: exact})


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        # both at the end
        ([op(Op.X, [0]), measure(0, 0), measure(1, 0)], 0),
        ([op(Op.X, [0]), measure(1, 0), measure(0, 0)], 1),
        # the first is in the middle of the circuit, the second at its end
        ([op(Op.X, [0]), measure(0, 0), measure(1, 0), op(Op.X, [0])], 0),
        # the second is in the middle, the first at the end
        ([op(Op.X, [0]), measure(1, 0), measure(0, 0), op(Op.X, [0])], 1),
        # both in the middle
        ([op(Op.X, [0]), measure(0, 0), measure(1, 0), op(Op.ISWAP, [0, 1])], 0),
    ],
)
def test_the_last_writer_of_a_clbit_wins(engine: Simulator, operations: list[Operation], expected: int) -> None:
    assert counts(engine.run(make_experiment(oracle.program(2, 1, operations), 10, 1))) == {expected: 10}


def test_an_overwritten_measurement_still_projects(engine: Simulator) -> None:
    program = oracle.program(2, 1, [op(Op.H, [0]), op(Op.H, [1]), measure(0, 0), measure(1, 0)])
    for seed in range(8):
        state = engine.run(make_experiment(program, 3, seed, output="statevector")).amplitudes
        assert sorted(np.abs(state).tolist()) == pytest.approx([0, 0, 0, 1])


def test_swapped_after_its_measurement(engine: Simulator) -> None:
    program = oracle.program(2, 2, [op(Op.X, [0]), measure(0, 0), op(Op.SWAP, [0, 1]), measure(1, 1), measure(0, 0)])
    assert counts(engine.run(make_experiment(program, 10, 1))) == {0b10: 10}


@pytest.mark.parametrize("num_clbits", [1, 8, 9, 64, 65, 200])
def test_any_number_of_clbits(engine: Simulator, num_clbits: int) -> None:
    top = num_clbits - 1
    program = oracle.program(
        2, num_clbits, [op(Op.H, [0]), op(Op.X, [1], controls=[0]), measure(0, top), measure(1, 0)]
    )
    outcome = engine.run(make_experiment(program, 10_000, 1))
    assert outcome.outcomes.shape == (2, -(-num_clbits // 8))
    both = 1 << top | 1
    assert_drawn_from(counts(outcome), {0: 0.5, both: 0.5})


def test_many_distinct_outcomes_beyond_64_clbits_ascend(engine: Simulator) -> None:
    operations = [op(Op.H, [qubit]) for qubit in range(5)] + [measure(qubit, 17 * qubit) for qubit in range(5)]
    seen = counts(engine.run(make_experiment(oracle.program(5, 80, operations), 50_000, 1)))
    exact = {sum((value >> bit & 1) << 17 * bit for bit in range(5)): 1 / 32 for value in range(32)}
    assert_drawn_from(seen, exact)


def test_clbits_without_measurement_are_zero(engine: Simulator) -> None:
    outcome = engine.run(make_experiment(oracle.program(2, 9, [op(Op.H, [0])]), 7, 1, memory=True))
    assert outcome.outcomes.tolist() == [[0, 0]]
    assert outcome.counts.tolist() == [7]
    assert outcome.memory.tolist() == [0] * 7


def test_without_clbits_there_are_no_outcomes(engine: Simulator) -> None:
    outcome = engine.run(make_experiment(oracle.program(1, 0, [op(Op.H, [0])]), 7, 1, memory=True))
    assert outcome.outcomes.shape == (0, 0)
    assert outcome.counts.shape == (0,)
    assert outcome.memory.shape == (0,)
    assert outcome.amplitudes is None


def test_memory_is_left_out_unless_asked_for(engine: Simulator) -> None:
    assert engine.run(make_experiment(oracle.program(1, 1, [measure(0, 0)]), 7, 1)).memory is None


@pytest.mark.parametrize("num_qubits", [0, 1, 3])
def test_nothing_to_do(engine: Simulator, num_qubits: int) -> None:
    program = oracle.program(num_qubits, 1, [])
    assert counts(engine.run(make_experiment(program, 5, 1))) == {0: 5}
    state = engine.run(make_experiment(program, 5, 1, output="statevector"))
    assert state.amplitudes.tolist() == [1] + [0] * (2**num_qubits - 1)
    assert counts(state) == {0: 5}
    matrix = engine.run(make_experiment(program, 5, 1, output="unitary", memory=True))
    assert matrix.amplitudes.tolist() == np.eye(2**num_qubits).tolist()
    assert matrix.outcomes.shape == (0, 0)
    assert matrix.counts.shape == matrix.memory.shape == (0,)


def test_a_phase_on_no_qubits(engine: Simulator) -> None:
    program = oracle.program(0, 0, [op(Op.GLOBAL_PHASE, params=[0.5]), op(Op.GLOBAL_PHASE, params=[0.25])])
    for output in ("statevector", "unitary"):
        amplitudes = engine.run(make_experiment(program, 1, 1, output=output)).amplitudes
        assert amplitudes.reshape(-1) == pytest.approx([np.exp(0.75j)])


@pytest.mark.parametrize("middle", [False, True])
def test_shots_look_independent_in_their_order(engine: Simulator, middle: bool) -> None:
    """Neighbouring shots, and shots in the first and second half, agree as often as independent ones."""
    operations = [op(Op.RY, [0], [1.2]), measure(0, 0)] + [op(Op.X, [0])] * middle + [op(Op.H, [1]), measure(1, 1)]
    shots = 40_000
    outcome = engine.run(make_experiment(oracle.program(2, 2, operations), shots, 4, memory=True))
    bits = np.array(list(counts(outcome)))[outcome.memory] & 1
    p = math.sin(0.6) ** 2
    for sample, exact in (
        (bits[: shots // 2], p),
        (bits[shots // 2 :], p),
        (bits[:-1] & bits[1:], p * p),
        (bits[:-2] & bits[2:], p * p),
    ):
        assert abs(sample.mean() - exact) < 5 * math.sqrt(exact * (1 - exact) / len(sample)) * 1.5


def test_the_last_shot_is_a_fair_one(engine: Simulator) -> None:
    """Over many seeds the state after the last shot is |1> as often as a shot finds 1, branching or not."""
    for tail in ([], [op(Op.T, [0])]):
        program = oracle.program(1, 1, [op(Op.RY, [0], [1.2]), measure(0, 0), *tail])
        found = []
        for seed in range(600):
            outcome = engine.run(make_experiment(program, 3, seed, memory=True, output="statevector"))
            one = abs(outcome.amplitudes[1]) > 0.5
            assert list(counts(outcome))[outcome.memory[-1]] == one
            found.append(one)
        p = math.sin(0.6) ** 2
        assert abs(np.mean(found) - p) < 4.5 * math.sqrt(p * (1 - p) / len(found))


# -------------------------------------------------------------------------------- resets, initialisations and branches


def test_teleportation(engine: Simulator) -> None:
    """The state arrives in every branch if controlled gates on the measured qubits correct it."""
    operations = [
        op(Op.U, [0], [0.7, 0.3, 1.9]),
        op(Op.H, [1]),
        op(Op.X, [2], controls=[1]),
        op(Op.X, [1], controls=[0]),
        op(Op.H, [0]),
        measure(0, 0),
        measure(1, 1),
        op(Op.X, [2], controls=[1]),
        op(Op.Z, [2], controls=[0]),
        op(Op.U, [2], [-0.7, -1.9, -0.3]),
        measure(2, 2),
    ]
    seen = counts(engine.run(make_experiment(oracle.program(3, 3, operations), 40_000, 1)))
    assert_drawn_from(seen, dict.fromkeys(range(4), 0.25))


def test_reset_of_half_an_entangled_pair_leaves_a_mixture(engine: Simulator) -> None:
    pair = [op(Op.H, [0]), op(Op.X, [1], controls=[0])]
    program = oracle.program(2, 2, [*pair, op(Op.RESET, [0]), op(Op.H, [1]), measure(0, 0), measure(1, 1)])
    assert_drawn_from(counts(engine.run(make_experiment(program, 40_000, 1))), {0b00: 0.5, 0b10: 0.5})


def test_initialize_all_qubits_at_once(engine: Simulator) -> None:
    rng = np.random.default_rng(1)
    table = rng.normal(size=2**12) + 1j * rng.normal(size=2**12)
    table /= np.linalg.norm(table)
    order = rng.permutation(12).tolist()
    program = oracle.program(12, 0, [op(Op.INITIALIZE, order, table=table), op(Op.X, [3])])
    state = engine.run(make_experiment(program, 1, 1, output="statevector")).amplitudes
    assert np.abs(state - oracle.statevector(program)).max() < 1e-12


def test_initialize_an_entangled_qubit(engine: Simulator) -> None:
    pair = [op(Op.H, [0]), op(Op.X, [1], controls=[0])]
    start = op(Op.INITIALIZE, [0, 2], table=[0, 0.6, 0, 0.8])
    program = oracle.program(3, 3, [*pair, start, *(measure(qubit, qubit) for qubit in range(3))])
    exact = {0b001: 0.18, 0b011: 0.18, 0b101: 0.32, 0b111: 0.32}
    assert_drawn_from(counts(engine.run(make_experiment(program, 40_000, 1))), exact)


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_branches_that_cannot_happen_are_not_taken(engine: Simulator) -> None:
    back_and_forth = [op(Op.RX, [0], [0.1])] * 10 + [op(Op.RX, [0], [-1.0])]
    program = oracle.program(1, 1, [*back_and_forth, measure(0, 0), op(Op.X, [0])])
    assert counts(engine.run(make_experiment(program, 2**31 - 1, 1))) == {0: 2**31 - 1}


def test_a_repeated_measurement_repeats_its_result(engine: Simulator) -> None:
    steps = [op(Op.H, [0]), measure(0, 0), op(Op.Z, [0]), measure(0, 1), op(Op.S, [0]), measure(0, 2)]
    assert_drawn_from(counts(engine.run(make_experiment(oracle.program(1, 3, steps), 10_000, 1))), {0: 0.5, 7: 0.5})


# ---------------------------------------------------------------------------------------------- determinism and errors


def busy() -> Program:
    """Eleven qubits with everything: fused gates, branches, final measurements."""
    rng = np.random.default_rng(9)
    operations = [oracle.random_operation(rng, 11, 12, [*UNITARY_OPS, Op.MEASURE]) for _ in range(80)]
    return oracle.program(11, 12, [*operations, *(measure(qubit, qubit) for qubit in range(11))])


def digest(outcome: Outcome) -> str:
    """Return a hash of all that an outcome holds."""
    parts = (outcome.outcomes, outcome.counts, outcome.memory, outcome.amplitudes)
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


_AGAIN = """
import sys
from qfleet.wire.codec.programs import decode_program
import engine_oracle, {module} as contract
program = decode_program(sys.stdin.buffer.read())
experiment = contract.make_experiment(program, 500, 77, memory=True, output="statevector")
print(contract.digest(contract.ENGINES[{name!r}]().run(experiment)))
"""


@pytest.mark.parametrize("name", ENGINES)
def test_the_same_to_the_bit_in_another_process(name: str) -> None:
    blob = encode_program(busy())
    experiment = make_experiment(decode_program(blob), 500, 77, memory=True, output="statevector")
    engine = ENGINES[name]()
    assert digest(engine.run(experiment)) == digest(engine.run(experiment))
    here = [str(path) for path in sys.path]
    script = f"import sys; sys.path[:] = {[*here, str(__file__).rpartition('/')[0]]!r}" + _AGAIN.format(
        module="test_engine_contract", name=name
    )
    result = subprocess.run([sys.executable, "-c", script], input=blob, capture_output=True, check=True, timeout=60)
    assert result.stdout.decode().strip() == digest(engine.run(experiment))


def test_another_seed_gives_other_shots(engine: Simulator) -> None:
    experiments = (make_experiment(busy(), 500, seed, memory=True, output="statevector") for seed in (1, 2))
    first, second = map(engine.run, experiments)
    assert digest(first) != digest(second)


@pytest.mark.parametrize("operation", [measure(0, 0), op(Op.RESET, [0]), op(Op.INITIALIZE, [0], table=[1, 0])])
def test_no_unitary_with_operations_that_are_not(engine: Simulator, operation: Operation) -> None:
    program = oracle.program(1, 1, [op(Op.H, [0]), operation])
    with pytest.raises(EngineError, match=f"operation 1 is {operation.code.name.lower()}"):
        engine.run(make_experiment(program, 1, 1, output="unitary"))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("output", "tail"),
    [
        ("counts", []),
        ("statevector", []),
        ("unitary", []),
        ("counts", [measure(0, 0), op(Op.H, [0])]),
        ("statevector", [measure(0, 0), op(Op.H, [0])]),
    ],
)
@pytest.mark.parametrize("scale", [0, 0.99, 1.01, 1e200, 1e308])
def test_a_table_that_is_not_unitary_is_refused(
    engine: Simulator, scale: float, output: Output, tail: list[Operation], precision: Precision
) -> None:
    matrix = scale * np.eye(4)
    program = oracle.program(2, 1, [op(Op.H, [0]), *[op(Op.UNITARY, [0, 1], table=matrix)] * 3, *tail])
    with pytest.raises(EngineError, match="the circuit isn't unitary: "):
        engine.run(make_experiment(program, 10, 1, output=output, precision=precision))


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_too_large_a_state_is_a_memory_error(engine: Simulator) -> None:
    program = oracle.program(200, 0, [op(Op.H, [qubit]) for qubit in range(200)])
    with pytest.raises(MemoryError):
        engine.run(make_experiment(program, 1, 1))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("seed", range(25))
def test_all_engines_give_the_same_shots(seed: int, precision: Precision) -> None:
    """A fleet may have workers with either engine, and a shard may go from one to another."""
    rng = np.random.default_rng(seed)
    codes = [*UNITARY_OPS, Op.SWAP, Op.SWAP, Op.MEASURE, Op.MEASURE, Op.RESET, Op.INITIALIZE]
    operations = [oracle.random_operation(rng, 6, 7, codes) for _ in range(50)]
    order = rng.permutation(6).tolist()
    program = oracle.program(6, 7, [*operations, *(measure(qubit, clbit) for clbit, qubit in enumerate(order))])
    experiment = make_experiment(program, 200, seed, memory=True, precision=precision)
    found = []
    for make in ENGINES.values():
        outcome = make().run(experiment)
        assert outcome.memory is not None
        found.append([outcome.outcomes[row].tobytes() for row in outcome.memory])
    assert all(shots == found[0] for shots in found)


@pytest.mark.parametrize("output", ["counts", "statevector", "unitary"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_sweep_gives_what_its_points_give(engine: Simulator, output: Output, precision: Precision) -> None:
    rng = np.random.default_rng(4)
    gates = [oracle.random_operation(rng, 4, 0, UNITARY_OPS) for _ in range(30)]
    program = oracle.program(4, 4, [*gates, *([measure(2, 0)] if output != "unitary" else [])])
    params = rng.uniform(-4, 4, (5, len(program.params)))
    experiment = make_experiment(program, 50, 1, memory=True, output=output, precision=precision)
    swept = list(engine.sweep(experiment, params, range(5)))
    for point, outcome in enumerate(swept):
        bound = msgspec.structs.replace(program, params=params[point])
        single = engine.run(msgspec.structs.replace(experiment, program=bound, seed=point))
        np.testing.assert_array_equal(outcome.outcomes, single.outcomes)
        np.testing.assert_array_equal(outcome.counts, single.counts)
        np.testing.assert_array_equal(outcome.memory, single.memory)
        if output != "counts":
            np.testing.assert_allclose(outcome.amplitudes, single.amplitudes, rtol=0, atol=PRECISIONS[precision][1])
