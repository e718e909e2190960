# SPDX-License-Identifier: Apache-2.0
"""Let a program save exact means over all outcomes of its measurements."""

from __future__ import annotations

import msgspec
import numpy as np

from qfleet.wire.program.operations import CLBITS, Op
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import SaveKind, mask_words


def without_squares(program: Program) -> Program:
    """Return a program that saves means at its end, without their squares.

    Measurements that nothing follows are left out. They leave the expectation values of I and Z as they are; those of X
    and Y on a measured qubit become 0.

    Args:
        program: its last operation saves expectation values and their squares.
    """
    save = program.saves[-1]
    x, _, coefficients = save.paulis()
    final = np.zeros(len(program), np.bool_)
    if not len(program.jumps):
        final[_final_measurements(program)] = True
    starts = np.cumsum(program.num_controls.astype(np.int64) + program.num_targets)
    measured = program.operands[starts[final] - 1].tolist()
    targets = program.operands[len(program.operands) - int(program.num_targets[-1]) :].tolist()
    words = mask_words(len(targets))
    mask = sum([1 << place for place, qubit in enumerate(targets) if qubit in measured])
    masks = np.frombuffer(mask.to_bytes(8 * words, "little"), "<u8")
    kept = np.where((x.reshape(-1, words) & masks).any(axis=1), 0, coefficients[0])
    save = msgspec.structs.replace(
        save, kind=SaveKind.EXPECTATION_VALUES, coefficients=np.ascontiguousarray(kept, "<c16").tobytes()
    )
    operands = np.repeat(~final, program.num_controls.astype(np.int64) + program.num_targets)
    flips = program.flips.reshape(-1, 2)[~final[program.codes == Op.MEASURE]] if len(program.flips) else program.flips
    return msgspec.structs.replace(
        program,
        codes=program.codes[~final],
        num_controls=program.num_controls[~final],
        num_targets=program.num_targets[~final],
        operands=program.operands[operands],
        clbits=program.clbits[~final[CLBITS[program.codes] != 0]],
        flips=flips.reshape(-1),
        saves=(*program.saves[:-1], save),
    )


def _final_measurements(program: Program) -> list[int]:
    """Return the rows of measurements whose qubits nothing acts on later."""
    found = []
    used: set[int] = set()
    widths = program.num_controls.astype(np.int64) + program.num_targets
    end = len(program.operands) - int(widths[-1])
    for row in range(len(program) - 2, -1, -1):
        own = [max(qubit, ~qubit) for qubit in program.operands[end - int(widths[row]) : end].tolist()]
        end -= int(widths[row])
        if program.codes[row] == Op.MEASURE and own[0] not in used:
            found.append(row)
        else:
            used.update(own)
    return found
