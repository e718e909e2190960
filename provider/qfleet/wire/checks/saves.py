# SPDX-License-Identifier: Apache-2.0
"""Checks of saves: each fits its program."""

from __future__ import annotations

import numpy as np

from qfleet.wire.errors import WireError
from qfleet.wire.program.operations import IS_FLOW, IS_UNITARY, Op
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Payload, Quantity, Save, mask_words


def check_saves(program: Program) -> None:
    """Check that a program's saves fit it.

    Raises:
        WireError: a worker can't do a save blindly.
    """
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
    if program.saves_superop():
        _check_superop(program)
    if program.saves_unitary():
        if not (IS_UNITARY[program.codes] | takers).all():
            raise WireError("a unitary is saved of what isn't unitary")
        if any(save.spec.quantity is not Quantity.MATRIX for save in program.saves):
            raise WireError("a unitary is saved together with a state")


def _check_superop(program: Program) -> None:
    if any(save.spec.quantity is not Quantity.SUPEROP for save in program.saves):
        raise WireError("a superoperator is saved together with something else")
    if IS_FLOW[program.codes].any() or (program.codes == Op.MEASURE).any():
        raise WireError("a superoperator is saved of what has several outcomes")
    if (program.num_targets[program.codes == Op.SET_SUPEROP] != program.num_qubits).any():
        raise WireError("a superoperator isn't set on all qubits")


def _check(save: Save, num_qubits: int, width: int) -> None:
    spec = save.spec
    if not width or (spec.whole_state and width != num_qubits):
        raise WireError(f"save {save.label!r} acts on {width} qubits")
    if save.manner not in spec.manners:
        raise WireError(f"save {save.label!r} can't be of the subtype {save.subtype!r}")
    if width > spec.most_qubits:
        raise WireError(f"save {save.label!r} acts on {width} qubits; at most {spec.most_qubits} are possible")
    indexed = spec.payload is Payload.BASIS_STATES
    if bool(save.indices) != indexed or len(save.indices) % 8:
        raise WireError(f"save {save.label!r} has {len(save.indices)} bytes of basis states")
    if indexed and ((save.basis_states() < 0) | (save.basis_states() >= 1 << num_qubits)).any():
        raise WireError(f"save {save.label!r} names a basis state that isn't there")
    terms, words = save.num_terms, mask_words(width)
    sizes = 8 * words * terms, 8 * words * terms, (32 if spec.variance else 16) * terms
    if sizes != (len(save.x_masks), len(save.z_masks), len(save.coefficients)):
        raise WireError(f"save {save.label!r} has masks and coefficients that don't belong together")
    if spec.payload in (Payload.PAULIS, Payload.PAULI_SUMS):
        x, z, coefficients = save.paulis()
        last = (x | z).reshape(terms, words)[:, -1]
        if width % 64 and (last >> np.uint64(width % 64)).any():
            raise WireError(f"save {save.label!r} has a Pauli on a qubit that isn't there")
        if not np.isfinite(coefficients).all():
            raise WireError(f"save {save.label!r} has a coefficient that isn't a finite number")
    elif terms:
        raise WireError(f"save {save.label!r} has a sum of Paulis, but no use for it")
    _check_sums(save, terms)


def _check_sums(save: Save, terms: int) -> None:
    several = save.spec.payload is Payload.PAULI_SUMS
    if bool(save.starts) != several or len(save.starts) % 4:
        raise WireError(f"save {save.label!r} has {len(save.starts)} bytes that say where its sums begin")
    if several:
        starts = save.sums()
        if len(starts) < 2 or starts[0] != 0 or starts[-1] != terms or (starts[1:] < starts[:-1]).any():
            raise WireError(f"save {save.label!r} has sums that don't consist of its {terms} terms")
