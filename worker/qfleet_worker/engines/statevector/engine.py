# SPDX-License-Identifier: Apache-2.0
"""How is an experiment run with vector kernels?"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.cost import OVERHEAD_BYTES
from qfleet.wire.program import NON_UNITARY_OPS, Op
from qfleet_worker.engines.base import EngineError, Experiment, Outcome
from qfleet_worker.engines.numpy_engine.flow import Flow, compile_flow
from qfleet_worker.engines.numpy_engine.gates import ComplexArray
from qfleet_worker.engines.numpy_engine.members import Desk, Ensemble
from qfleet_worker.engines.numpy_engine.notes import Notes
from qfleet_worker.engines.numpy_engine.outcomes import Tally
from qfleet_worker.engines.numpy_engine.randomness import Uniforms
from qfleet_worker.engines.numpy_engine.readout import read
from qfleet_worker.engines.numpy_engine.trajectories import ends, numbers_per_shot
from qfleet_worker.engines.statevector.batch import MAX_WIRES, Room
from qfleet_worker.engines.statevector.machine_code import seconds_compiling
from qfleet_worker.engines.statevector.plan import Plan, compile_program, named_qubits
from qfleet_worker.engines.statevector.small import simulate
from qfleet_worker.engines.statevector.state import State, check_norm
from qfleet_worker.engines.statevector.threads import Crew

logger = logging.getLogger(__name__)

_DTYPES: dict[str, np.dtype[np.complexfloating]] = {
    "double": np.dtype(np.complex128),
    "single": np.dtype(np.complex64),
}
_LANE_BITS = {"double": 2, "single": 3}

_NO_OUTCOMES = np.zeros((0, 0), np.uint8)
_NO_COUNTS = np.zeros(0, np.int64)
_NO_MEMORY = np.zeros(0, np.uint32)

#: Random numbers that are held at a time; a circuit with more is run for fewer shots at a time.
NUMBERS = 1 << 21


class StatevectorEngine:
    """A statevector simulator whose kernels are vector instructions, made by numba."""

    name = "statevector"

    def __init__(self) -> None:
        self._crews: dict[int, Crew] = {}

    def run(self, experiment: Experiment) -> Outcome:
        """Run one circuit; see `qfleet_worker.engines.base.Engine`."""
        # A hostile table may overflow; the check of the norm catches what comes of it.
        before = seconds_compiling()
        with np.errstate(all="ignore"):
            outcome = self._unitary(experiment) if experiment.output == "unitary" else self._simulate(experiment)
        seconds = seconds_compiling() - before
        if seconds:
            logger.warning("compiled machine code for %.1f s: numba's cache was cold", seconds)
        return outcome

    def sweep(self, experiment: Experiment, params: NDArray[np.float64], seeds: Sequence[int]) -> Iterator[Outcome]:
        """Run one circuit at many points; see `qfleet_worker.engines.base.Engine`."""
        for row, seed in zip(params, seeds, strict=True):
            program = dataclasses.replace(experiment.program, params=row)
            yield self.run(dataclasses.replace(experiment, program=program, seed=seed))

    def _simulate(self, experiment: Experiment) -> Outcome:
        if experiment.output == "statevector" and experiment.program.num_clbits == 0:
            small = simulate(experiment.program, _DTYPES[experiment.precision])
            if small is not None:
                check_norm(small[1], experiment.precision == "double")
                return Outcome(_NO_OUTCOMES, _NO_COUNTS, _NO_MEMORY if experiment.memory else None, small[0])
        tally = Tally(experiment.program.num_clbits, experiment.shots if experiment.memory else None)
        # Sorting many outcomes takes memory of its own, when that of the states is given back.
        amplitudes = self._fill(tally, experiment)
        return Outcome(*tally.result(), amplitudes=amplitudes)

    def _fill(self, tally: Tally, experiment: Experiment) -> ComplexArray | None:
        """Run all shots, and return the amplitudes after the last one if they are asked for."""
        flow = self._compile(experiment)
        ensemble = self._ensemble(experiment, flow)
        at_once = max(1, NUMBERS // numbers_per_shot(flow))
        last = experiment.shots - 1 if experiment.output == "statevector" else -1
        amplitudes: ComplexArray | None = None
        for first in range(0, experiment.shots, at_once):
            shots = min(at_once, experiment.shots - first)
            uniforms = Uniforms(experiment.seed, experiment.first_shot + first, shots)
            notes = Notes(shots)
            for front in ends(flow, ensemble, shots, uniforms, notes):
                after = read(front, flow.blocks[front.block].plan, notes, uniforms, first, tally, last - first)
                amplitudes = amplitudes if after is None else after
        return amplitudes

    def _ensemble(self, experiment: Experiment, flow: Flow[Plan]) -> Ensemble:
        dtype = _DTYPES[experiment.precision]
        num_wires = flow.blocks[0].plan.num_wires
        state = State(num_wires, dtype, self._crew(experiment))
        budget = OVERHEAD_BYTES // 4 + (0 if experiment.output == "statevector" else state.capacity_bytes)
        dynamic = any(block.events for block in flow.blocks)
        if dynamic and num_wires <= MAX_WIRES:
            return Room(state, budget)

        def statevector(plan: Plan, phase: complex) -> ComplexArray:
            amplitudes = state.statevector(plan, phase)
            # Shots that were put off begin again in the same memory.
            return amplitudes.copy() if dynamic else amplitudes

        return Desk(state, budget, lambda _: state.settle(), statevector)

    def _crew(self, experiment: Experiment) -> Crew:
        if experiment.threads not in self._crews:
            self._crews[experiment.threads] = Crew(experiment.threads)
        return self._crews[experiment.threads]

    def _compile(self, experiment: Experiment) -> Flow[Plan]:
        named = named_qubits(experiment.program)
        lane_bits = _LANE_BITS[experiment.precision]
        return compile_flow(
            experiment.program,
            lambda part: compile_program(
                part.program, lane_bits, experiment.threads, named=named, last=part.last, events=part.events
            ),
        )

    def _unitary(self, experiment: Experiment) -> Outcome:
        program = experiment.program
        for at, code in enumerate(program.codes.tolist()):
            if code in NON_UNITARY_OPS:
                raise EngineError(f"the circuit has no unitary: operation {at} is {Op(code).name.lower()}")
        plan = compile_program(program, _LANE_BITS[experiment.precision], experiment.threads, columns=True)
        state = State(2 * program.num_qubits, _DTYPES[experiment.precision], self._crew(experiment))
        state.set_identity(plan.first_wires)
        for at in range(len(plan.steps)):
            state.apply(plan.steps, at)
        matrix = state.amplitudes.reshape(1 << program.num_qubits, -1)
        matrix *= matrix.dtype.type(plan.phase)
        rows = matrix.view(matrix.real.dtype)
        for norm_squared in np.vecdot(rows, rows).tolist():
            state.check(norm_squared)
        none = Tally(0, 0 if experiment.memory else None).result()
        return Outcome(*none, amplitudes=matrix)
