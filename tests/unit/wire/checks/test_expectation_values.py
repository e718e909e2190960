# SPDX-License-Identifier: Apache-2.0
"""Saves of the means of several observables are checked before a worker does them."""

from __future__ import annotations

from typing import Any

import make_golden
import msgspec
import numpy as np
import pytest

from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.cost.sizes import saved_size
from qfleet.wire.errors import WireError
from qfleet.wire.messages.request import Request
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Save, SaveKind, value_size, value_type

KINDS = [SaveKind.EXPECTATION_VALUES, SaveKind.EXPECTATION_VALUES_AND_SQUARES]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def good(request: pytest.FixtureRequest) -> Program:
    """Return a program that saves sums of two terms, of none, and of one."""
    return make_golden.means(request.param)


def starts(*numbers: int) -> bytes:
    return np.array(numbers, "<i4").tobytes()


def masks(*numbers: int) -> bytes:
    return np.array(numbers, "<u8").tobytes()


def factors(*numbers: complex) -> bytes:
    return np.array(numbers, "<c16").tobytes()


def changed(program: Program, **fields: Any) -> bytes:
    return encode_program(
        msgspec.structs.replace(program, saves=(msgspec.structs.replace(program.saves[0], **fields),))
    )


def test_it_comes_back(good: Program) -> None:
    (save,) = decode_program(encode_program(good)).saves
    assert save == good.saves[0]
    assert save.sums().tolist() == [0, 2, 2, 3]
    assert save.paulis()[2].shape == (1, 3)
    assert not good.saves_unitary()


@pytest.mark.parametrize(
    "fields",
    [
        {"starts": starts(0, 3)},
        {"starts": starts(0, 0, 3, 3, 3)},
        {"starts": starts(0, 0), "x_masks": b"", "z_masks": b"", "coefficients": b""},
        {"coefficients": factors(1, 2j, -3)},
    ],
    ids=["one sum", "empty ones", "an empty one alone", "imaginary"],
)
def test_other_good_ones(good: Program, fields: dict[str, Any]) -> None:
    decode_program(changed(good, **fields))


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "no sums": ({"starts": b""}, "has 0 bytes that say where its sums begin"),
    "no whole number": ({"starts": starts(0, 3) + b"1"}, "has 9 bytes that say where its sums begin"),
    "no end": ({"starts": starts(0)}, "sums that don't consist of its 3 terms"),
    "no sums of no terms": (
        {"starts": starts(0), "x_masks": b"", "z_masks": b"", "coefficients": b""},
        "sums that don't consist of its 0 terms",
    ),
    "terms before": ({"starts": starts(1, 2, 2, 3)}, "sums that don't consist of its 3 terms"),
    "a negative start": ({"starts": starts(-1, 2, 2, 3)}, "sums that don't consist of its 3 terms"),
    "terms after": ({"starts": starts(0, 2)}, "sums that don't consist of its 3 terms"),
    "an end too high": ({"starts": starts(0, 2, 4)}, "sums that don't consist of its 3 terms"),
    "back and forth": ({"starts": starts(0, 2, 1, 3)}, "sums that don't consist of its 3 terms"),
    "far and back": ({"starts": starts(0, 2**31 - 1, 3)}, "sums that don't consist of its 3 terms"),
    "below and back": ({"starts": starts(0, -5, 3)}, "sums that don't consist of its 3 terms"),
    "a list": ({"subtype": "list"}, "can't be of the subtype 'list'"),
    "a sum over shots": ({"subtype": "accum"}, "can't be of the subtype 'accum'"),
    "by clbits": ({"subtype": "c_accum"}, "can't be of the subtype 'c_accum'"),
    "the last shot's": ({"subtype": "single"}, "can't be of the subtype 'single'"),
    "fewer X masks": ({"x_masks": masks(0, 3)}, "don't belong together"),
    "fewer Z masks": ({"z_masks": masks(1, 2)}, "don't belong together"),
    "fewer coefficients": ({"coefficients": factors(1, 2)}, "don't belong together"),
    "two rows of them": ({"coefficients": factors(1, 2, 3, 4, 5, 6)}, "don't belong together"),
    "a qubit that isn't there": ({"x_masks": masks(0, 4, 1)}, "a Pauli on a qubit that isn't there"),
    "infinite": ({"coefficients": factors(1, np.inf, 0)}, "isn't a finite number"),
    "basis states": ({"indices": bytes(8)}, "8 bytes of basis states"),
}


@pytest.mark.parametrize(("fields", "text"), HOSTILE.values(), ids=HOSTILE)
def test_saves_that_no_engine_may_do(good: Program, fields: dict[str, Any], text: str) -> None:
    with pytest.raises(WireError, match=text):
        decode_program(changed(good, **fields))


@pytest.mark.parametrize(
    "save",
    [
        msgspec.structs.replace(make_golden.saving().saves[2], starts=starts(0, 2)),
        msgspec.structs.replace(make_golden.saving().saves[3], starts=starts(0, 2)),
        Save(kind=SaveKind.STATEVECTOR, label="s", subtype="single", starts=starts(0, 0)),
    ],
    ids=lambda save: save.kind.name,
)
def test_other_kinds_have_no_sums(good: Program, save: Save) -> None:
    with pytest.raises(WireError, match="bytes that say where its sums begin"):
        decode_program(encode_program(msgspec.structs.replace(good, saves=(save,))))


@pytest.mark.parametrize("width", [62, 63, 64, 65, 127, 128, 1000, 32_767])
def test_masks_of_any_width(good: Program, width: int) -> None:
    wide = msgspec.structs.replace(
        good,
        num_qubits=width,
        codes=np.array([Op.SAVE], np.uint8),
        num_controls=np.zeros(1, np.uint16),
        num_targets=np.array([width], np.uint16),
        operands=np.arange(width, dtype=np.int32),
    )
    words = -(-width // 64)

    def wide_masks(*numbers: int) -> bytes:
        return b"".join([number.to_bytes(8 * words, "little") for number in numbers])

    fields = {"x_masks": wide_masks(1 << (width - 1), 3, 1), "z_masks": wide_masks(0, 1, 1 << (width - 1))}
    (save,) = decode_program(changed(wide, **fields)).saves
    assert (save.x_masks, save.z_masks, save.num_terms) == (*fields.values(), 3)
    assert save.paulis()[0].shape == ((3,) if words == 1 else (3, words))
    with pytest.raises(WireError, match="don't belong together"):
        decode_program(changed(wide, **fields, coefficients=factors(1, 2)))
    with pytest.raises(WireError, match="don't belong together"):
        decode_program(changed(wide, **(fields | {"z_masks": fields["z_masks"] + bytes(8)})))
    if width % 64:
        with pytest.raises(WireError, match="a Pauli on a qubit that isn't there"):
            decode_program(changed(wide, **(fields | {"z_masks": wide_masks(0, 1 << width, 0)})))


def test_how_large_they_are() -> None:
    means, squares = (make_golden.means(kind).saves[0] for kind in KINDS)
    assert (value_size(means, 2, 2), value_size(squares, 2, 2)) == (3, 6)
    assert {value_type(kind, precision) for kind in KINDS for precision in ("single", "double")} == {"<f8"}
    for kind, numbers in zip(KINDS, (3, 6), strict=True):
        # One entry for all shots.
        assert 8 * numbers <= saved_size(make_golden.means(kind), 1000, Request()).total < 8 * numbers + 100
