# SPDX-License-Identifier: Apache-2.0
"""A simulator of statevectors by vector kernels, which numba makes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import msgspec
import numpy as np
from numpy.typing import NDArray

from qfleet.wire.messages.request import Output
from qfleet.wire.program.saves import Save
from qfleet_worker.engines.contract import EngineError, Experiment, Outcome, dtype_of, state_budget
from qfleet_worker.engines.driver.flow import Flow, compile_flow
from qfleet_worker.engines.driver.run import NUMBERS, run_shots
from qfleet_worker.engines.driver.stretches import Stretch
from qfleet_worker.engines.driver.unitary import run_unitary, unitary_refusal
from qfleet_worker.engines.gates.matrices import ComplexArray
from qfleet_worker.engines.states.contract import StateSource
from qfleet_worker.engines.states.one_by_one import OneByOneSource
from qfleet_worker.engines.states.paulis import PauliGroups, group_paulis, spread
from qfleet_worker.engines.states.store import StateStore
from qfleet_worker.engines.statevector.compiler.cache import Cache, structure
from qfleet_worker.engines.statevector.compiler.plan import Plan, compile_program, named_qubits
from qfleet_worker.engines.statevector.compiler.small import compile_small
from qfleet_worker.engines.statevector.machine_code.loading import load_if_ready
from qfleet_worker.engines.statevector.machine_code.registry import seconds_compiling
from qfleet_worker.engines.statevector.runtime.batch import MAX_WIRES, BatchSource
from qfleet_worker.engines.statevector.runtime.points import run_point
from qfleet_worker.engines.statevector.runtime.state import State, check_norm
from qfleet_worker.engines.statevector.runtime.sweeping import (
    final_means,
    is_plain,
    suits,
    sweep_counts,
    sweep_means,
    sweep_states,
    without_last,
)
from qfleet_worker.engines.statevector.runtime.threads import Crew

logger = logging.getLogger(__name__)

_LANE_BITS = {"double": 2, "single": 3}

_NO_OUTCOMES = np.zeros((0, 0), np.uint8)
_NO_COUNTS = np.zeros(0, np.int64)
_NO_MEMORY = np.zeros(0, np.uint32)


class StatevectorSimulator:
    """A simulator of statevectors whose kernels are vector instructions.

    Threads and compiled programs are kept from one circuit to the next.
    """

    def __init__(self) -> None:
        load_if_ready()
        self._crews: dict[int, Crew] = {}
        self._cache = Cache()

    def run(self, experiment: Experiment) -> Outcome:
        """Run one circuit; see `qfleet_worker.engines.contract.Simulator`."""
        before = seconds_compiling()
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
            raise ValueError(f"{len(params)} points have {len(seeds)} seeds")
        return chain.from_iterable(self._parts(experiment, params, seeds))

    def _parts(
        self, experiment: Experiment, params: NDArray[np.float64], seeds: Sequence[int]
    ) -> Iterator[Iterable[Outcome]]:
        """Give the outcomes of all parameter sets, some at a time."""
        before = seconds_compiling()
        parts = self._sweep(experiment, params, seeds) if len(params) else None
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
        """Return the outcomes of many parameter sets run together.

        It is ``None`` for an experiment whose parameter sets can't be run together; see `_parts`.
        """
        program = experiment.program
        save = final_means(program)
        if save is not None and not experiment.request.returns_amplitudes:
            tables = compile_small(without_last(program), _LANE_BITS[experiment.request.precision], self._cache)
            if tables is not None:
                paulis = self._grouped(save, program.operands[-int(program.num_targets[-1]) :])
                return (sweep_means(experiment, save, paulis, tables, params, self._crew(experiment)),)
        if experiment.request.output == Output.STATEVECTOR and not program.num_clbits:
            tables = compile_small(program, _LANE_BITS[experiment.request.precision], self._cache)
            if tables is not None:
                return sweep_states(experiment, tables, params, self._crew(experiment))
        if not experiment.request.returns_amplitudes and 0 < experiment.shots <= NUMBERS and suits(program):
            plan = self._compile(experiment).blocks[0].plan
            if is_plain(plan):
                return (sweep_counts(experiment, plan, params, seeds, self._crew(experiment)),)
        return None

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
        if experiment.request.output != Output.STATEVECTOR or experiment.program.num_clbits:
            return None
        tables = compile_small(experiment.program, _LANE_BITS[experiment.request.precision], self._cache)
        if tables is None:
            return None
        program, dtype = experiment.program, dtype_of(experiment.request.precision)
        final, norm_squared = run_point(tables, program.num_qubits, dtype, program.params)
        check_norm(norm_squared, experiment.request.precision == "double")
        return Outcome(_NO_OUTCOMES, _NO_COUNTS, _NO_MEMORY if experiment.request.keeps_shots else None, final)

    def _simulate(self, experiment: Experiment) -> Outcome:
        if not experiment.request.returns_amplitudes and final_means(experiment.program) is not None:
            # As in a sweep, to the bit.
            swept = self._sweep(experiment, experiment.program.params[None], [experiment.seed])
            if swept is not None:
                return next(chain.from_iterable(swept))
        flow = self._compile(experiment)
        return run_shots(experiment, flow, lambda: self._source(experiment, flow))

    def _source(self, experiment: Experiment, flow: Flow[Plan]) -> StateSource:
        dtype = dtype_of(experiment.request.precision)
        num_wires = flow.blocks[0].plan.num_wires
        state = State(num_wires, dtype, self._crew(experiment))
        budget = state_budget(experiment.request, state.capacity_bytes)
        dynamic = any(block.events for block in flow.blocks)
        if dynamic and num_wires <= MAX_WIRES:
            return BatchSource(state, budget)

        def statevector(plan: Plan, phase: complex) -> ComplexArray:
            amplitudes = state.statevector(plan, phase)
            # Shots that were put off begin again in the same memory.
            return amplitudes.copy() if dynamic else amplitudes

        return OneByOneSource(StateStore(state, budget, lambda _: state.settle(), statevector))

    def _crew(self, experiment: Experiment) -> Crew:
        if experiment.threads not in self._crews:
            self._crews[experiment.threads] = Crew(experiment.threads)
        return self._crews[experiment.threads]

    def _compile(self, experiment: Experiment) -> Flow[Plan]:
        named = named_qubits(experiment.program)
        lane_bits = _LANE_BITS[experiment.request.precision]

        def plan(part: Stretch) -> Plan:
            program = part.program
            key = (lane_bits, experiment.threads, named.tobytes(), part.last, part.events_before, *structure(program))
            kept: Plan | None = self._cache.get(key)
            if kept is not None:
                return kept.bind(program.params)
            made = compile_program(
                program, lane_bits, experiment.threads, named=named, last=part.last, events_before=part.events_before
            )
            self._cache.put(key, made, made.nbytes)
            return made

        return compile_flow(experiment.program, plan)

    def _unitary(self, experiment: Experiment) -> Outcome:
        program = experiment.program
        refusal = unitary_refusal(program)
        if refusal:
            raise EngineError(refusal)
        plan = compile_program(program, _LANE_BITS[experiment.request.precision], experiment.threads, columns=True)
        state = State(2 * program.num_qubits, dtype_of(experiment.request.precision), self._crew(experiment))
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
