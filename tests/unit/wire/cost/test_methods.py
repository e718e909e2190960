# SPDX-License-Identifier: Apache-2.0
"""The choice between runs with random errors and a density matrix."""

from __future__ import annotations

import density_oracle
import numpy as np
import pytest
from density_oracle import noise
from engine_oracle import measure, op

from qfleet.wire.cost.branches import passes, turns_of
from qfleet.wire.cost.cost import cost
from qfleet.wire.cost.errors import error_runs
from qfleet.wire.cost.methods import choose_exact_method, choose_method
from qfleet.wire.messages.methods import MethodError
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.program.channels import Branch
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program


def depolarizing(p: float, num_qubits: int) -> list[Branch]:
    """Return a channel of all Paulis, with the identity as the rest."""
    paulis = [(x, z) for x in range(2**num_qubits) for z in range(2**num_qubits) if x or z]
    return [Branch(1 - p), *[Branch(p / len(paulis), x, z) for x, z in paulis]]


def brick(num_qubits: int, layers: int, one: float, two: float) -> Program:
    """Return layers of rotations and CX with noise behind each."""
    operations = []
    for layer in range(layers):
        for qubit in range(num_qubits):
            operations += [op(Op.RY, [qubit], [0.3 * layer + qubit]), noise([qubit], depolarizing(one, 1))]
        for qubit in range(layer % 2, num_qubits - 1, 2):
            operations += [op(Op.X, [qubit + 1], controls=[qubit])]
            operations += [noise([qubit, qubit + 1], depolarizing(two, 2))]
    return density_oracle.program(num_qubits, num_qubits, operations + [measure(q, q) for q in range(num_qubits)])


def counted_runs(program: Program, shots: int, seed: int = 1) -> float:
    """Return the runs of a tree of error patterns, each pattern drawn at random."""
    rng = np.random.default_rng(seed)
    tables = [channel.chances() for channel in program.channels]
    patterns = set()
    for _ in range(shots):
        drawn = [int(rng.choice(len(table), p=table)) for table in tables]
        patterns.add(tuple([(site, branch) for site, branch in enumerate(drawn) if branch]))
    prefixes = {pattern[:length] for pattern in patterns for length in range(len(pattern) + 1)}
    ends: dict[tuple[tuple[int, int], ...], int] = {}
    for prefix in prefixes:
        if prefix:
            # A run goes on from where it leaves its parent.
            ends[prefix] = len(tables) - prefix[-1][0]
    return sum(ends.values()) / len(tables)


@pytest.mark.parametrize(("one", "two"), [(1e-4, 1e-3), (1e-3, 1e-2), (3e-3, 3e-2)])
def test_the_runs_with_errors_are_those_of_a_tree_of_patterns(one: float, two: float) -> None:
    program = brick(8, 8, one, two)
    counted = counted_runs(program, 2000)
    assert 0.7 * counted < error_runs(program, turns_of(program)).runs(2000) < 1.5 * counted


def test_a_noiseless_program_has_no_runs_with_errors() -> None:
    program = density_oracle.program(1, 0, [op(Op.H, [0]), noise([0], [Branch(1.0)])])
    assert error_runs(program, turns_of(program)).runs(1000) == 0
    assert passes(program, "statevector").of(1000) == 1


@pytest.mark.parametrize(("branch", "least", "most"), [(Branch(1.0, 1), 1, 1), (Branch(0.5, 1), 900, 1000)])
def test_errors_that_all_shots_share_are_one_run(branch: Branch, least: float, most: float) -> None:
    channel = [Branch(1 - branch.probability), branch]
    program = density_oracle.program(2, 0, [noise([0], channel)] * 30 + [op(Op.H, [0])])
    assert least <= passes(program, "statevector").of(1000) <= most
    assert passes(program, "density_matrix").of(1000) == 1


def test_few_qubits_are_run_exactly_and_many_are_not() -> None:
    request = Request(method="automatic")
    method, reason = choose_method(brick(5, 8, 1e-3, 1e-2), request, 10_000)
    assert method == "density_matrix"
    assert reason.startswith("automatic: takes less time than some ")
    method, reason = choose_method(brick(16, 8, 1e-3, 1e-2), request, 10_000)
    assert method == "statevector"
    assert reason.endswith(" take less than a density matrix")


def test_more_shots_are_run_exactly() -> None:
    program = brick(9, 8, 1e-3, 1e-2)
    methods = [choose_method(program, Request(method="automatic"), shots)[0] for shots in (1, 10_000_000)]
    assert methods == ["statevector", "density_matrix"]


def test_what_is_asked_for_is_done() -> None:
    program = brick(5, 8, 1e-3, 1e-2)
    assert choose_method(program, Request(method="statevector"), 10_000)[0] == "statevector"
    assert choose_method(brick(12, 2, 0.1, 0.1), Request(method="density_matrix"), 1)[0] == "density_matrix"


def test_a_statevector_is_refused_of_a_density_matrix_and_never_chosen_away() -> None:
    program = brick(3, 8, 1e-3, 1e-2)
    wanted = Request(Output.STATEVECTOR, "automatic")
    assert choose_method(program, wanted, 10_000)[0] == "statevector"
    with pytest.raises(MethodError, match="gives its statevector, which method='density_matrix'"):
        choose_method(program, Request(Output.STATEVECTOR, "density_matrix"), 10_000)


def test_a_density_matrix_takes_four_times_the_memory_for_each_qubit() -> None:
    needed = [
        cost(brick(n, 2, 0.1, 0.1), Request(method="density_matrix"), shots=1).state_bytes for n in (10, 11, 12, 60)
    ]
    assert needed[0] >= 8 * 4**10
    assert needed[1:3] == pytest.approx([4 * needed[0], 16 * needed[0]])
    # Python's integers have no largest one.
    assert needed[3] > 2**100


def test_noise_on_many_qubits_together_has_no_density_matrix() -> None:
    wide = density_oracle.program(4, 1, [noise([0, 1, 2, 3], [Branch(0.5), Branch(0.5, 15, 0)]), measure(0, 0)])
    method, reason = choose_method(wide, Request(method="automatic"), 1000)
    assert method == "statevector"
    assert "has noise on 4 qubits together, which a density matrix doesn't have" in reason
    with pytest.raises(MethodError, match="has noise on 4 qubits together, which method='density_matrix' doesn't"):
        choose_method(wide, Request(method="density_matrix"), 10)
    with pytest.raises(MethodError, match="saves no superoperator, which method='superop' is for"):
        choose_method(wide, Request(method="superop"), 10)


@pytest.mark.parametrize(
    ("num_qubits", "size", "method_helps"),
    [(14, "takes 2.3 GiB;", True), (60, "is more than a worker holds;", False)],
)
def test_exact_means_of_many_qubits_are_refused_with_a_way_out(num_qubits: int, size: str, method_helps: bool) -> None:
    program = density_oracle.program(num_qubits, 0, [noise([num_qubits - 1], depolarizing(0.1, 1))])
    with pytest.raises(MethodError, match=f"has noise on {num_qubits} qubits, whose density matrix {size}") as caught:
        choose_exact_method(program, Request(method="automatic"))
    assert "give a precision above 0" in str(caught.value)
    assert ("method='density_matrix'" in str(caught.value)) is method_helps


def test_exact_means_are_refused_with_noise_on_many_qubits_together() -> None:
    wide = density_oracle.program(5, 0, [noise([0, 1, 2, 3], [Branch(0.5), Branch(0.5, 15, 0)])])
    with pytest.raises(
        MethodError, match=r"has noise on 4 qubits together, and exact .* need a density matrix; .* above 0"
    ):
        choose_exact_method(wide, Request(method="automatic"))
