# SPDX-License-Identifier: Apache-2.0
"""Matrix product states against plain statevectors."""

from __future__ import annotations

from itertools import pairwise

import engine_oracle as oracle
import numpy as np
import pytest
from engine_oracle import UNITARY_OPS, measure, op
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator

from qfleet.lowering.lower import lower
from qfleet.noise import Channel, NoiseModel
from qfleet.wire.cost.chains import bounds, chain_memory
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation, Program
from qfleet_worker.engines.contract import EngineError, Experiment, Outcome
from qfleet_worker.engines.driver.stretches import Stretch
from qfleet_worker.engines.mps.chain import Chain, Losses
from qfleet_worker.engines.mps.compiler import compile_stretch
from qfleet_worker.engines.mps.operators import factors_of, on_wires
from qfleet_worker.engines.mps.plan import Plan
from qfleet_worker.engines.mps.sampling import sample
from qfleet_worker.engines.mps.simulator import ChainSimulator
from qfleet_worker.engines.mps.splitting import Cut, split
from qfleet_worker.engines.mps.state import ChainState

METHOD = "matrix_product_state"


def run(program: Program, shots: int = 1, seed: int = 1, first_shot: int = 0, **request: object) -> Outcome:
    """Run a program."""
    return ChainSimulator().run(Experiment(program, shots, seed, first_shot, Request(method=METHOD, **request)))


def random_program(seed: int, num_qubits: int, length: int) -> Program:
    """Return a program of gates of any width, with open controls."""
    rng = np.random.default_rng(seed)
    layer = [op(Op.RY, [qubit], [rng.uniform(0, 3)]) for qubit in range(num_qubits)]
    gates = [oracle.random_operation(rng, num_qubits, 0, UNITARY_OPS) for _ in range(length)]
    return oracle.program(num_qubits, 0, [*layer, *gates])


def state_of(program: Program, cut: Cut | None = None, losses: Losses | None = None) -> tuple[ChainState, Plan]:
    """Return the state that a program of gates makes, and its plan."""
    plan = compile_stretch(Stretch(program, True, True, 0))
    state = ChainState(program.num_qubits, np.dtype(np.complex128), cut or Cut(), losses or Losses(), 1 << 20)
    for at in range(len(plan.steps)):
        state.apply(plan.steps, at)
    return state, plan


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 7), st.integers(0, 25))
def test_amplitudes_of_random_programs(seed: int, num_qubits: int, length: int) -> None:
    program = random_program(seed, num_qubits, length)
    found = run(program, output=Output.STATEVECTOR).amplitudes
    assert np.abs(found - oracle.statevector(program)).max() < 1e-12


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_answers_are_those_of_the_statevector(seed: int, num_qubits: int) -> None:
    rng = np.random.default_rng(seed)
    program = random_program(seed, num_qubits, 15)
    exact = oracle.statevector(program)
    state, plan = state_of(program)
    answers = state.answers()
    some = rng.permutation(num_qubits)[: rng.integers(1, num_qubits + 1)].tolist()
    wires = [plan.wires[qubit] for qubit in some]
    moved = axes_of(exact, some)
    probabilities = (np.abs(moved) ** 2).sum(axis=1)
    assert np.abs(answers.probabilities(wires) - probabilities).max() < 1e-12
    places = rng.integers(0, 1 << len(some), 9)
    assert np.abs(answers.probabilities_at(wires, places) - probabilities[places]).max() < 1e-12
    few = wires[:3]
    own = axes_of(exact, some[:3])
    assert np.abs(answers.density_matrix(few).reshape(len(own), -1) - own @ own.conj().T).max() < 1e-12
    places = rng.integers(0, 1 << num_qubits, 9)
    assert np.abs(answers.amplitudes_at(plan.wires, places) * plan.phase - exact[places]).max() < 1e-12
    masks = rng.integers(0, 1 << len(some), (2, 12))
    values = [pauli_value(moved, int(x), int(z)) for x, z in masks.T]
    assert np.abs(answers.expectation_values(wires, *masks) - values).max() < 1e-12


def axes_of(state: NDArray[np.complex128], qubits: list[int]) -> NDArray[np.complex128]:
    """Return a state as a matrix: the values of some qubits, the first the lowest bit, by those of the others."""
    number = len(state).bit_length() - 1
    others = [qubit for qubit in range(number) if qubit not in qubits]
    axes = [number - 1 - qubit for qubit in [*reversed(qubits), *others]]
    return state.reshape((2,) * number).transpose(axes).reshape(1 << len(qubits), -1)


def pauli_value(state: NDArray[np.complex128], x: int, z: int) -> float:
    """Return the expectation value of the Pauli ``i**popcount(x & z) X**x Z**z``."""
    values = np.arange(len(state))
    signs = (-1.0) ** np.bitwise_count(values & z)
    image = 1j ** (x & z).bit_count() * (signs[:, None] * state)[values ^ x]
    return float(np.vdot(state, image).real)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6), st.booleans())
def test_a_projected_state(seed: int, num_qubits: int, aside: bool) -> None:
    program = random_program(seed, num_qubits, 10)
    state, plan = state_of(program)
    qubit = seed % num_qubits
    wire = plan.wires[qubit]
    weights = state.weights(wire)
    value = int(weights[1] > 0.5)
    snapshot = state.projected(wire, value, weights[value])
    if aside:
        before = state.comparable(None)
        assert not state.comparable(snapshot).equals(before) or weights[value] > 1 - 1e-9
        state.restore(snapshot)
    else:
        state.project(wire, value, weights[value])
        shown, other = state.comparable(snapshot), state.comparable(None)
        assert shown.equals(other)
        assert shown.fingerprint() == pytest.approx(other.fingerprint(), abs=1e-10)
    expected = np.where(np.arange(1 << num_qubits) >> qubit & 1 == value, oracle.statevector(program), 0)
    found = state.answers().amplitudes(plan.wires, plan.phase)
    assert np.abs(found - expected / np.linalg.norm(expected)).max() < 1e-11


def test_wide_states_that_differ_are_told_apart_without_being_compared() -> None:
    found = []
    for flipped in range(-1, 60, 7):
        gates = [op(Op.RY, [wire], [0.4]) for wire in range(60)] + [op(Op.X, [flipped])] * (flipped >= 0)
        found.append(state_of(oracle.program(60, 0, gates))[0].comparable(None))
    numbers = sorted(each.fingerprint() for each in found)
    assert np.diff(numbers).min() > 1000 * 8 * found[0].tolerance * 60


def test_measuring_ghz_makes_all_bonds_narrow() -> None:
    program = oracle.program(30, 0, [op(Op.H, [0]), *[op(Op.X, [at + 1], controls=[at]) for at in range(29)]])
    state, _ = state_of(program)
    assert state.put_aside().amplitudes.widest() == 2
    state.project(15, 1, 0.5)
    assert state.put_aside().amplitudes.widest() == 1
    assert [state.weights(wire)[1] for wire in (0, 29)] == pytest.approx([1, 1])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 9), st.integers(0, 25))
def test_bonds_and_memory_are_bounded_by_what_is_predicted(seed: int, num_qubits: int, length: int) -> None:
    program = random_program(seed, num_qubits, length)
    request = Request(method=METHOD)
    state, _ = state_of(program)
    chain = state.put_aside().amplitudes
    bonds = [len(tensor) for tensor in chain.tensors]
    assert (np.array(bonds) <= bounds(program, request)[:-1]).all()
    assert chain.nbytes <= chain_memory(program, request, 1)


def test_bounds_of_known_circuits() -> None:
    request = Request(method=METHOD)
    chain = oracle.program(40, 0, [op(Op.X, [at + 1], controls=[at]) for at in range(39)])
    assert bounds(chain, request).tolist() == [1, *[2] * 39, 1]
    # The SWAP exchanges two names: later gates are far from each other.
    swapped = oracle.program(9, 0, [op(Op.SWAP, [1, 8]), *[op(Op.RZZ, [0, 1], [0.3])] * 3])
    assert bounds(swapped, request).tolist() == [1, 2, 4, 8, 8, 8, 8, 4, 2, 1]
    assert bounds(swapped, Request(method=METHOD, bond=3)).max() == 3


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_bonds_of_noisy_and_conditional_programs_are_bounded(seed: int, conditional: bool) -> None:
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(7, 1)
    for _ in range(12):
        one, other = rng.permutation(7)[:2].tolist()
        circuit.ry(rng.uniform(0, 3), one)
        gate = rng.integers(4)
        if gate == 0:
            circuit.swap(one, other)
        elif gate == 1 and conditional:
            circuit.measure(one, 0)
            with circuit.if_test((circuit.clbits[0], 1)):
                circuit.cx(one, other)
        else:
            circuit.cx(one, other)
    swaps = QuantumCircuit(2)
    swaps.swap(0, 1)
    kraus = Channel.kraus([np.sqrt(0.6) * np.eye(4), np.sqrt(0.4) * Operator(swaps).data])
    program = lower(circuit, Output.COUNTS, noise=NoiseModel().add(kraus, ["cx"]))
    outcome = run(program, 30, seed % 1000)
    assert outcome.truncation is not None
    assert outcome.truncation[1] <= bounds(program, Request(method=METHOD)).max()


def test_swaps_and_channels_of_noisy_programs_have_rank_4() -> None:
    """A program with noise is cut into stretches, where a SWAP is a gate."""
    request = Request(method=METHOD)
    paulis = NoiseModel().add(Channel.depolarizing(0.1), ["x"])
    both = np.diag([1, 0, 0, 0])
    weak = Channel.kraus([np.sqrt(0.9) * np.eye(4), np.sqrt(0.1) * both, np.sqrt(0.1) * (np.eye(4) - both)])
    swapped, spread = QuantumCircuit(6, 6), QuantumCircuit(6, 6)
    swapped.x(0)
    swapped.swap(0, 5)
    spread.rzz(0.1, 0, 5)
    for circuit in (swapped, spread):
        circuit.h(range(6))
        circuit.measure(range(6), range(6))
    wide = [1, 2, 4, 4, 4, 2, 1]
    assert bounds(lower(swapped, Output.COUNTS, noise=paulis), request).tolist() == wide
    assert bounds(lower(swapped, Output.COUNTS), request).max() == 1
    assert bounds(lower(spread, Output.COUNTS), request).tolist() == [1, 2, 2, 2, 2, 2, 1]
    noisy = bounds(lower(spread, Output.COUNTS, noise=NoiseModel().add(weak, ["rzz"])), request)
    assert noisy.tolist() == [1, 2, 4, 8, 4, 2, 1]


def test_a_condition_does_not_widen_the_bounds_but_a_loop_does() -> None:
    circuit = QuantumCircuit(30, 1)
    circuit.cx(range(29), range(1, 30))
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.cx(3, 4)
    request = Request(method=METHOD)
    assert bounds(lower(circuit, Output.COUNTS), request).max() == 4
    with circuit.while_loop((circuit.clbits[0], 1)):
        circuit.cx(3, 4)
        circuit.measure(0, 0)
    assert bounds(lower(circuit, Output.COUNTS), request).max() == 1024


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("most", [0, 3, 8])
def test_a_split_is_the_best_of_its_size(left: bool, most: int) -> None:
    rng = np.random.default_rng(5)
    matrix = rng.normal(size=(8, 20)) + 1j * rng.normal(size=(8, 20))
    for each in (matrix, matrix.T):
        found = split(each, Cut(most), left=left)
        values = np.linalg.svd(each, compute_uv=False) ** 2
        kept = min(most or 8, 8)
        assert found.left.shape[1] == kept
        assert found.discarded == pytest.approx(values[kept:].sum() / values.sum(), abs=1e-13)
        assert np.linalg.norm(each - found.left @ found.right) ** 2 == pytest.approx(values[kept:].sum(), abs=1e-9)
        isometry = found.left if left else found.right.T
        assert np.abs(isometry.conj().T @ isometry - np.eye(kept)).max() < 1e-12


def test_small_values_are_cut_off_by_the_threshold() -> None:
    matrix = np.diag([1, 1e-3, 1e-5]).astype(np.complex128)
    assert split(matrix, Cut(0, 1e-16), left=True).left.shape[1] == 3
    found = split(matrix, Cut(0, 1e-8), left=True)
    assert found.left.shape[1] == 2
    assert found.discarded == pytest.approx(1e-10, rel=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_the_truncation_error_tells_the_lost_fidelity(seed: int) -> None:
    """Y. Zhou, E. M. Stoudenmire and X. Waintal, Physical Review X 10, 041038 (2020): fidelities of cuts multiply."""
    rng = np.random.default_rng(seed)
    gates = [
        op(Op.UNITARY, [at, at + 1], table=oracle.random_table(rng, Op.UNITARY, 2))
        for layer in range(8)
        for at in range(layer % 2, 9, 2)
    ]
    program = oracle.program(10, 0, gates)
    exact = oracle.statevector(program)
    for bond in (8, 16, 24):
        outcome = run(program, output=Output.STATEVECTOR, bond=bond)
        lost = 1 - abs(np.vdot(exact, outcome.amplitudes)) ** 2
        assert outcome.truncation is not None
        error, widest = outcome.truncation
        assert widest == bond
        assert np.linalg.norm(outcome.amplitudes) == pytest.approx(1)
        assert lost == pytest.approx(error, rel=0.15)
    assert run(program, bond=32).truncation == (pytest.approx(0, abs=1e-12), 32)


def test_a_bond_without_a_limit_that_grows_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qfleet_worker.engines.mps.chain.LARGEST_BOND", 8)
    program = random_program(3, 9, 30)
    with pytest.raises(EngineError, match="grew beyond 8 values; give matrix_product_state_max_bond_dimension"):
        run(program)
    assert run(program, bond=16).truncation is not None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3), st.lists(st.booleans(), max_size=3))
def test_operators_of_gates_on_scattered_wires(seed: int, targets: int, values: list[bool]) -> None:
    rng = np.random.default_rng(seed)
    matrix = oracle.random_table(rng, Op.UNITARY, targets)
    wires = rng.permutation(7)[: targets + len(values)].tolist()
    controls = dict(zip(wires[targets:], map(int, values), strict=True))
    signed = [wire if value else ~wire for wire, value in controls.items()]
    gate = op(Op.UNITARY, wires[:targets], table=matrix, controls=signed)
    first, last = min(wires), max(wires)
    factors = on_wires(controls, wires[:targets], matrix)
    assert len(factors) == last + 1 - first
    if values:
        assert max(factor.shape[3] for factor in factors) <= 1 + 4 ** (targets // 2)
    whole = factors[0]
    for factor in factors[1:]:
        whole = np.einsum("astb,bcde->asctde", whole, factor).reshape(1, 2 * whole.shape[1], 2 * whole.shape[2], -1)
    # Wires ascend from the left, which is the highest bit.
    order = [*range(first, last + 1)]
    places = {wire: len(order) - 1 - at for at, wire in enumerate(order)}
    moved = gate._replace(
        targets=tuple([places[wire] for wire in gate.targets]),
        controls=tuple([places[wire] if wire >= 0 else ~places[~wire] for wire in gate.controls]),
    )
    assert np.abs(whole[0, :, :, 0] - oracle.full_matrix(moved, len(order))).max() < 1e-11


def test_factors_of_a_product_have_bonds_of_one() -> None:
    rng = np.random.default_rng(1)
    one, other = [oracle.random_table(rng, Op.UNITARY, 1) for _ in range(2)]
    assert [factor.shape for factor in factors_of(np.kron(one, other))] == [(1, 2, 2, 1)] * 2


def test_a_brickwork_is_run_without_long_ways() -> None:
    rng = np.random.default_rng(1)
    gates = [
        op(Op.UNITARY, [at, at + 1], table=oracle.random_table(rng, Op.UNITARY, 2))
        for layer in range(6)
        for at in range(layer % 2, 39, 2)
    ]
    plan = compile_stretch(Stretch(oracle.program(40, 0, gates), True, True, 0))
    way = sum(abs(one.wire - other.wire) for one, other in pairwise(plan.steps))
    assert way < 2.5 * len(plan.steps)


@pytest.mark.parametrize("first_shot", [0, 137])
def test_shots_are_the_same_in_any_packing(first_shot: int) -> None:
    gates = list(random_program(7, 6, 20))
    middle: list[Operation] = [measure(0, 0), op(Op.RESET, [3]), *gates[:9]]
    program = oracle.program(6, 6, [*gates, *middle, *[measure(qubit, qubit) for qubit in range(1, 6)]])
    whole, part = run(program, 400, memory=True), run(program, 100, first_shot=first_shot, memory=True)
    shots = whole.outcomes[whole.memory][first_shot : first_shot + 100]
    assert (part.outcomes[part.memory] == shots).all()


@pytest.mark.parametrize("seed", range(6))
def test_samples_follow_the_probabilities(seed: int) -> None:
    state, plan = state_of(random_program(seed, 5, 12))
    rng = np.random.default_rng(seed)
    wires = [plan.wires[qubit] for qubit in rng.permutation(5)[:3].tolist()]
    exact = state.answers().probabilities(wires)
    found = sample(state.whole(), wires, 50_000, lambda wire: np.random.default_rng([seed, wire]).random(50_000))
    values = sum(found[wire].astype(np.int64) << bit for bit, wire in enumerate(wires))
    counts = np.bincount(values, minlength=8)
    likely = 50_000 * exact > 1
    assert not counts[exact < 1e-12].any()
    assert ((counts - 50_000 * exact)[likely] ** 2 / (50_000 * exact[likely])).sum() < 8 + 6 * 4


def test_a_chain_shares_its_tensors_with_copies() -> None:
    chain = Chain(4, np.dtype(np.complex128), Cut(), Losses())
    copy = chain.copy()
    copy.one(2, np.array([[0, 1], [1, 0]], np.complex128))
    copy.move_to(3)
    assert [tensor[0, 1, 0] for tensor in chain.tensors] == [0, 0, 0, 0]
    assert [abs(tensor[0, 1, 0]) for tensor in copy.tensors] == pytest.approx([0, 0, 1, 0])


def test_wide_circuits_give_all_their_clbits() -> None:
    chain = [op(Op.H, [0]), *[op(Op.X, [at + 1], controls=[at]) for at in range(199)], op(Op.X, [7])]
    program = oracle.program(200, 200, [*chain, *[measure(qubit, 199 - qubit) for qubit in range(200)]])
    outcome = run(program, 300)
    flipped = 1 << 192
    numbers = {int.from_bytes(row.tobytes(), "little") for row in outcome.outcomes}
    assert numbers == {flipped, ((1 << 200) - 1) ^ flipped}
    assert outcome.counts.min() > 100


def test_a_table_that_is_not_unitary() -> None:
    program = oracle.program(2, 1, [op(Op.UNITARY, [0, 1], table=2 * np.eye(4)), measure(0, 0)])
    with pytest.raises(EngineError, match="isn't unitary"):
        run(program, 10)
