# SPDX-License-Identifier: Apache-2.0
"""A statevector, and the steps of a plan that act on it.

Bit w of an index is the value of wire w. A wire is *known* once a step has touched it. The others are in a basis state,
and the part of the memory where their bit is 1 is neither read nor written: all their amplitudes are in the part where
the bit is 0, whatever their value. So a state begins without being written, and a measured wire halves it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.machine_code.registry import flat
from qfleet_worker.engines.states.comparison import COMPARED, ComparableState
from qfleet_worker.engines.states.dense import DenseAnswers
from qfleet_worker.engines.statevector.compiler.binding import with_precision
from qfleet_worker.engines.statevector.compiler.plan import MAX_WIRES, Plan, Prepare, Segment, Step, Wide
from qfleet_worker.engines.statevector.kernels import parts
from qfleet_worker.engines.statevector.kernels import stage as execute
from qfleet_worker.engines.statevector.kernels.bits import popcount
from qfleet_worker.engines.statevector.kernels.layout import STAGE_END_OP
from qfleet_worker.engines.statevector.runtime import wide
from qfleet_worker.engines.statevector.runtime.norms import check_norm
from qfleet_worker.engines.statevector.runtime.paulis import expectation_values
from qfleet_worker.engines.statevector.runtime.sampling import Sampler, sums_in_stage
from qfleet_worker.engines.threads import ThreadTeam
from qfleet_worker.machine.arrays import empty

_run_stage = flat(execute.run_stage)


class Snapshot(NamedTuple):
    """A state that was put aside."""

    #: over the known wires only; or as long as the state's memory and laid out like it
    amplitudes: ComplexArray
    known: int
    values: dict[int, int]


class State:
    """A statevector over wires, which begins in |0...0>.

    Args:
        num_wires: the number of wires to make room for.
        team: the threads that share the work.
        memory: memory for the amplitudes; by default new memory.
        sampled: whether the state is sampled at the end of its plan, which has no measurements before.
    """

    #: whether a state that is put aside keeps its memory, and another is restored with its own
    EXCHANGES = True

    def __init__(
        self, num_wires: int, dtype: np.dtype[np.complexfloating], team: ThreadTeam,
        memory: NDArray[np.uint8] | None = None, sampled: bool = False,
    ) -> None:  # fmt: skip
        if num_wires > MAX_WIRES:
            raise MemoryError(f"no machine holds the state of {num_wires} qubits")
        self.dtype = dtype
        self.num_wires = num_wires
        # A vector has 4 or 8 amplitudes.
        self._room = max(num_wires, 2 if dtype == np.complex128 else 3)
        self._all = empty(1 << self._room, dtype) if memory is None else memory.view(dtype)
        self._floats = self._all.view(np.float64 if dtype == np.complex128 else np.float32)
        self._team = team
        self._sampled = sampled
        #: the squared norms of all rows, from the last stage until the state changes
        self._sums: NDArray[np.float64] | None = None
        #: see `DenseAnswers`
        self.expectation_values = partial(expectation_values, team=team)
        #: the values of wires that aren't known, 0 where absent; without meaning for known wires
        self.values: dict[int, int] = {}
        #: the wires that are known, as a mask
        self.known = 0
        self.clear()

    @property
    def capacity_bytes(self) -> int:
        """Return the bytes of the whole state."""
        return self._all.nbytes

    @property
    def amplitudes(self) -> ComplexArray:
        """Return a view of all amplitudes, shape (2**wires,).

        They may be read after `settle`.
        """
        return self._all[: 1 << self.num_wires]

    @property
    def _changing(self) -> ComplexArray:
        """Return the amplitudes to be changed."""
        self._sums = None
        return self._all

    @property
    def order(self) -> list[int]:
        """Return the wires with a bit in `amplitudes`, the highest bit first."""
        return [*range(self.num_wires - 1, -1, -1)]

    def clear(self) -> None:
        """Go back to |0...0>."""
        self.known = 0
        self.values = {}
        self._changing[0] = 1

    def set_identity(self, wires: Sequence[int]) -> None:
        """Set the state to the identity matrix.

        The lower half of the wires are its columns, and ``wires[q]`` is the bit of qubit q in its rows.
        """
        columns = np.arange(1 << len(wires))
        rows = np.zeros_like(columns)
        for qubit, wire in enumerate(wires):
            rows |= (columns >> qubit & 1) << wire
        self._changing[:] = 0
        self._changing[rows | columns] = 1
        self.known = len(self._all) - 1

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot, which is used up."""
        self.known = snapshot.known
        self.values = snapshot.values
        if len(snapshot.amplitudes) == len(self._all):
            self._use(snapshot.amplitudes)
            return
        # What is here may have been put aside.
        self._use(empty(len(self._all), self.dtype))
        parts.scatter(self._all, snapshot.amplitudes, self.known)

    def put_aside(self) -> Snapshot:
        """Return the state, to be restored later.

        Another state has to be restored before anything else is done.
        """
        return Snapshot(self._all, self.known, self.values)

    def _use(self, amplitudes: ComplexArray) -> None:
        self._all, self._sums = amplitudes, None
        self._floats = self._all.view(np.float64 if self.dtype == np.complex128 else np.float32)

    def aside_bytes(self) -> int:
        """Return the bytes of a state that is put aside."""
        return self._all.nbytes

    def projected_bytes(self) -> int:
        """Return the bytes of the result of `projected`."""
        return self._all.nbytes // 2

    def comparable(self, aside: Snapshot | None) -> ComparableState | None:
        """Return a state to be compared; ``None`` if it is too large.

        It is the present state, unless `aside` is another.
        """
        shown = Snapshot(self._all, self.known, self.values) if aside is None else aside
        if 1 << popcount(shown.known) > COMPARED:
            return None
        amplitudes = shown.amplitudes
        if len(amplitudes) == len(self._all):
            amplitudes = np.empty(1 << popcount(shown.known), self.dtype)
            parts.gather(shown.amplitudes, amplitudes, shown.known, 0, 1.0)
        order = tuple([wire for wire in range(self.num_wires - 1, -1, -1) if shown.known >> wire & 1])
        return ComparableState(amplitudes, order, shown.values)

    def value(self, wire: int) -> int | None:
        """Return a wire's value in a basis state; ``None`` if known."""
        return None if self.known >> wire & 1 else self.values.get(wire, 0)

    def apply(self, steps: Sequence[Step], at: int) -> None:
        """Apply the unitary step ``steps[at]``."""
        step = steps[at]
        if isinstance(step, Segment):
            self._run(step, last=at == len(steps) - 1)
        elif isinstance(step, Wide):
            self._apply_wide(step)
        elif isinstance(step, Prepare):
            self._prepare(step)

    def weights(self, wire: int) -> tuple[float, float]:
        """Return the probabilities of 0 and 1 on a known wire.

        Raises:
            EngineError: the norm isn't 1.
        """
        zero, one = parts.weights(self._all, self.known & ~(1 << wire), 1 << wire)
        self.check(zero + one)
        return zero / (zero + one), one / (zero + one)

    def check(self, norm_squared: float) -> None:
        """Raise `EngineError` if a squared norm isn't 1."""
        check_norm(norm_squared, self.dtype == np.complex128)

    def project(self, wire: int, value: int, weight: float) -> None:
        """Project a known wire on a value.

        The wire isn't known afterwards.

        Args:
            wire: the wire.
            value: 0 or 1.
            weight: the probability of the value.
        """
        self.known &= ~(1 << wire)
        parts.move(self._changing, self.known, value << wire, 1 / math.sqrt(weight))
        self.values[wire] = value

    def projected(self, wire: int, value: int, weight: float) -> Snapshot:
        """Return the result of `project`, and leave the state as it is."""
        known = self.known & ~(1 << wire)
        amplitudes = empty(1 << popcount(known), self.dtype)
        parts.gather(self._all, amplitudes, known, value << wire, 1 / math.sqrt(weight))
        return Snapshot(amplitudes, known, {**self.values, wire: value})

    def copied(self) -> Snapshot:
        """Return a copy of the state, which stays as it is."""
        amplitudes = empty(1 << popcount(self.known), self.dtype)
        parts.gather(self._all, amplitudes, self.known, 0, 1.0)
        return Snapshot(amplitudes, self.known, dict(self.values))

    def copied_bytes(self) -> int:
        """Return the bytes of the result of `copied`."""
        return self.dtype.itemsize << popcount(self.known)

    def multiply(self, wires: Sequence[int], matrix: NDArray[np.complex128]) -> None:
        """Multiply some wires by any matrix, shape (2**wires, 2**wires)."""
        self._apply_wide(Wide(tuple(wires), 0, 0, matrix))

    def populations(self, wires: Sequence[int]) -> NDArray[np.float64]:
        """Return the probabilities of the values of some wires, shape (2**wires,).

        They aren't normalised.
        """
        sums = np.zeros(1 << len(wires))
        targets = sum(1 << wire for wire in wires)
        self._touch(targets)
        parts.add_populations(self._all, self.known & ~targets, wide.places(wires), sums)
        return sums

    def density_matrix(self, wires: Sequence[int]) -> NDArray[np.complex128]:
        """Return the reduced density matrix of some wires, which isn't normalised.

        Its shape is (2**wires, 2**wires).
        """
        sums = np.zeros((1 << len(wires), 1 << len(wires)), np.complex128)
        targets = sum(1 << wire for wire in wires)
        self._touch(targets)
        parts.add_density(self._all, self.known & ~targets, wide.places(wires), sums)
        return sums

    def norm_squared(self) -> float:
        """Return the squared norm."""
        return float(parts.norm_squared(self._all, self.known))

    def scale(self, factor: float) -> None:
        """Multiply the state by a number."""
        parts.move(self._changing, self.known, 0, factor)

    def settle(self) -> None:
        """Write the amplitudes that unknown wires leave unwritten.

        Every amplitude may be read afterwards.
        """
        self._touch_ones()
        self._clear_rest()
        self.known |= (1 << self.num_wires) - 1

    def answers(self) -> DenseAnswers:
        """Return the answers of the state, valid until the next step.

        Unlike `settle`, it keeps what is known.
        """
        self._clear_rest()
        flips = sum(value << wire for wire, value in self.values.items() if wire < self.num_wires)
        return DenseAnswers(self.amplitudes, self.order, self.values, self.expectation_values, flips & ~self.known)

    def _clear_rest(self) -> None:
        """Write zeros to the memory where an unknown wire is 1."""
        full = (1 << self.num_wires) - 1
        if self.known & full == full:
            return
        run_bits = 0
        while self.known >> run_bits & 1:
            run_bits += 1
        self._team.share(
            1 << (self.num_wires - run_bits),
            lambda begin, end: execute.clear_rest(self._floats, self.num_wires, self.known, begin, end),
        )

    def sampler(self) -> Sampler:
        """Return a sampler of a settled state, valid until the next step."""
        return Sampler(self.amplitudes, self._team, self._sums)

    def statevector(self, plan: Plan, phase: complex) -> ComplexArray:
        """Return the amplitudes over the plan's qubits times `phase`.

        They have the shape (2**qubits,). The state is used up.
        """
        self.settle()
        num_qubits = len(plan.wires)
        amplitudes = self.amplitudes
        if phase != 1:
            np.multiply(amplitudes, self.dtype.type(phase), out=amplitudes)
        if num_qubits == self.num_wires:
            return amplitudes
        axes = [wire for wire in reversed(plan.wires) if wire < self.num_wires]
        tensor = amplitudes.reshape((2,) * len(axes))
        result = np.zeros(1 << num_qubits, self.dtype)
        at = [slice(None) if wire < self.num_wires else self.values.get(wire, 0) for wire in reversed(plan.wires)]
        result.reshape((2,) * num_qubits)[(*at, ...)] = tensor
        return result

    def take_over(self, amplitudes: ComplexArray) -> None:
        """Go on with these amplitudes over all wires.

        They have the shape (2**wires,) with room for a vector.
        """
        self.known = len(amplitudes) - 1
        self.values = {}
        self._use(amplitudes)

    def apply_to(self, amplitudes: ComplexArray, step: Step) -> None:
        """Apply a unitary step to amplitudes over all wires, in place.

        The state is used up.
        """
        self.take_over(amplitudes)
        if isinstance(step, Prepare):
            # The targets were reset.
            self.known &= ~sum(1 << wire for wire in step.targets)
        self.apply([step], 0)

    def _run(self, segment: Segment, last: bool) -> None:
        self._touch_ones()
        tables = with_precision(segment.tables, self._floats.dtype)
        ends = tables.stages[-1:, STAGE_END_OP].tolist() if last and self._sampled else []
        for local, first, end in tables.stages.tolist():
            outside = ((1 << self._room) - 1) & ~local & self.known
            sums = sums_in_stage(len(self._all), local) if end in ends else execute.NO_SUMS
            # The members of a stage, which is packed for each call otherwise.
            stage = local, self.known, first, end, self._room

            def run(begin: int, stop: int, stage: tuple[int, ...] = stage, sums: NDArray[np.float64] = sums) -> None:
                room = self._team.room(2 << popcount(stage[0]), self._floats.dtype)
                _run_stage(
                    self._floats, *stage, *tables.operations, *tables.values, room, execute.ONE_STATE, sums, begin, stop
                )

            self._team.share(1 << popcount(outside), run)
            self.known |= local
            self._sums = sums if len(sums) else None

    def _touch_ones(self) -> None:
        """Make wires in |1> known.

        A stage takes unknown wires to be in |0>.
        """
        if self.values:
            self._touch(sum(1 << wire for wire, value in self.values.items() if value and wire < self.num_wires))

    def _touch(self, wires: int) -> None:
        """Make wires known."""
        for wire in range(self.num_wires):
            if wires >> wire & 1 and not self.known >> wire & 1:
                parts.enter(self._changing, self.known, 1 << wire, self.values.get(wire, 0))
                self.known |= 1 << wire

    def _apply_wide(self, step: Wide) -> None:
        targets = sum(1 << wire for wire in step.targets)
        self._touch(targets | step.controls)
        free = self.known & ~targets & ~step.controls
        low, high = wide.offsets(step.targets)
        if step.table.ndim == 1:
            parts.multiply(self._changing, free, step.values, low, high, step.table)
            return
        if len(step.targets) <= wide.SMALL:
            at, small, state = wide.places(step.targets), step.table.astype(self.dtype), self._changing
            self._team.share(
                1 << popcount(free & (free + 1)),
                lambda begin, end: parts.multiply_matrix(state, free, step.values, at, small, begin, end),
            )
            return
        wide.multiply(self._changing, free, step)

    def _prepare(self, step: Prepare) -> None:
        low, high = wide.offsets(step.targets)
        for wire in step.targets:
            self.values[wire] = 0
        parts.spread_out(self._changing, self.known, low, high, step.table)
        self.known |= sum(1 << wire for wire in step.targets)
