# SPDX-License-Identifier: Apache-2.0
"""Programs that no engine may run are refused when they are decoded, by the place of what is wrong."""

import struct

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_blobs import BLOBS, GOOD, changed, check_outcome, raw_program, single

from qfleet.wire.checks.program import check_program
from qfleet.wire.codec.programs import decode_program
from qfleet.wire.errors import WireError
from qfleet.wire.limits import MAX_CLBITS, MAX_OPERATIONS, MAX_QUBITS
from qfleet.wire.program.channels import Branch, Channel
from qfleet.wire.program.expressions import Bit
from qfleet.wire.program.operations import SPECS, Op, OpSpec, Table
from qfleet.wire.program.saves import Save, SaveKind

TWIRL = Channel.of(2, [Branch(0.5), Branch(0.5, z_mask=3)])

HOSTILE = {
    "qubits below zero": (changed(num_qubits=-1), "num_qubits|>= 0"),
    "too many qubits": (changed(num_qubits=MAX_QUBITS + 1), "damaged message"),
    "more qubits than a number holds": (changed(num_qubits=2**64 - 1), "damaged message"),
    "too many clbits": (changed(num_clbits=MAX_CLBITS + 1), "damaged message"),
    "code 0": (single(0), "operation 0 has an unknown operation code"),
    "code 42": (single(42), "operation 0 has an unknown operation code"),
    "code 255": (single(255), "operation 0 has an unknown operation code"),
    "fewer controls than codes": (changed(num_controls=[0]), "10 codes, 1 control and 10 target counts"),
    "fewer targets than codes": (changed(num_targets=[0]), "10 codes, 10 control and 1 target counts"),
    "two targets for a gate of one": (single(Op.H, targets=2), "operation 0 has a wrong number of targets"),
    "no targets": (single(Op.H, targets=0), "operation 0 has a wrong number of targets"),
    "a controlled measurement": (single(Op.MEASURE, 1, clbits=[0]), "operation 0 has controls, but isn't unitary"),
    "a controlled reset": (single(Op.RESET, 1), "has controls, but isn't unitary"),
    "a controlled initialization": (
        single(Op.INITIALIZE, 1, table_refs=[0], tables=(np.eye(2)[0],)),
        "has controls, but isn't unitary",
    ),
    "too few operands": (single(Op.SWAP, targets=2, operands=[0]), "1 operands where the operations need 2"),
    "too many operands": (single(Op.H, operands=[0, 1]), "2 operands where the operations need 1"),
    "counts without operands": (single(Op.H, controls=65535, operands=[0]), "1 operands where the operations need"),
    "a qubit that isn't there": (single(Op.H, operands=[4]), "operation 0 names a qubit that isn't there"),
    "a complement as a target": (single(Op.H, operands=[~0]), "operation 0 names a qubit that isn't there"),
    "an open control that isn't there": (single(Op.H, 1, operands=[~4, 0]), "names a qubit that isn't there"),
    "the lowest number as a control": (single(Op.H, 1, operands=[-(2**31), 0]), "names a qubit that isn't there"),
    "the highest number": (single(Op.H, operands=[2**31 - 1]), "names a qubit that isn't there"),
    "a target twice": (single(Op.SWAP, targets=2, operands=[1, 1]), "names the same qubit twice"),
    "a control as a target": (single(Op.X, 1, operands=[1, 1]), "names the same qubit twice"),
    "an open control as a target": (single(Op.X, 1, operands=[~1, 1]), "names the same qubit twice"),
    "a control open and closed": (single(Op.X, 2, operands=[~1, 1, 0]), "names the same qubit twice"),
    "too few params": (single(Op.RX), "0 params where the operations need 1"),
    "too many params": (single(Op.H, params=[0.1]), "1 params where the operations need 0"),
    "NaN": (single(Op.RX, params=[np.nan]), "a parameter isn't a finite number"),
    "infinity": (single(Op.RX, params=[-np.inf]), "a parameter isn't a finite number"),
    "no clbit": (single(Op.MEASURE), "0 clbits for 1 measurements"),
    "too many clbits for the measurements": (single(Op.H, clbits=[0]), "1 clbits for 0 measurements"),
    "a clbit that isn't there": (single(Op.MEASURE, clbits=[3]), "writes a clbit that isn't there"),
    "a clbit below zero": (single(Op.MEASURE, clbits=[-1]), "writes a clbit that isn't there"),
    "no table": (single(Op.UNITARY), "0 table references for 1 operations that need one"),
    "a table for a gate": (single(Op.H, table_refs=[0], tables=(np.eye(2),)), "1 table references for 0 operations"),
    "a table that isn't there": (single(Op.UNITARY, table_refs=[0]), "refers to a table that isn't there"),
    "a table below zero": (
        single(Op.UNITARY, table_refs=[-1], tables=(np.eye(2),)),
        "refers to a table that isn't there",
    ),
    "a table of nothing": (single(Op.UNITARY, table_refs=[0], tables=(np.zeros(0),)), "size doesn't fit"),
    "a matrix for a diagonal": (single(Op.DIAGONAL, table_refs=[0], tables=(np.eye(2),)), "size doesn't fit"),
    "a diagonal for a matrix": (single(Op.UNITARY, table_refs=[0], tables=(np.ones(2),)), "size doesn't fit"),
    "a state for other qubits": (single(Op.INITIALIZE, table_refs=[0], tables=(np.eye(4)[0],)), "size doesn't fit"),
    "a table without targets": (
        single(Op.UNITARY, targets=0, table_refs=[0], tables=(np.ones(1),)),
        "operation 0 has a table, but no targets",
    ),
    "a table over too many qubits": (
        single(Op.DIAGONAL, targets=31, num_qubits=40, table_refs=[0], tables=(np.ones(2),)),
        "a table over 31 qubits; at most 30 are allowed",
    ),
    "NaN in a table": (
        single(Op.DIAGONAL, table_refs=[0], tables=(np.array([1, np.nan]),)),
        "a table holds something that isn't a finite number",
    ),
    "infinity in a table that isn't used": (
        single(Op.H, tables=(np.array([1, complex(0, np.inf)]),)),
        "a table holds something that isn't a finite number",
    ),
}


@pytest.mark.parametrize(("blob", "text"), HOSTILE.values(), ids=HOSTILE)
def test_programs_that_no_engine_may_run(blob, text):
    with pytest.raises(WireError, match=text):
        decode_program(blob)


def test_the_place_of_a_wrong_row_is_named():
    operands = GOOD.operands.copy()
    operands[5] = 9
    with pytest.raises(WireError, match="operation 3 names a qubit that isn't there"):
        decode_program(changed(operands=operands))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.op.name)
def test_every_operation_passes_in_its_right_form(spec: OpSpec):
    code, table = spec.op, spec.table is not Table.NONE
    tables = {Op.UNITARY: np.ones(16), Op.SET_DENSITY_MATRIX: np.eye(4) / 4, Op.SET_SUPEROP: np.ones(256)}
    blob = single(
        code,
        targets=2 if spec.targets is None else spec.targets,
        clbits=[2] * spec.clbits,
        params=[0.5] * spec.angles,
        table_refs=[0] if table else [],
        tables=(tables.get(code, np.ones(4)),) if table else (),
        jumps=[1] * spec.jumps,
        expression_refs=[0] * spec.expressions,
        expressions=(Bit(0),),
        save_refs=[0] if code is Op.SAVE else [],
        channel_refs=[0] if spec.channel else [],
        channels=(TWIRL,) if spec.channel else (),
        saves=(Save(kind=SaveKind.PROBABILITIES, label="p", subtype="average"),) if code is Op.SAVE else (),
    )
    (row,) = decode_program(blob)
    assert row.code is code


@pytest.mark.parametrize(
    "matrix",
    [np.eye(2), np.diag([1.5, -0.5]), np.array([[0.5, 0.1], [0.2, 0.5]]), np.array([[0.5, 0.1j], [0.1j, 0.5]])],
    ids=["trace", "negative", "not symmetric", "not Hermitian"],
)
def test_a_table_that_is_no_density_matrix_is_refused(matrix: np.ndarray):
    blob = single(Op.SET_DENSITY_MATRIX, targets=1, table_refs=[0], tables=(matrix.astype(np.complex128),))
    with pytest.raises(WireError, match="a table isn't a density matrix"):
        decode_program(blob)


def test_too_many_operations():
    codes, numbers = (np.zeros(MAX_OPERATIONS + 1, kind) for kind in (np.uint8, np.uint16))
    program = decode_program(BLOBS["program"])
    with pytest.raises(WireError, match=f"{MAX_OPERATIONS + 1} operations; at most {MAX_OPERATIONS} are allowed"):
        check_program(msgspec.structs.replace(program, codes=codes, num_controls=numbers, num_targets=numbers))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"params": b"1234567"}, "params: 7 bytes are no whole number of float64 items"),
        ({"operands": b"123"}, "operands: 3 bytes are no whole number of int32 items"),
        ({"tables": [b"1"]}, "tables: 1 bytes are no whole number of complex128 items"),
        ({"codes": "text"}, "damaged message"),
        ({"num_qubits": 1.5}, "damaged message"),
        ({"num_qubits": True}, "damaged message"),
        ({"tables": None}, "damaged message"),
        ({"tables": [None]}, "damaged message"),
        ({"tables": [b""] * ((1 << 20) + 1)}, "damaged message"),
    ],
)
def test_fields_of_a_wrong_type(fields, text):
    with pytest.raises(WireError, match=text):
        decode_program(raw_program(**fields))


NUMBERS = st.integers(-(2**31), 2**31 - 1)


@settings(max_examples=300, deadline=None)
@given(
    codes=st.lists(st.integers(0, 42), max_size=4),
    counts=st.lists(st.integers(0, 4), min_size=8, max_size=8),
    operands=st.lists(st.one_of(st.integers(-5, 5), NUMBERS), max_size=12),
    clbits=st.lists(st.one_of(st.integers(-1, 4), NUMBERS), max_size=3),
    params=st.lists(st.floats(), max_size=4),
    table_refs=st.lists(st.integers(-1, 2), max_size=3),
)
def test_well_formed_arrays_with_any_content(codes, counts, operands, clbits, params, table_refs):
    blob = changed(
        codes=codes,
        num_controls=counts[: len(codes)],
        num_targets=counts[4 : 4 + len(codes)],
        operands=operands,
        clbits=clbits,
        params=params,
        table_refs=table_refs,
    )
    check_outcome("program", blob)


def test_a_count_that_memory_could_not_hold():
    """65,535 operands for each of a million rows, of which none are there, are refused before anything is made."""
    rows = 1_000_000
    blob = raw_program(
        codes=bytes([Op.UNITARY]) * rows,
        num_controls=struct.pack("<H", 65535) * rows,
        num_targets=struct.pack("<H", 65535) * rows,
    )
    with pytest.raises(WireError, match="16 operands where the operations need 131070000000"):
        decode_program(blob)
