# SPDX-License-Identifier: Apache-2.0
"""Matrix product states that take turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.events import FINAL_EVENT
from qfleet_worker.engines.mps.plan import Plan
from qfleet_worker.engines.mps.sampling import sample, shots_at_once
from qfleet_worker.engines.randomness.uniforms import Uniforms
from qfleet_worker.engines.states.contract import ClbitRows, Samples
from qfleet_worker.engines.states.one_by_one import OneByOne, OneByOneSource

#: Bits of a basis state.
_MOST_BITS: Final = 62


class ChainSource(OneByOneSource):
    """A maker of states; see `qfleet_worker.engines.states.contract.StateSource`."""

    def begin(self) -> ChainStates:
        """See `StateSource.begin`."""
        return ChainStates(self._store, [self._store.begin()])


class ChainStates(OneByOne):
    """Matrix product states; see `qfleet_worker.engines.states.contract.States`."""

    def sample(
        self,
        plan: Plan,
        shots: NDArray[np.int64],
        states: NDArray[np.int64],
        uniforms: Uniforms,
        counted: bool,  # noqa: ARG002
    ) -> Iterator[Samples | ClbitRows]:
        """See `States.sample`.

        Each wire takes a number of its own from each shot: the one that the wire's place in the chain selects.
        """
        for number, simulator in self._turns():
            own = shots if len(self) == 1 else shots[states == number]
            chain = simulator.whole()
            simulator.check(chain.norm_squared())
            if not plan.measured:
                yield Samples(own, np.zeros(0, np.int64), {}, {})
                continue
            at_once = shots_at_once(chain)
            for begin in range(0, len(own), at_once):
                part = own[begin : begin + at_once]
                found = sample(chain, plan.measured, len(part), partial(uniforms.of, FINAL_EVENT, part))
                yield (_samples if len(plan.measured) <= _MOST_BITS else _clbit_rows)(plan, part, found)


def _samples(plan: Plan, shots: NDArray[np.int64], found: Mapping[int, NDArray[np.uint8]]) -> Samples:
    """Return the values of few wires as basis states."""
    basis_states = np.zeros(len(shots), np.int64)
    for bit, wire in enumerate(plan.measured):
        basis_states |= found[wire].astype(np.int64) << bit
    return Samples(shots, basis_states, {wire: bit for bit, wire in enumerate(plan.measured)}, {})


def _clbit_rows(plan: Plan, shots: NDArray[np.int64], found: Mapping[int, NDArray[np.uint8]]) -> ClbitRows:
    """Return the values of many wires as bytes of clbits."""
    columns = sorted({clbit >> 3 for _, clbit in plan.readout})
    places = {byte: place for place, byte in enumerate(columns)}
    rows = np.zeros((len(shots), len(columns)), np.uint8)
    for wire, clbit in plan.readout:
        rows[:, places[clbit >> 3]] |= found[wire] << np.uint8(clbit & 7)
    return ClbitRows(shots, tuple(columns), rows)
