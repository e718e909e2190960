# SPDX-License-Identifier: Apache-2.0
"""Steps of a compiled program that the driver carries out itself; all others are the engine's own.

A plan acts on *wires*. A wire is the place of a qubit in a state; wires differ from qubits because a SWAP only
exchanges two names.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MeasureStep:
    """Measure a wire that is used again later."""

    wire: int
    #: the number of its random event, see `randomness.uniforms`
    event: int
    #: the clbits whose last writer this is
    clbits: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ResetStep:
    """Put a wire into |0>."""

    wire: int
    #: the number of its random event, see `randomness.uniforms`
    event: int


@dataclass(frozen=True, slots=True)
class SaveStep:
    """Save something of the state, which stays as it is."""

    #: the index of the program's save
    save: int
    targets: tuple[int, ...]
    #: the wire of each qubit at this place
    wires: tuple[int, ...]
    #: factor of the whole state, from the part of the program before the save
    phase: complex
