# SPDX-License-Identifier: Apache-2.0
"""The content of noise models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from qfleet.noise.channel import Channel

#: Ordered qubits, or ``None`` for all.
Qubits: TypeAlias = "tuple[int, ...] | None"


class Relaxation(NamedTuple):
    """Relaxation during delays.

    Index q is for qubit q; times are in seconds.
    """

    t1s: tuple[float, ...]
    t2s: tuple[float, ...]
    excited_state_populations: tuple[float, ...]
    #: seconds of one ``dt``; ``None`` if delays have other units
    dt: float | None


class Parts(NamedTuple):
    """The content of a noise model."""

    #: by name or label of a gate, then by its ordered qubits
    gates: Mapping[str, Mapping[Qubits, Channel]] = {}
    #: by the ordered qubits that are measured together: rows by the true value
    readout: Mapping[Qubits, tuple[tuple[float, ...], ...]] = {}
    relaxation: Relaxation | None = None
    #: passes of Qiskit's transpiler that write errors into circuits with delays
    passes: tuple[Any, ...] = ()
