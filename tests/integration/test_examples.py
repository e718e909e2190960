# SPDX-License-Identifier: Apache-2.0
"""The examples find what they say that they look for, each run as its reader would."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(folder: Path, script: str, *arguments: str) -> str:
    """Run a script in an empty folder, and return its output."""
    command = [sys.executable, str(EXAMPLES / script), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # A progress bar is for terminals.
    assert done.stderr == ""
    return done.stdout


def number(said: str, before: str) -> float:
    """Return the number that follows a text."""
    found = re.search(re.escape(before) + r"\s+(-?[0-9.]+(?:e[+-]?[0-9]+)?)", said)
    assert found, said
    return float(found[1])


def test_vqe(tmp_path: Path) -> None:
    said = run(tmp_path, "vqe_h2.py")
    # The ground state's energy in this basis is in any textbook.
    assert number(said, "exact") == pytest.approx(-1.137306, abs=2e-6)
    assert number(said, "energy") == pytest.approx(-1.137306, abs=1e-5)
    assert -1e-9 < number(said, "difference") < 1e-5
    assert "submissions of 9 points" in said


def test_vqe_stops_after_its_steps(tmp_path: Path) -> None:
    said = run(tmp_path, "vqe_h2.py", "--steps", "2")
    assert said.startswith("2 steps")
    assert number(said, "difference") > 1e-4


def test_qaoa(tmp_path: Path) -> None:
    said = run(tmp_path, "qaoa_landscape.py", "--points", "9", "--out", "made/here.png")
    assert "9 x 9 points" in said
    assert number(said, "by at most") < 1e-10
    # Of the grid's angles these are the nearest to the best ones.
    assert number(said, "best point   β = 0.393, γ = 0.589: mean cut") == pytest.approx(10.381, abs=6e-4)
    assert number(said, "formula      β = 0.393, γ = 0.615: mean cut") == pytest.approx(10.387, abs=6e-4)
    assert "1000 shots   largest cut 12\n" in said
    assert "exact        largest cut 12, of all 1024" in said
    assert (tmp_path / "made" / "here.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_qaoa_without_matplotlib_names_the_extra_before_it_runs(tmp_path: Path) -> None:
    hidden = "import runpy, sys; sys.modules['matplotlib'] = None; sys.path.insert(0, sys.argv[1]); "
    hidden += "sys.argv = ['qaoa_landscape.py']; runpy.run_module('qaoa_landscape', run_name='__main__')"
    command = [sys.executable, "-c", hidden, str(EXAMPLES)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == 'Error: a picture needs matplotlib: pip install "qfleet[examples]"\n'


def test_classifier(tmp_path: Path) -> None:
    said = run(tmp_path, "classifier.py", "--steps", "25", "--rows", "60")
    assert "submissions of 1980 points" in said
    ours, of_a_line = number(said, "held-out rows"), number(said, "straight line")
    # Of these moons a line gets some of the rows wrong wherever it lies.
    assert 80 < of_a_line < 92
    assert ours > of_a_line + 2


def test_noisy_device(tmp_path: Path) -> None:
    pytest.importorskip("qiskit_ibm_runtime", reason='pip install -e ".[dev]" installs it')
    said = run(tmp_path, "noisy_device.py", "--samples", "3", "--out", "made/here.png")
    fidelities = [number(said, f"GHZ of {width} qubits   fidelity") for width in (2, 3, 4, 5)]
    assert fidelities == sorted(fidelities, reverse=True)
    assert 0.6 < fidelities[3] < fidelities[0] < 0.98
    # The decay measures what the device's properties say, up to the errors of different gates that cancel.
    assert number(said, "error of a Clifford") == pytest.approx(number(said, "by the error rates"), rel=0.15)
    assert (tmp_path / "made" / "here.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
