# SPDX-License-Identifier: Apache-2.0
"""Each kind of save has one row of the table, and rows of one quantity agree with each other."""

from __future__ import annotations

from typing import get_args

import pytest

from qfleet.wire.program.saves import (
    INSTRUCTIONS,
    SAVE_SPEC,
    SAVE_SPECS,
    Payload,
    Quantity,
    SaveKind,
    SaveSpec,
    Subtype,
)


def test_every_kind_has_one_row_in_the_order_of_numbers() -> None:
    assert [spec.kind for spec in SAVE_SPECS] == sorted(SaveKind)
    assert set(SAVE_SPEC) == set(SaveKind)


def test_kinds_stay_as_they_are() -> None:
    """They are on the wire: a number that changes is a new format."""
    names = (
        "STATEVECTOR STATEVECTOR_DICT AMPLITUDES AMPLITUDES_SQUARED PROBABILITIES PROBABILITIES_DICT EXPECTATION_VALUE "
        "EXPECTATION_VALUE_VARIANCE DENSITY_MATRIX UNITARY EXPECTATION_VALUES EXPECTATION_VALUES_AND_SQUARES "
        "SUPEROP STABILIZER CLIFFORD MATRIX_PRODUCT_STATE"
    )
    assert {kind.name: int(kind) for kind in SaveKind} == {name: n for n, name in enumerate(names.split(), start=1)}


@pytest.mark.parametrize("spec", SAVE_SPECS, ids=lambda spec: spec.kind.name)
def test_a_row_is_one_that_saver_and_checks_know_how_to_read(spec: SaveSpec) -> None:
    assert set(spec.manners) <= {subtype.removeprefix("c_") for subtype in get_args(Subtype)}
    assert (spec.payload is Payload.BASIS_STATES) == (spec.quantity in (Quantity.AMPLITUDES_AT, Quantity.SQUARES_AT))
    assert (spec.payload in (Payload.PAULIS, Payload.PAULI_SUMS)) == (spec.quantity is Quantity.EXPECTATION_VALUES)
    assert not spec.variance or spec.payload is Payload.PAULIS
    assert not spec.squares or spec.payload is Payload.PAULI_SUMS
    # A state has no average, whatever its global phase.
    states = spec.numbers in ("state", "uint8") or spec.quantity is Quantity.TENSORS
    assert states == (spec.manners == ("single", "list"))
    alike = [each for each in SAVE_SPECS if each.quantity is spec.quantity]
    assert {(each.numbers, each.whole_state, each.most_qubits) for each in alike} == {
        (spec.numbers, spec.whole_state, spec.most_qubits)
    }


def test_instructions_name_one_kind_each() -> None:
    assert len(INSTRUCTIONS) == len([spec for spec in SAVE_SPECS if spec.instruction])
    for name, kind in INSTRUCTIONS.items():
        assert name.startswith("save_")
        assert SAVE_SPEC[kind].instruction == name
