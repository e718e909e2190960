# SPDX-License-Identifier: Apache-2.0
"""States that don't fit into any cache, and the memory that they take: minutes, and some GiB."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from families import FAMILIES, TOLERANCES, aer_amplitudes, amplitudes, largest_difference

from qfleet.lowering.lower import lower
from qfleet.wire.codec.programs import encode_program
from qfleet.wire.messages.request import Output, Precision

PEAK = Path(__file__).parents[5] / "benchmarks" / "_peak.py"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def needs_memory(num_bytes: int) -> None:
    available = psutil.virtual_memory().available
    if available < num_bytes:
        pytest.skip(f"needs {num_bytes / 2**30:.1f} GiB of memory; {available / 2**30:.1f} GiB are available")


@pytest.mark.parametrize("num_qubits", [22, 24, 26])
@pytest.mark.parametrize("family", FAMILIES)
def test_against_aer(family: str, num_qubits: int) -> None:
    # Aer's state, its copy in the result, and ours.
    needs_memory(4 * 16 << num_qubits)
    circuit = FAMILIES[family](num_qubits)
    exact = aer_amplitudes(circuit)
    for precision, tolerance in TOLERANCES.items():
        if precision == "double" or num_qubits == 22:
            assert largest_difference(amplitudes(circuit, precision, 2), exact) < tolerance


@pytest.mark.parametrize(("precision", "amplitude_bytes"), [("double", 16), ("single", 8)])
@pytest.mark.parametrize("output", ["counts", "statevector"])
@pytest.mark.parametrize("family", FAMILIES)
def test_peak_memory(family: str, output: Output, precision: Precision, amplitude_bytes: int) -> None:
    """A process that has loaded its machine code takes some 200 MiB whatever it runs; the rest is to be the state."""
    num_qubits = 26
    state = amplitude_bytes << num_qubits
    needs_memory(2 * state)
    circuit = FAMILIES[family](num_qubits)
    if output == "counts":
        circuit.measure_all()
    done = subprocess.run(
        [sys.executable, str(PEAK), output, precision, "2", "1024" if output == "counts" else "1"],
        input=encode_program(lower(circuit)), capture_output=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["engine"] == "statevector", "compile it first: python -m qfleet_worker warm"
    assert state <= found["peak_bytes"]
    assert found["peak_bytes"] - found["idle_bytes"] < 1.05 * state
    if precision == "double":
        assert found["peak_bytes"] < 1.25 * state
