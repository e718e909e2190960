# SPDX-License-Identifier: Apache-2.0
"""The contract of states: operations that the driver asks of any engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.gates.matrices import ComplexArray
from qfleet_worker.engines.randomness.uniforms import Uniforms
from qfleet_worker.engines.states.dense import View

#: Shots that are sampled at a time.
SHOTS: Final = 1 << 18


class Samples(NamedTuple):
    """What the measurements at the end of a circuit found in some shots."""

    shots: NDArray[np.int64]
    #: int64, a basis state for each shot
    states: NDArray[np.int64]
    #: the bit of a wire in these
    bits: dict[int, int]
    #: the values of wires without a bit, 0 where absent
    values: dict[int, int]


class States(Protocol):
    """States at the same place of a program, numbered from 0."""

    def __len__(self) -> int: ...

    def apply(self, steps: Sequence[Any], begin: int, end: int) -> None:
        """Apply the unitary steps ``begin`` to ``end - 1``."""
        ...

    def given_up(self) -> NDArray[np.bool_] | None:
        """Which states were given up, shape (members,), if any were."""
        ...

    def views(self) -> Iterator[tuple[int, View]]:
        """Each member's number, and its state as it is until the next one is asked for; not of those given up."""
        ...

    def weights(self, wire: int) -> NDArray[np.float64]:
        """The probability of 1 on a wire, shape (members,). Raises `EngineError` for a norm that isn't 1."""
        ...

    def collapse(
        self, wire: int, values: NDArray[np.bool_], both: NDArray[np.bool_], weights: NDArray[np.float64], reset: bool
    ) -> NDArray[np.bool_]:
        """Project a wire of each state on a value, and put it into 0 if it is reset.

        Where both values are found, the part with 1 becomes a new member behind the others, in the same order. Returns
        for which of them there was room, shape (members,) as they were.
        """
        ...

    def keep(self, which: NDArray[np.int64]) -> None:
        """Drop the members that aren't among these, and put these into this order."""
        ...

    def split_off(self, which: NDArray[np.bool_]) -> States:
        """Take some members out."""
        ...

    def join(self, others: Any) -> None:
        """Take the others in, behind."""
        ...

    def leaders(self, kinds: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each member the first of the same kind and, up to a global phase, in the same state."""
        ...

    def find(
        self, plan: Any, shots: NDArray[np.int64], members: NDArray[np.int64], uniforms: Uniforms
    ) -> Iterator[Samples]:
        """Measure all that `plan` measures at its end, for shots of which ``members`` says whose they are.

        `statevector` may be asked for a member's state when its last shots have just been found. Raises `EngineError`
        for a norm that isn't 1.
        """
        ...

    def statevector(self, member: int, plan: Any, values: dict[int, int], phase: complex) -> ComplexArray:
        """The amplitudes of a member times `phase`, a new array, once these wires were found to have these values."""
        ...


class StateSource(Protocol):
    """What makes members."""

    def begin(self) -> Any:
        """A single member in |0...0>; those there were before are no more."""
        ...
