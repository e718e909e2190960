# SPDX-License-Identifier: Apache-2.0
"""Sweeps in machine code: in parts, by several threads, and up to the point that fails."""

from __future__ import annotations

import engine_oracle as oracle
import msgspec
import numpy as np
import pytest
from engine_oracle import UNITARY_OPS, measure, op
from make_experiments import make_experiment
from small_chunks import small_chunks

from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet_worker.engines.contract import EngineError
from qfleet_worker.engines.statevector.compiler.plan import compile_program
from qfleet_worker.engines.statevector.runtime.parameter_sets import BATCH_SETS
from qfleet_worker.engines.statevector.runtime.sweeping import SweepSizes, is_plain
from qfleet_worker.engines.statevector.simulator import Sizes, StatevectorSimulator


def random_program(seed: int, num_qubits: int, num_clbits: int = 0, length: int = 40) -> Program:
    rng = np.random.default_rng(seed)
    gates = [oracle.random_operation(rng, num_qubits, 0, UNITARY_OPS) for _ in range(length)]
    # Measured before the last gates, so that there is more than one stretch.
    early = [measure(0, 0)] if num_clbits else []
    others = [op(Op.RY, [qubit], [0.3]) for qubit in range(1, num_qubits)]
    late = [measure(qubit, num_clbits - 1 - qubit % num_clbits) for qubit in range(1, num_qubits)] if num_clbits else []
    return oracle.program(num_qubits, num_clbits, [*gates, *early, *others, *late])


#: A few parameter sets at a time, by threads.
IN_PARTS = Sizes(sweeps=SweepSizes(chunk_bytes=1 << 12, shared_bytes=0))
#: All parameter sets at once, by threads.
SHARED = Sizes(sweeps=SweepSizes(shared_bytes=0))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("num_qubits", [1, 2, 3, 4, 8, 10])
def test_states(num_qubits: int, precision: str, threads: int) -> None:
    program = random_program(num_qubits, num_qubits)
    params = np.random.default_rng(1).uniform(-7, 7, (37, len(program.params)))
    experiment = make_experiment(program, 1, 1, output="statevector", precision=precision, threads=threads)
    swept = list(StatevectorSimulator(sizes=IN_PARTS).sweep(experiment, params, [1] * 37))
    assert len(swept) == 37
    for row, outcome in zip(params, swept, strict=True):
        bound = msgspec.structs.replace(program, params=row)
        single = StatevectorSimulator().run(msgspec.structs.replace(experiment, program=bound)).amplitudes
        assert outcome.amplitudes.tobytes() == single.tobytes()
        assert np.abs(single - oracle.statevector(bound)).max() < (1e-10 if precision == "double" else 2e-5)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("precision", ["double", "single"])
def test_more_parameter_sets_than_are_written_at_a_time(precision: str, threads: int) -> None:
    """Whose last batch is smaller, and the one of each thread too."""
    number = 2 * BATCH_SETS + 5
    program = random_program(3, 3)
    params = np.random.default_rng(1).uniform(-7, 7, (number, len(program.params)))
    experiment = make_experiment(program, 1, 1, output="statevector", precision=precision, threads=threads)
    swept = list(StatevectorSimulator(sizes=SHARED).sweep(experiment, params, range(number)))
    engine = StatevectorSimulator()
    for row, outcome in zip(params, swept, strict=True):
        bound = msgspec.structs.replace(program, params=row)
        single = engine.run(msgspec.structs.replace(experiment, program=bound)).amplitudes
        assert outcome.amplitudes.tobytes() == single.tobytes()


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize(("num_qubits", "num_clbits"), [(1, 1), (3, 2), (5, 9), (10, 10)])
def test_counts(num_qubits: int, num_clbits: int, precision: str, memory: bool) -> None:
    program = random_program(num_qubits, num_qubits, num_clbits)
    params = np.random.default_rng(2).uniform(-7, 7, (19, len(program.params)))
    experiment = make_experiment(program, 200, 1, first_shot=70, memory=memory, precision=precision)
    seeds = [int(seed) for seed in np.random.default_rng(3).integers(1 << 40, size=19)]
    swept = StatevectorSimulator(sizes=IN_PARTS).sweep(experiment, params, seeds)
    for row, seed, outcome in zip(params, seeds, swept, strict=True):
        bound = msgspec.structs.replace(program, params=row)
        single = StatevectorSimulator().run(msgspec.structs.replace(experiment, program=bound, seed=seed))
        np.testing.assert_array_equal(outcome.outcomes, single.outcomes)
        np.testing.assert_array_equal(outcome.counts, single.counts)
        np.testing.assert_array_equal(outcome.memory, single.memory)


@pytest.mark.parametrize(
    "operations",
    [
        [op(Op.RY, [0], [0.1]), measure(0, 0), op(Op.RY, [0], [0.2]), measure(0, 1)],
        [op(Op.RY, [0], [0.1]), op(Op.RESET, [0]), op(Op.RY, [0], [0.2]), measure(0, 1)],
        [op(Op.RY, [0], [0.1]), op(Op.UNITARY, range(5), table=np.eye(32)), op(Op.RX, [0], [0.2]), measure(0, 1)],
        [*(op(Op.RY, [qubit], [0.1]) for qubit in range(13)), measure(3, 0), measure(12, 1)],
        [measure(0, 0)],
    ],
    ids=["measured in the middle", "reset", "a wide gate", "many qubits", "no gate"],
)
def test_what_is_run_point_by_point_or_has_no_gates(operations: list[oracle.Operation]) -> None:
    program = oracle.program(13, 2, operations)
    params = np.random.default_rng(2).uniform(-7, 7, (4, len(program.params)))
    experiment = make_experiment(program, 100, 1)
    for row, seed, outcome in zip(
        params, range(4), StatevectorSimulator().sweep(experiment, params, range(4)), strict=True
    ):
        bound = msgspec.structs.replace(program, params=row)
        single = StatevectorSimulator().run(msgspec.structs.replace(experiment, program=bound, seed=seed))
        np.testing.assert_array_equal(outcome.outcomes, single.outcomes)
        np.testing.assert_array_equal(outcome.counts, single.counts)


@pytest.mark.parametrize("output", ["statevector", "counts"])
def test_a_point_that_fails_comes_after_those_before_it(output: str) -> None:
    program = oracle.program(3, int(output == "counts"), [op(Op.RY, [0], [0.5]), op(Op.RX, [1], [0.1])])
    params = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, np.nan], [0.6, 0.7]])
    outcomes = StatevectorSimulator().sweep(make_experiment(program, 10, 1, output=output), params, range(4))
    next(outcomes)
    next(outcomes)
    with pytest.raises(EngineError, match="the circuit isn't unitary"):
        next(outcomes)


def test_no_points_and_too_few_seeds() -> None:
    experiment = make_experiment(oracle.program(1, 0, [op(Op.RY, [0], [0.5])]), 1, 1, output="statevector")
    assert list(StatevectorSimulator().sweep(experiment, np.zeros((0, 1)), [])) == []
    with pytest.raises(ValueError, match="2 parameter sets have 1 seeds"):
        list(StatevectorSimulator().sweep(experiment, np.zeros((2, 1)), [1]))


def test_a_plan_whose_stages_leave_wires_out_is_not_run_at_all_points_together() -> None:
    """Where each point is a chunk of its own, all wires must be in it."""
    program = oracle.program(10, 0, [op(Op.H if qubit < 5 else Op.T, [qubit]) for qubit in range(10)])
    assert is_plain(compile_program(program, 2))
    plan = compile_program(program, 2, chunks=small_chunks(7, 3).chunks)
    assert len(plan.steps[0].tables.stages) == 1
    assert not is_plain(plan)
