# SPDX-License-Identifier: Apache-2.0
"""Outcomes are merged and ordered, and each shot keeps its own."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from qfleet_worker.engines.results.outcomes import Tally


@pytest.mark.parametrize("merge_bytes", [1 << 20, 100])
@pytest.mark.parametrize("num_clbits", [3, 9, 64, 65, 130, 5000])
def test_against_a_list_of_numbers(num_clbits: int, merge_bytes: int) -> None:
    rng = np.random.default_rng(num_clbits)
    # The shots come in any order.
    order = rng.permutation(20 * 32)
    tally, expected = Tally(num_clbits, len(order), merge_bytes), [0] * len(order)
    for batch in order.reshape(20, 32):
        fixed, *targets = rng.permutation(num_clbits).tolist()[:3]
        clbits = int(rng.integers(2)) << fixed
        readout = list(zip(rng.permutation(6).tolist(), targets, strict=False))
        found = rng.integers(0, 64, 30)
        tally.add(clbits, batch[:30], found, readout)
        for shot, value in zip(batch[:30], found.tolist(), strict=True):
            expected[shot] = clbits | sum((value >> bit & 1) << at for bit, at in readout)
        tally.add_same(1 << num_clbits - 1, batch[30:])
        for shot in batch[30:]:
            expected[shot] = 1 << num_clbits - 1
    rows, counts, memory = tally.result()
    numbers = [int.from_bytes(row.tobytes(), "little") for row in rows]
    assert numbers == sorted(set(expected))
    assert counts.tolist() == [expected.count(number) for number in numbers]
    assert memory is not None
    assert [numbers[at] for at in memory] == expected


@pytest.mark.parametrize("merge_bytes", [1 << 23, 100])
@pytest.mark.parametrize(("bits", "shots"), [(4, 50), (16, 3000), (16, 60_000), (40, 3000)])
@pytest.mark.parametrize("num_clbits", [48, 100])
def test_counts_are_added_as_shots_are(num_clbits: int, bits: int, shots: int, merge_bytes: int) -> None:
    rng = np.random.default_rng(bits)
    readouts = [
        [(bit, bit + 5) for bit in range(bits)],
        list(zip(range(0, bits, 2), rng.permutation(48), strict=False)),
    ]
    tallies = Tally(num_clbits, None, merge_bytes), Tally(num_clbits, None, merge_bytes), Tally(num_clbits, 12 * shots)
    for part in range(12):
        found = np.sort(rng.integers(0, 1 << bits, shots))
        of_shots = found, np.arange(shots) + part * shots, readouts[part // 4 % 2], 1 << 47 if part % 2 else 0
        tallies[0].add_counts(of_shots[3], *np.unique(found, return_counts=True), of_shots[2])
        for tally in tallies[1:]:
            tally.add(of_shots[3], of_shots[1], rng.permutation(found), of_shots[2])
    rows, counts, memory = tallies[0].result()
    assert memory is None
    assert counts.sum() == 12 * shots
    for tally in tallies[1:]:
        other_rows, other_counts, _ = tally.result()
        assert (rows.shape, counts.tolist()) == (other_rows.shape, other_counts.tolist())
        assert (rows == other_rows).all()


def test_without_memory_nothing_is_kept_per_shot() -> None:
    tally = Tally(1, None)
    tally.add_same(1, np.arange(5))
    rows, counts, memory = tally.result()
    assert (rows.tolist(), counts.tolist(), memory) == ([[1]], [5], None)


def test_clbits_that_nothing_writes_take_memory_in_the_result_alone() -> None:
    tracemalloc.start()
    try:
        tally, rng = Tally(1 << 24, None), np.random.default_rng(1)
        for _ in range(20):
            tally.add(0, np.arange(1000), rng.integers(0, 2, 1000), [(0, (1 << 24) - 1)])
            columns = tally.columns([(1 << 24) - 1])
            tally.add_rows(np.zeros((1000, len(columns)), np.uint8), np.arange(1000))
        rows, counts, _ = tally.result()
        # Two outcomes of 2 MiB.
        assert tracemalloc.get_traced_memory()[1] < 6 * 2**20
    finally:
        tracemalloc.stop()
    assert [int.from_bytes(row.tobytes(), "little") for row in rows] == [0, 1 << (1 << 24) - 1]
    assert counts.sum() == 40_000


@pytest.mark.parametrize("merge_bytes", [1 << 20, 100])
@pytest.mark.parametrize("width", [1, 8, 9, 16, 34])
def test_wide_rows_are_ordered_by_all_bytes(width: int, merge_bytes: int) -> None:
    """Many rows have the same last bytes, which decide first."""
    rng = np.random.default_rng(width)
    tally, expected, shots = Tally(8 * width, 3000, merge_bytes), [], np.arange(1000)
    tally.columns(range(8 * width))
    for part in range(3):
        rows = rng.integers(0, 3, (1000, width)).astype(np.uint8)
        rows[:, -8:] *= rng.integers(0, 2, (1000, 1)).astype(np.uint8)
        rows[::7, :-2] = 0
        expected += [int.from_bytes(row.tobytes(), "little") for row in rows]
        if part == 1:
            distinct, places, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
            tally.add_distinct(distinct, counts, shots + 1000, places.ravel())
        else:
            tally.add_rows(rows, shots + 1000 * part)
    found, counts, memory = tally.result()
    numbers = [int.from_bytes(row.tobytes(), "little") for row in found]
    assert numbers == sorted(set(expected))
    assert counts.tolist() == [expected.count(number) for number in numbers]
    assert memory is not None
    assert [numbers[at] for at in memory] == expected
