# SPDX-License-Identifier: Apache-2.0
"""The density matrix of a simulator, as expectation values of Paulis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.contract import EngineError
from qfleet_worker.engines.density.answers import DensityAnswers
from qfleet_worker.engines.density.kernels import Kernels, to_front
from qfleet_worker.engines.density.plan import Apply, Prepare, Step, Wide
from qfleet_worker.engines.density.transfer import MOST_QUBITS
from qfleet_worker.engines.density.wide import apply_wide
from qfleet_worker.engines.states.comparison import COMPARED, TOLERANCE

#: Fewest wires of an array: a matrix has two more beside its own.
_FEWEST_WIRES: Final = MOST_QUBITS + 2
#: Most wires: an array of more has no size.
_MOST_WIRES: Final = 25
#: Rounding of the trace that is allowed.
_TRACE_TOLERANCE: Final = 1e-6
_Z = 2
_GOLDEN_ANGLE: Final = 2.399963229728653


class Snapshot(NamedTuple):
    """A density matrix that was put aside."""

    amplitudes: NDArray[np.float64]
    values: dict[int, int]


class DensityState:
    """A density matrix over wires, which begins in |0...0>.

    Every wire has a place in the array, whatever is known of it.

    Args:
        num_wires: their number.
        kernels: do the work.
    """

    EXCHANGES = True

    def __init__(self, num_wires: int, kernels: Kernels) -> None:
        if num_wires > _MOST_WIRES:
            raise MemoryError(f"no machine holds the density matrix of {num_wires} qubits")
        self._size: int = 4 ** max(num_wires, _FEWEST_WIRES)
        self._kernels = kernels
        self.capacity_bytes: int = 8 * self._size
        self._paulis: NDArray[np.float64] | None = None
        #: wires, the highest bit of a sample first
        self.order = list(reversed(range(num_wires)))
        #: of wires without a place
        self.values: dict[int, int] = {}

    @property
    def paulis(self) -> NDArray[np.float64]:
        """Return the expectation values, shape (4**wires,)."""
        if self._paulis is None:
            self._paulis = np.empty(self._size)
        return self._paulis

    def clear(self) -> None:
        """Go back to |0...0>."""
        whole = self.paulis
        whole[:] = 0
        filled = 1
        whole[0] = 1
        while filled < self._size:
            whole[_Z * filled : (_Z + 1) * filled] = whole[:filled]
            filled *= 4

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot."""
        self._paulis = snapshot.amplitudes

    def put_aside(self) -> Snapshot:
        """Return the state, to be restored later.

        Another state has to be restored before anything else is done.
        """
        whole, self._paulis = self.paulis, None
        return Snapshot(whole, {})

    def aside_bytes(self) -> int:
        """Return the bytes of the result of `put_aside`."""
        return self.capacity_bytes

    def value(self, _wire: int) -> None:
        """Return nothing: no wire is outside of the array."""
        return

    def apply(self, steps: Sequence[Step], at: int) -> None:
        """Apply the step ``steps[at]``."""
        step = steps[at]
        if isinstance(step, Apply):
            self._kernels.apply(self.paulis, step.wires, step.matrix)
        elif isinstance(step, Prepare):
            moved = to_front(self.paulis, step.wires)
            rest = moved[(0,) * len(step.wires)].copy()
            moved[...] = np.multiply.outer(step.paulis.reshape((4,) * len(step.wires)), rest)
        elif isinstance(step, Wide):
            apply_wide(self.paulis, step.gate)

    def weights(self, wire: int) -> tuple[float, float]:
        """Return the probabilities of 0 and 1.

        Raises:
            EngineError: the trace isn't 1.
        """
        total = float(self.paulis[0])
        self.check(total)
        one = min(max((total - float(self.paulis[_Z << 2 * wire])) / (2 * total), 0.0), 1.0)
        return 1 - one, one

    def check(self, trace: float) -> None:
        """Raise `EngineError` if a trace isn't 1."""
        if not abs(trace - 1) <= _TRACE_TOLERANCE:
            raise EngineError(f"the circuit isn't unitary: the trace of its density matrix became {trace:.6g}, not 1")

    def project(self, wire: int, value: int, weight: float) -> None:
        """Project a wire on a value of this probability."""
        _project(self.paulis, wire, value, weight)

    def projected(self, wire: int, value: int, weight: float) -> Snapshot:
        """Return the result of `project`, and leave the state as it is."""
        whole = self.paulis.copy()
        _project(whole, wire, value, weight)
        return Snapshot(whole, {})

    def copied(self) -> Snapshot:
        """Return a copy of the state, which stays as it is."""
        return Snapshot(self.paulis.copy(), {})

    def copied_bytes(self) -> int:
        """Return the bytes of the result of `copied`."""
        return self.capacity_bytes

    def projected_bytes(self) -> int:
        """Return the bytes of the result of `projected`."""
        return self.capacity_bytes

    def comparable(self, aside: Snapshot | None) -> ComparableDensity | None:
        """Return a state to be compared; ``None`` if it is too large."""
        whole = self.paulis if aside is None else aside.amplitudes
        return ComparableDensity(whole) if len(whole) <= COMPARED else None

    def arrange(self, wires: Sequence[int]) -> None:
        """Let qubit q of a sample be ``wires[q]``."""
        self.order = list(reversed(wires))

    def sampler(self) -> Sampler:
        """Return a sampler, valid until the next step."""
        return Sampler(self.answers().probabilities(self.order[::-1]))

    def answers(self) -> DensityAnswers:
        """Return the answers of the state, valid until the next step."""
        return DensityAnswers(self.paulis)


class Sampler:
    """A sampler of basis states.

    Args:
        probabilities: of each.
    """

    #: it doesn't count shots
    counted_at_once: Final = 0

    def __init__(self, probabilities: NDArray[np.float64]) -> None:
        self._ends = np.cumsum(probabilities)
        self._last = int(np.flatnonzero(probabilities)[-1]) if probabilities.any() else 0
        self.total = float(self._ends[-1])

    def find(self, numbers: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return basis states for numbers uniform in [0, 1)."""
        found = np.searchsorted(self._ends, numbers * self.total, side="right")
        return np.minimum(found, self._last)


class ComparableDensity:
    """A density matrix that is compared with others.

    Args:
        amplitudes: its expectation values.
    """

    tolerance = TOLERANCE[16]

    def __init__(self, amplitudes: NDArray[np.float64]) -> None:
        self.amplitudes = amplitudes

    def fingerprint(self) -> float:
        """Return a number that equal states share.

        It is the same within ``tolerance * len(amplitudes)``.
        """
        return float(self.amplitudes @ np.cos(_GOLDEN_ANGLE * np.arange(1, 1 + len(self.amplitudes))))

    def equals(self, other: ComparableDensity) -> bool:
        """Tell whether two states are the same."""
        return float(np.abs(self.amplitudes - other.amplitudes).max()) <= self.tolerance


def _project(paulis: NDArray[np.float64], wire: int, value: int, weight: float) -> None:
    """Project a wire on a value, in place."""
    parts = paulis.reshape(-1, 4, 4**wire)
    sign = 1 - 2 * value
    parts[:, 0] = (parts[:, 0] + sign * parts[:, _Z]) / (2 * weight)
    parts[:, _Z] = sign * parts[:, 0]
    parts[:, 1] = 0
    parts[:, 3] = 0
