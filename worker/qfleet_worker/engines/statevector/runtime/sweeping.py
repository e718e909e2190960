# SPDX-License-Identifier: Apache-2.0
"""Sweeps of one circuit over many parameter sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.events import FINAL_EVENT
from qfleet.wire.program.matrices import ComplexArray
from qfleet.wire.program.operations import IS_UNITARY, Op
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Payload, Save, Saved
from qfleet_worker.engines.contract import Experiment, Outcome
from qfleet_worker.engines.randomness.uniforms import Uniforms
from qfleet_worker.engines.results.collection import collection
from qfleet_worker.engines.results.saved import sum_terms
from qfleet_worker.engines.results.shot_rows import ShotRows
from qfleet_worker.engines.states.contract import SHOTS
from qfleet_worker.engines.states.paulis import PauliGroups
from qfleet_worker.engines.statevector.compiler.plan import Plan, Segment, named_qubits
from qfleet_worker.engines.statevector.compiler.small import MAX_QUBITS
from qfleet_worker.engines.statevector.kernels.layout import STAGE_LOCAL
from qfleet_worker.engines.statevector.runtime.norms import check_norm
from qfleet_worker.engines.statevector.runtime.parameter_sets import run_sets
from qfleet_worker.engines.statevector.runtime.paulis import expectation_values_of_states
from qfleet_worker.engines.statevector.runtime.sampling import Sampler
from qfleet_worker.engines.threads import ThreadTeam

#: What `check_norm` certainly allows.
CLEARLY_ONE = 1e-7

_NO_OUTCOMES = np.zeros((0, 0), np.uint8)
_NO_COUNTS = np.zeros(0, np.int64)
_NO_MEMORY = np.zeros(0, np.uint32)


class SweepSizes(NamedTuple):
    """Sizes of the parts in which a sweep is run."""

    #: bytes of amplitudes that are computed at a time; from 4 MiB on, numpy asks for large pages
    chunk_bytes: int = 1 << 24
    #: bytes of amplitudes of all parameter sets from which on threads pay
    shared_bytes: int = 1 << 20


SWEEPS: Final = SweepSizes()

#: States of shape (parameter sets, 2**qubits) and their squared norms, some parameter sets at a time.
FinalStates: TypeAlias = Iterator[tuple[ComplexArray, NDArray[np.float64]]]


def final_states(
    segments: Sequence[Segment],
    num_qubits: int,
    dtype: np.dtype[np.complexfloating],
    params: NDArray[np.float64],
    team: ThreadTeam,
    sizes: SweepSizes = SWEEPS,
) -> FinalStates:
    """Yield the states after some segments, some parameter sets at a time.

    Args:
        segments: what is run, each of one stage over all wires.
        num_qubits: qubits of the circuit.
        dtype: of the amplitudes.
        params: shape (parameter sets, angles).
        team: threads that share the work.
        sizes: of the parts in which it is run.
    """
    # One kind of array for machine code: they may be read-only or not.
    params = np.require(params, np.float64, ["C", "W"])
    at_once = max(1, sizes.chunk_bytes // (dtype.itemsize << num_qubits))
    if len(params) * dtype.itemsize << num_qubits < sizes.shared_bytes:
        team = ThreadTeam(1)
    for begin in range(0, len(params), at_once):
        # A hostile table may overflow; the check of the norm catches what comes of it.
        with np.errstate(all="ignore"):
            found = run_sets(segments, num_qubits, dtype, params[begin : begin + at_once], team)
        yield found


def sweep_states(experiment: Experiment, final: FinalStates) -> Iterator[Iterable[Outcome]]:
    """Yield the outcomes of an experiment that gives its final states.

    Some parameter sets come at a time.
    """
    outcome = partial(Outcome, _NO_OUTCOMES, _NO_COUNTS, _NO_MEMORY if experiment.request.keeps_shots else None)
    double = experiment.request.precision == "double"

    def checked(amplitudes: ComplexArray, norm_squared: float) -> Outcome:
        check_norm(norm_squared, double)
        return outcome(amplitudes)

    for states, norms in final:
        # Python takes as long for a parameter set as the circuit does.
        if (np.abs(norms - 1) < CLEARLY_ONE).all():
            yield map(outcome, states)
        else:
            yield map(checked, states, norms.tolist())


def final_pauli_save(program: Program) -> Save | None:
    """Return the expectation values that a program saves at its end.

    It is ``None`` unless they are all that the program gives.
    """
    if len(program.saves) == 1 and program.codes[-1] == Op.SAVE and not program.num_clbits:
        save = program.saves[0]
        return save if save.spec.payload is Payload.PAULI_SUMS else None
    return None


def drop_final_save(program: Program) -> Program:
    """Return the program without its last operation, its only save."""
    end = len(program.operands) - int(program.num_targets[-1])
    return msgspec.structs.replace(
        program, codes=program.codes[:-1], num_controls=program.num_controls[:-1], num_targets=program.num_targets[:-1],
        operands=program.operands[:end], save_refs=program.save_refs[:0], saves=(),
    )  # fmt: skip


def sweep_expectation_values(
    experiment: Experiment, save: Save, paulis: PauliGroups, final: FinalStates, team: ThreadTeam
) -> Iterator[Outcome]:
    """Yield the expectation values of Paulis in the final states.

    Args:
        experiment: the circuit and its shots.
        save: the save of the expectation values.
        paulis: its Paulis.
        final: the states at all parameter sets.
        team: threads that share the work.
    """
    memory = _NO_MEMORY if experiment.request.keeps_shots else None
    double = experiment.request.precision == "double"
    weights = np.array([experiment.shots], "<i8").tobytes()
    for states, norms in final:
        if not (np.abs(norms - 1) < CLEARLY_ONE).all():
            for norm_squared in norms.tolist():
                check_norm(norm_squared, double)
        terms = expectation_values_of_states(np.ascontiguousarray(states), paulis, team)
        for values in (sum_terms(save, terms) * experiment.shots).astype("<f8", copy=False):
            saved = Saved(
                kind=save.kind, label=save.label, subtype=save.subtype, entries=1, values=values.tobytes(),
                weights=weights,
            )  # fmt: skip
            yield Outcome(_NO_OUTCOMES, _NO_COUNTS, memory, saved=(saved,))


def suits(program: Program) -> bool:
    """Tell whether `sweep_counts` may suit a program.

    It suits one of few qubits, gates and measurements.
    """
    suited = IS_UNITARY[program.codes] | (program.codes == Op.MEASURE)
    return bool(suited.all()) and int(named_qubits(program).sum()) <= MAX_QUBITS


def is_plain(plan: Plan) -> bool:
    """Tell whether a plan is one that `sweep_counts` runs.

    It has stretches of one stage over all wires, and measurements at its end.
    """
    every = (1 << plan.num_wires) - 1
    return all(
        isinstance(step, Segment)
        and [local & every for local in step.tables.stages[:, STAGE_LOCAL].tolist()] == [every]
        for step in plan.steps
    )


def sweep_counts(
    experiment: Experiment, plan: Plan, final: FinalStates, seeds: Sequence[int], team: ThreadTeam
) -> Iterator[Outcome]:
    """Yield the counts of a plain plan at all parameter sets.

    Args:
        experiment: the circuit and its shots.
        plan: its plan.
        final: the states at all parameter sets.
        seeds: one for each parameter set.
        team: threads that share the work.
    """
    shots = np.arange(experiment.shots)
    # All wires have a bit of the index: their own.
    readout = list(plan.readout)
    of_sets = iter(seeds)
    for states, _ in final:
        for amplitudes in states:
            tally = collection(experiment)
            uniforms = Uniforms(next(of_sets), experiment.first_shot, experiment.shots)
            sampler = Sampler(amplitudes, team)
            check_norm(sampler.total, experiment.request.precision == "double")
            if not plan.measured:
                tally.add_same(0, shots)
            for begin in range(0, experiment.shots if plan.measured else 0, SHOTS):
                part = shots[begin : begin + SHOTS]
                numbers = uniforms.of(FINAL_EVENT, part)
                if isinstance(tally, ShotRows) or tally.keeps_shots:
                    tally.add(0, part, sampler.find(numbers), readout)
                    continue
                for found, counts in sampler.count(numbers):
                    tally.add_counts(0, found, counts, readout)
            yield Outcome(*tally.result())
