# SPDX-License-Identifier: Apache-2.0
"""Channels are those of Aer's functions of the same names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qiskit.quantum_info import SuperOp

from qfleet.noise import Channel

CASES: dict[str, tuple[Callable[[Any], Any], Channel]] = {
    "depolarizing": (lambda aer: aer.depolarizing_error(0.3, 2), Channel.depolarizing(0.3, 2)),
    "pauli": (lambda aer: aer.pauli_error([("XZ", 0.1), ("II", 0.9)]), Channel.pauli({"XZ": 0.1})),
    "reset": (lambda aer: aer.reset_error(0.1, 0.2), Channel.reset(0.1, 0.2)),
    "short T2": (
        lambda aer: aer.thermal_relaxation_error(50, 30, 4, 0.2),
        Channel.thermal_relaxation(50, 30, 4, 0.2),
    ),
    "long T2": (lambda aer: aer.thermal_relaxation_error(50, 80, 4, 0.2), Channel.thermal_relaxation(50, 80, 4, 0.2)),
    "no decay": (
        lambda aer: aer.thermal_relaxation_error(np.inf, np.inf, 4),
        Channel.thermal_relaxation(np.inf, np.inf, 4),
    ),
    "amplitude": (lambda aer: aer.amplitude_damping_error(0.3), Channel.amplitude_damping(0.3)),
    "phase": (lambda aer: aer.phase_damping_error(0.3), Channel.phase_damping(0.3)),
    "beside": (
        lambda aer: aer.amplitude_damping_error(0.3).expand(aer.phase_damping_error(0.2)),
        Channel.amplitude_damping(0.3).beside(Channel.phase_damping(0.2)),
    ),
    "then": (
        lambda aer: aer.amplitude_damping_error(0.3).compose(aer.pauli_error([("X", 0.2), ("I", 0.8)])),
        Channel.amplitude_damping(0.3).then(Channel.pauli({"X": 0.2})),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_channel_is_aers(name: str) -> None:
    aer = pytest.importorskip("qiskit_aer.noise", reason="pip install -e '.[dev]' installs it")
    make, channel = CASES[name]
    assert np.abs(SuperOp(make(aer)).data - channel.to_superop()).max() < 1e-12
