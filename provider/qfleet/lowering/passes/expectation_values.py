# SPDX-License-Identifier: Apache-2.0
"""Save the expectation values of observables at the end of a program.

Its last operation saves them as sums of Paulis on the qubits that an operation names. The other qubits are in |0>,
where the expectation value of Z is 1, and of X and Y is 0.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import SparseObservable

from qfleet.errors import CapacityError
from qfleet.wire.program.operations import EVENTS, SPEC, Op, Table
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Save, SaveKind, mask_words

#: See `save_expectation_values`.
MOST_TERMS: Final = 1 << 22
#: Bits of a term's letter in Qiskit: Z, X, both for Y, and a higher bit for projectors.
_Z, _X, _PROJECTOR = 1, 2, 12
_LABEL: Final = "means"


def save_expectation_values(
    program: Program, observables: Sequence[SparseObservable], *, squares: bool = False, most_terms: int = MOST_TERMS
) -> Program:
    """Return a program with one more operation, which saves expectation values.

    Args:
        program: the program, without other saves.
        observables: observables on all its qubits.
        squares: True if the squares are saved too, for the standard error over shots with different final states.
        most_terms: most Paulis of all observables together. Each projector of a term doubles the number of its Paulis.

    Raises:
        CapacityError: the observables have too many terms.
    """
    terms, starts = _terms(observables, most_terms)
    active = np.zeros(program.num_qubits, np.bool_)
    active[np.maximum(program.operands, ~program.operands)] = True
    is_active = active[terms.qubits]
    targets = np.unique(terms.qubits[is_active])
    coefficients = terms.coefficients.copy()
    flips = (terms.letters & _X) != 0
    coefficients[terms.numbers[flips & ~is_active]] = 0
    words, places = np.divmod(np.searchsorted(targets, terms.qubits[is_active]), 64)
    bits = np.left_shift(np.uint64(1), places.astype(np.uint64))
    x_masks, z_masks = np.zeros((2, len(coefficients), mask_words(len(targets))), np.uint64)
    x_bits = np.where(flips[is_active], bits, np.uint64(0))
    z_bits = np.where((terms.letters[is_active] & _Z) != 0, bits, np.uint64(0))
    np.bitwise_or.at(x_masks, (terms.numbers[is_active], words), x_bits)
    np.bitwise_or.at(z_masks, (terms.numbers[is_active], words), z_bits)
    save = Save(
        kind=SaveKind.EXPECTATION_VALUES_AND_SQUARES if squares else SaveKind.EXPECTATION_VALUES,
        label=_LABEL,
        subtype="average",
        x_masks=x_masks.astype("<u8", copy=False).tobytes(),
        z_masks=z_masks.astype("<u8", copy=False).tobytes(),
        coefficients=coefficients.astype("<c16").tobytes(),
        starts=starts.astype("<i4").tobytes(),
    )
    wires = targets if len(targets) else np.zeros(1, np.int64)
    return msgspec.structs.replace(
        program,
        codes=np.append(program.codes, np.uint8(Op.SAVE)),
        num_controls=np.append(program.num_controls, np.uint16(0)),
        num_targets=np.append(program.num_targets, np.uint16(len(wires))),
        operands=np.concatenate([program.operands, wires.astype(np.int32)]),
        save_refs=np.zeros(1, np.int32),
        saves=(save,),
    )


def final_state_varies(program: Program) -> bool:
    """Tell whether a program's final state may differ between shots.

    It may if the program measures or resets qubits in use, or has noise.
    """
    if len(program.channel_refs):
        return True
    if not EVENTS[program.codes].any():
        return False
    if len(program.jumps):
        return True
    used: set[int] = set()
    for operation in program:
        spec = SPEC[operation.code]
        if spec.events and not used.isdisjoint(operation.targets):
            return True
        # Measuring or resetting unused qubits leaves them in |0>.
        if not spec.events or spec.table is Table.STATE:
            used.update(operation.targets, [max(qubit, ~qubit) for qubit in operation.controls])
    return False


@dataclasses.dataclass(frozen=True, slots=True)
class _Terms:
    """The letters of all Paulis, without the identities, one after the other."""

    #: The Pauli of each letter, shape (letters,).
    numbers: NDArray[np.int64]
    qubits: NDArray[np.int64]
    letters: NDArray[np.uint8]
    #: Shape (paulis,).
    coefficients: NDArray[np.float64]


def _terms(observables: Sequence[SparseObservable], most: int) -> tuple[_Terms, NDArray[np.int64]]:
    """Return the Paulis of all observables, `most` at most.

    The second array has the index of each observable's first Pauli.
    """
    parts: list[tuple[NDArray[Any], ...]] = []
    starts = [0]
    for observable in observables:
        letters = np.asarray(observable.bit_terms)
        projectors = (letters & _PROJECTOR) != 0
        boundaries = np.asarray(observable.boundaries, np.int64)
        if projectors.any():
            before = np.concatenate([[0], np.cumsum(projectors)])[boundaries]
            number = float((2.0 ** np.diff(before)).sum())
            if starts[-1] + number > most:
                raise CapacityError(
                    f"the projectors of an observable expand to {number:.3g} Paulis; "
                    f"all observables together may have at most {most}",
                    limit=most,
                )
        paulis = observable.as_paulis() if projectors.any() else observable
        letters, boundaries = np.asarray(paulis.bit_terms), np.asarray(paulis.boundaries, np.int64)
        coefficients = np.real(np.asarray(paulis.coeffs))
        numbers = np.repeat(np.arange(len(coefficients)), np.diff(boundaries)) + starts[-1]
        parts.append((numbers, np.asarray(paulis.indices, np.int64), letters, coefficients))
        starts.append(starts[-1] + len(coefficients))
        if starts[-1] > most:
            text = f"the observables have more than {most} terms together; ask for fewer at a time"
            raise CapacityError(text, limit=most)
    numbers, qubits, letters, coefficients = [np.concatenate(each) for each in zip(*parts, strict=True)]
    return _Terms(numbers, qubits, letters.astype(np.uint8), coefficients.astype(np.float64)), np.array(starts)
