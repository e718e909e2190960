# SPDX-License-Identifier: Apache-2.0
"""`qfleet.EstimatorV2` and `qfleet.SamplerV2` against Qiskit's reference primitives, on every shape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as shapes
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.primitives import BindingsArray, BitArray, StatevectorEstimator, StatevectorSampler
from qiskit.quantum_info import Pauli, SparseObservable, SparsePauliOp, Statevector
from reference import assert_drawn_from, outcome_probabilities

import qfleet
from qfleet import EstimatorV2, FleetProvider, SamplerV2

NUM_QUBITS = 3
ANGLES = ParameterVector("a", 3)


def ansatz(*, measured: bool = False) -> QuantumCircuit:
    circuit = QuantumCircuit(NUM_QUBITS, metadata={"of": "the user"})
    circuit.ry(ANGLES[0], 0)
    circuit.cx(0, 1)
    circuit.rx(2 * ANGLES[1] - ANGLES[0], 2)
    circuit.cz(1, 2)
    circuit.rzz(ANGLES[2] * ANGLES[0], 0, 2)
    circuit.h(1)
    if measured:
        circuit.measure_all()
    return circuit


def values(shape: tuple[int, ...], seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).uniform(-np.pi, np.pi, (*shape, len(ANGLES)))


def observables(shape: tuple[int, ...], seed: int) -> NDArray[Any]:
    rng = np.random.default_rng(seed)
    found = np.empty(shape, dtype=object)
    for place in np.ndindex(*shape):
        labels = ["".join(rng.choice(list("IXYZ"), NUM_QUBITS)) for _ in range(rng.integers(1, 4))]
        found[place] = SparsePauliOp(sorted(set(labels)), rng.normal(size=len(set(labels))))
    return found


@st.composite
def broadcast_pairs(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return two shapes that broadcast, with sides of 0 and 1 too."""
    pair = draw(shapes.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3))
    return pair.input_shapes[0], pair.input_shapes[1]


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pair=broadcast_pairs(), seed=st.integers(0, 2**16))
# Points that don't vary along the first axis, and observables that do; and each along some of the axes.
@example(pair=((3,), (2, 1)), seed=1)
@example(pair=((2, 1, 3), (4, 1)), seed=2)
@example(pair=((1, 2, 1), (3, 1, 2)), seed=3)
def test_means_on_every_broadcasting_shape(
    provider: FleetProvider, pair: tuple[tuple[int, ...], tuple[int, ...]], seed: int
) -> None:
    points, operators = values(pair[0], seed), observables(pair[1], seed)
    bindings = BindingsArray({tuple(ANGLES): points}, shape=pair[0])
    pub = (ansatz(), operators, bindings)
    (found,) = EstimatorV2(provider).run([pub]).result(timeout=60)
    shape = np.broadcast_shapes(*pair)
    assert found.data.evs.shape == found.data.stds.shape == found.data.shape == shape
    assert found.data.evs.dtype == found.data.stds.dtype == np.float64
    if 0 in shape:
        return
    (expected,) = StatevectorEstimator().run([pub]).result()
    assert np.allclose(found.data.evs, expected.data.evs, rtol=0, atol=1e-10)
    assert not found.data.stds.any()
    assert found.metadata == expected.metadata


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shape=shapes.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3), seed=st.integers(0, 2**16))
def test_bits_on_every_shape(provider: FleetProvider, shape: tuple[int, ...], seed: int) -> None:
    points = values(shape, seed)
    pub = (ansatz(measured=True), BindingsArray({tuple(ANGLES): points}, shape=shape))
    (found,) = SamplerV2(provider, seed=seed).run([pub], shots=300).result(timeout=60)
    (expected,) = StatevectorSampler(seed=1).run([pub], shots=300).result()
    bits = found.data.meas
    assert isinstance(bits, BitArray)
    assert (bits.shape, bits.num_shots, bits.num_bits) == (shape, 300, NUM_QUBITS)
    assert (bits.array.shape, bits.array.dtype) == (expected.data.meas.array.shape, np.uint8)
    assert found.data.shape == shape
    assert found.metadata == expected.metadata
    for place in np.ndindex(*shape):
        probabilities = outcome_probabilities(pub[0].assign_parameters(points[place]))
        assert_drawn_from(bits.get_counts(place), probabilities)


FORMS = [
    ("a tuple without values", lambda: (bound(), "ZZI")),
    ("one point", lambda: (ansatz(), "ZZI", [0.1, 0.2, 0.3])),
    ("a mapping of names", lambda: (ansatz(), ["ZZI", "IXY"], {"a[0]": 0.1, "a[1]": 0.2, "a[2]": 0.3})),
    ("a mapping in parts", lambda: (ansatz(), "ZZI", {(ANGLES[2], ANGLES[0]): [0.1, 0.2], ANGLES[1]: 0.3})),
    ("a mapping of vectors", lambda: (ansatz(), Pauli("ZZI"), {tuple(ANGLES): values((4,), 3)})),
    ("a sum of Paulis", lambda: (ansatz(), SparsePauliOp(["XXI", "IIZ"], [0.5, 2]), values((2, 2), 3))),
    ("a dictionary", lambda: (ansatz(), {"XXI": 0.5, "IIZ": 2}, values((2,), 3))),
    ("signed Paulis", lambda: (ansatz(), [Pauli("-XXI"), Pauli("YIY")], values((2,), 3))),
    ("a precision of its own", lambda: (ansatz(), "ZZI", values((2,), 3), 0.0)),
]


def bound() -> QuantumCircuit:
    return ansatz().assign_parameters([0.4, 0.5, 0.6])


@pytest.mark.parametrize("make", [make for _, make in FORMS], ids=[name for name, _ in FORMS])
def test_every_form_of_an_estimator_pub(provider: FleetProvider, make: Any) -> None:
    (found,) = EstimatorV2(provider).run([make()]).result(timeout=60)
    (expected,) = StatevectorEstimator().run([make()]).result()
    assert np.allclose(found.data.evs, expected.data.evs, rtol=0, atol=1e-10)
    assert found.data.evs.shape == expected.data.evs.shape


def test_projectors_and_idle_qubits(provider: FleetProvider) -> None:
    circuit = QuantumCircuit(90)
    circuit.ry(0.7, 3)
    circuit.cx(3, 80)
    operators = [
        SparseObservable.from_sparse_list([("0", [3], 1.0)], 90),
        SparseObservable.from_sparse_list([("1+", [80, 5], 2.0), ("Z", [7], 0.5)], 90),
        SparseObservable.from_sparse_list([("X", [7], 1.0), ("XX", [3, 80], 1.0)], 90),
        SparseObservable.from_sparse_list([("r", [0], 1.0)], 90),
    ]
    (found,) = EstimatorV2(provider).run([(circuit, operators)]).result(timeout=60)
    one = np.sin(0.35) ** 2
    assert np.allclose(found.data.evs, [1 - one, one + 0.5, np.sin(0.7), 0.5], rtol=0, atol=1e-12)


def test_means_with_a_precision(provider: FleetProvider) -> None:
    pub = (ansatz(), ["ZZI", "XIX", "III"], values((400, 1), 5))
    exact = EstimatorV2(provider).run([pub]).result(timeout=60)[0].data.evs
    estimator = EstimatorV2(provider, seed=8, default_precision=0.03)
    (found,) = estimator.run([pub]).result(timeout=60)
    assert found.metadata["target_precision"] == 0.03
    assert np.all(found.data.stds == 0.03)
    errors = (found.data.evs - exact) / 0.03
    # Of 1,200 normal errors the mean and the spread are known to a few hundredths.
    assert abs(errors.mean()) < 0.2
    assert 0.85 < errors.std() < 1.15
    (again,) = estimator.run([pub]).result(timeout=60)
    assert np.array_equal(again.data.evs, found.data.evs)
    (other,) = EstimatorV2(provider, seed=9).run([pub], precision=0.03).result(timeout=60)
    assert not np.array_equal(other.data.evs, found.data.evs)


def test_means_of_what_goes_several_ways(provider: FleetProvider) -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.ry(ANGLES[0], 0)
    circuit.cx(0, 1)
    circuit.measure(0, 0)
    circuit.ry(0.4, 1)
    points = np.array([[0.3], [1.2], [2.0]])
    (found,) = EstimatorV2(provider, seed=2).run([(circuit, ["ZZ", "IZ", "XX"], points[:, None], 0.01)]).result(60)
    signs = np.cos(points[:, 0])
    expected = np.stack([np.full(3, np.cos(0.4)), signs, np.zeros(3)], axis=1)
    assert np.all(np.abs(found.data.evs - expected) <= 6 * found.data.stds + 1e-12)
    assert np.allclose(found.data.stds[:, 1], 0.01 * np.sin(points[:, 0]), rtol=0.1)
    (exact,) = EstimatorV2(provider).run([(circuit, ["ZZ", "IZ", "XX"], points[:, None])]).result(60)
    assert np.allclose(exact.data.evs, expected, rtol=0, atol=1e-9)


def test_a_reset_of_fresh_qubits_is_no_chance(provider: FleetProvider) -> None:
    circuit = QuantumCircuit(2)
    circuit.reset([0, 1])
    circuit.initialize([0.6, 0.8], 1)
    circuit.ry(0.5, 0)
    (found,) = EstimatorV2(provider).run([(circuit, ["ZI", "IZ"])]).result(timeout=60)
    assert np.allclose(found.data.evs, [0.36 - 0.64, np.cos(0.5)], rtol=0, atol=1e-12)


def test_wrong_pubs_are_named_by_their_index(provider: FleetProvider) -> None:
    before = [job.job_id() for job in provider.jobs(limit=None)]
    good = (ansatz(), "ZZI", [1, 2, 3])
    for wrong, kind, text in [
        ((ansatz(), "ZZ", [1, 2, 3]), ValueError, "number of qubits"),
        ((ansatz(), "ZZI", [1, 2]), ValueError, "inconsistent"),
        ((ansatz(), "ZZI"), ValueError, "number of values"),
        ((ansatz(), "ZZI", [1, 2, np.nan]), ValueError, "finite"),
        ((ansatz(), ["ZZI"] * 3, values((2,), 1)), ValueError, "broadcast"),
        ((ansatz(), {"ZZI": 1j}, [1, 2, 3]), ValueError, "Hermitian"),
        (("circuit", "ZZI"), TypeError, "QuantumCircuit"),
        (ansatz(), ValueError, r"wrap it with"),
    ]:
        with pytest.raises(kind, match=f"PUB 1: .*{text}"):
            EstimatorV2(provider).run([good, wrong])
    for wrong, kind, text in [
        ((ansatz(measured=True), [1, 2]), ValueError, "inconsistent"),
        (ansatz(measured=True), ValueError, "number of values"),
        ((ansatz(measured=True), [1, 2, 3], 0), ValueError, "shots must be positive"),
        ("circuit", ValueError, "length of pub"),
        ((5, [1, 2, 3]), TypeError, "parameters"),
    ]:
        with pytest.raises(kind, match=f"PUB 1: .*{text}"):
            SamplerV2(provider).run([(ansatz(measured=True), [1, 2, 3]), wrong])
    with pytest.raises(ValueError, match="wrap it with"):
        SamplerV2(provider).run(bound())
    assert [job.job_id() for job in provider.jobs(limit=None)] == before


def test_precision_and_shots_have_bounds(provider: FleetProvider) -> None:
    for precision in (-1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match=r"PUB 0: .*precision"):
            EstimatorV2(provider).run([(bound(), "ZZI", None, precision)])
    tiny = EstimatorV2(provider).run([(bound(), "ZZI", None, 1e-200)]).result(timeout=60)[0].data
    exact = EstimatorV2(provider).run([(bound(), "ZZI")]).result(timeout=60)[0].data
    assert tiny.evs == pytest.approx(exact.evs, abs=1e-12)
    by_chance = QuantumCircuit(1, 1)
    by_chance.h(0)
    by_chance.measure(0, 0)
    with pytest.raises(ValueError, match=r"PUB 0: precision=1e-200 needs .* shots"):
        EstimatorV2(provider).run([(by_chance, "Z", None, 1e-200)])
    with pytest.raises(ValueError, match=r"PUB 0: .*shots"):
        SamplerV2(provider).run([(by_chance, None, 2**40)])


def test_leaving_a_stream_early_cancels_the_rest(redis_url: str) -> None:
    with FleetProvider(redis_url) as without_workers:
        before = {job.job_id() for job in without_workers.jobs(limit=None)}
        points = qfleet.iter_sweep(ansatz(), values((5,), 1), "ZZI", fleet=without_workers)
        (job,) = [job for job in without_workers.jobs(limit=None) if job.job_id() not in before]
        points.close()
        assert job.cancelled()
        assert list(points) == []


def test_a_sweep_is_every_observable_at_every_point(provider: FleetProvider) -> None:
    points, operators = values((5, 2), 3), [["ZZI", "IXY"]]
    found = qfleet.sweep(ansatz(), points, operators, fleet=provider)
    assert found.shape == (5, 2, 1, 2)
    streamed = np.full((10, 1, 2), np.nan)
    for where, means in qfleet.iter_sweep(ansatz(), points, operators, fleet=provider):
        streamed[where] = means
    assert np.array_equal(streamed.reshape(found.shape), found)
    for place in np.ndindex(5, 2):
        state = Statevector(ansatz().assign_parameters(points[place]))
        expected = [state.expectation_value(Pauli(label)).real for label in operators[0]]
        assert np.allclose(found[place][0], expected, rtol=0, atol=1e-10)
    one = qfleet.sweep(ansatz(), {"a[0]": 0.1, "a[1]": 0.2, "a[2]": 0.3}, "ZZI", fleet=provider)
    assert one.shape == ()
