# SPDX-License-Identifier: Apache-2.0
"""How does a program give the means of observables?

It saves them as its last operation: as sums of Paulis on the qubits that anything acts on. The others are in |0>, where
a Z is 1 and an X or a Y has the mean 0.
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
from qfleet.wire.limits import MAX_PAULI_QUBITS
from qfleet.wire.program.program import Op, Program
from qfleet.wire.program.saves import Save, SaveKind

#: Paulis of all observables together. Projectors count twice each, for a term.
_MOST_TERMS: Final = 1 << 22
#: How Qiskit writes the letter of a term: Z, X, Y, and projectors with a higher bit.
_Z, _X, _PROJECTOR = 1, 2, 12
_LABEL: Final = "means"


def with_means(program: Program, observables: Sequence[SparseObservable], *, squares: bool = False) -> Program:
    """The program with the means of observables on all its qubits saved at its end, in one `Op.SAVE`.

    With ``squares``, so are their squares, which tell how far the means over shots that differ are sure.

    Raises:
        CapacityError: the observables have too many terms, or act on too many qubits.
    """
    terms, starts = _terms(observables)
    active = np.zeros(program.num_qubits, np.bool_)
    active[np.maximum(program.operands, ~program.operands)] = True
    lives = active[terms.qubits]
    targets = np.unique(terms.qubits[lives])
    if len(targets) > MAX_PAULI_QUBITS:
        raise CapacityError(f"the observables act on {len(targets)} qubits; at most {MAX_PAULI_QUBITS} are possible")
    coefficients = terms.coefficients.copy()
    flips = (terms.letters & _X) != 0
    coefficients[terms.numbers[flips & ~lives]] = 0
    bits = np.left_shift(np.uint64(1), np.searchsorted(targets, terms.qubits[lives]).astype(np.uint64))
    x_masks, z_masks = np.zeros((2, len(coefficients)), np.uint64)
    x_bits = np.where(flips[lives], bits, np.uint64(0))
    z_bits = np.where((terms.letters[lives] & _Z) != 0, bits, np.uint64(0))
    np.bitwise_or.at(x_masks, terms.numbers[lives], x_bits)
    np.bitwise_or.at(z_masks, terms.numbers[lives], z_bits)
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


def is_random(program: Program) -> bool:
    """Whether a program's final state differs from shot to shot: it measures or resets what was in use."""
    by_chance = {int(op) for op in (Op.MEASURE, Op.RESET, Op.INITIALIZE)}
    if not by_chance & set(program.codes.tolist()):
        return False
    if len(program.jumps):
        return True
    used: set[int] = set()
    for operation in program:
        if operation.code in by_chance and not used.isdisjoint(operation.targets):
            return True
        if operation.code not in (Op.MEASURE, Op.RESET):
            used.update(operation.targets, [max(qubit, ~qubit) for qubit in operation.controls])
    return False


@dataclasses.dataclass(frozen=True, slots=True)
class _Terms:
    """Paulis: the letters that aren't the identity, one after the other."""

    #: shape (letters,): the Pauli that each letter is of
    numbers: NDArray[np.int64]
    qubits: NDArray[np.int64]
    letters: NDArray[np.uint8]
    #: float64, shape (paulis,)
    coefficients: NDArray[np.float64]


def _terms(observables: Sequence[SparseObservable]) -> tuple[_Terms, NDArray[np.int64]]:
    """The Paulis of all observables, and where those of each begin."""
    parts: list[tuple[NDArray[Any], ...]] = []
    starts = [0]
    for observable in observables:
        letters = np.asarray(observable.bit_terms)
        projectors = (letters & _PROJECTOR) != 0
        boundaries = np.asarray(observable.boundaries, np.int64)
        if projectors.any():
            before = np.concatenate([[0], np.cumsum(projectors)])[boundaries]
            number = float((2.0 ** np.diff(before)).sum())
            if starts[-1] + number > _MOST_TERMS:
                raise CapacityError(
                    f"the projectors of an observable come to {number:.3g} Paulis; {_MOST_TERMS} are possible at most, "
                    "of all observables together"
                )
        paulis = observable.as_paulis() if projectors.any() else observable
        letters, boundaries = np.asarray(paulis.bit_terms), np.asarray(paulis.boundaries, np.int64)
        coefficients = np.real(np.asarray(paulis.coeffs))
        numbers = np.repeat(np.arange(len(coefficients)), np.diff(boundaries)) + starts[-1]
        parts.append((numbers, np.asarray(paulis.indices, np.int64), letters, coefficients))
        starts.append(starts[-1] + len(coefficients))
        if starts[-1] > _MOST_TERMS:
            raise CapacityError(f"the observables have more than {_MOST_TERMS} terms together; ask for fewer at a time")
    numbers, qubits, letters, coefficients = [np.concatenate(each) for each in zip(*parts, strict=True)]
    return _Terms(numbers, qubits, letters.astype(np.uint8), coefficients.astype(np.float64)), np.array(starts)
