# SPDX-License-Identifier: Apache-2.0
"""Metadata of a job's record: every value comes back equal and of its type, or is told apart before."""

from __future__ import annotations

import enum
import math
from collections import Counter, OrderedDict, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.msgpack import Ext

from qfleet.ledger.metadata import copy_metadata, join, split, unwritable


def again(value: object) -> Any:
    """Return a value that was written and read, with nothing of it but bytes in between."""
    plain, others = split({"key": value})
    return join(msgspec.msgpack.decode(msgspec.msgpack.encode(plain)), others)["key"]


def same(left: Any, right: Any) -> bool:
    """Tell whether two values are equal and of one type, all through."""
    if type(left) is not type(right):
        return False
    match left:
        case np.ndarray():
            return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
        case np.generic():
            equal = left.dtype == right.dtype and left.tobytes() == right.tobytes()
            return bool(equal or (left.dtype.kind in "SU" and left == right))
        case list() | tuple():
            return len(left) == len(right) and all(map(same, left, right))
        case dict():
            return same(list(left.items()), list(right.items()))
        case float() | complex():
            return repr(left) == repr(right)
    return bool(left == right)


VALUES = [
    None,
    True,
    0,
    -(2**63),
    2**64 - 1,
    2**64,
    -(2**63) - 1,
    -1,
    255,
    10**300,
    -0.0,
    math.nan,
    math.inf,
    "θ",
    "",
    b"\x00\xff",
    bytearray(b"ab"),
    (),
    (1, (2, [3])),
    [1, (2,)],
    {1, 2},
    frozenset({("a", 1)}),
    {"a": (1,)},
    {1: 2, (3, 4): None},
    {},
    1 + 2j,
    complex(math.nan, -0.0),
    Fraction(1, 3),
    Decimal("1.10"),
    UUID(int=5),
    range(0, 10, 3),
    OrderedDict(b=1, a=2),
    datetime(2024, 2, 29, 1, 2, 3, 4),
    datetime(2024, 1, 1, tzinfo=UTC),
    datetime(2024, 1, 1, fold=1),
    datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=-5, minutes=-30))),
    date(1, 1, 1),
    time(1, 2, 3, 4),
    timedelta(days=-3, microseconds=7),
    np.float64(0.5),
    np.float32(0.5),
    np.float16(0.5),
    np.int8(-3),
    np.uint64(2**64 - 1),
    np.bool_(True),
    np.complex64(1 + 2j),
    np.complex128(1j),
    np.str_("ab"),
    np.str_(""),
    np.bytes_(b"ab"),
    np.bytes_(b""),
    np.datetime64("2024-01-01"),
    np.timedelta64(5, "ns"),
    np.datetime64("NaT"),
    np.arange(6).reshape(2, 3),
    np.zeros((0, 3)),
    np.array(3.5),
    np.eye(3)[:, ::2],
    np.arange(3, dtype=">i4"),
    np.array(["a", "bcd"]),
    np.array([True, False]),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    {"deep": [{"a": (np.arange(3), {"b": {1j}})}]},
    [1, 2.5, "x", None, 2**70],
    ["a"] * 1000,
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{type(value).__name__} {str(value)[:30]}")
def test_it_comes_back_equal_and_of_its_type(value: object) -> None:
    assert unwritable({"key": value}) == []
    assert same(again(value), value)


def test_arrays_that_come_back_may_be_changed() -> None:
    found = again(np.zeros(3))
    found[0] = 1
    assert found.tolist() == [1, 0, 0]


class Colour(enum.Enum):
    RED = 1


class Number(enum.IntEnum):
    ONE = 1


Point = namedtuple("Point", "x y")
UNWRITABLE = [
    object(),
    len,
    Colour,
    Colour.RED,
    Number.ONE,
    Point(1, 2),
    Counter("a"),
    "\ud800",
    {"\ud800": 1},
    [object()],
    {"a": {"b": {object()}}},
    np.array([object()]),
    np.array([(1, 2)], dtype="i4,i4"),
    np.ones(1).view(np.recarray),
    np.ma.masked_array([1]),
    np.longdouble(1),
    datetime(2024, 1, 1, tzinfo=ZoneInfo("UTC")),
    datetime(2024, 1, 1, tzinfo=timezone(timedelta(0), "mine")),
    np.void(b"ab"),
    type("MyList", (list,), {})([1]),
]


@pytest.mark.parametrize("value", UNWRITABLE, ids=lambda value: type(value).__name__)
def test_what_is_of_another_type_is_told(value: object) -> None:
    assert unwritable({"kept": 1, "key": value, 3: value}) == ["key", 3]
    plain, others = split({"kept": 1, "key": value, 3: value})
    assert join(plain, others) == {"kept": 1}


def test_keys_of_any_type() -> None:
    metadata = {1: "a", (1, 2): "b", None: "c", 2.5: "d", "e": "e", b"f": "f", frozenset({1}): "g"}
    assert unwritable(metadata) == []
    assert join(*split(metadata)) == metadata
    assert unwritable({Colour.RED: 1, "\ud800": 2, object: 3}) == [Colour.RED, "\ud800", object]


def test_what_is_plain_is_written_as_it_always_was() -> None:
    metadata = {"depth": 3, "labels": ["x", None, [1]], "nested": {"pi": 3.14}, "raw": b"a"}
    assert split(metadata) == (metadata, b"")


def test_what_is_inside_itself() -> None:
    endless: list[Any] = []
    endless.append(endless)
    deep: Any = 1
    for _ in range(100):
        deep = (deep,)
    assert unwritable({"endless": endless, "deep": deep}) == ["endless", "deep"]
    assert split({"endless": endless, "deep": deep}) == ({}, b"")


simple = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
simple |= st.complex_numbers(allow_nan=False)
hashable = st.recursive(simple, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=5)
anything = st.recursive(
    simple | st.fractions() | st.dates() | st.timedeltas() | st.uuids(),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner) | st.dictionaries(hashable, inner, max_size=3),
    max_leaves=20,
)


@given(st.dictionaries(st.text() | hashable, anything, max_size=4))
def test_any_of_them_in_any_of_them(metadata: dict[Any, Any]) -> None:
    if unwritable(metadata):
        return  # text without meaning
    assert join(*split(metadata)) == metadata


def pair(value: Any) -> bytes:
    return msgspec.msgpack.encode([["key", value]])


def ext(code: int, value: Any) -> Ext:
    return Ext(code, msgspec.msgpack.encode(value))


HOSTILE = {
    "an array that states more than it has": pair(ext(10, ["<f8", [2**40], b"12345678"])),
    "an array with a side below 0": pair(ext(10, ["<f8", [-1], b"12345678"])),
    "an array of very many sides": pair(ext(10, ["<f8", [1] * 60, b"12345678"])),
    "an array of objects": pair(ext(10, ["|O", [1], b"12345678"])),
    "an array of records": pair(ext(10, ["i4,i4", [1], b"12345678"])),
    "an array of a type that isn't one": pair(ext(10, ["<U9999999999", [0], b""])),
    "an array without parts": pair(ext(10, [])),
    "a shape of texts": pair(ext(10, ["<f8", ["1"], b"12345678"])),
    "a scalar of too few bytes": pair(ext(9, ["<f8", b"1234"])),
    "an unknown extension": pair(Ext(99, b"")),
    "no bytes in an extension": pair(Ext(1, b"")),
    "a set of lists": pair(ext(2, [[1]])),
    "a dictionary of lists": pair(ext(4, [[[1], 2]])),
    "a dictionary of numbers": pair(ext(4, [1, 2])),
    "a key that has no hash": msgspec.msgpack.encode([[[1], 2]]),
    "no pairs": msgspec.msgpack.encode([1]),
    "a fraction of nothing": pair(ext(15, [1, 0])),
    "a date that isn't": pair(ext(12, 0)),
    "a time that isn't": pair(ext(11, [1, 2])),
    "a decimal that isn't": pair(ext(16, "x")),
    "a range of no steps": pair(ext(18, [0, 1, 0])),
    "nonsense": b"\xc1",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_nobody_wrote_is_an_error_of_one_kind(name: str) -> None:
    with pytest.raises((ValueError, msgspec.DecodeError)):
        join({}, HOSTILE[name])


def test_extensions_in_extensions_have_an_end() -> None:
    value: Any = 1
    for _ in range(500):
        value = ext(1, [value])
    with pytest.raises((ValueError, msgspec.DecodeError)):
        join({}, pair(value))


def test_a_copy_keeps_a_value_that_refuses_to_be_copied() -> None:
    class Single:
        def __deepcopy__(self, memo: object) -> None:
            raise RuntimeError("there is one only")

    value, numbers = Single(), [1, [2]]
    copied = copy_metadata({"single": value, "numbers": numbers})
    numbers[1].append(3)  # type: ignore[union-attr]
    assert copied == {"single": value, "numbers": [1, [2]]}
