# SPDX-License-Identifier: Apache-2.0
"""Measurements of a stretch: steps, or measured together at its end."""

from __future__ import annotations

import numpy as np

from qfleet.wire.program.program import Operation, Program
from qfleet_worker.engines.driver.stretches import last_uses
from qfleet_worker.engines.steps import MeasureStep


class Measurements:
    """The measurements of a stretch, added in order.

    Those that nothing but measurements follows on their qubit are at the end, where all are sampled together.

    Args:
        program: the rows of the stretch.
        last: whether the program ends after them; otherwise no measurement is at the end.
    """

    def __init__(self, program: Program, *, last: bool) -> None:
        #: the row from which on a qubit is only measured
        self._last_use = last_uses(program) if last else np.full(program.num_qubits, len(program))
        #: the ordinal of the measurement that writes a clbit last
        self._writer = {clbit: ordinal for ordinal, clbit in enumerate(program.clbits.tolist())}
        #: whether a save may read a clbit before the end
        self._clbits_read = any(save.conditional for save in program.saves)
        self._added = 0
        #: for each wire measured at the end, the clbits that it writes
        self._final: dict[int, list[int]] = {}

    def add(self, operation: Operation, row: int, event: int, wire: int) -> MeasureStep | None:
        """Add the next measurement.

        Args:
            operation: the measurement.
            row: its row in the program.
            event: the number of its random event.
            wire: the wire of its qubit.

        Returns:
            Its step; ``None`` if it is at the end.
        """
        (qubit,), clbit = operation.targets, operation.clbit
        # If nothing reads a clbit before the end, only its last writer counts.
        is_last = self._writer[clbit] == self._added
        self._added += 1
        if row > self._last_use[qubit]:
            self._final.setdefault(wire, []).extend([clbit] if is_last else [])
            return None
        clbits = (clbit,) if is_last or self._clbits_read else ()
        return MeasureStep(wire=wire, event=event, clbits=clbits, flips=operation.flips)

    def measured(self) -> tuple[int, ...]:
        """Return the wires that are measured at the end."""
        return tuple(self._final)

    def readout(self) -> tuple[tuple[int, int], ...]:
        """Return pairs of a wire measured at the end and its clbit."""
        return tuple([(wire, clbit) for wire, clbits in self._final.items() for clbit in clbits])
