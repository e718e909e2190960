# SPDX-License-Identifier: Apache-2.0
"""Garbage collection is put off, and is as it was afterwards."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from qfleet.garbage import put_off_collection


@pytest.fixture(autouse=True)
def enabled() -> Iterator[None]:
    gc.enable()
    yield
    gc.enable()


def test_it_is_put_off_also_inside_of_another_one() -> None:
    with put_off_collection():
        with put_off_collection():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_error_ends_it() -> None:
    with pytest.raises(ZeroDivisionError), put_off_collection():
        1 / 0  # noqa: B018
    assert gc.isenabled()


def test_who_turned_it_off_finds_it_off() -> None:
    gc.disable()
    with put_off_collection():
        pass
    assert not gc.isenabled()
