# SPDX-License-Identifier: Apache-2.0
"""The matrix product state of a simulator.

A wire with a known value lies in the chain as |0>, and its value beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.contract import EngineError
from qfleet_worker.engines.mps.answers import ChainAnswers, overlap
from qfleet_worker.engines.mps.chain import Chain, Losses
from qfleet_worker.engines.mps.operators import on_wires
from qfleet_worker.engines.mps.plan import Far, One, Spread, Step, Two
from qfleet_worker.engines.mps.splitting import Cut

_X: Final = np.array([[0, 1], [1, 0]])
#: Rounding of the norm that is allowed, by the bytes of an amplitude.
_TOLERANCE: Final = {16: 1e-6, 8: 1e-3}
#: Tolerance of the fingerprints of equal states, and what their overlap lacks of 1, by the bytes of an amplitude.
_EQUAL: Final = {16: (1e-11, 1e-13), 8: (2e-6, 1e-5)}
_NO_OVERLAP: Final = 1e-300
_GOLDEN_ANGLE: Final = 2.399963229728653


class Snapshot(NamedTuple):
    """A state that was put aside."""

    #: has its bytes
    amplitudes: Chain
    values: dict[int, int]


class ChainState:
    """A matrix product state over wires, which begins in |0...0>.

    Args:
        num_wires: their number.
        dtype: complex64 or complex128.
        cut: the rule for bonds.
        losses: records what all states lose.
        capacity_bytes: the bytes that a state is predicted to take.
    """

    EXCHANGES = True

    def __init__(
        self, num_wires: int, dtype: np.dtype[np.complexfloating], cut: Cut, losses: Losses, capacity_bytes: int
    ) -> None:
        #: a chain has a tensor even where a circuit has no qubits
        self._num_wires = max(num_wires, 1)
        self._dtype = dtype
        self._cut = cut
        self.capacity_bytes = capacity_bytes
        self._losses = losses
        #: of wires that lie in the chain as |0>
        self.values: dict[int, int] = {}
        self.clear()

    def clear(self) -> None:
        """Go back to |0...0>."""
        self._chain = Chain(self._num_wires, self._dtype, self._cut, self._losses)
        self.values = dict.fromkeys(range(self._num_wires), 0)

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot."""
        self._chain, self.values = snapshot

    def put_aside(self) -> Snapshot:
        """Return the state, to be restored later.

        Another state has to be restored before anything else is done.
        """
        return Snapshot(self._chain, self.values)

    def copied(self) -> Snapshot:
        """Return a copy of the state, which stays as it is."""
        return Snapshot(self._chain.copy(), self.values.copy())

    def aside_bytes(self) -> int:
        """Return the bytes of a state that is put aside or copied."""
        return self._chain.nbytes

    copied_bytes = projected_bytes = aside_bytes

    def value(self, wire: int) -> int | None:
        """Return a wire's known value; ``None`` without one."""
        return self.values.get(wire)

    def apply(self, steps: Sequence[Step], at: int) -> None:
        """Apply the step ``steps[at]``."""
        match steps[at]:
            case One(wire, matrix, unitary):
                self._take_in((wire,))
                (self._chain.one if unitary else self._chain.multiply)(wire, matrix)
            case Two(wire, matrix, factors, right):
                self._take_in((wire, wire + 1))
                self._chain.two(wire, matrix, factors, right=right)
            case Far(wire, other, matrix):
                self._take_in(range(wire, other + 1))
                self._chain.far(wire, other, matrix)
            case Spread(wire, factors):
                self._take_in(range(wire, wire + len(factors)))
                self._chain.spread(wire, factors)

    def _take_in(self, wires: Iterable[int]) -> None:
        """Let the chain have the values of some wires."""
        for wire in wires:
            if self.values.pop(wire, 0):
                self._chain.one(wire, _X)

    def weights(self, wire: int) -> tuple[float, float]:
        """Return the probabilities of 0 and 1.

        Raises:
            EngineError: the norm isn't 1.
        """
        zero, one = self._chain.weight(wire)
        self.check(zero + one)
        return zero / (zero + one), one / (zero + one)

    def check(self, norm_squared: float) -> None:
        """Raise `EngineError` if a squared norm isn't 1."""
        if not abs(math.sqrt(norm_squared) - 1) <= _TOLERANCE[self._dtype.itemsize]:
            raise EngineError(
                f"the circuit isn't unitary: the state's norm became {math.sqrt(norm_squared):.6g}, not 1"
            )

    def project(self, wire: int, value: int, weight: float) -> None:
        """Project a wire on a value of this probability."""
        self._chain.project(wire, value, weight)
        if value:
            self._chain.one(wire, _X)
        self.values[wire] = value

    def projected(self, wire: int, value: int, weight: float) -> Snapshot:
        """Return the result of `project`, and leave the state as it is."""
        kept, self._chain, self.values = self.put_aside(), self._chain.copy(), self.values.copy()
        self.project(wire, value, weight)
        found = self.put_aside()
        self.restore(kept)
        return found

    def multiply(self, wires: Sequence[int], matrix: ComplexArray) -> None:
        """Multiply some wires by any matrix, shape (2**wires, 2**wires)."""
        self._take_in(range(min(wires), max(wires) + 1))
        if len(wires) == 1:
            self._chain.multiply(wires[0], matrix)
        else:
            self._chain.spread(min(wires), on_wires({}, wires, matrix))

    def populations(self, wires: Sequence[int]) -> NDArray[np.float64]:
        """Return the probabilities of the values of some wires, shape (2**wires,)."""
        return self.answers().probabilities(wires)

    def density_matrix(self, wires: Sequence[int]) -> NDArray[np.complex128]:
        """Return the reduced density matrix of some wires, shape (2**wires, 2**wires)."""
        return self.answers().density_matrix(wires).reshape(1 << len(wires), -1)

    def norm_squared(self) -> float:
        """Return the squared norm."""
        return self._chain.norm_squared()

    def scale(self, factor: float) -> None:
        """Multiply the state by a number."""
        self._chain.multiply(self._chain.centre, np.diag([factor, factor]))

    def comparable(self, aside: Snapshot | None) -> ComparableChain:
        """Return a state to be compared."""
        chain, values = (self._chain, self.values) if aside is None else aside
        return ComparableChain(chain, values)

    def whole(self) -> Chain:
        """Return the chain with all values in it."""
        self._take_in(list(self.values))
        return self._chain

    def answers(self) -> ChainAnswers:
        """Return the answers of the state, valid until the next step."""
        return ChainAnswers(self.whole())


class ComparableChain:
    """A state that is compared with others, up to a global phase.

    Args:
        chain: its tensors.
        values: those of wires that lie in the chain as |0>.
    """

    def __init__(self, chain: Chain, values: dict[int, int]) -> None:
        #: has as many numbers as the tolerance is multiplied by
        self.amplitudes = chain.tensors
        self._values = values
        self.tolerance, self._missing = _EQUAL[chain.tensors[0].dtype.itemsize]

    def fingerprint(self) -> float:
        """Return a number that equal states share.

        It is the logarithm of the overlap with a product state.
        """
        turn = np.exp(1j * _GOLDEN_ANGLE)
        product = [
            np.array([math.cos(wire + 1), math.sin(wire + 1) * turn]).reshape(1, 2, 1)
            for wire in range(len(self.amplitudes))
        ]
        # It falls with the number of wires, and its logarithm doesn't.
        return math.log(max(abs(overlap(self._tensors(), product)), _NO_OVERLAP))

    def equals(self, other: ComparableChain) -> bool:
        """Tell whether two states are the same up to a global phase."""
        return abs(abs(overlap(self._tensors(), other._tensors())) - 1) <= self._missing

    def _tensors(self) -> list[ComplexArray]:
        return [tensor[:, ::-1] if self._values.get(wire, 0) else tensor for wire, tensor in enumerate(self.amplitudes)]
