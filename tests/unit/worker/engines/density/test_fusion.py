# SPDX-License-Identifier: Apache-2.0
"""Products of many rows are those of the rows one by one."""

from __future__ import annotations

import density_oracle
import engine_oracle as oracle
import msgspec
import numpy as np
import pytest
from density_oracle import noise
from engine_oracle import UNITARY_OPS, measure, op
from engines import counts

from qfleet.wire.messages.request import Request
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation, Program
from qfleet.wire.program.saves import Save, SaveKind
from qfleet_worker.engines.contract import Experiment
from qfleet_worker.engines.density import fusion
from qfleet_worker.engines.density.compiler import compile_stretch
from qfleet_worker.engines.density.plan import Apply
from qfleet_worker.engines.driver.stretches import Stretch
from qfleet_worker.engines.numpy.simulator import NumpySimulator


def random_operations(rng: np.random.Generator, num_qubits: int, length: int) -> list[Operation]:
    """Return gates, resets and noise, among them many equal ones on few pairs of qubits."""
    channels = {width: density_oracle.random_branches(rng, width) for width in range(1, min(num_qubits, 3) + 1)}
    pairs = [rng.permutation(num_qubits)[:2].tolist() for _ in range(3)] if num_qubits > 1 else []
    found: list[Operation] = []
    for kind in rng.random(length).tolist():
        qubit = int(rng.integers(num_qubits))
        if kind < 0.1:
            found.append(oracle.random_operation(rng, num_qubits, 0, [*UNITARY_OPS, Op.INITIALIZE]))
        elif kind < 0.3:
            width = int(rng.integers(1, len(channels) + 1)) if kind < 0.15 else 1
            found.append(noise(rng.permutation(num_qubits)[:width].tolist(), channels[width]))
        elif kind < 0.5 or not pairs:
            found.append(op(Op.RY, [qubit], [kind]) if kind < 0.4 else op(Op.S, [qubit]))
        elif kind < 0.6:
            found.append(op(Op.RESET, [qubit]))
        else:
            first, second = pairs[int(rng.integers(3))][:: 1 if kind < 0.8 else -1]
            both = [
                op(Op.X, [first], controls=[second]),
                op(Op.X, [first], controls=[~second]),
                op(Op.SWAP, [first, second]),
                op(Op.RXX, [first, second], [0.4]),
                noise([first, second], channels[2]),
            ]
            found.append(both[int(rng.integers(5))])
    return found


def final_matrix(program: Program) -> np.ndarray:
    """Return the density matrix at the end of a program."""
    save = Save(kind=SaveKind.DENSITY_MATRIX, label="rho", subtype="average")
    row = Operation(Op.SAVE, (), tuple(range(program.num_qubits)), (), None, -1)
    saving = msgspec.structs.replace(
        density_oracle.program(program.num_qubits, program.num_clbits, [*program, row]),
        save_refs=np.zeros(1, np.int32),
        saves=(save,),
    )
    (saved,) = NumpySimulator().run(Experiment(saving, 1, 1, request=Request(method="density_matrix"))).saved
    return np.frombuffer(saved.values, "<c16").reshape(1 << program.num_qubits, -1)


@pytest.mark.parametrize("most_rows", [40, 4096])
@pytest.mark.parametrize("num_qubits", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_products_are_those_of_plain_matrices(
    monkeypatch: pytest.MonkeyPatch, seed: int, num_qubits: int, most_rows: int
) -> None:
    program = density_oracle.program(num_qubits, 0, random_operations(np.random.default_rng(seed), num_qubits, 150))
    monkeypatch.setattr(fusion, "MOST_ROWS", most_rows)
    fused = final_matrix(program)
    monkeypatch.setattr(fusion, "FEWEST_ROWS", 10**6)
    assert np.abs(fused - final_matrix(program)).max() < 1e-12
    assert np.abs(fused - density_oracle.density_matrix(program)).max() < 1e-10


@pytest.mark.parametrize("outcomes", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_measurements_part_products_and_keep_their_events(
    monkeypatch: pytest.MonkeyPatch, seed: int, outcomes: bool
) -> None:
    rng = np.random.default_rng(seed)
    parts = [[*random_operations(rng, 3, 40), measure(int(rng.integers(3)), clbit)] for clbit in (2, 0, 1, 2)]
    rows = [*[row for part in parts for row in part], op(Op.H, [1]), measure(1, 3), measure(0, 4)]
    program = density_oracle.program(3, 5, rows)
    experiment = Experiment(program, 2000, 5, request=Request(method="density_matrix"))
    monkeypatch.setattr(fusion, "MOST_ROWS", 70)
    plan = compile_stretch(Stretch(program, True, True, 0), outcomes=outcomes)
    fused = counts(NumpySimulator().run(experiment))
    monkeypatch.setattr(fusion, "FEWEST_ROWS", 10**6)
    one_by_one = compile_stretch(Stretch(program, True, True, 0), outcomes=outcomes)
    others = [[step for step in each.steps if not isinstance(step, Apply)] for each in (plan, one_by_one)]
    assert [type(step) for step in others[0]] == [type(step) for step in others[1]]
    assert plan.measured == one_by_one.measured
    assert plan.readout == one_by_one.readout
    assert fused == counts(NumpySimulator().run(experiment))


def test_a_long_program_on_two_qubits_is_one_matrix() -> None:
    channel = density_oracle.random_branches(np.random.default_rng(1), 2)
    layer = [op(Op.H, [0]), op(Op.S, [1]), op(Op.X, [1], controls=[0]), noise([1, 0], channel)]
    plan = compile_stretch(Stretch(density_oracle.program(2, 0, layer * 50), True, True, 0))
    assert len(plan.steps) == 1
