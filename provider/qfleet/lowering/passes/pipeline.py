# SPDX-License-Identifier: Apache-2.0
"""List the passes that a lowered program goes through, in order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple

from qiskit.quantum_info import SparseObservable

from qfleet.errors import NoiseError
from qfleet.lowering.passes.expectation_values import final_state_varies, save_expectation_values
from qfleet.lowering.passes.idle_qubits import drop_idle_qubits, kept_qubits
from qfleet.lowering.passes.saves import resolve_saves
from qfleet.lowering.passes.unseen_qubits import drop_unseen_qubits
from qfleet.lowering.refusal import RefusalError
from qfleet.wire.messages.request import PRIMITIVE_OUTPUTS, Method, Output
from qfleet.wire.program.program import Program


class Wanted(NamedTuple):
    """The output of a circuit, with the arguments of the passes."""

    output: Output
    #: Labels of the ``save_state`` instructions.
    save_state_labels: Collection[str] = ()
    #: Observables whose expectation values are the output.
    observables: Sequence[SparseObservable] = ()
    #: The method that is asked for.
    method: Method = "automatic"
    #: Gets the circuit's qubits that the program has.
    kept: list[int] | None = None


def _noise(program: Program, wanted: Wanted) -> Program:
    if wanted.output == Output.UNITARY and len(program.channel_refs):
        text = "has noise, so it has no unitary; run it without the noise model, or save its superoperator"
        raise RefusalError(text, NoiseError)
    return program


def _saves(program: Program, wanted: Wanted) -> Program:
    unitary = wanted.output == Output.UNITARY
    program = resolve_saves(program, wanted.save_state_labels, unitary=unitary, method=wanted.method)
    if program.saves and wanted.output in PRIMITIVE_OUTPUTS:
        raise RefusalError(
            "has save instructions, but the result of a primitive can't hold their data; "
            "use `backend.run`, or remove them"
        )
    return program


def _expectation_values(program: Program, wanted: Wanted) -> Program:
    if wanted.output != Output.EXPECTATION_VALUES:
        return program
    # A final state that all shots share has no variance over shots.
    return save_expectation_values(program, wanted.observables, squares=final_state_varies(program))


def _unseen_qubits(program: Program, wanted: Wanted) -> Program:
    return program if wanted.output in (Output.STATEVECTOR, Output.UNITARY) else drop_unseen_qubits(program)


def _idle_qubits(program: Program, wanted: Wanted) -> Program:
    # Output amplitudes and initial amplitudes are those of all qubits.
    if wanted.output in (Output.STATEVECTOR, Output.UNITARY):
        return program
    if wanted.kept is not None:
        wanted.kept.extend(kept_qubits(program))
    return drop_idle_qubits(program)


#: Each pass returns the program itself if it has nothing to do. All raise `RefusalError` or a `QfleetError`.
PASSES: Final[tuple[Callable[[Program, Wanted], Program], ...]] = (
    _noise,
    _saves,
    _expectation_values,
    _unseen_qubits,
    _idle_qubits,
)


def run_passes(program: Program, wanted: Wanted) -> Program:
    """Return a program after all passes.

    Raises:
        RefusalError, QfleetError: a pass refuses the program.
    """
    for run in PASSES:
        program = run(program, wanted)
    return program
