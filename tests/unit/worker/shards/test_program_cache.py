# SPDX-License-Identifier: Apache-2.0
"""A worker keeps programs from one job to the next."""

from __future__ import annotations

import engine_oracle as oracle
import make_golden
import msgspec
import pytest

from qfleet.wire.codec.blobs import content_hash
from qfleet.wire.codec.programs import encode_program
from qfleet.wire.errors import WireError
from qfleet.wire.program.expressions import Bits
from qfleet.wire.program.program import Program
from qfleet_worker.shards.program_cache import Programs

#: Programs of equal size, by name.
BLOBS = {
    content_hash(blob): blob
    for blob in [
        encode_program(msgspec.structs.replace(make_golden.program(), num_qubits=qubits)) for qubits in (4, 5, 6, 7)
    ]
}
A, B, C, D = BLOBS
#: What one of them takes: its blob, and Python's own.
SIZE = len(BLOBS[A]) + 4096


class Shelf:
    """Where programs are read, and what was asked of it."""

    def __init__(self, blobs: dict[str, bytes] = BLOBS) -> None:
        self.blobs = dict(blobs)
        self.asked: list[tuple[str, list[str]]] = []

    def read(self, job_id: str, names: list[str]) -> list[bytes | None]:
        self.asked.append((job_id, names))
        return [self.blobs.get(name) for name in names]


def is_kept(programs: Programs, shelf: Shelf, name: str) -> bool:
    """Tell whether a program is kept without being read; this counts as its use."""
    shelf.asked.clear()
    programs.load("other", [name])
    return not shelf.asked


def test_programs_are_kept_for_other_jobs() -> None:
    shelf = Shelf()
    programs = Programs(shelf.read)
    first = programs.load("one", [A, B])
    assert {name: found.num_qubits for name, found in first.items() if isinstance(found, Program)} == {A: 4, B: 5}
    second = programs.load("two", [B, C])
    assert second[B] is first[B]
    assert shelf.asked == [("one", [A, B]), ("two", [C])]
    assert programs.load("three", [A, B, C]).keys() == {A, B, C}
    assert len(shelf.asked) == 2


def test_a_name_that_comes_often_is_read_once() -> None:
    shelf = Shelf()
    found = Programs(shelf.read).load("job", [A, B, A, A, B])
    assert shelf.asked == [("job", [A, B])]
    assert found.keys() == {A, B}


def test_nothing_is_read_for_nothing() -> None:
    shelf = Shelf()
    assert Programs(shelf.read).load("job", []) == {}
    assert shelf.asked == []


@pytest.mark.parametrize("room", [2 * SIZE, 3 * SIZE - 1])
def test_the_oldest_goes_when_there_are_too_many(room: int) -> None:
    shelf = Shelf()
    programs = Programs(shelf.read, room)
    for name in (A, B, C):
        programs.load("job", [name])
    assert is_kept(programs, shelf, B)
    assert is_kept(programs, shelf, C)
    assert not is_kept(programs, shelf, A)


def test_what_was_used_last_stays() -> None:
    shelf = Shelf()
    programs = Programs(shelf.read, 2 * SIZE)
    for name in (A, B, A, C):
        programs.load("job", [name])
    assert is_kept(programs, shelf, A)
    assert is_kept(programs, shelf, C)
    assert not is_kept(programs, shelf, B)


def test_a_shard_gets_all_its_programs_although_few_are_kept() -> None:
    shelf = Shelf()
    programs = Programs(shelf.read, SIZE)
    found = programs.load("job", [A, B, C, D])
    assert all(isinstance(program, Program) for program in found.values())
    assert found.keys() == {A, B, C, D}
    assert [is_kept(programs, shelf, name) for name in (D, A)] == [True, False]


def test_what_goes_makes_room_again() -> None:
    shelf = Shelf()
    programs = Programs(shelf.read, 2 * SIZE)
    for _ in range(20):
        programs.load("job", [A, B, C, D])
    assert is_kept(programs, shelf, D)
    assert is_kept(programs, shelf, C)


def test_one_that_is_too_large_is_given_and_not_kept() -> None:
    shelf = Shelf()
    small = encode_program(msgspec.structs.replace(make_golden.program(), tables=(), **EMPTY))
    name = content_hash(small)
    shelf.blobs[name] = small
    programs = Programs(shelf.read, SIZE - 1)
    programs.load("job", [name])
    assert isinstance(programs.load("job", [A])[A], Program)
    assert not is_kept(programs, shelf, A)
    # Nor does it drive others out.
    assert is_kept(programs, shelf, name)


EMPTY = {
    name: getattr(make_golden.program(), name)[:0]
    for name in ("codes", "num_controls", "num_targets", "operands", "clbits", "params", "table_refs")
}
DAMAGED = BLOBS[A][:-1]


@pytest.mark.parametrize(
    ("name", "blob", "text"),
    [
        (A, None, "missing from Redis"),
        (A, BLOBS[B], "isn't the one that its name says"),
        (A, DAMAGED, "isn't the one that its name says"),
        (A, b"", "isn't the one that its name says"),
        (A[:-1], BLOBS[A], "isn't the one that its name says"),
        (A.upper(), BLOBS[A], "isn't the one that its name says"),
        (content_hash(DAMAGED), DAMAGED, "damaged message"),
        (content_hash(b"text"), b"text", "not a qfleet message"),
    ],
)
def test_what_cant_be_read_is_said_and_not_kept(name: str, blob: bytes | None, text: str) -> None:
    shelf = Shelf({B: BLOBS[B]} | ({name: blob} if blob is not None else {}))
    programs = Programs(shelf.read)
    for _ in range(2):
        found = programs.load("job", [name, B])
        error = found[name]
        assert isinstance(error, WireError)
        assert text in str(error)
        assert isinstance(found[B], Program)
    assert [names for _, names in shelf.asked] == [[name, B], [name]]
    # Another job may bring the right one.
    shelf.blobs[A] = BLOBS[A]
    assert isinstance(programs.load("job", [A])[A], Program)


def test_expressions_count_as_what_they_are_in_memory() -> None:
    """A clbit of a register takes three bytes on the wire, and some forty here."""
    register = Bits(tuple(range(1000, 5000)))
    program = msgspec.structs.replace(oracle.program(0, 5000, []), expressions=(register,) * 10)
    blob = encode_program(program)
    name = content_hash(blob)
    asked: list[list[str]] = []

    def read(_: str, names: list[str]) -> list[bytes | None]:
        asked.append(names)
        return [blob for _ in names]

    for limit, times in ((40 * 40_000, 2), (80 * 40_000, 1)):
        asked.clear()
        programs = Programs(read, limit_bytes=limit)
        for _ in range(2):
            programs.load("job", [name])
        assert len(asked) == times
