# SPDX-License-Identifier: Apache-2.0
"""A statevector, and the steps of a plan that act on it.

Only *active* wires have an axis. A wire in a known basis state, at the start or after it was measured or reset, is a
number: gates that meet it take the columns of their matrix that belong to it, and the state is as small as it can be.

The axes lie in any order. A matrix is multiplied onto wires whose axes are neighbours, into a second buffer. If they
aren't neighbours, they are moved to the front, together with those of the steps that follow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.contract import EngineError
from qfleet_worker.engines.numpy.paulis import expectation_values
from qfleet_worker.engines.numpy.plan import Controlled, Dense, Diagonal, Step
from qfleet_worker.engines.numpy.sampling import Sampler
from qfleet_worker.engines.states.comparison import COMPARED, ComparableState
from qfleet_worker.engines.states.dense import DenseAnswers

#: Entries of a matrix that are copied at a time where it may be large.
CHUNK = 1 << 16
#: Steps whose wires are brought to the front together.
LOOK_AHEAD = 8
#: Trailing axes that a diagonal's table is written out over, for numpy's inner loop to be long.
TRAILING = 6
#: Floats that are added up in the state's own precision; sums of these are added in double.
ROW = 1 << 12

#: More would overflow an array's size; any number above 40 is beyond all machines.
MAX_WIRES = 50


class Snapshot(NamedTuple):
    """A state that was put aside."""

    amplitudes: ComplexArray
    order: tuple[int, ...]
    values: dict[int, int]


class State:
    """A statevector over wires, which begins in |0...0>.

    Args:
        num_wires: the number of active wires to make room for.
    """

    #: whether a state that is put aside keeps its memory, and another is restored with its own; here they are copied
    EXCHANGES = False

    def __init__(self, num_wires: int, dtype: np.dtype[np.complexfloating]) -> None:
        self.dtype = dtype
        self.tolerance = 1e-6 if dtype == np.complex128 else 1e-3
        if num_wires > MAX_WIRES:
            raise MemoryError(f"no machine holds the state of {num_wires} qubits")
        self.capacity_bytes = dtype.itemsize << num_wires
        self._buffers = [np.empty(1 << num_wires, dtype), np.empty(1 << num_wires, dtype)]
        #: active wires, the axis of the highest bit first
        self.order: list[int] = []
        #: the values of wires that aren't active, 0 where absent; without meaning for active wires
        self.values: dict[int, int] = {}
        self.clear()

    @property
    def amplitudes(self) -> ComplexArray:
        """Return a view of the amplitudes over the active wires.

        Its shape is (2**active,). The next step overwrites it.
        """
        return self._buffers[0][: 1 << len(self.order)]

    def clear(self) -> None:
        """Go back to |0...0>."""
        self.order = []
        self.values = {}
        self._buffers[0][0] = 1

    def set_identity(self, num_wires: int) -> None:
        """Set the state to the identity.

        Wires 0 to n-1 are its rows, wires n to 2n-1 its columns.
        """
        self.order = [*reversed(range(num_wires)), *reversed(range(num_wires, 2 * num_wires))]
        self.amplitudes[:] = 0
        self.amplitudes[:: (1 << num_wires) + 1] = 1

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot."""
        self.order = list(snapshot.order)
        self.values = dict(snapshot.values)
        self.amplitudes[:] = snapshot.amplitudes

    def value(self, wire: int) -> int | None:
        """Return a wire's value in a basis state; ``None`` if active."""
        return None if wire in self.order else self.values.get(wire, 0)

    def apply(self, steps: Sequence[Step], at: int) -> None:
        """Apply the unitary step ``steps[at]``."""
        step = steps[at]
        if isinstance(step, Dense):
            self._apply_dense(step, islice(steps, at + 1, None))
        elif isinstance(step, Diagonal):
            self._apply_diagonal((), step.wires, step.table)
        elif isinstance(step, Controlled):
            self._apply_controlled(step)

    def weights(self, wire: int) -> tuple[float, float]:
        """Return the probabilities of 0 and 1 on an active wire.

        Raises:
            EngineError: the norm isn't 1.
        """
        below = len(self.order) - 1 - self.order.index(wire)
        parts = self._floats().reshape(-1, 2, 2 << below)
        if below >= 5:
            rows = parts.reshape(len(parts), 2, -1, min(2 << below, ROW))
            sums = np.vecdot(rows, rows).sum(axis=(0, 2), dtype=np.float64)
        else:
            flat = parts.reshape(-1, 2 << len(self.order)) if len(self.order) < 6 else parts.reshape(-1, 64)
            squares = np.square(flat, out=self._buffers[1].view(flat.dtype)[: flat.size].reshape(flat.shape))
            sums = squares.sum(axis=0, dtype=np.float64).reshape(-1, 2, 2 << below).sum(axis=(0, 2))
        total = float(sums.sum())
        self.check(total)
        return float(sums[0]) / total, float(sums[1]) / total

    def check(self, norm_squared: float) -> None:
        """Raise `EngineError` if a squared norm isn't 1."""
        if not abs(math.sqrt(norm_squared) - 1) <= self.tolerance:
            raise EngineError(
                f"the circuit isn't unitary: the state's norm became {math.sqrt(norm_squared):.6g}, not 1"
            )

    def project(self, wire: int, value: int, weight: float) -> None:
        """Project an active wire on a value.

        The wire isn't active afterwards.

        Args:
            wire: the wire.
            value: 0 or 1.
            weight: the probability of the value.
        """
        part = self._half(wire, value)
        np.multiply(part, 1 / math.sqrt(weight), out=self._buffers[1][: part.size].reshape(part.shape))
        self._buffers.reverse()
        self.order.remove(wire)
        self.values[wire] = value

    def projected(self, wire: int, value: int, weight: float) -> Snapshot:
        """Return the result of `project`, and leave the state as it is."""
        amplitudes = (self._half(wire, value) * self.dtype.type(1 / math.sqrt(weight))).reshape(-1)
        return Snapshot(amplitudes, tuple(at for at in self.order if at != wire), {**self.values, wire: value})

    def projected_bytes(self) -> int:
        """Return the bytes of the result of `projected`."""
        return self.copied_bytes() // 2

    def copied(self) -> Snapshot:
        """Return a copy of the state, which stays as it is."""
        return Snapshot(self.amplitudes.copy(), tuple(self.order), dict(self.values))

    def copied_bytes(self) -> int:
        """Return the bytes of the result of `copied`, or of `put_aside`."""
        return self.amplitudes.nbytes

    aside_bytes = copied_bytes

    def multiply(self, wires: Sequence[int], matrix: ComplexArray) -> None:
        """Multiply some wires by any matrix, shape (2**wires, 2**wires)."""
        self._apply_dense(Dense(tuple(wires), tuple(wires), matrix), ())

    def populations(self, wires: Sequence[int]) -> NDArray[np.float64]:
        """Return the probabilities of the values of some wires, shape (2**wires,)."""
        return self.answers().probabilities(wires)

    def density_matrix(self, wires: Sequence[int]) -> NDArray[np.complex128]:
        """Return the reduced density matrix of some wires, shape (2**wires, 2**wires)."""
        return self.answers().density_matrix(wires).reshape(1 << len(wires), -1)

    def norm_squared(self) -> float:
        """Return the squared norm."""
        floats = self._floats().astype(np.float64, copy=False)
        return float(floats @ floats)

    def scale(self, factor: float) -> None:
        """Multiply the state by a number."""
        np.multiply(self._floats(), factor, out=self._floats(), casting="same_kind")

    def put_aside(self) -> Snapshot:
        """Return the state, to be restored later.

        Another state has to be restored before anything else is done.
        """
        return self.copied()

    def comparable(self, aside: Snapshot | None) -> ComparableState | None:
        """Return a state to be compared; ``None`` if it is too large.

        It is the present state, unless `aside` is another.
        """
        shown = Snapshot(self.amplitudes, tuple(self.order), self.values) if aside is None else aside
        return ComparableState(*shown) if len(shown.amplitudes) <= COMPARED else None

    def _half(self, wire: int, value: int) -> ComplexArray:
        """Return the half of the amplitudes where a wire has a value.

        The wire is active. The half is a view of shape (before, after).
        """
        return self.amplitudes.reshape(1 << self.order.index(wire), 2, -1)[:, value]

    def arrange(self, wires: Sequence[int]) -> None:
        """Put the axes into the order of the qubits.

        Qubit q is on ``wires[q]``. Samples depend on the order.
        """
        order = [wire for wire in reversed(wires) if wire in self.order]
        if order != self.order:
            self._reorder(order)

    def sampler(self) -> Sampler:
        """Return a sampler, valid until the next step."""
        return Sampler(self.amplitudes)

    def answers(self) -> DenseAnswers:
        """Return the answers of the state, valid until the next step."""
        return DenseAnswers(self.amplitudes, self.order, self.values, expectation_values)

    def statevector(self, wires: Sequence[int], phase: complex) -> ComplexArray:
        """Return the amplitudes over qubits times `phase` as a new array.

        Its shape is (2**qubits,).

        Args:
            wires: the wire of each qubit.
            phase: a factor of the state.
        """
        backwards = wires[::-1]
        active = [wire for wire in backwards if wire in self.order]
        tensor = self.amplitudes.reshape((2,) * len(active)).transpose([self.order.index(wire) for wire in active])
        result = (np.empty if len(active) == len(wires) else np.zeros)(1 << len(wires), self.dtype)
        at = [slice(None) if wire in self.order else self.values.get(wire, 0) for wire in backwards]
        np.multiply(tensor, self.dtype.type(phase), out=result.reshape((2,) * len(wires))[(*at, ...)])
        return result

    def _floats(self) -> NDArray[np.floating]:
        """Return the amplitudes as real and imaginary parts in turn."""
        return self.amplitudes.view(self.amplitudes.real.dtype)

    def _apply_dense(self, step: Dense, following: Iterable[Step]) -> None:
        order = self.order
        wanted = [wire for wire in reversed(step.inputs) if wire in order]
        wide = step.matrix.size > CHUNK
        start = self._first_axis(wanted)
        if start is None or (wide and (start or order[: len(wanted)] != wanted)):
            self._to_front(wanted, wide, following)
            start, order = 0, self.order
        end = start + len(wanted)
        matrix = self._columns(step, order[start:end], wanted)
        rows, columns = matrix.shape
        before, after = 1 << start, 1 << (len(order) - end)
        source = self.amplitudes.reshape(before, columns, after)
        target = self._buffers[1][: before * rows * after].reshape(before, rows, after)
        if columns == 1:
            np.multiply(matrix, source, out=target, casting="same_kind")
        elif wide:
            _multiply_wide(matrix, source[0], target[0])
        elif after == 1:
            np.matmul(source[:, :, 0], matrix.T, out=target[:, :, 0])
        else:
            np.matmul(matrix, source, out=target)
        self._buffers.reverse()
        self.order = [*order[:start], *reversed(step.wires), *order[end:]]

    def _first_axis(self, wires: list[int]) -> int | None:
        """Return the first of some axes that are neighbours.

        It is ``None`` if they aren't neighbours, or if matmul would be slow.
        """
        if not wires:
            return 0
        axes = [self.order.index(wire) for wire in wires]
        first, last = min(axes), max(axes)
        if last - first + 1 != len(axes):
            return None
        # Many products with a right side of 2 or 4 columns take several times as long as any other shape.
        after = len(self.order) - 1 - last
        return None if after in (1, 2) and first > 3 else first

    def _to_front(self, wires: list[int], exactly: bool, following: Iterable[Step]) -> None:
        """Move the axes of some wires to the front.

        The axes that the following steps need are put behind them.

        Args:
            wires: the wires.
            exactly: whether their order is kept; otherwise it may be any.
            following: the steps after this one.
        """
        # In their present order, they are copied in longer runs.
        front = wires if exactly else [wire for wire in self.order if wire in wires]
        placed = set(front)
        for step in islice(following, LOOK_AHEAD):
            if isinstance(step, Dense):
                if not placed.isdisjoint(step.inputs):
                    break
                needed = [wire for wire in self.order if wire in step.inputs]
                front = front + needed
                placed.update(needed)
        self._reorder(front + [wire for wire in self.order if wire not in placed])

    def _reorder(self, order: list[int]) -> None:
        shape = (2,) * len(order)
        moved = self.amplitudes.reshape(shape).transpose([self.order.index(wire) for wire in order])
        np.copyto(self._buffers[1][: moved.size].reshape(shape), moved)
        self._buffers.reverse()
        self.order = order

    def _columns(self, step: Dense, axes: list[int], wanted: list[int]) -> ComplexArray:
        """Return a step's matrix for the state's present axes.

        It has columns for the step's active inputs alone, in the order of the axes. The values of the other inputs
        select them.
        """
        matrix = step.matrix
        if len(axes) < len(step.inputs):
            at = [slice(None) if wire in wanted else self.values.get(wire, 0) for wire in reversed(step.inputs)]
            matrix = matrix.reshape(-1, *(2,) * len(step.inputs))[(slice(None), *at)].reshape(len(matrix), -1)
        if axes != wanted:
            tensor = matrix.reshape(-1, *(2,) * len(axes))
            matrix = tensor.transpose(0, *[1 + wanted.index(wire) for wire in axes]).reshape(matrix.shape)
        return matrix if matrix.size > CHUNK else matrix.astype(self.dtype, copy=False)

    def _apply_diagonal(
        self, controls: tuple[tuple[int, int], ...], wires: tuple[int, ...], table: ComplexArray
    ) -> None:
        if self._rules_out(controls):
            return
        part, order = self._where(controls)
        backwards = wires[::-1]
        at = [slice(None) if wire in order else self.values.get(wire, 0) for wire in backwards]
        active = [wire for wire in backwards if wire in order]
        sequence = [wire for wire in order if wire in active]
        factors = table.reshape((2,) * len(wires))[(*at, ...)].transpose([active.index(wire) for wire in sequence])
        shape = [2 if wire in active else 1 for wire in order]
        factors = factors.reshape(shape)
        if factors.size <= CHUNK:
            trailing = min(len(order), TRAILING)
            if 2 in shape[len(order) - trailing :]:
                shape[len(order) - trailing :] = [2] * trailing
            factors = np.broadcast_to(factors, shape).astype(self.dtype, order="C")
        np.multiply(part, factors, out=part, casting="same_kind")

    def _apply_controlled(self, step: Controlled) -> None:
        if step.table.ndim == 1:
            self._apply_diagonal(step.controls, step.targets, step.table)
            return
        if self._rules_out(step.controls):
            return
        for wire in step.targets:
            if wire not in self.order:
                self._activate(wire)
        part, order = self._where(step.controls)
        backwards = step.targets[::-1]
        axes = [order.index(wire) for wire in backwards] + [
            axis for axis, wire in enumerate(order) if wire not in backwards
        ]
        moved = part.transpose(axes)
        # With a control, active or not, the part is at most half of what a buffer holds.
        source, target = self._buffers[1][: 2 * part.size].reshape(2, len(step.table), -1)
        np.copyto(source.reshape(moved.shape), moved)
        _multiply_wide(step.table, source, target)
        moved[...] = target.reshape(moved.shape)

    def _rules_out(self, controls: tuple[tuple[int, int], ...]) -> bool:
        """Tell whether a control's wire is known to have the other value."""
        return any(wire not in self.order and self.values.get(wire, 0) != value for wire, value in controls)

    def _where(self, controls: tuple[tuple[int, int], ...]) -> tuple[ComplexArray, list[int]]:
        """Return the part of the state where active controls hold.

        The part has an axis for each other active wire. These wires are returned with it.
        """
        needed = dict(controls)
        at = [needed.get(wire, slice(None)) for wire in self.order]
        part = self.amplitudes.reshape((2,) * len(self.order))[(*at, ...)]
        return part, [wire for wire in self.order if wire not in needed]

    def _activate(self, wire: int) -> None:
        """Give a wire an axis."""
        size = 1 << len(self.order)
        halves = self._buffers[0][: 2 * size].reshape(2, size)
        if self.values.get(wire, 0):
            halves[1] = halves[0]
            halves[0] = 0
        else:
            halves[1] = 0
        self.order.insert(0, wire)


def _multiply_wide(matrix: ComplexArray, source: ComplexArray, target: ComplexArray) -> None:
    """Write ``matrix @ source`` into `target`, some rows at a time.

    So the matrix is never copied as a whole to the state's precision.
    """
    rows = max(1, CHUNK // matrix.shape[1])
    for row in range(0, len(matrix), rows):
        np.matmul(matrix[row : row + rows].astype(target.dtype, copy=False), source, out=target[row : row + rows])
