# SPDX-License-Identifier: Apache-2.0
"""How is an experiment run with numpy alone?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from qfleet.wire.cost.cost import OVERHEAD_BYTES
from qfleet.wire.messages.request import Output
from qfleet.wire.program.program import NON_UNITARY_OPS, Op
from qfleet_worker.engines.contract import EngineError, Experiment, Outcome
from qfleet_worker.engines.driver.flow import compile_flow
from qfleet_worker.engines.driver.readout import read
from qfleet_worker.engines.driver.shot_records import Notes
from qfleet_worker.engines.driver.stretches import Stretch
from qfleet_worker.engines.driver.trajectories import ends, numbers_per_shot
from qfleet_worker.engines.gates.matrices import ComplexArray
from qfleet_worker.engines.numpy.compiler import compile_program
from qfleet_worker.engines.numpy.paulis import means
from qfleet_worker.engines.numpy.plan import Plan
from qfleet_worker.engines.numpy.state import State
from qfleet_worker.engines.randomness.uniforms import Uniforms
from qfleet_worker.engines.results.outcomes import Tally
from qfleet_worker.engines.results.saved import Saver
from qfleet_worker.engines.states.one_by_one import OneByOneSource
from qfleet_worker.engines.states.store import StateStore
from qfleet_worker.engines.steps import SaveStep

_DTYPES: dict[str, np.dtype[np.complexfloating]] = {
    "double": np.dtype(np.complex128),
    "single": np.dtype(np.complex64),
}

#: Random numbers that are held at a time; a circuit with more is run for fewer shots at a time.
NUMBERS = 1 << 21


class NumpyEngine:
    """A statevector simulator that needs numpy only."""

    name = "numpy"

    def __init__(self, snapshot_bytes: int | None = None) -> None:
        """`snapshot_bytes`: memory for the states of branches that wait; by default what `cost.required_bytes` leaves.
        It changes the time that a circuit with measurements in the middle takes, and nothing else."""
        self._snapshot_bytes = snapshot_bytes

    def run(self, experiment: Experiment) -> Outcome:
        """Run one circuit; see `qfleet_worker.engines.contract.Engine`."""
        # A hostile table may overflow; the check of the norm catches what comes of it.
        with np.errstate(all="ignore"):
            unitary = experiment.request.method == "unitary"
            return _unitary(experiment) if unitary else self._simulate(experiment)

    def sweep(self, experiment: Experiment, params: NDArray[np.float64], seeds: Sequence[int]) -> Iterator[Outcome]:
        """Run one circuit at many points; see `qfleet_worker.engines.contract.Engine`."""
        for row, seed in zip(params, seeds, strict=True):
            program = msgspec.structs.replace(experiment.program, params=row)
            yield self.run(msgspec.structs.replace(experiment, program=program, seed=seed))

    def _simulate(self, experiment: Experiment) -> Outcome:
        tally = Tally(experiment.program.num_clbits, experiment.shots if experiment.request.keeps_shots else None)
        saver = Saver(experiment.program, experiment.request.precision, means)
        # Sorting many outcomes takes memory of its own, when that of the states is given back.
        amplitudes = self._fill(tally, saver, experiment)
        return Outcome(*tally.result(), amplitudes=amplitudes, saved=saver.result())

    def _fill(self, tally: Tally, saver: Saver, experiment: Experiment) -> ComplexArray | None:
        """Run all shots, and return the amplitudes after the last one if they are asked for."""
        flow = compile_flow(experiment.program, _compile)
        state = State(
            len(set().union(*[block.plan.active() for block in flow.blocks])), _DTYPES[experiment.request.precision]
        )
        store = StateStore(
            state,
            self._budget(experiment, state),
            lambda plan: state.arrange(plan.wires) if plan.measured else None,
            lambda plan, phase: state.statevector(plan.wires, phase),
        )
        at_once = max(1, NUMBERS // numbers_per_shot(flow))
        last = experiment.shots - 1 if experiment.request.output == Output.STATEVECTOR else -1
        amplitudes: ComplexArray | None = None
        for first in range(0, experiment.shots, at_once):
            shots = min(at_once, experiment.shots - first)
            uniforms = Uniforms(experiment.seed, experiment.first_shot + first, shots)
            notes = Notes(shots)
            for front in ends(flow, OneByOneSource(store), shots, uniforms, notes, saver.taking(first), saver.phases):
                after = read(front, flow.blocks[front.block].plan, notes, uniforms, first, tally, last - first)
                amplitudes = amplitudes if after is None else after
        return amplitudes

    def _budget(self, experiment: Experiment, state: State) -> int:
        """Bytes for states that wait: a part of the overhead and, if no amplitudes come back, a buffer."""
        if self._snapshot_bytes is not None:
            return self._snapshot_bytes
        return OVERHEAD_BYTES // 4 + (0 if experiment.request.output == Output.STATEVECTOR else state.capacity_bytes)


def _compile(stretch: Stretch) -> Plan:
    return compile_program(stretch.program, stretch.first, stretch.last, stretch.events)


def _unitary(experiment: Experiment) -> Outcome:
    program = experiment.program
    for at, code in enumerate(program.codes.tolist()):
        if code in NON_UNITARY_OPS and code != Op.SAVE:
            raise EngineError(f"the circuit has no unitary: operation {at} is {Op(code).name.lower()}")
    size = program.num_qubits
    plan = compile_program(program, from_zero=False)
    state = State(2 * size, _DTYPES[experiment.request.precision])
    state.set_identity(size)
    saver = Saver(program, experiment.request.precision, means)
    for at, step in enumerate(plan.steps):
        if isinstance(step, SaveStep):
            saver.take_matrix(step, state.view(), range(size, 2 * size))
        else:
            state.apply(plan.steps, at)
    matrix = state.statevector((*range(size, 2 * size), *plan.wires), plan.phase).reshape(1 << size, -1)
    rows = matrix.view(matrix.real.dtype)
    for norm_squared in np.vecdot(rows, rows).tolist():
        state.check(norm_squared)
    none = Tally(0, 0 if experiment.request.keeps_shots else None).result()
    return Outcome(
        *none, amplitudes=matrix if experiment.request.output == Output.UNITARY else None, saved=saver.result()
    )
