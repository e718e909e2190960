# SPDX-License-Identifier: Apache-2.0
"""The wanted means come back where not all observables are wanted at all points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fake_shards import FakeEngine
from hypothesis import given, settings
from hypothesis import strategies as st
from make_jobs import make_circuit_work, make_shard_work
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparseObservable, SparsePauliOp, Statevector

from qfleet.lowering.lower import lower
from qfleet.lowering.passes.expectation_values import save_expectation_values
from qfleet.wire.messages.work import SEED_STEP, CircuitWork
from qfleet_worker.engines.contract import EngineError
from qfleet_worker.engines.numpy.simulator import NumpySimulator
from qfleet_worker.shards.simulation import resolve, simulate

OBSERVABLES = [
    SparseObservable.from_list([("ZI", 0.5), ("XY", -1.5), ("01", 2)]),
    SparseObservable("YX"),
    SparseObservable.zero(2),
    SparseObservable.from_list([("II", 3), ("IZ", 1)]),
]
VALUES = np.linspace(-2, 3, 10).reshape(5, 2)


def built() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.rx(Parameter("a"), 0)
    circuit.cx(0, 1)
    circuit.ry(Parameter("b"), 1)
    return circuit


PROGRAM = save_expectation_values(lower(built()), OBSERVABLES)
#: shape (points, observables), by Qiskit
EXACT = np.array(
    [
        [
            Statevector(built().assign_parameters(row))
            .expectation_value(SparsePauliOp.from_sparse_observable(each))
            .real
            for each in OBSERVABLES
        ]
        for row in VALUES
    ]
)


def work(wanted: Any, columns: int | None = None, **changed: Any) -> CircuitWork:
    table = wanted if isinstance(wanted, bytes) else np.array(wanted, "<i4").tobytes()
    number = columns if columns is not None else np.shape(wanted)[-1]
    fields = {"shots": 1, "seed": 50, "points": 5, "values": VALUES.tobytes()}
    return make_circuit_work(**fields | {"observables": table, "num_observables": number} | changed)


def means(one: CircuitWork, engine: Any = None, program: Any = PROGRAM) -> np.ndarray:
    shard = make_shard_work(one, output="means")
    found = simulate(engine or NumpySimulator(), program, one, resolve(program, shard.request_of(one)), 1)
    assert found.keys() == {"expectation_values"}
    return np.frombuffer(found["expectation_values"], "<f8").reshape(one.points, -1)


def test_all_of_them() -> None:
    assert means(work(b"", 0)) == pytest.approx(EXACT, abs=1e-12)
    # Then it doesn't matter how many are said to be wanted.
    assert means(work(b"", 9)) == pytest.approx(EXACT, abs=1e-12)


@pytest.mark.parametrize("row", [[0, 1, 2, 3], [3, 0], [2], [1, 1, 0, 1], [3, 2, 1, 0]])
def test_the_same_at_all_points(row: list[int]) -> None:
    assert means(work([row])) == pytest.approx(EXACT[:, row], abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.data())
def test_a_row_for_each_point(columns: int, data: st.DataObject) -> None:
    rows = st.lists(st.integers(0, 3), min_size=columns, max_size=columns)
    wanted = data.draw(st.lists(rows, min_size=5, max_size=5))
    assert means(work(wanted)) == pytest.approx(np.take_along_axis(EXACT, np.array(wanted), 1), abs=1e-12)


def test_rows_that_recur_are_swept_together_with_their_own_seeds() -> None:
    engine = FakeEngine()
    engine.answer = NumpySimulator().run
    found = means(work([[0, 1], [3, 3], [0, 1], [1, 0], [3, 3]]), engine)
    assert found == pytest.approx(EXACT[np.arange(5)[:, None], [[0, 1], [3, 3], [0, 1], [1, 0], [3, 3]]], abs=1e-12)
    assert sorted(engine.sweeps) == [1, 2, 2]
    seeds = {tuple(asked.program.params.tolist()): asked.seed for asked in engine.asked}
    assert seeds == {tuple(row): 50 + SEED_STEP * point for point, row in enumerate(VALUES.tolist())}


def test_squares_of_some() -> None:
    program = save_expectation_values(lower(built()), OBSERVABLES, squares=True)
    found = means(work([[1, 0]]), program=program)
    assert found == pytest.approx(np.hstack([EXACT[:, [1, 0]], EXACT[:, [1, 0]] ** 2]), abs=1e-12)


def test_one_point_with_a_row_of_its_own() -> None:
    found = means(work([[2, 3]], points=1, values=VALUES[:1].tobytes()))
    assert found == pytest.approx(EXACT[:1, [2, 3]], abs=1e-12)


def test_an_observable_without_terms_alone() -> None:
    assert means(work([[2, 2]])).tolist() == [[0, 0]] * 5


@pytest.mark.parametrize(
    ("wanted", "columns"),
    [
        (bytes(4 * 5), 0),
        (bytes(4), 2),
        (bytes(4 * 2 * 2), 2),
        (bytes(4 * 2 * 6), 2),
        (bytes(3), 1),
        (bytes(4 * 5 + 1), 1),
        (bytes(4), 2**31 - 1),
        (bytes(4 * 5), 2**31 - 1),
    ],
)
def test_sizes_that_dont_fit(wanted: bytes, columns: int) -> None:
    engine = FakeEngine()
    with pytest.raises(EngineError, match=f"comes with {len(wanted)} bytes that name the observables"):
        means(work(wanted, columns), engine)
    assert engine.asked == []


@pytest.mark.parametrize("number", [-1, 4, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("at", [0, 4])
def test_observables_that_arent_there(number: int, at: int) -> None:
    engine = FakeEngine()
    rows = [[0], [1], [2], [3], [0]]
    rows[at] = [number]
    with pytest.raises(EngineError, match="an observable is wanted that isn't there"):
        means(work(rows), engine)
    assert engine.asked == []


def test_more_terms_than_there_are() -> None:
    with pytest.raises(EngineError, match="100000 terms of observables are wanted at a point; there are"):
        means(work([[1] * 100_000], points=1, values=VALUES[:1].tobytes()))
