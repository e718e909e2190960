# SPDX-License-Identifier: Apache-2.0
"""Putting saved data together, and refusing what doesn't belong together."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from qfleet.errors import DamagedDataError
from qfleet.jobs.saved_data import saved_data
from qfleet.wire.program.saves import Saved, SaveKind

MEAN = Saved(
    kind=SaveKind.EXPECTATION_VALUE,
    label="e",
    subtype="average",
    entries=1,
    values=np.array([1.5], "<f8").tobytes(),
    weights=np.array([3], "<i8").tobytes(),
)
STATES = Saved(
    kind=SaveKind.STATEVECTOR,
    label="s",
    subtype="c_list",
    entries=2,
    values=np.array([1, 0, 0, 1], "<c16").tobytes(),
    clbits=b"\x00\x01",
    places=np.array([1, 0, 1], "<u4").tobytes(),
)


def data(*parts: tuple[Saved, ...]) -> dict[str, object]:
    return saved_data(parts, num_qubits=1, num_clbits=1, precision="double")


def test_means_of_blocks_are_weighted_by_their_shots() -> None:
    other = msgspec.structs.replace(
        MEAN, values=np.array([-0.5], "<f8").tobytes(), weights=np.array([1], "<i8").tobytes()
    )
    assert data((MEAN,), (other,)) == {"e": 0.25}


def test_a_block_without_entries_adds_nothing() -> None:
    none = msgspec.structs.replace(MEAN, entries=0, values=b"", weights=b"")
    assert data((none,), (MEAN,)) == {"e": 0.5}
    assert data((none,), (none,)) == {}


def test_lists_of_blocks_follow_each_other() -> None:
    found = data((STATES,), (STATES,))["s"]
    assert isinstance(found, dict)
    assert {key: len(states) for key, states in found.items()} == {"0x0": 2, "0x1": 4}
    assert np.array_equal(found["0x1"][3].data, [0, 1])


@pytest.mark.parametrize(
    ("save", "changed"),
    [
        (MEAN, {"values": b""}),
        (MEAN, {"values": b"1234567"}),
        (MEAN, {"values": np.ones(2).tobytes()}),
        (MEAN, {"entries": 2}),
        (MEAN, {"kind": SaveKind.AMPLITUDES, "subtype": "single", "entries": 2**31 - 1, "values": b"", "weights": b""}),
        (MEAN, {"entries": 0}),
        (MEAN, {"weights": b""}),
        (MEAN, {"weights": np.array([0], "<i8").tobytes()}),
        (MEAN, {"clbits": b"1"}),
        (STATES, {"clbits": b"\x00"}),
        (STATES, {"weights": np.ones(2, "<i8").tobytes()}),
        (STATES, {"places": np.array([2], "<u4").tobytes()}),
        (STATES, {"values": np.ones(6, "<c16").tobytes()}),
        (STATES, {"kind": SaveKind.DENSITY_MATRIX, "values": np.ones(4, "<c16").tobytes()}),
        (STATES, {"kind": SaveKind.PROBABILITIES, "values": np.ones(6).tobytes()}),
        (STATES, {"kind": SaveKind.UNITARY}),
    ],
)
def test_data_that_do_not_belong_together(save: Saved, changed: dict[str, object]) -> None:
    with pytest.raises(DamagedDataError):
        data((msgspec.structs.replace(save, **changed),))


def test_blocks_that_saved_different_data() -> None:
    with pytest.raises(DamagedDataError, match="different data"):
        data((MEAN,), (STATES,))
    with pytest.raises(DamagedDataError, match="different data"):
        data((MEAN,), ())


@pytest.mark.parametrize("subtype", ["average", "list"])
def test_blocks_that_saved_different_sizes_are_damage(subtype: str) -> None:
    places = np.zeros(1, "<u4").tobytes() if subtype == "list" else b""
    weights = b"" if subtype == "list" else np.array([1], "<i8").tobytes()
    two, four = [
        Saved(
            kind=SaveKind.PROBABILITIES, label="p", subtype=subtype, entries=1, values=np.full(size, 0.5).tobytes(),
            weights=weights, places=places,
        )
        for size in (2, 4)
    ]  # fmt: skip
    assert "p" in data((two,), (two,))
    with pytest.raises(DamagedDataError, match="saved 'p' in different sizes"):
        data((two,), (four,))
