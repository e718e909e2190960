# SPDX-License-Identifier: Apache-2.0
"""The arrays of a PUB are made of its points' results."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_jobs import make_circuit_record, make_circuit_result, make_job_record
from msgspec.structs import replace
from qiskit.primitives import BitArray, PubResult, SamplerPubResult

from qfleet.errors import DamagedDataError
from qfleet.jobs.pub_results import _register, pub_result
from qfleet.ledger import CircuitRecord, PubRecord
from qfleet.wire.messages.request import Output
from qfleet.wire.messages.result import CircuitResult


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_registers_are_packed_as_qiskit_packs_them(data: st.DataObject) -> None:
    num_clbits = data.draw(st.integers(1, 40))
    if data.draw(st.booleans()):
        first = data.draw(st.integers(0, num_clbits - 1))
        clbits = list(range(first, data.draw(st.integers(first, num_clbits))))
    else:
        clbits = data.draw(st.lists(st.integers(0, num_clbits - 1), unique=True, max_size=num_clbits))
    bools = np.random.default_rng(data.draw(st.integers(0, 99))).random((2, 3, num_clbits)) < 0.5
    rows = np.packbits(bools, axis=-1, bitorder="little")
    found = _register(rows, np.array(clbits, np.int32))
    expected = BitArray.from_bool_array(bools[..., clbits], order="little")
    assert found.dtype == np.uint8
    assert found.shape == (2, 3, (len(clbits) + 7) // 8)
    if clbits:
        np.testing.assert_array_equal(found, expected.array)


def record(points: int, shots: int, num_clbits: int = 0) -> CircuitRecord:
    return make_circuit_record(
        num_qubits=2, num_clbits=num_clbits, metadata={"key": [1]}, shots=shots, seed=7, points=points
    )


def result(
    output: Output, pub: PubRecord, parts: list[CircuitResult], points: int, shots: int, num_clbits: int = 0
) -> PubResult:
    job = make_job_record(record(points, shots, num_clbits), output=output, pubs=(pub,))
    return pub_result(job, 0, FIRST, parts, "it died")


#: The PUB isn't the first of its job.
FIRST = 50


def part(point: int, points: int = 1, first_shot: int = 0, shots: int = 4, **data: Any) -> CircuitResult:
    return make_circuit_result(FIRST + point, first_shot=first_shot, shots=shots, points=points, **data)


BITS = np.random.default_rng(3).random((6, 4, 11)) < 0.5
PACKED = np.packbits(BITS, axis=-1, bitorder="little")
PUB = PubRecord(
    shape=(2, 3),
    registers=(
        ("a", np.arange(8, 11, dtype="<i4").tobytes()),
        ("b", np.array([5, 0, 9], "<i4").tobytes()),
        ("no", b""),
    ),
)


def bits(point: int, points: int, first_shot: int = 0, shots: int = 4) -> CircuitResult:
    block = PACKED[point : point + points, first_shot : first_shot + shots]
    return part(point, points, first_shot, shots, bits=block.tobytes())


@pytest.mark.parametrize(
    "parts",
    [
        [bits(0, 6)],
        [bits(4, 2), bits(0, 3), bits(3, 1)],
        [bits(point, 1, first, 2) for first in (2, 0) for point in range(6)],
        [bits(0, 5), bits(5, 1, 1, 3), bits(5, 1, 0, 1)],
    ],
    ids=["one", "points", "blocks", "both"],
)
def test_bits_of_points_and_blocks_in_any_order(parts: list[CircuitResult]) -> None:
    found = result("bits", PUB, parts, 6, 4, 11)
    assert isinstance(found, SamplerPubResult)
    assert found.data.shape == (2, 3)
    assert list(found.data) == ["a", "b", "no"]
    for name, clbits in (("a", [8, 9, 10]), ("b", [5, 0, 9])):
        expected = BitArray.from_bool_array(BITS[..., clbits].reshape(2, 3, 4, 3), order="little")
        assert found.data[name] == expected
    assert (found.data.no.num_bits, found.data.no.num_shots, found.data.no.shape) == (0, 4, (2, 3))
    assert found.metadata == {"shots": 4, "circuit_metadata": {"key": [1]}}


def test_a_pub_without_points() -> None:
    found = result("bits", PubRecord(shape=(0, 3), registers=PUB.registers), [], 0, 4, 11)
    assert found.metadata.get("error") is None
    assert found.data.a.shape == (0, 3)


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ([], "it died"),
        ([bits(0, 5)], "it died"),
        ([bits(0, 6, 0, 3)], "it died"),
        ([bits(0, 4), part(4, error="too wide"), part(5, error="no"), bits(4, 2)], "parameter set 4: too wide"),
    ],
)
def test_a_pub_that_failed_has_no_arrays(parts: list[CircuitResult], error: str) -> None:
    found = result("bits", PUB, parts, 6, 4, 11)
    assert found.metadata["error"] == error
    assert (list(found.data), found.data.shape) == ([], (2, 3))


@pytest.mark.parametrize(
    "wrong",
    [
        part(0, 6, bits=PACKED.tobytes()[:-1]),
        part(0, 6, bits=b""),
        part(1, 6, bits=PACKED.tobytes()),
        part(-1, 6, bits=PACKED.tobytes()),
        part(0, 6, 1, bits=PACKED.tobytes()),
        part(0, 3, 0, 8, bits=PACKED.tobytes()),
        # As many bytes as there is room for, and not as many as it says.
        part(0, 6, 1, bits=PACKED[:, 1:].tobytes()),
        part(1, 6, 0, bits=PACKED[1:].tobytes()),
    ],
    ids=["short", "none", "late", "early", "late shots", "many shots", "cut shots", "cut points"],
)
def test_bits_that_dont_fit(wrong: CircuitResult) -> None:
    with pytest.raises(DamagedDataError, match="don't fit"):
        result("bits", PUB, [wrong], 6, 4, 11)


# -------------------------------------------------------------------------------------------------------------- means

#: of two points with three observables each: broadcast from (2,) and (3, 1)
MEANS = np.array([[1, 2, 3], [4, 5, 6]], float) / 8
EXACT = PubRecord(shape=(2,), observables_shape=(3, 1))


def means(point: int, values: np.ndarray, shots: int = 1, first_shot: int = 0) -> CircuitResult:
    return part(point, len(values), first_shot, shots, expectation_values=values.astype("<f8").tobytes())


@pytest.mark.parametrize("parts", [[means(0, MEANS)], [means(1, MEANS[1:]), means(0, MEANS[:1])]])
def test_exact_means(parts: list[CircuitResult]) -> None:
    found = result("means", EXACT, parts, 2, 1)
    np.testing.assert_array_equal(found.data.evs, MEANS.T)
    np.testing.assert_array_equal(found.data.stds, np.zeros((3, 2)))
    assert found.data.shape == (3, 2)
    assert found.metadata == {"target_precision": 0.0, "circuit_metadata": {"key": [1]}}


def test_means_with_noise_of_the_precision_asked_for() -> None:
    points = 4000
    pub = PubRecord(shape=(points,), precision=0.25)
    values = np.full((points, 1), 0.5)
    first, again = (result("means", pub, [means(0, values)], points, 1).data for _ in range(2))
    np.testing.assert_array_equal(first.evs, again.evs)
    assert abs(first.evs.mean() - 0.5) < 6 * 0.25 / math.sqrt(points)
    assert abs(first.evs.std() / 0.25 - 1) < 6 / math.sqrt(2 * points)
    assert (first.stds == 0.25).all()


def test_means_over_blocks_of_shots() -> None:
    rng = np.random.default_rng(5)
    shots = rng.normal(size=(2, 10, 3))
    pub = PubRecord(shape=(2,), observables_shape=(3, 1), precision=0.3, sampled=True)
    parts = [
        means(point, np.stack([block.mean(0), (block**2).mean(0)])[None], len(block), first)
        for point in (1, 0)
        for first, block in ((4, shots[point, 4:]), (0, shots[point, :4]))
    ]
    found = result("means", pub, parts, 2, 10)
    np.testing.assert_allclose(found.data.evs, shots.mean(1).T, atol=1e-14)
    np.testing.assert_allclose(found.data.stds, shots.std(1).T / math.sqrt(10), atol=1e-14)
    assert found.metadata["target_precision"] == 0.3


def test_means_that_dont_vary_have_no_error() -> None:
    pub = PubRecord(shape=(), sampled=True)
    # The mean of the squares is below the square of the mean, by rounding.
    found = result("means", pub, [means(0, np.array([[[0.1], [0.01 - 1e-17]]]), 9)], 1, 9)
    assert (found.data.evs, found.data.stds) == (pytest.approx(0.1), 0.0)


@pytest.mark.parametrize("precision", [0.0, 0.5])
def test_means_that_are_missing_are_nan(precision: float) -> None:
    pub = PubRecord(shape=(2,), observables_shape=(3, 1), precision=precision)
    found = result("means", pub, [means(0, MEANS[:1]), part(1, shots=1, error="too wide")], 2, 1)
    assert found.metadata["error"] == "parameter set 1: too wide"
    assert np.isnan(found.data.evs).tolist() == np.isnan(found.data.stds).tolist() == [[False, True]] * 3
    lost = result("means", pub, [], 2, 1)
    assert lost.metadata["error"] == "it died"
    assert np.isnan(lost.data.evs).all()


@pytest.mark.parametrize(("shape", "observables"), [((0,), (1,)), ((2, 1), (0,)), ((0, 3), (1,))])
def test_estimates_of_nothing(shape: tuple[int, ...], observables: tuple[int, ...]) -> None:
    found = result("means", PubRecord(shape=shape, observables_shape=observables), [], 0, 1)
    assert "error" not in found.metadata
    assert found.data.evs.shape == found.data.stds.shape == np.broadcast_shapes(shape, observables)


@pytest.mark.parametrize(
    "wrong",
    [
        part(0, 2, shots=1),
        part(0, 2, shots=1, expectation_values=MEANS.tobytes()[:-8]),
        part(0, 2, shots=1, expectation_values=MEANS.tobytes() * 2),
        part(1, 2, shots=1, expectation_values=MEANS.tobytes()),
        part(-1, 2, shots=1, expectation_values=MEANS.tobytes()),
    ],
    ids=["none", "few", "with squares", "late", "early"],
)
def test_means_that_dont_fit(wrong: CircuitResult) -> None:
    with pytest.raises(DamagedDataError, match="don't fit"):
        result("means", EXACT, [wrong], 2, 1)


def test_points_that_come_twice_stand_for_no_others() -> None:
    twice = [part(0, shots=1, expectation_values=np.array([at], "<f8").tobytes()) for at in (0.5, 0.25)]
    found = result("means", PubRecord(shape=(2,)), twice, points=2, shots=1)
    assert found.metadata["error"] == "it died"
    assert np.isnan(found.data.evs[1])
    bits_twice = [replace(each, expectation_values=b"", bits=b"\x01") for each in twice]
    assert (
        result("bits", PubRecord(shape=(2,)), bits_twice, points=2, shots=1, num_clbits=1).metadata["error"]
        == "it died"
    )


def test_shots_without_bits_are_damage_before_there_is_room_for_them() -> None:
    """A few bytes may speak of more bits than there is memory."""
    tracemalloc.start()
    try:
        with pytest.raises(DamagedDataError, match="don't fit its 2147483647 shots"):
            result("bits", PubRecord(shape=()), [part(0, shots=2**31 - 1)], points=1, shots=2**31 - 1, num_clbits=8)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["shape", "keys", "self"])
def test_registers_that_no_pub_has_are_damage(name: str) -> None:
    pub = PubRecord(shape=(), registers=((name, np.arange(1, dtype="<i4").tobytes()),))
    with pytest.raises(DamagedDataError, match="aren't those of a PUB"):
        result("bits", pub, [part(0, shots=1, bits=b"\x01")], points=1, shots=1, num_clbits=1)


def test_bits_that_fit_together_and_not_one_by_one_are_damage() -> None:
    parts = [part(0, shots=2, bits=b"\x01"), part(1, shots=2, bits=b"\x01\x00\x01")]
    with pytest.raises(DamagedDataError, match=f"the bits of circuit {FIRST} don't fit its 2 shots"):
        result("bits", PubRecord(shape=(2,)), parts, points=2, shots=2, num_clbits=1)
