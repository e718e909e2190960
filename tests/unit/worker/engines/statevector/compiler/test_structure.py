# SPDX-License-Identifier: Apache-2.0
"""A circuit is compiled once for all of its angles: what is kept, and that other angles give what they should."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import engine_oracle as oracle
import msgspec
import numpy as np
import pytest
from engine_oracle import UNITARY_OPS, measure, op
from hypothesis import given, settings
from hypothesis import strategies as st
from make_experiments import make_experiment
from small_chunks import small_chunks

from qfleet.wire.program.operations import ANGLES, HAS_TABLE, Op
from qfleet.wire.program.program import Program
from qfleet_worker.engines.numpy.simulator import NumpySimulator
from qfleet_worker.engines.statevector.compiler.cache import ENTRY_BYTES, Cache, Key, structure
from qfleet_worker.engines.statevector.compiler.fixed_angles import MANY_QUBITS, fixed_angles
from qfleet_worker.engines.statevector.compiler.half_angles import half_angle_phases
from qfleet_worker.engines.statevector.compiler.waiting import LOOK_BACK
from qfleet_worker.engines.statevector.simulator import DEFAULT_SIZES, Sizes, StatevectorSimulator

TOLERANCES = {"double": 1e-10, "single": 2e-5}
SPECIAL = [0.0, np.pi / 2, np.pi, -np.pi, 2 * np.pi, 4 * np.pi, 1e-9, 123.456]
#: Beyond what `half_angles` computes itself. The numpy engine adds angles up, which loses digits of such.
HUGE = [1.25e5, -1e8]
ROTATIONS = [Op.RX, Op.RY, Op.RZ, Op.P, Op.RZZ, Op.U, Op.H, Op.X]
DIAGONALS = [Op.P, Op.RZ, Op.RZZ, Op.T, Op.DIAGONAL, Op.GLOBAL_PHASE, Op.RY]
PAIRS = [Op.RXX, Op.RZX, Op.XX_PLUS_YY, Op.RZZ, Op.P, Op.RY, Op.H, Op.UNITARY, Op.ISWAP, Op.ECR]


def with_slots(program: Program) -> Program:
    """Return the program with all of its angles as slots."""
    return msgspec.structs.replace(program, slots=np.arange(len(program.params), dtype=np.int32))


def random_program(rng: np.random.Generator, num_qubits: int, codes: Sequence[Op], length: int) -> Program:
    operations = [oracle.random_operation(rng, num_qubits, 0, codes) for _ in range(rng.integers(1, length))]
    return with_slots(oracle.program(num_qubits, 0, operations))


def at(program: Program, params: np.ndarray) -> Program:
    return msgspec.structs.replace(program, params=params)


def amplitudes(
    engine: StatevectorSimulator | NumpySimulator, program: Program, precision: str, threads: int = 1
) -> np.ndarray:
    experiment = make_experiment(program, 1, 1, output="statevector", precision=precision, threads=threads)
    return engine.run(experiment).amplitudes


def random_params(rng: np.random.Generator, number: int) -> np.ndarray:
    return np.where(rng.random(number) < 0.4, rng.choice(SPECIAL, number), rng.uniform(-7, 7, number))


def check_bindings(
    program: Program, precision: str, rng: np.random.Generator, threads: int = 1, sizes: Sizes = DEFAULT_SIZES
) -> None:
    engine = StatevectorSimulator(sizes=sizes)
    amplitudes(engine, program, precision, threads)
    for _ in range(3):
        other = at(program, random_params(rng, len(program.params)))
        bound = amplitudes(engine, other, precision, threads)
        fresh = amplitudes(StatevectorSimulator(sizes=sizes), other, precision, threads)
        assert bound.tobytes() == fresh.tobytes()
        assert np.abs(bound - amplitudes(NumpySimulator(), other, precision)).max() < TOLERANCES[precision]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32), num_qubits=st.integers(1, 11), precision=st.sampled_from(["double", "single"]))
@pytest.mark.parametrize(
    "codes", [UNITARY_OPS, ROTATIONS, DIAGONALS, PAIRS], ids=["all", "rotations", "diagonals", "pairs"]
)
def test_other_angles_in_one_call(codes: list[Op], seed: int, num_qubits: int, precision: str) -> None:
    rng = np.random.default_rng(seed)
    if codes is PAIRS:
        num_qubits = max(num_qubits, 2)
    check_bindings(random_program(rng, num_qubits, codes, 60), precision, rng)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    num_qubits=st.integers(3, 11),
    local_bits=st.integers(8, 10),
    precision=st.sampled_from(["double", "single"]),
)
@pytest.mark.parametrize(
    "codes", [UNITARY_OPS, ROTATIONS, DIAGONALS, PAIRS], ids=["all", "rotations", "diagonals", "pairs"]
)
def test_other_angles_in_stages(codes: list[Op], seed: int, num_qubits: int, local_bits: int, precision: str) -> None:
    rng = np.random.default_rng(seed)
    sizes = small_chunks(local_bits, 3)
    check_bindings(random_program(rng, num_qubits, codes, 60), precision, rng, threads=2, sizes=sizes)


@pytest.mark.parametrize("code", [code for code in UNITARY_OPS if ANGLES[code]], ids=lambda code: code.name)
@pytest.mark.parametrize("controls", [0, 1, 2])
def test_every_operation_at_special_angles(code: Op, controls: int) -> None:
    rng = np.random.default_rng(code)
    width = oracle.width(code)
    order = list(range(width + controls))
    gate = op(code, order[:width], [0.3] * ANGLES[code], controls=[~qubit for qubit in order[width:]])
    program = oracle.program(5, 0, [op(Op.RY, [qubit], [0.4 + qubit]) for qubit in range(5)] + [gate] * 2)
    engine = StatevectorSimulator()
    equal = [[value] * ANGLES[code] for value in SPECIAL + HUGE]
    for angles in equal + rng.choice(SPECIAL, (4, ANGLES[code])).tolist():
        other = at(program, np.array([*program.params[:5], *angles, *angles[::-1]]))
        assert np.abs(amplitudes(engine, other, "double") - oracle.statevector(other)).max() < 1e-10


@pytest.mark.parametrize("code", [Op.RX, Op.RY])
@pytest.mark.parametrize("num_qubits", [1, 5, LOOK_BACK + 2])
@pytest.mark.parametrize("by_layers", [True, False])
def test_rotations_before_rotations_about_z(code: Op, num_qubits: int, by_layers: bool) -> None:
    """Two are computed as one, also where there are some others between them."""
    rng = np.random.default_rng(num_qubits)
    pairs = [(op(code, [qubit], [0.1]), op(Op.RZ, [qubit], [0.2])) for qubit in range(num_qubits)]
    if by_layers:
        operations = [first for first, _ in pairs] + [second for _, second in pairs]
    else:
        operations = [each for pair in pairs for each in pair]
    entangled = [op(Op.X, [qubit + 1], controls=[qubit]) for qubit in range(num_qubits - 1)]
    check_bindings(oracle.program(num_qubits, 0, (operations + entangled) * 2), "double", rng)


def dynamic_program() -> Program:
    layer = [op(Op.RY, [qubit], [0.3 + qubit]) for qubit in range(4)]
    rotations = [op(Op.RZZ, [0, 1], [0.5]), op(Op.RX, [2], [0.25], controls=[3])]
    return oracle.program(
        4, 5, [*layer, measure(1, 4), *rotations, op(Op.RESET, [0]), *layer, *(measure(at, at) for at in range(4))]
    )


class CountingCache(Cache):
    """Keeps all that is compiled, and counts it."""

    compiled = 0

    def put(self, key: Key, compiled: Any, nbytes: int) -> None:
        self.compiled += 1
        super().put(key, compiled, nbytes)


@pytest.mark.parametrize("planned", [False, True])
def test_another_binding_compiles_nothing(planned: bool) -> None:
    rng = np.random.default_rng(1)
    program = with_slots(dynamic_program()) if planned else random_program(rng, 5, ROTATIONS, 40)
    output = "counts" if planned else "statevector"
    cache = CountingCache()
    engine = StatevectorSimulator(cache=cache)
    engine.run(make_experiment(program, 100, 1, output=output))
    assert cache.compiled == 1
    for _ in range(5):
        other = at(program, random_params(rng, len(program.params)))
        engine.run(make_experiment(other, 100, 2, output=output))
    list(
        engine.sweep(
            make_experiment(program, 100, 2, output=output), rng.uniform(0, 6, (20, len(program.params))), range(20)
        )
    )
    assert cache.compiled == 1
    engine.run(make_experiment(program, 100, 1, output=output, precision="single"))
    assert cache.compiled == 2


def test_other_angles_give_the_shots_of_a_fresh_engine() -> None:
    rng = np.random.default_rng(1)
    program, engine = dynamic_program(), StatevectorSimulator()
    for seed in range(6):
        experiment = make_experiment(at(program, random_params(rng, len(program.params))), 300, seed, memory=True)
        found = engine.run(experiment)
        for other in (StatevectorSimulator(), NumpySimulator()):
            expected = other.run(experiment)
            np.testing.assert_array_equal(found.outcomes, expected.outcomes)
            np.testing.assert_array_equal(found.memory, expected.memory)


def test_circuits_that_differ_in_anything_else_are_other_circuits() -> None:
    rng = np.random.default_rng(3)
    table, other_table = (oracle.random_table(rng, Op.UNITARY, 1) for _ in range(2))
    base = [op(Op.RY, [0], [0.7]), op(Op.RY, [1], [0.4]), op(Op.UNITARY, [1], table=table)]
    variants = [
        [*base, op(Op.RX, [0], [0.3], controls=[1])],
        [*base, op(Op.RX, [0], [0.3], controls=[~1])],
        [*base, op(Op.RX, [1], [0.3], controls=[0])],
        [*base, op(Op.RY, [0], [0.3], controls=[1])],
        [*base, op(Op.RX, [0], [0.3])],
        [*base[:2], op(Op.UNITARY, [1], table=other_table), op(Op.RX, [0], [0.3], controls=[1])],
    ]
    engine = StatevectorSimulator()
    for _ in range(2):
        for operations in variants:
            for num_qubits in (2, 3):
                program = oracle.program(num_qubits, 0, operations)
                assert np.abs(amplitudes(engine, program, "double") - oracle.statevector(program)).max() < 1e-12
    programs = [oracle.program(size, 0, operations) for operations in variants for size in (2, 3)]
    assert len({structure(program, fixed_angles(program)) for program in programs}) == 12


def test_a_loop_over_circuits_compiles_once_unless_an_angle_becomes_special() -> None:
    cache = CountingCache()
    engine = StatevectorSimulator(cache=cache)
    compiled = []
    for angle in (0.4, 0.5, np.pi / 2, 3.0, np.pi / 2, np.nextafter(np.pi / 2, 2), -np.pi):
        # Half of the gates come from a compiler for hardware, and have the same angles each time.
        gates = [op(Op.RZ, [0], [np.pi / 2]), op(Op.SX, [0]), op(Op.RZ, [0], [np.pi / 2]), op(Op.RX, [0], [angle])]
        program = oracle.program(2, 0, [*gates, op(Op.X, [1], controls=[0])])
        assert np.abs(amplitudes(engine, program, "double") - oracle.statevector(program)).max() < 1e-15
        compiled.append(cache.compiled)
    assert compiled == [1, 1, 2, 2, 2, 3, 4]


@pytest.mark.parametrize(("num_qubits", "fixed"), [(2, [True, False, True]), (MANY_QUBITS, [True, True, True])])
def test_angles_that_are_constants(num_qubits: int, fixed: list[bool]) -> None:
    operations = [op(Op.RX, [0], [angle]) for angle in (0.75 * np.pi, 0.3, 0.0)]
    program = oracle.program(num_qubits, 0, operations)
    assert fixed_angles(program).tolist() == fixed
    assert fixed_angles(msgspec.structs.replace(program, slots=np.array([0, 2], np.int32))).tolist() == [
        False, fixed[1], False,
    ]  # fmt: skip


def test_threads_may_share_an_engine() -> None:
    rng = np.random.default_rng(5)
    engine = StatevectorSimulator()
    programs = [random_program(rng, 6, [code for code in UNITARY_OPS if not HAS_TABLE[code]], 40) for _ in range(3)]
    experiments = [
        at(programs[number % 3], random_params(rng, len(programs[number % 3].params))) for number in range(60)
    ]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda program: amplitudes(engine, program, "double"), experiments))
    for program, state in zip(experiments, found, strict=True):
        assert state.tobytes() == amplitudes(StatevectorSimulator(), program, "double").tobytes()


def test_a_cache_keeps_what_was_used_last() -> None:
    cache = Cache(4 * (ENTRY_BYTES + 100))
    for name in "abcd":
        cache.put((name,), name.upper(), 100)
    assert cache.get(("a",)) == "A"
    cache.put(("e",), "E", 100)
    assert [cache.get((name,)) for name in "abcde"] == ["A", None, "C", "D", "E"]
    assert cache.nbytes == 4 * (ENTRY_BYTES + 100)
    cache.put(("f",), "F", 2 * ENTRY_BYTES)
    assert len(cache) == 2
    assert cache.nbytes <= 4 * (ENTRY_BYTES + 100)
    cache.put(("g", b"x" * 100_000), "G", 1)
    assert cache.get(("g", b"x" * 100_000)) is None
    assert cache.get(("f",)) == "F"


def test_an_engine_keeps_no_more_than_its_limit() -> None:
    rng = np.random.default_rng(6)
    engine = StatevectorSimulator(cache=(cache := Cache(400_000)))
    for _ in range(30):
        engine.run(make_experiment(random_program(rng, 4, UNITARY_OPS, 40), 1, 1, output="statevector"))
        assert cache.nbytes <= 400_000
    assert len(cache) > 1


@pytest.mark.parametrize("scale", [1, 7, 1e4, 0.99e5, 1.01e5, 1e9, 1e300])
def test_half_angle_phases(scale: float) -> None:
    angles = np.random.default_rng(1).uniform(-scale, scale, 10_001)
    angles[:80] = np.arange(-40, 40) * np.pi / 2
    phases = np.empty(len(angles), np.complex128)
    half_angle_phases(angles, phases)
    assert np.abs(phases - np.exp(0.5j * angles)).max() < 4e-16


def test_half_angle_phases_of_no_number() -> None:
    phases = np.empty(3, np.complex128)
    half_angle_phases(np.array([np.inf, np.nan, 0.0]), phases)
    assert np.isnan(phases[:2]).all()
    assert phases[2] == 1
