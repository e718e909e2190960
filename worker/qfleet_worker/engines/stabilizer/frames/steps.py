# SPDX-License-Identifier: Apache-2.0
"""Steps of frames, made of a plan and a reference.

The reference is the one shot that all others are compared with.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.program import Program
from qfleet_worker.engines.stabilizer.codes import Elementary
from qfleet_worker.engines.stabilizer.elementary import Elementaries
from qfleet_worker.engines.stabilizer.frames.errors import FrameErrors
from qfleet_worker.engines.stabilizer.frames.logic import Step
from qfleet_worker.engines.stabilizer.frames.plan import FramePlan, Place, row_of_clbits
from qfleet_worker.engines.stabilizer.kernels.frames import (
    AND,
    COPY,
    FILL,
    FLIP,
    NOISE_WHERE,
    READ,
    X_WHERE,
    Z_WHERE,
    Steps,
)
from qfleet_worker.engines.stabilizer.tableau import Reference


def _flags(*codes: Elementary) -> NDArray[np.bool_]:
    """Return a flag for each code, True for these."""
    flags = np.zeros(256, np.bool_)
    flags[list(codes)] = True
    return flags


_IS_PAULI: Final = _flags(Elementary.X, Elementary.Y, Elementary.Z)
_HAS_TWO_QUBITS: Final = _flags(Elementary.CX, Elementary.CZ, Elementary.SWAP)
#: True if a random Z before an operation makes no difference.
_FORGETS_Z: Final = _flags(Elementary.MEASURE, Elementary.RESET)
#: True if an operation mixes the Paulis of a frame.
_MIXES: Final = ~_flags(Elementary.X, Elementary.Y, Elementary.Z, Elementary.NOISE)
#: By the letter, the step that some shots have of it, and the Paulis with that letter.
_OF_SOME: Final = (
    (X_WHERE, _flags(Elementary.X, Elementary.Y)),
    (Z_WHERE, _flags(Elementary.Y, Elementary.Z)),
)


class _Compared(NamedTuple):
    """The shot that all frames are compared with."""

    #: uint8, shape (measurements,)
    outcomes: NDArray[np.uint8]
    #: bool, shape (elementary operations,): True for those that some shots skip
    parted: NDArray[np.bool_]
    #: bool, shape (elementary operations,): True for those that this shot skips
    skipped: NDArray[np.bool_]


def frame_steps(program: Program, plan: FramePlan, errors: FrameErrors, reference: Reference) -> Steps:
    """Return the steps of frames.

    Args:
        program: the program.
        plan: how frames run it.
        errors: its noise.
        reference: runs the shot that all frames are compared with.
    """
    own = plan.elementaries
    compared = _compared(program, plan, reference)
    codes, second = own.codes.astype(np.int32), own.second.copy()
    measured = np.flatnonzero(own.codes == Elementary.MEASURE)
    rows = row_of_clbits(plan.columns, program.clbits)
    second[measured] = 2 * rows + compared.outcomes
    codes[measured[_reads(own)[measured]]] = READ
    noisy = own.codes == Elementary.NOISE
    codes[noisy & compared.parted] = NOISE_WHERE
    kept = ~_IS_PAULI[own.codes]
    kept[noisy] = errors.happens[own.second[noisy]]
    flips = np.flatnonzero(errors.flip_kinds >= 0)
    logic = [(place.at - 1, *step) for place in plan.places for step in place.steps]
    # Those of one operation in their order; then what is computed before the next one.
    found = [
        _table(np.flatnonzero(kept), codes[kept], own.first[kept], second[kept]),
        _table(measured[flips], FLIP, rows[flips], errors.flip_kinds[flips]),
        *_paulis_of_some(plan, compared),
        np.array(logic, np.int32).reshape(-1, 4),
    ]
    table = np.concatenate(found)
    table = table[np.argsort(table[:, 0], kind="stable")]
    return Steps(
        table[:, 1].astype(np.uint8),
        np.ascontiguousarray(table[:, 2]),
        np.ascontiguousarray(table[:, 3]),
        plan.where,
    )


def _table(
    at: NDArray[np.int64],
    code: int | NDArray[np.int32],
    first: int | NDArray[np.int32],
    second: int | NDArray[np.int32],
) -> NDArray[np.int32]:
    """Return steps with the operation that each belongs to.

    Returns:
        int32, shape (steps, 4).
    """
    table = np.empty((len(at), 4), np.int32)
    table[:, 0], table[:, 1], table[:, 2], table[:, 3] = at, code, first, second
    return table


def _paulis_of_some(plan: FramePlan, compared: _Compared) -> list[NDArray[np.int32]]:
    """Return steps for Paulis that some shots skip."""
    if not plan.places:
        return []
    own, found = plan.elementaries, []
    for code, has_letter in _OF_SOME:
        at = np.flatnonzero(compared.parted & has_letter[own.codes])
        second = 2 * plan.where + ~compared.skipped[at]
        found.append(_table(at, code, own.first[at], second.astype(np.int32)))
    return found


def _reads(own: Elementaries) -> NDArray[np.bool_]:
    """Mark operations whose qubit is measured or reset next.

    So is one that is never used again. Paulis and noise in between make no difference.
    """
    mixing = np.flatnonzero(_MIXES[own.codes])
    pairs = _HAS_TWO_QUBITS[own.codes[mixing]]
    at = np.concatenate([mixing, mixing[pairs]])
    qubits = np.concatenate([own.first[mixing], own.second[mixing[pairs]]])
    order = np.lexsort((at, qubits))
    at, qubits = at[order], qubits[order]
    last = np.append(qubits[1:] != qubits[:-1], True)
    following = np.append(_FORGETS_Z[own.codes[at[1:]]], True)
    reads = np.zeros(len(own.codes), np.bool_)
    reads[at] = last | following
    return reads


def _compared(program: Program, plan: FramePlan, reference: Reference) -> _Compared:
    own = plan.elementaries
    outcomes = np.zeros(len(program.clbits), np.uint8)
    parted, skipped = np.zeros((2, len(own.codes)), np.bool_)
    rows = row_of_clbits(plan.columns, program.clbits)
    bits, begin, measured, is_parted = bytearray(plan.num_rows + 1), 0, 0, False
    for place in [*plan.places, Place(len(own.codes), [], False)]:
        stretch = slice(begin, place.at)
        parted[stretch] = is_parted
        skipped[stretch] = is_parted and not bits[plan.where]
        if begin < place.at and not skipped[begin]:
            found = reference.run(own.codes[stretch], own.first[stretch], own.second[stretch])
            outcomes[measured : measured + len(found)] = found
            if plan.places:
                for row, outcome in zip(rows[measured : measured + len(found)].tolist(), found.tolist(), strict=True):
                    bits[row] = outcome
            measured += len(found)
        _compute(place.steps, bits)
        is_parted = place.parted
        begin = place.at
    return _Compared(outcomes, parted, skipped)


def _compute(steps: list[Step], bits: bytearray) -> None:
    """Compute rows of bits for one shot."""
    for code, first, second in steps:
        if code == COPY:
            bits[first] = bits[second >> 1] ^ second & 1
        elif code == FILL:
            bits[first] = second
        elif code == AND:
            bits[first] &= bits[second]
        else:
            bits[first] ^= bits[second]
