# SPDX-License-Identifier: Apache-2.0
"""Check of saves: each fits its program."""

from __future__ import annotations

import numpy as np

from qfleet.wire.errors import WireError
from qfleet.wire.limits import MAX_PAULI_QUBITS, MAX_PROBABILITY_QUBITS
from qfleet.wire.program.operations import IS_UNITARY, Op
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import (
    FULL_WIDTH,
    INDEXED,
    MANY_OBSERVABLES,
    NOT_AVERAGED,
    OBSERVABLES,
    Save,
    SaveKind,
)


def check_saves(program: Program) -> None:
    """Raise `WireError` unless a program's saves fit it, so that a worker may do them blindly."""
    takers = program.codes == Op.SAVE
    refs = program.save_refs
    if takers.sum() != len(refs):
        raise WireError(f"{len(refs)} references for {takers.sum()} saves")
    if ((refs < 0) | (refs >= len(program.saves))).any():
        raise WireError("an operation refers to a save that isn't there")
    if len(set(refs.tolist())) != len(program.saves) or len(refs) != len(program.saves):
        raise WireError("a save isn't done by exactly one operation")
    if len({save.label for save in program.saves}) != len(program.saves):
        raise WireError("two saves have the same label")
    widths = program.num_targets[takers].tolist()
    for ref, width in zip(refs.tolist(), widths, strict=True):
        _check(program.saves[ref], program.num_qubits, width)
    if program.saves_unitary():
        if not (IS_UNITARY[program.codes] | takers).all():
            raise WireError("a unitary is saved of what isn't unitary")
        if any(save.kind is not SaveKind.UNITARY for save in program.saves):
            raise WireError("a unitary is saved together with a state")


def _check(save: Save, num_qubits: int, width: int) -> None:
    if not width or (save.kind in FULL_WIDTH and width != num_qubits):
        raise WireError(f"save {save.label!r} acts on {width} qubits")
    allowed = {"single", "list"} if save.kind in NOT_AVERAGED else {"average", "accum", "list"}
    if save.manner not in ({"average"} if save.kind in MANY_OBSERVABLES else allowed):
        raise WireError(f"save {save.label!r} can't be of the subtype {save.subtype!r}")
    limit = {
        SaveKind.PROBABILITIES: MAX_PROBABILITY_QUBITS,
        SaveKind.PROBABILITIES_DICT: MAX_PROBABILITY_QUBITS,
        SaveKind.DENSITY_MATRIX: MAX_PROBABILITY_QUBITS // 2,
        SaveKind.EXPECTATION_VALUE: MAX_PAULI_QUBITS,
        SaveKind.EXPECTATION_VALUE_VARIANCE: MAX_PAULI_QUBITS,
    }.get(save.kind, MAX_PAULI_QUBITS)
    if width > limit:
        raise WireError(f"save {save.label!r} acts on {width} qubits; at most {limit} are possible")
    indexed, observable = save.kind in INDEXED, save.kind in OBSERVABLES
    if bool(save.indices) != indexed or len(save.indices) % 8:
        raise WireError(f"save {save.label!r} has {len(save.indices)} bytes of basis states")
    if indexed and ((save.basis_states() < 0) | (save.basis_states() >= 1 << num_qubits)).any():
        raise WireError(f"save {save.label!r} names a basis state that isn't there")
    terms, rest = divmod(len(save.x_masks), 8)
    rows = 2 if save.kind is SaveKind.EXPECTATION_VALUE_VARIANCE else 1
    if rest or len(save.z_masks) != 8 * terms or len(save.coefficients) != 16 * rows * terms:
        raise WireError(f"save {save.label!r} has masks and coefficients that don't belong together")
    if bool(terms) and not observable:
        raise WireError(f"save {save.label!r} has a sum of Paulis, but no use for it")
    if observable:
        x, z, coefficients = save.paulis()
        if ((x | z) >> np.uint64(width)).any():
            raise WireError(f"save {save.label!r} has a Pauli on a qubit that isn't there")
        if not np.isfinite(coefficients).all():
            raise WireError(f"save {save.label!r} has a coefficient that isn't a finite number")
    _check_sums(save, terms)


def _check_sums(save: Save, terms: int) -> None:
    several = save.kind in MANY_OBSERVABLES
    if bool(save.starts) != several or len(save.starts) % 4:
        raise WireError(f"save {save.label!r} has {len(save.starts)} bytes that say where its sums begin")
    if several:
        starts = save.sums()
        if len(starts) < 2 or starts[0] != 0 or starts[-1] != terms or (starts[1:] < starts[:-1]).any():
            raise WireError(f"save {save.label!r} has sums that don't consist of its {terms} terms")
