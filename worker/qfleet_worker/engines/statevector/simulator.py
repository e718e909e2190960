# SPDX-License-Identifier: Apache-2.0
"""A simulator of statevectors by vector kernels, which numba makes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from qfleet.wire.messages.request import EXACT_METHODS, Output
from qfleet.wire.program.matrices import ComplexArray
from qfleet.wire.program.saves import Save
from qfleet_worker.engines.contract import EngineError, Experiment, Outcome, dtype_of
from qfleet_worker.engines.density.simulator import run_exactly
from qfleet_worker.engines.driver.flow import Flow, compile_flow
from qfleet_worker.engines.driver.limits import DEFAULT_LIMITS, DriverLimits
from qfleet_worker.engines.driver.run import run_shots
from qfleet_worker.engines.driver.stretches import Stretch
from qfleet_worker.engines.driver.unitary import run_unitary, unitary_refusal
from qfleet_worker.engines.machine_code.loading import load_if_ready
from qfleet_worker.engines.machine_code.registry import seconds_compiling
from qfleet_worker.engines.states.contract import StateSource
from qfleet_worker.engines.states.one_by_one import OneByOneSource
from qfleet_worker.engines.states.paulis import PauliGroups, group_paulis, spread
from qfleet_worker.engines.states.store import StateStore
from qfleet_worker.engines.statevector.compiler.cache import Cache, structure
from qfleet_worker.engines.statevector.compiler.fixed_angles import fixed_angles
from qfleet_worker.engines.statevector.compiler.plan import (
    CHUNKS,
    ChunkSizes,
    Plan,
    Segment,
    compile_program,
    named_qubits,
)
from qfleet_worker.engines.statevector.compiler.small import MAX_QUBITS, compile_small
from qfleet_worker.engines.statevector.runtime.batch import MAX_NOISY_WIRES, MAX_WIRES, BatchSource
from qfleet_worker.engines.statevector.runtime.memory import KeptMemory
from qfleet_worker.engines.statevector.runtime.norms import check_norm
from qfleet_worker.engines.statevector.runtime.parameter_sets import run_set
from qfleet_worker.engines.statevector.runtime.state import State
from qfleet_worker.engines.statevector.runtime.superoperators import MachineKernels
from qfleet_worker.engines.statevector.runtime.sweeping import (
    SWEEPS,
    FinalStates,
    SweepSizes,
    drop_final_save,
    final_pauli_save,
    final_states,
    is_plain,
    suits,
    sweep_counts,
    sweep_expectation_values,
    sweep_states,
)
from qfleet_worker.engines.threads import ThreadTeam

logger = logging.getLogger(__name__)

_LANE_BITS = {"double": 2, "single": 3}

#: Shots at most of a circuit whose state's memory is kept while its outcomes are sorted, which takes memory of its own.
_FEW_SHOTS = 1 << 17

_NO_OUTCOMES = np.zeros((0, 0), np.uint8)
_NO_COUNTS = np.zeros(0, np.int64)
_NO_MEMORY = np.zeros(0, np.uint32)


class Sizes(NamedTuple):
    """Sizes from which on circuits are run in another way.

    They change results by rounding alone.
    """

    #: of the chunks in which a state is worked on
    chunks: ChunkSizes = CHUNKS
    #: qubits of a circuit that is compiled in one call, at most
    small_qubits: int = MAX_QUBITS
    #: wires of states that go through their steps together, at most
    batch_wires: int = MAX_WIRES
    #: the same for noisy programs without jumps
    noisy_batch_wires: int = MAX_NOISY_WIRES
    #: of the parts in which a sweep is run
    sweeps: SweepSizes = SWEEPS


DEFAULT_SIZES: Final = Sizes()


class StatevectorSimulator:
    """A simulator of statevectors whose kernels are vector instructions.

    Threads and compiled programs are kept from one circuit to the next.

    Args:
        limits: those of the shots' way through a program.
        sizes: those from which on circuits are run in another way.
        cache: keeps compiled programs; by default a new one.
    """

    def __init__(
        self,
        limits: DriverLimits = DEFAULT_LIMITS,
        sizes: Sizes = DEFAULT_SIZES,
        cache: Cache | None = None,
    ) -> None:
        load_if_ready()
        self._limits = limits
        self._sizes = sizes
        self._teams: dict[int, ThreadTeam] = {}
        self._cache = Cache() if cache is None else cache
        self._memory = KeptMemory()

    def run(self, experiment: Experiment) -> Outcome:
        """Run one circuit; see `qfleet_worker.engines.contract.Simulator`."""
        before = seconds_compiling()
        if experiment.request.method in EXACT_METHODS:
            outcome: Outcome | None = run_exactly(experiment, MachineKernels(self._team(experiment)), self._limits)
        else:
            outcome = self._final_state(experiment)
        if outcome is None:
            # A hostile table may overflow; the check of the norm catches that.
            with np.errstate(all="ignore"):
                unitary = experiment.request.method == "unitary"
                outcome = self._unitary(experiment) if unitary else self._simulate(experiment)
        _warn(before)
        return outcome

    def sweep(self, experiment: Experiment, params: NDArray[np.float64], seeds: Sequence[int]) -> Iterator[Outcome]:
        """Run one circuit with many parameter sets, in order.

        See `qfleet_worker.engines.contract.Simulator`.
        """
        if len(params) != len(seeds):
            raise ValueError(f"{len(params)} parameter sets have {len(seeds)} seeds")
        return chain.from_iterable(self._parts(experiment, params, seeds))

    def _parts(
        self, experiment: Experiment, params: NDArray[np.float64], seeds: Sequence[int]
    ) -> Iterator[Iterable[Outcome]]:
        """Give the outcomes of all parameter sets, some at a time."""
        before = seconds_compiling()
        if not len(experiment.program.slots):
            # Any angle may differ.
            slots = np.arange(len(experiment.program.params), dtype=np.int32)
            program = msgspec.structs.replace(experiment.program, slots=slots)
            experiment = msgspec.structs.replace(experiment, program=program)
        density = experiment.request.method in EXACT_METHODS
        parts = self._sweep(experiment, params, seeds) if len(params) and not density else None
        if parts is not None:
            yield from parts
            _warn(before)
            return
        for row, seed in zip(params, seeds, strict=True):
            program = msgspec.structs.replace(experiment.program, params=row)
            yield (self.run(msgspec.structs.replace(experiment, program=program, seed=seed)),)

    def _sweep(
        self, experiment: Experiment, params: NDArray[np.float64], seeds: Sequence[int]
    ) -> Iterable[Iterable[Outcome]] | None:
        """Return the outcomes of `_parts`.

        Returns:
            ``None`` for an experiment of which many parameter sets can't be run at a time.
        """
        program, lane_bits = experiment.program, _LANE_BITS[experiment.request.precision]
        save = final_pauli_save(program)
        if save is not None and not experiment.request.returns_amplitudes:
            tables = compile_small(drop_final_save(program), lane_bits, self._cache, self._sizes.small_qubits)
            if tables is not None:
                paulis = self._grouped(save, program.operands[-int(program.num_targets[-1]) :])
                final = self._final_states(experiment, [Segment(tables, 0)], program.num_qubits, params)
                return (sweep_expectation_values(experiment, save, paulis, final, self._team(experiment)),)
        if experiment.request.output == Output.STATEVECTOR and not program.num_clbits:
            tables = compile_small(program, lane_bits, self._cache, self._sizes.small_qubits)
            if tables is not None:
                final = self._final_states(experiment, [Segment(tables, 0)], program.num_qubits, params)
                return sweep_states(experiment, final)
        counts_only = not experiment.request.returns_amplitudes
        if counts_only and 0 < experiment.shots <= self._limits.numbers and suits(program):
            plan = self._compile(experiment).blocks[0].plan
            if is_plain(plan):
                segments = [step for step in plan.steps if isinstance(step, Segment)]
                final = self._final_states(experiment, segments, plan.num_wires, params)
                return (sweep_counts(experiment, plan, final, seeds, self._team(experiment)),)
        return None

    def _final_states(
        self, experiment: Experiment, segments: Sequence[Segment], num_qubits: int, params: NDArray[np.float64]
    ) -> FinalStates:
        """Give the states of all parameter sets after some segments; see `final_states`."""
        dtype = dtype_of(experiment.request.precision)
        return final_states(segments, num_qubits, dtype, params, self._team(experiment), self._sizes.sweeps)

    def _grouped(self, save: Save, targets: NDArray[np.int32]) -> PauliGroups:
        """Group a save's Paulis, as masks over all qubits."""
        key = "paulis", save.x_masks, save.z_masks, targets.tobytes()
        kept: PauliGroups | None = self._cache.get(key)
        if kept is None:
            x, z, _ = save.paulis()
            kept = group_paulis(*[spread(masks.astype(np.int64), targets) for masks in (x, z)])
            self._cache.put(key, kept, sum(array.nbytes for array in kept))
        return kept

    def _final_state(self, experiment: Experiment) -> Outcome | None:
        """Return the state after gates on a few qubits.

        It is ``None`` for all other experiments.
        """
        program, request = experiment.program, experiment.request
        if request.output != Output.STATEVECTOR or program.num_clbits:
            return None
        precision = request.precision
        tables = compile_small(program, _LANE_BITS[precision], self._cache, self._sizes.small_qubits)
        if tables is None:
            return None
        final, norm_squared = run_set(tables, program.num_qubits, dtype_of(precision), program.params)
        check_norm(norm_squared, precision == "double")
        return Outcome(_NO_OUTCOMES, _NO_COUNTS, _NO_MEMORY if request.memory else None, final)

    def _simulate(self, experiment: Experiment) -> Outcome:
        if not experiment.request.returns_amplitudes and final_pauli_save(experiment.program) is not None:
            # As in a sweep, to the bit.
            swept = self._sweep(experiment, experiment.program.params[None], [experiment.seed])
            if swept is not None:
                return next(chain.from_iterable(swept))
        flow = self._compile(experiment)
        try:
            return run_shots(experiment, flow, lambda: self._source(experiment, flow))
        finally:
            self._memory.rest()

    def _source(self, experiment: Experiment, flow: Flow[Plan]) -> StateSource:
        dtype = dtype_of(experiment.request.precision)
        num_wires = flow.blocks[0].plan.num_wires
        memory = None
        if experiment.shots <= _FEW_SHOTS and not experiment.request.returns_amplitudes:
            memory = self._memory.take(dtype.itemsize << num_wires)
        else:
            self._memory.give_up()
        parted = flow.noise is not None and flow.noise.up_front
        dynamic = parted or any(block.events for block in flow.blocks)
        sampled = not dynamic and not experiment.request.returns_amplitudes
        state = State(num_wires, dtype, self._team(experiment), memory, sampled)
        budget = self._limits.state_budget(experiment.request, state.capacity_bytes)
        if dynamic and num_wires <= (self._sizes.noisy_batch_wires if parted else self._sizes.batch_wires):
            return BatchSource(state, budget, self._team(experiment), pooled=parted)

        def statevector(plan: Plan, phase: complex) -> ComplexArray:
            amplitudes = state.statevector(plan, phase)
            # Shots that were put off begin again in the same memory.
            return amplitudes.copy() if dynamic else amplitudes

        waiting_states = self._limits.waiting_states
        return OneByOneSource(StateStore(state, budget, lambda _: state.settle(), statevector, waiting_states))

    def _team(self, experiment: Experiment) -> ThreadTeam:
        if experiment.threads not in self._teams:
            self._teams[experiment.threads] = ThreadTeam(experiment.threads)
        return self._teams[experiment.threads]

    def _compile(self, experiment: Experiment) -> Flow[Plan]:
        named = named_qubits(experiment.program)
        lane_bits = _LANE_BITS[experiment.request.precision]

        def plan(part: Stretch) -> Plan:
            program = part.program
            # Errors may be the first of all.
            from_zero = part.first and not experiment.program.is_noisy()
            shape = structure(program, fixed_angles(program))
            key = (lane_bits, experiment.threads, named.tobytes(), from_zero, part.last, part.events_before, *shape)
            kept: Plan | None = self._cache.get(key)
            if kept is not None:
                return kept.bind(program.params)
            made = compile_program(
                program,
                lane_bits,
                experiment.threads,
                named=named,
                last=part.last,
                events_before=part.events_before,
                chunks=self._sizes.chunks,
                from_zero=from_zero,
            )
            self._cache.put(key, made, made.nbytes)
            return made

        return compile_flow(experiment.program, plan, self._limits)

    def _unitary(self, experiment: Experiment) -> Outcome:
        program = experiment.program
        refusal = unitary_refusal(program)
        if refusal:
            raise EngineError(refusal)
        lane_bits = _LANE_BITS[experiment.request.precision]
        plan = compile_program(program, lane_bits, experiment.threads, columns=True, chunks=self._sizes.chunks)
        state = State(2 * program.num_qubits, dtype_of(experiment.request.precision), self._team(experiment))
        state.set_identity(plan.first_wires)

        def take_matrix() -> ComplexArray:
            matrix = state.amplitudes.reshape(1 << program.num_qubits, -1)
            matrix *= matrix.dtype.type(plan.phase)
            return matrix

        return run_unitary(experiment, plan.steps, state, range(program.num_qubits), take_matrix)


def _warn(before: float) -> None:
    """Log that machine code was compiled since `before`."""
    seconds = seconds_compiling() - before
    if seconds:
        logger.warning("compiled machine code for %.1f s: numba's cache was cold", seconds)
