# SPDX-License-Identifier: Apache-2.0
"""A machine has one id, with and without the files of Linux that say which boot this is."""

from __future__ import annotations

from pathlib import Path

from qfleet.wire.messages.machine import machine_id


def test_a_machine_without_the_files_of_linux(tmp_path: Path) -> None:
    elsewhere = machine_id(tmp_path / "missing")
    assert elsewhere == machine_id(tmp_path / "missing, too")
    assert len(elsewhere) == len(machine_id())
    assert elsewhere != machine_id()
