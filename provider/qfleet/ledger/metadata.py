# SPDX-License-Identifier: Apache-2.0
"""The encoding of metadata of all usual types in a job's record.

A type that msgpack lacks is an extension: the number of the type, and bytes. Decoding only builds values of the types
below, and arrays that aren't larger than their bytes.
"""

from __future__ import annotations

import copy
import math
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

import msgspec
import numpy as np
from msgspec.msgpack import Ext

__all__ = ["copy_metadata", "join", "split", "unwritable"]

#: The deepest nesting of lists, dictionaries and the like.
_MAX_DEPTH: Final = 32

_PLAIN: Final = frozenset({type(None), bool, float})
_LEAVES: Final = _PLAIN | {int, str, bytes}
#: numbers, texts, bytes and times, which their bytes describe completely
_DTYPE = re.compile(r"[<>|=][biufcSUMm]\d{1,9}(\[\d{0,6}[A-Za-z]{1,2}\])?")
#: The largest number of bytes of a float and a complex number. Larger ones differ between machines.
_LARGEST_ITEM: Final = {"f": 8, "c": 16}
_MICROSECOND: Final = timedelta(microseconds=1)


class _UnwritableError(Exception):
    """A value has a type that isn't stored."""


def copy_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return a deep copy of metadata.

    A value that can't be copied is shared with the original.
    """
    return {key: _copied(value) for key, value in metadata.items()}


def unwritable(metadata: Mapping[Any, Any]) -> list[Any]:
    """Return the keys of the entries that a record can't store.

    The key or its value has a type that isn't stored.
    """
    return [key for key, value in metadata.items() if not _is_writable(key, value)]


def split(metadata: Mapping[Any, Any]) -> tuple[dict[str, Any], bytes]:
    """Split metadata into entries of msgpack's types, and bytes.

    The bytes hold the entries of other types, and may be empty. Entries that a record can't store are left out.
    """
    plain: dict[str, Any] = {}
    others: list[Any] = []
    for key, value in metadata.items():
        try:
            packed_key, packed = _packed(key, 0), _packed(value, 0)
        except _UnwritableError:
            continue
        if type(key) is str and packed is value:
            plain[key] = value
        else:
            others.append([packed_key, packed])
    return plain, msgspec.msgpack.encode(others) if others else b""


def join(plain: dict[str, Any], others: bytes) -> dict[Any, Any]:
    """Return the metadata that `split` has split.

    Args:
        plain: the entries of msgpack's types.
        others: the bytes of the other entries.

    Raises:
        ValueError, msgspec.DecodeError: the bytes aren't metadata.
    """
    if not others:
        return plain
    try:
        pairs = _Reader().read(others)
        return {**plain, **_dictionary(pairs)}
    except (ArithmeticError, RecursionError, TypeError) as exc:
        raise ValueError(f"the bytes aren't metadata: {exc}") from exc


def _copied(value: object) -> object:
    try:
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001 - a value may be any object, and may refuse to be copied in any way
        return value


def _is_writable(key: object, value: object) -> bool:
    try:
        hash(key)
        _packed(key, 0, dry=True)
        _packed(value, 0, dry=True)
    except (_UnwritableError, TypeError):
        return False
    return True


def _packed(value: Any, depth: int, *, dry: bool = False) -> Any:
    """Return a value for msgpack: itself if it has no extensions.

    Args:
        value: the value.
        depth: the number of containers around it.
        dry: check the value only, and make no bytes.

    Raises:
        _UnwritableError: the value can't be stored.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is int and -(2**63) <= value < 2**64:
        return value
    if kind is str:
        _check_text(value)
        return value
    if kind is bytes:
        return value
    if depth == _MAX_DEPTH:
        raise _UnwritableError
    if kind is list:
        return _packed_list(value, depth, dry=dry)
    if kind is dict and all(type(key) is str for key in value):
        packed = {key: _packed(item, depth + 1, dry=dry) for key, item in value.items()}
        for key in value:
            _check_text(key)
        return value if all(packed[key] is value[key] for key in value) else packed
    form = _FORMS.get(np.generic if isinstance(value, np.generic) else kind)
    if form is None:
        raise _UnwritableError
    if dry and kind is np.ndarray:
        _dtype(value)
        return value
    inner = _packed(form.take_apart(value), depth + 1, dry=dry)
    return value if dry else Ext(form.code, msgspec.msgpack.encode(inner))


def _packed_list(value: list[Any], depth: int, *, dry: bool) -> list[Any]:
    if _PLAIN.issuperset(map(type, value)) or (_LEAVES.issuperset(map(type, value)) and _is_plain(value)):
        return value
    packed = [_packed(item, depth + 1, dry=dry) for item in value]
    return value if all(new is old for new, old in zip(packed, value, strict=True)) else packed


def _is_plain(value: list[Any]) -> bool:
    """Tell whether msgpack accepts all numbers and texts of a list.

    Checking them one by one is slow.
    """
    try:
        msgspec.msgpack.encode(value)
    except (OverflowError, UnicodeEncodeError):
        return False
    return True


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise _UnwritableError from exc


class _Reader:
    """A reader of msgpack with nested extensions."""

    def __init__(self) -> None:
        self._decoder = msgspec.msgpack.Decoder(ext_hook=self._extension)
        self._depth = 0

    def read(self, data: bytes | memoryview) -> Any:
        """Return the value in bytes."""
        return self._decoder.decode(data)

    def _extension(self, code: int, data: memoryview) -> Any:
        form = _BY_CODE.get(code)
        if form is None or self._depth > _MAX_DEPTH:
            raise ValueError("metadata of an unknown type, or too deep")
        self._depth += 1
        try:
            return form.put_together(self.read(data))
        finally:
            self._depth -= 1


@dataclass(frozen=True, slots=True)
class _Form:
    """The representation of values of a type in msgpack."""

    code: int
    take_apart: Callable[[Any], Any]
    #: raises ValueError, TypeError or ArithmeticError for a value that `take_apart` doesn't return
    put_together: Callable[[Any], Any]


def _dictionary(pairs: Any) -> dict[Any, Any]:
    return {key: value for key, value in pairs}


def _dtype(value: np.generic | np.ndarray[Any, Any]) -> str:
    kind, text = value.dtype.kind, value.dtype.str
    if not _DTYPE.fullmatch(text) or value.dtype.itemsize > _LARGEST_ITEM.get(kind, 2**31):
        raise _UnwritableError
    return text


def _from_scalar(value: np.generic) -> list[Any]:
    return [_dtype(value), np.asarray(value).tobytes()]


def _from_array(value: np.ndarray[Any, Any]) -> list[Any]:
    return [_dtype(value), list(value.shape), value.tobytes()]


def _array(parts: Any) -> np.ndarray[Any, Any]:
    text, shape, data = parts
    if not isinstance(text, str) or not _DTYPE.fullmatch(text):
        raise ValueError("an array of a type that isn't written")
    dtype = np.dtype(text)
    if len(shape) > 32 or not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError("an array without a shape")
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"{len(data)} bytes for an array of the shape {tuple(shape)[:8]}")
    return np.ndarray(tuple(shape), dtype, buffer=data if data else None).copy()


def _scalar(parts: Any) -> Any:
    text, data = parts
    if text in ("<U0", ">U0"):
        return np.str_()
    if text == "|S0":
        return np.bytes_()
    return _array([text, [], data])[()]


def _from_integer(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)


def _from_zone(zone: Any) -> int | None:
    """Return the offset of a time zone in microseconds.

    Raises:
        _UnwritableError: the offset isn't fixed.
    """
    if zone is None:
        return None
    if type(zone) is not timezone or str(zone) != str(timezone(zone.utcoffset(None))):
        raise _UnwritableError
    return zone.utcoffset(None) // _MICROSECOND


def _zone(offset: Any) -> timezone | None:
    if offset is None:
        return None
    return UTC if offset == 0 else timezone(timedelta(microseconds=offset))


def _from_datetime(value: datetime) -> list[Any]:
    parts = [value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond]
    return [*parts, value.fold, _from_zone(value.tzinfo)]


def _datetime(parts: Any) -> datetime:
    year, month, day, hour, minute, second, microsecond, fold, offset = parts
    return datetime(year, month, day, hour, minute, second, microsecond, _zone(offset), fold=fold)


def _from_time(value: time) -> list[Any]:
    return [value.hour, value.minute, value.second, value.microsecond, value.fold, _from_zone(value.tzinfo)]


def _time(parts: Any) -> time:
    hour, minute, second, microsecond, fold, offset = parts
    return time(hour, minute, second, microsecond, _zone(offset), fold=fold)


_FORMS: Final[dict[type[Any], _Form]] = {
    tuple: _Form(1, list, tuple),
    set: _Form(2, list, set),
    frozenset: _Form(3, list, frozenset),
    dict: _Form(4, lambda value: [list(pair) for pair in value.items()], _dictionary),
    OrderedDict: _Form(5, lambda value: [list(pair) for pair in value.items()], OrderedDict),
    int: _Form(6, _from_integer, lambda data: int.from_bytes(data, "little", signed=True)),
    complex: _Form(7, lambda value: [value.real, value.imag], lambda parts: complex(*parts)),
    bytearray: _Form(8, bytes, bytearray),
    np.generic: _Form(9, _from_scalar, _scalar),
    np.ndarray: _Form(10, _from_array, _array),
    datetime: _Form(11, _from_datetime, _datetime),
    date: _Form(12, lambda value: value.toordinal(), date.fromordinal),
    time: _Form(13, _from_time, _time),
    timedelta: _Form(
        14, lambda value: [value.days, value.seconds, value.microseconds], lambda parts: timedelta(*parts)
    ),
    Fraction: _Form(15, lambda value: [value.numerator, value.denominator], lambda parts: Fraction(*parts)),
    Decimal: _Form(16, str, Decimal),
    UUID: _Form(17, lambda value: value.bytes, lambda data: UUID(bytes=data)),
    range: _Form(18, lambda value: [value.start, value.stop, value.step], lambda parts: range(*parts)),
}
_BY_CODE: Final = {form.code: form for form in _FORMS.values()}
