# SPDX-License-Identifier: Apache-2.0
"""Steps of a compiled program that the driver knows.

All other steps are known to their engine alone.

A plan acts on *wires*. A wire is the place of a qubit in a state. Wires differ from qubits because a SWAP only
exchanges two names.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStep:
    """A step at which each shot goes one of several ways.

    A random number of the shot decides.
    """

    #: the number of the random event, see `qfleet.wire.program.events`
    event: int
    #: the number of ways
    ways: int = 2
    #: the clbits that the number of a shot's way is written to
    clbits: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureStep(EventStep):
    """Measure a wire that is used again later.

    The number of a way is the value of the wire.
    """

    wire: int
    #: the readout error: the probabilities that 0 is read as 1, and 1 as 0; ``None`` without one
    flips: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetStep(EventStep):
    """Measure a wire, and put it into |0>.

    The number of a way is the value of the wire before.
    """

    wire: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseStep(EventStep):
    """Apply a channel to some wires.

    The event selects the channel's branch, the event after it an operator of the branch.
    """

    wires: tuple[int, ...]
    #: the index of the program's channel
    channel: int


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
