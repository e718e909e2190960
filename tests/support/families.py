# SPDX-License-Identifier: Apache-2.0
"""The benchmarks' families of circuits, and amplitudes of two simulators."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from make_experiments import make_experiment
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qfleet.lowering.lower import lower
from qfleet.wire.messages.request import Precision
from qfleet_worker.engines.statevector.simulator import DEFAULT_SIZES, Sizes, StatevectorSimulator

_spec = importlib.util.spec_from_file_location("_circuits", Path(__file__).parents[2] / "benchmarks" / "_circuits.py")
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)

FAMILIES: dict[str, Callable[[int], QuantumCircuit]] = _module.FAMILIES
#: Tells whether a family has a circuit of a size.
exists: Callable[[str, int], bool] = _module.exists

#: The largest error of an amplitude.
TOLERANCES: dict[Precision, float] = {"double": 1e-10, "single": 1e-5}


def amplitudes(
    circuit: QuantumCircuit, precision: Precision, threads: int = 1, sizes: Sizes = DEFAULT_SIZES
) -> NDArray[np.complexfloating]:
    """Return our amplitudes of a circuit without measurements."""
    experiment = make_experiment(lower(circuit), 1, 1, output="statevector", precision=precision, threads=threads)
    found = StatevectorSimulator(sizes=sizes).run(experiment).amplitudes
    assert found is not None
    return found


def aer_amplitudes(circuit: QuantumCircuit) -> NDArray[np.complex128]:
    """Return Aer's amplitudes of a circuit. Without Aer, the test is skipped."""
    aer: Any = pytest.importorskip("qiskit_aer", reason="pip install -e '.[dev]' installs it")
    saving = circuit.copy()
    saving.save_statevector()
    return np.asarray(aer.AerSimulator(method="statevector").run(saving).result().data(0)["statevector"])


def largest_difference(a: NDArray[np.complexfloating], b: NDArray[np.complexfloating]) -> float:
    """Return the largest difference of two arrays.

    No third array of their size is made.
    """
    step = 1 << 20
    return max(float(np.abs(a[at : at + step] - b[at : at + step]).max()) for at in range(0, len(a), step))
