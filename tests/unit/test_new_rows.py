# SPDX-License-Identifier: Apache-2.0
"""A gate is a number, a row and its matrix; a save of a known quantity is a number and a row. Nothing else changes.

Both are added to a copy of the packages. Scripts in `tests/support` then use them from a circuit to a result.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import kept_code
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("provider/qfleet", "worker/qfleet_worker")
OPERATIONS = "provider/qfleet/wire/program/operations.py"
EXPANSIONS = "provider/qfleet/wire/program/expansions.py"
SAVES = "provider/qfleet/wire/program/saves.py"

#: By file, a line of it and the line to insert behind it.
NEW_GATE = {
    OPERATIONS: {
        "    SAVE = 38\n": "    RYZ = 99\n",
        "    OpSpec(Op.SAVE, None, kind=Kind.SAVE),\n": (
            '    OpSpec(Op.RYZ, 2, 1, inverse=Inverse.NEGATED, gates=(("ryz", 0),)),\n'
        ),
    },
    EXPANSIONS: {"EXPANSIONS: dict[Op, Expansion] = {\n": '    Op.RYZ: Expansion.of_pauli("ZY"),\n'},
}
NEW_SAVE = {
    SAVES: {
        "    EXPECTATION_VALUES_AND_SQUARES = 12\n": "    ALL_PROBABILITIES = 99\n",
        "SAVE_SPECS: Final = (\n": (
            '    SaveSpec(_K.ALL_PROBABILITIES, _Q.PROBABILITIES, "save_all_probabilities", whole_state=True,\n'
            "             most_qubits=MAX_PROBABILITY_QUBITS),\n"
        ),
    },
}


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Return the folder of a copy of both packages, with their machine code in its folder ``cache``."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    kept_code.copy(kept_code.compiled_folder(), tmp_path / "cache")
    return tmp_path


def insert(folder: Path, changes: Mapping[str, Mapping[str, str]]) -> None:
    """Insert lines into files of a copy."""
    for name, lines in changes.items():
        text = (folder / name).read_text("utf-8")
        for line, new in lines.items():
            assert text.count(line) == 1, line
            text = text.replace(line, line + new)
        (folder / name).write_text(text, "utf-8")


def run(folder: Path, script: str) -> str:
    """Run a script of `tests/support` with a copy, and return what it prints."""
    packages = [str((folder / package).parent) for package in PACKAGES]
    environment = kept_code.environment(folder / "cache", PYTHONPATH=os.pathsep.join(packages))
    result = subprocess.run(
        [sys.executable, ROOT / "tests" / "support" / script], env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_gate_is_added_by_a_row_and_a_matrix_and_nothing_is_compiled_for_it(copied: Path) -> None:
    insert(copied, NEW_GATE)
    assert run(copied, "new_gate.py") == "compiled for 0.0 s\n"


def test_a_save_is_added_by_a_row(copied: Path) -> None:
    insert(copied, NEW_SAVE)
    assert run(copied, "new_save.py") == "saved\n"
