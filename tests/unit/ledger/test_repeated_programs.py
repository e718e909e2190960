# SPDX-License-Identifier: Apache-2.0
"""Programs that jobs share are known by name; the oldest names are forgotten first."""

from __future__ import annotations

from qfleet.ledger.repeated_programs import RepeatedPrograms


def test_a_program_is_copied_once_and_then_known() -> None:
    repeated = RepeatedPrograms()
    assert repeated.among({"a": b"1", "b": b"2"}) == ([], [])
    assert repeated.among({"b": b"2", "c": b"3"}) == (["b"], [])
    assert repeated.among({"a": b"1", "b": b"2", "c": b"3"}) == (["a", "c"], ["b"])
    assert repeated.among({"a": b"1", "b": b"2", "d": b"3"}) == ([], ["a", "b"])


def test_the_oldest_programs_are_forgotten() -> None:
    repeated = RepeatedPrograms()
    repeated.among({"old": b"1", "used again": b"2"})
    repeated.among({f"{number}": b"" for number in range(254)})
    assert repeated.among({"used again": b"2"}) == (["used again"], [])
    repeated.among({"new": b"3"})
    assert repeated.among({"old": b"1", "used again": b"2"}) == ([], ["used again"])


def test_a_large_program_is_always_sent() -> None:
    repeated, large = RepeatedPrograms(), {"large": bytes(2**20 + 1)}
    assert repeated.among(large) == repeated.among(large) == ([], [])
