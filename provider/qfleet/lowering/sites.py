# SPDX-License-Identifier: Apache-2.0
"""The places of noise in rows."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from qfleet.noise import Channel


class Idle(NamedTuple):
    """A time for which a qubit relaxes."""

    seconds: float


#: The source of a row's noise: a gate's name or label in the noise model, a channel in the circuit, or relaxation.
Site: TypeAlias = str | Channel | Idle
#: A gate's name or label, and its qubits in their order.
Place: TypeAlias = tuple[str, tuple[int, ...]]
