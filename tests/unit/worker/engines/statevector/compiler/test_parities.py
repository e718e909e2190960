# SPDX-License-Identifier: Apache-2.0
"""Controlled X around diagonals become diagonals, and signs between H controlled X, with the same matrix."""

from __future__ import annotations

from collections.abc import Callable

import drafts
import engine_oracle as oracle
import numpy as np
import pytest
from engine_oracle import op
from hypothesis import given, settings
from hypothesis import strategies as st

from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation
from qfleet_worker.engines.statevector.compiler import draft as columns
from qfleet_worker.engines.statevector.compiler.collecting import collect_terms
from qfleet_worker.engines.statevector.compiler.draft import Draft, has_room
from qfleet_worker.engines.statevector.compiler.parities import MOST_WIRES, fold_flips, simplify_flips
from qfleet_worker.engines.statevector.compiler.turning import turn_runs

#: The first test compiles what it calls.
pytestmark = pytest.mark.timeout(600)
SPECIAL = [0.0, np.pi, np.pi / 2, -np.pi / 2, np.pi / 4, 2 * np.pi, 1e-9]
PASSES: dict[str, Callable[[Draft], object]] = {
    "fold_flips": fold_flips,
    "turn_runs": turn_runs,
    "collect_terms": collect_terms,
    "simplify_flips": simplify_flips,
}


def angle(rng: np.random.Generator) -> float:
    return float(rng.choice(SPECIAL) if rng.random() < 0.5 else rng.uniform(-7, 7))


def random_gate(rng: np.random.Generator, num_qubits: int) -> Operation:
    """X with controls, more often than signs, diagonals, and other gates on one qubit."""
    qubits = rng.permutation(num_qubits).tolist()
    controls = [qubit if rng.random() < 0.85 else ~qubit for qubit in qubits[1 : 1 + int(rng.choice([1, 1, 1, 2]))]]
    size = int(rng.integers(1, min(num_qubits, 3) + 1))
    ones = [Op.H, Op.H, Op.T, Op.S, Op.SX, Op.Z, Op.X, Op.TDG]
    made: list[Callable[[], Operation]] = [
        lambda: op(Op.X, qubits[:1], controls=controls),
        lambda: op(Op.Z, qubits[:1], controls=controls),
        lambda: op(ones[int(rng.integers(len(ones)))], qubits[:1]),
        lambda: op([Op.RZ, Op.RX, Op.RY][int(rng.integers(3))], qubits[:1], [angle(rng)]),
        lambda: op(Op.RZZ, qubits[:2], [angle(rng)]),
        lambda: op(Op.P, qubits[:1], [angle(rng)], controls=controls),
        lambda: op(Op.DIAGONAL, qubits[:size], table=oracle.random_table(rng, Op.DIAGONAL, size)),
        lambda: op(Op.DIAGONAL, qubits[:1], table=[1, rng.uniform(0.5, 1)]),
    ]
    return made[int(rng.choice(len(made), p=[0.4, 0.1, 0.25, 0.12, 0.05, 0.04, 0.03, 0.01]))]()


def random_run(rng: np.random.Generator, num_qubits: int) -> list[Operation]:
    """Return signs on a wire with RX in between, and now and then something else."""
    wire, *others = rng.permutation(num_qubits).tolist()
    operations = []
    for at in range(int(rng.integers(6, 20))):
        other = others[at // 2 % min(2, len(others))]
        kind = rng.random()
        if at % 2 and kind < 0.9:
            operations.append(op(Op.Z, [wire], controls=[other if rng.random() < 0.9 else ~other]))
        elif kind < 0.9:
            operations.append(op(Op.SX, [wire]) if rng.random() < 0.2 else op(Op.RX, [wire], [angle(rng)]))
        else:
            operations.append(random_gate(rng, num_qubits))
    return operations


def mirrored(rng: np.random.Generator, operations: list[Operation]) -> list[Operation]:
    """Return operations with some of them again in reverse, so that pairs face each other."""
    return operations + [each for each in reversed(operations) if each.code == Op.X or rng.random() < 0.3]


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32), num_qubits=st.integers(2, 4), split=st.booleans())
@pytest.mark.parametrize("name", PASSES)
def test_matrices_stay_at_all_angles(name: str, seed: int, num_qubits: int, split: bool) -> None:
    rng = np.random.default_rng(seed)
    if name == "turn_runs" or rng.random() < 0.3:
        operations = random_run(rng, num_qubits)
    else:
        operations = [random_gate(rng, num_qubits) for _ in range(int(rng.integers(1, 20)))]
    program = oracle.program(num_qubits, 0, mirrored(rng, operations) if rng.random() < 0.7 else operations)
    fixed = rng.random(len(program.params)) < rng.choice([0.0, 0.5, 1.0])
    draft = drafts.fused(program, fixed, split)
    bindings = [np.array([each if kept else angle(rng) for each, kept in zip(program.params, fixed, strict=True)])
                for _ in range(2)]  # fmt: skip
    expected = [drafts.draft_matrix(draft, params) for params in bindings]
    PASSES[name](draft)
    assert has_room(draft)
    for params, matrix in zip(bindings, expected, strict=True):
        assert np.abs(drafts.draft_matrix(draft, params) - matrix).max() < 1e-12


def cx(control: int, target: int) -> Operation:
    return op(Op.X, [target], controls=[control])


def ladder(wires: int, inner: list[Operation]) -> list[Operation]:
    """Return operations between CX that bring the parity of some wires to the last."""
    down = [cx(wire, wire + 1) for wire in range(wires - 1)]
    return [*down, *inner, *reversed(down)]


def toffoli(first: int, second: int, target: int) -> list[Operation]:
    """Return a Toffoli gate of CX and T."""
    t, back = Op.T, Op.TDG
    return [
        op(Op.H, [target]), cx(second, target), op(back, [target]), cx(first, target), op(t, [target]),
        cx(second, target), op(back, [target]), cx(first, target), op(t, [second]), op(t, [target]), op(Op.H, [target]),
        cx(first, second), op(t, [first]), op(back, [second]), cx(first, second),
    ]  # fmt: skip


def in_cz(operations: list[Operation]) -> list[Operation]:
    """Return operations with CZ between H in place of CX."""
    made = []
    for each in operations:
        hadamard = op(Op.H, each.targets)
        is_cx = each.code == Op.X and len(each.controls) == 1
        made += [hadamard, op(Op.Z, each.targets, controls=each.controls), hadamard] if is_cx else [each]
    return made


def around(wires: int, operations: list[Operation]) -> list[Operation]:
    """Return operations between rotations, so that nothing is at an end."""
    layer = [op(Op.RY, [wire], [0.3 + wire]) for wire in range(wires)]
    return [*layer, *operations, *layer]


def simplified(wires: int, operations: list[Operation], free: bool = False) -> list[int]:
    """Return the kinds of the gates that are left, in order; those without controls before and after are left out."""
    program = oracle.program(wires, 0, operations)
    draft = drafts.fused(program, np.full(len(program.params), not free), True)
    simplify_flips(draft)
    assert np.abs(drafts.draft_matrix(draft, program.params) - oracle.unitary(program)).max() < 1e-12
    return drafts.kinds_of(draft)


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("wires", [3, 4, 5])
def test_parities_of_several_wires_become_one_diagonal(wires: int, free: bool) -> None:
    inner = [op(Op.RZ, [wires - 1], [0.7])]
    assert set(simplified(wires, ladder(wires, inner), free)) == {columns.DIAGONAL}
    network = [cx(0, 2), op(Op.RZ, [2], [0.2]), cx(1, 2), op(Op.RZ, [2], [0.4]), cx(0, 2), cx(1, 2)]
    assert simplified(wires, network, free) == [columns.DIAGONAL]


@pytest.mark.parametrize(("wires", "left"), [(MOST_WIRES, 0), (MOST_WIRES + 1, 2)])
def test_parities_of_too_many_wires_stay(wires: int, left: int) -> None:
    """A draft has one place for a term of each gate, and more terms stay gates."""
    kinds = simplified(wires, around(wires, ladder(wires, [op(Op.RZ, [wires - 1], [0.7])])))
    assert kinds.count(columns.FLIP) == left


def test_what_is_no_phase_stays() -> None:
    shrink = op(Op.DIAGONAL, [2], table=[1, 0.5])
    assert simplified(3, [cx(0, 2), cx(1, 2), shrink, cx(0, 2), cx(1, 2)]).count(columns.FLIP) == 4


@pytest.mark.parametrize("blocker", [op(Op.RY, [0], [0.3]), op(Op.RY, [1], [0.3]), cx(2, 0), cx(1, 3)])
def test_pairs_stay_around_what_does_not_commute(blocker: Operation) -> None:
    operations = [cx(0, 1), op(Op.RZ, [1], [0.3]), op(Op.RZZ, [1, 2], [0.4]), blocker, cx(0, 1)]
    assert simplified(4, operations).count(columns.FLIP) >= 2


@pytest.mark.parametrize("form", [list, in_cz])
def test_toffoli_gates_of_cx_and_t_become_controlled_x(form: Callable[[list[Operation]], list[Operation]]) -> None:
    assert simplified(3, form(toffoli(0, 1, 2))) == [columns.FLIP]
    assert simplified(3, form(toffoli(0, 1, 2) * 2)) == []
    # Three rotations before, three after, and a sign between them, which is faster than a controlled X.
    kinds = simplified(3, form(around(3, toffoli(0, 1, 2))))
    assert kinds.count(columns.DENSE) <= 7
    assert kinds.count(columns.FLIP) == 0


def test_gates_that_meet_are_joined() -> None:
    """Two CX vanish where the gates between them have been removed."""
    between = [cx(0, 1), op(Op.RZ, [1], [0.3]), cx(0, 1), op(Op.RZZ, [0, 1], [-0.3])]
    operations = [op(Op.H, [1]), *between, op(Op.T, [1]), op(Op.H, [1])]
    assert simplified(2, operations).count(columns.DENSE) == 1
