# SPDX-License-Identifier: Apache-2.0
"""Each operation has one row of the table, and its columns say what the rows say."""

from __future__ import annotations

import numpy as np
import pytest
from engine_oracle import GATES
from qiskit.circuit.library import get_standard_gate_name_mapping

from qfleet.lowering.gates import OTHERS
from qfleet.wire.program import operations as o
from qfleet.wire.program.operations import PER_TARGET, SPEC, SPECS, Inverse, Kind, Op, OpSpec, Table
from qfleet_worker.engines.gates import codes

#: Standard names of Qiskit that aren't gates, or have no fixed matrix.
NOT_GATES = {"measure", "reset", "delay"}


def test_every_operation_has_one_row_in_the_order_of_numbers() -> None:
    assert [spec.op for spec in SPECS] == sorted(Op)
    assert set(SPEC) == set(Op)


def test_every_standard_gate_of_qiskit_is_in_one_row_or_on_the_list() -> None:
    names = [name for spec in SPECS for name, _ in spec.gates]
    assert len(names) == len(set(names))
    assert not OTHERS & set(names)
    assert OTHERS | set(names) | NOT_GATES >= set(get_standard_gate_name_mapping())


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.op.name)
def test_a_row_is_one_that_the_engines_know_how_to_read(spec: OpSpec) -> None:
    assert (spec.kind is Kind.UNITARY) == (spec.inverse is not Inverse.NONE)
    assert (spec.kind in (Kind.PROJECTIVE, Kind.NOISE)) == bool(spec.events)
    assert (spec.targets is None) == (spec.table is not Table.NONE or spec.kind in (Kind.SAVE, Kind.NOISE))
    assert spec.channel == (spec.kind is Kind.NOISE)
    assert not (spec.angles and (spec.table is not Table.NONE or spec.kind is not Kind.UNITARY))
    assert not (spec.clbits and spec.kind is not Kind.PROJECTIVE)
    assert not ((spec.jumps or spec.expressions) and spec.kind is not Kind.FLOW)
    assert not (spec.gates and (spec.kind is not Kind.UNITARY or spec.targets is None))
    assert spec.events != PER_TARGET or spec.targets is None
    assert not spec.exchanges or (spec.targets == 2 and not spec.angles)
    if isinstance(spec.inverse, Op):
        assert SPEC[spec.inverse].inverse is spec.op
    if spec.inverse in (Inverse.NEGATED, Inverse.EULER):
        assert spec.angles


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.op in GATES], ids=lambda spec: spec.op.name)
def test_a_row_of_a_gate_is_true_of_its_matrix(spec: OpSpec) -> None:
    gate = GATES[spec.op](*np.random.default_rng(1).uniform(-3, 3, spec.angles))
    assert gate.num_qubits == spec.targets
    matrix = gate.to_matrix()
    assert spec.diagonal == (np.count_nonzero(matrix - np.diag(np.diag(matrix))) == 0)
    assert spec.exchanges == bool(
        spec.targets == 2 and not spec.angles and np.array_equal(np.abs(matrix), np.eye(4)[[0, 2, 1, 3]])
    )


def test_machine_code_exchanges_the_wires_of_these_gates_by_name() -> None:
    assert np.flatnonzero(o.EXCHANGES).tolist() == [codes.SWAP, codes.ISWAP]


def test_columns_are_the_rows_by_code() -> None:
    for spec in SPECS:
        code = spec.op
        assert o.IS_KNOWN[code]
        assert o.IS_UNITARY[code] == (spec.kind is Kind.UNITARY)
        assert o.IS_FLOW[code] == (spec.kind is Kind.FLOW)
        assert o.WRITES[code] == (code in (Op.MEASURE, Op.STORE))
        assert o.EXCHANGES[code] == spec.exchanges
        assert o.HAS_TABLE[code] == (spec.table is not Table.NONE)
        sized = {Op.UNITARY: 2, Op.DIAGONAL: 1, Op.INITIALIZE: 1, Op.SET_DENSITY_MATRIX: 2, Op.SET_SUPEROP: 4}
        assert o.TABLE_BITS[code] == sized.get(code, 0)
        assert o.TARGETS[code] == (-1 if spec.targets is None else spec.targets)
        numbers = o.ANGLES[code], o.CLBITS[code], o.JUMPS[code], o.EXPRESSIONS[code], o.EVENTS[code]
        assert numbers == (spec.angles, spec.clbits, spec.jumps, spec.expressions, spec.events)


def test_other_numbers_are_nothing_and_columns_cannot_be_written_to() -> None:
    assert np.flatnonzero(o.IS_KNOWN).tolist() == sorted(Op)
    for column in (o.IS_UNITARY, o.IS_FLOW, o.WRITES, o.EXCHANGES, o.HAS_TABLE, o.ANGLES, o.CLBITS, o.EVENTS):
        assert column.shape == (256,)
        assert not column[~o.IS_KNOWN].any()
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1


def test_operation_codes_stay_as_they_are():
    """They are on the wire: a number that changes is a new format."""
    names = (
        "X Y Z H S SDG T TDG SX SXDG P RX RY RZ R U SWAP ISWAP DCX ECR RXX RYY RZZ RZX XX_MINUS_YY XX_PLUS_YY RCCX RC3X"
    )
    others = "GLOBAL_PHASE UNITARY DIAGONAL MEASURE RESET INITIALIZE JUMP JUMP_UNLESS STORE SAVE NOISE"
    others += " SET_DENSITY_MATRIX SET_SUPEROP"
    assert {code.name: int(code) for code in Op} == {
        name: number for number, name in enumerate(f"{names} {others}".split(), start=1)
    }
