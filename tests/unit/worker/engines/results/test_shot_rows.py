# SPDX-License-Identifier: Apache-2.0
"""Each shot's row is the outcome that a tally keeps for it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from qfleet_worker.engines.results.outcomes import Tally
from qfleet_worker.engines.results.shot_rows import ShotRows

SHOTS = 24


def every_row(tally: Tally) -> NDArray[np.uint8]:
    rows, _, memory = tally.result()
    assert memory is not None
    return rows[memory]


@pytest.mark.parametrize("num_clbits", [3, 9, 64, 130])
@pytest.mark.parametrize("shuffled", [False, True])
def test_rows_are_those_of_a_tally(num_clbits: int, shuffled: bool) -> None:
    rng = np.random.default_rng(num_clbits)
    order = rng.permutation(5 * SHOTS) if shuffled else np.arange(5 * SHOTS)
    tally, rows = Tally(num_clbits, len(order)), ShotRows(num_clbits, len(order))
    for number, shots in enumerate(order.reshape(5, SHOTS)):
        fixed, *targets = rng.permutation(num_clbits).tolist()[:3]
        readout = list(zip(rng.permutation(6).tolist(), targets, strict=False))
        found = rng.integers(0, 64, SHOTS)
        bits = rng.integers(0, 2, (3, SHOTS), np.uint8)
        for each in (tally, rows):
            if number == 0:
                each.add_same(1 << fixed | 1 << targets[0], shots)
            elif number < 3:
                each.add(number % 2 << fixed, shots, found, readout)
            else:
                columns = each.columns([fixed, *targets])
                given = np.zeros((SHOTS, len(columns)), np.uint8)
                for clbit, values in zip([fixed, *targets], bits, strict=True):
                    given[:, columns[clbit >> 3]] |= values << np.uint8(clbit & 7)
                each.add_rows(given, shots)
    found_rows, counts, memory = rows.result()
    assert (len(counts), memory) == (0, None)
    assert np.array_equal(found_rows, every_row(tally))


def test_shots_without_clbits_have_empty_rows() -> None:
    rows = ShotRows(0, 5)
    rows.add_same(0, np.arange(5))
    assert rows.result()[0].shape == (5, 0)
