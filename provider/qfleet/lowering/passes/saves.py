# SPDX-License-Identifier: Apache-2.0
"""Check a program's saves, and resolve those of the method's state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Final

import msgspec

from qfleet.lowering.refusal import RefusalError
from qfleet.lowering.saves import METHOD_LABEL
from qfleet.wire.limits import MAX_SAVES
from qfleet.wire.messages.request import Method
from qfleet.wire.program.operations import IS_FLOW, IS_UNITARY, Op
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Quantity, Save, SaveKind

#: By method, the save that a ``save_state`` becomes; for all others it is that of the statevector.
_KINDS: Final = {
    "density_matrix": SaveKind.DENSITY_MATRIX,
    "superop": SaveKind.SUPEROP,
    "stabilizer": SaveKind.STABILIZER,
    "matrix_product_state": SaveKind.MATRIX_PRODUCT_STATE,
}


def resolve_saves(
    program: Program, save_state_labels: Collection[str], *, unitary: bool, method: Method = "automatic"
) -> Program:
    """Return a program with checked saves of definite kinds.

    A ``save_state`` becomes a save of the state that the method has.

    Args:
        program: the program to resolve.
        save_state_labels: labels of the ``save_state`` instructions.
        unitary: True if the output is the circuit's unitary.
        method: the method that is asked for.

    Raises:
        RefusalError: the saves don't fit the circuit.
    """
    if not program.saves:
        return program
    unitary = unitary or program.saves_unitary()
    superop = method == "superop" or program.saves_superop()
    kind = SaveKind.UNITARY if unitary else _KINDS.get("superop" if superop else method, SaveKind.STATEVECTOR)
    saves = [_of_kind(save, kind) if save.label in save_state_labels else save for save in program.saves]
    if len(saves) > MAX_SAVES:
        raise RefusalError(f"has {len(saves)} save instructions; at most {MAX_SAVES} are possible")
    label, times = Counter(save.label for save in saves).most_common(1)[0]
    if times > 1:
        raise RefusalError(
            f"saves under the label {label!r} {times} times, counting each turn of a for-loop; "
            "give each save its own label with `label=...`"
        )
    if superop:
        _check_superop(program, saves)
    if unitary:
        _check_unitary(program, saves)
    widths = program.num_targets[program.codes == Op.SAVE].tolist()
    for save, width in zip(saves, widths, strict=True):
        if save.spec.whole_state and width != program.num_qubits:
            raise RefusalError(
                f"saves {_words(save.kind)} of {width} of its {program.num_qubits} qubits ({save.label!r}); "
                "it can only be saved for all qubits"
            )
    return msgspec.structs.replace(program, saves=tuple(saves))


def _check_superop(program: Program, saves: list[Save]) -> None:
    other = next((save for save in saves if save.spec.quantity is not Quantity.SUPEROP), None)
    if other is not None:
        raise RefusalError(
            f"saves {_words(other.kind)} ({other.label!r}) where its superoperator is computed; "
            "put it into another circuit"
        )
    others = program.codes[IS_FLOW[program.codes] | (program.codes == Op.MEASURE)]
    if len(others):
        name = Op(others[0]).name.lower()
        raise RefusalError(f"saves its superoperator but has a {name}, so it isn't one channel; remove one of the two")


def _of_kind(save: Save, kind: SaveKind) -> Save:
    """Return a save of the method's state."""
    label = kind.name.lower() if save.label == METHOD_LABEL else save.label
    subtype = save.subtype
    if kind is SaveKind.DENSITY_MATRIX and save.manner == "single":
        # Shots share a density matrix, unless a measurement told them apart.
        subtype = "c_average" if save.conditional else "average"
    return msgspec.structs.replace(save, kind=kind, label=label, subtype=subtype)


def _check_unitary(program: Program, saves: list[Save]) -> None:
    other = next((save for save in saves if save.spec.quantity is not Quantity.MATRIX), None)
    if other is not None:
        raise RefusalError(
            f"saves {_words(other.kind)} ({other.label!r}) where its unitary is computed; put it into another circuit"
        )
    others = program.codes[~IS_UNITARY[program.codes] & (program.codes != Op.SAVE)]
    if len(others):
        name = Op(others[0]).name.lower()
        raise RefusalError(f"saves its unitary but has a {name}, so it isn't unitary; remove one of the two")


def _words(kind: SaveKind) -> str:
    return f"the {kind.name.lower().replace('_', ' ')}"
