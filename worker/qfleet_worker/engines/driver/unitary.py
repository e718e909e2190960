# SPDX-License-Identifier: Apache-2.0
"""The unitary of a circuit: its steps applied to the identity.

The identity is held as a state of twice as many wires.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import numpy as np

from qfleet.wire.messages.request import Output
from qfleet.wire.program.matrices import ComplexArray
from qfleet.wire.program.operations import IS_UNITARY, Op
from qfleet.wire.program.program import Program
from qfleet_worker.engines.contract import Experiment, Outcome
from qfleet_worker.engines.results.outcomes import Tally
from qfleet_worker.engines.results.saved import Saver
from qfleet_worker.engines.states.contract import Answers
from qfleet_worker.engines.steps import SaveStep

#: By code, the operations that no program with a unitary has.
_HAS_NO_UNITARY: Final = ~IS_UNITARY & (np.arange(256) != Op.SAVE)


class MatrixState(Protocol):
    """A state that may be a matrix."""

    def apply(self, steps: Any, at: int) -> None:
        """Apply the step ``steps[at]``."""
        ...

    def answers(self) -> Answers:
        """Return the answers of the matrix as a state.

        They are valid until the next step.
        """
        ...

    def check(self, norm_squared: float) -> None:
        """Raise `EngineError` if a squared norm isn't 1."""
        ...


def unitary_refusal(program: Program) -> str:
    """Return why a program has no unitary; empty if it has one."""
    rows = np.flatnonzero(_HAS_NO_UNITARY[program.codes])
    if not len(rows):
        return ""
    return f"the circuit has no unitary: operation {rows[0]} is {Op(program.codes[rows[0]]).name.lower()}"


def run_unitary(
    experiment: Experiment,
    steps: Sequence[Any],
    state: MatrixState,
    columns: Sequence[int],
    take_matrix: Callable[[], ComplexArray],
) -> Outcome:
    """Apply steps to the identity, and return the outcome.

    The outcome has the matrix, if asked for, and the saved data.

    Args:
        experiment: the circuit and its request.
        steps: those of a plan; they contain no random event.
        state: the identity.
        columns: the wires of the state that are the matrix's columns.
        take_matrix: returns the matrix at the end, shape (2**qubits, 2**qubits).
    """
    saver = Saver(experiment.program, experiment.request.precision)
    for at, step in enumerate(steps):
        if isinstance(step, SaveStep):
            saver.take_matrix(step, state.answers(), columns)
        else:
            state.apply(steps, at)
    matrix = take_matrix()
    rows = matrix.view(matrix.real.dtype)
    for norm_squared in np.vecdot(rows, rows).tolist():
        state.check(norm_squared)
    nothing = Tally(0, 0 if experiment.request.keeps_shots else None).result()
    amplitudes = matrix if experiment.request.output == Output.UNITARY else None
    return Outcome(*nothing, amplitudes=amplitudes, saved=saver.result())
