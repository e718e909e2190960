# SPDX-License-Identifier: Apache-2.0
"""Do messages survive the wire, and is whatever else comes over it refused?"""

import struct

import make_golden
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qfleet.wire.codec.blobs import content_hash
from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.codec.shards import decode_result, decode_work, encode_shard
from qfleet.wire.errors import WireError
from qfleet.wire.limits import MAX_CLBITS, MAX_QUBITS
from qfleet.wire.program.expressions import Bit
from qfleet.wire.program.operations import SPECS, Op, OpSpec, Table
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Save, SaveKind

GOOD = make_golden.program()
#: The messages of today, and those of older formats that are read in a way of their own.
BLOBS = {name: make_golden.encoded(message) for name, message in make_golden.MESSAGES.items()} | {
    name: (make_golden.FOLDER / f"{name}.bin").read_bytes() for name in make_golden.UPGRADED
}
DECODERS = {
    "program": decode_program,
    "dynamic": decode_program,
    "parametrised": decode_program,
    "saving": decode_program,
    "work": decode_work,
    "work.v3": decode_work,
    "points.v3": decode_work,
    "mixed": decode_work,
    "result": decode_result,
    "saved": decode_result,
    "means": decode_program,
    "squares": decode_program,
    "points": decode_work,
    "counts_of_points": decode_result,
    "bits": decode_result,
    "means_of_points": decode_result,
}


def changed(**fields) -> bytes:
    """The blob of the good program with some of its fields replaced; lists take the field's own type."""
    for name, value in fields.items():
        if isinstance(value, list) and name != "tables":
            fields[name] = np.array(value, getattr(GOOD, name).dtype)
    return encode_program(msgspec.structs.replace(GOOD, **fields))


def single(code: int, controls: int = 0, targets: int = 1, **fields) -> bytes:
    """The blob of a program of one row."""
    empty = {
        "operands": list(range(controls + targets)),
        "clbits": [],
        "params": [],
        "table_refs": [],
        "tables": (),
        **fields,
    }
    return changed(codes=[code], num_controls=[controls], num_targets=[targets], **empty)


@pytest.mark.parametrize("name", [name for name, decode in DECODERS.items() if decode is not decode_program])
def test_messages_come_back(name):
    assert DECODERS[name](BLOBS[name]) == (make_golden.MESSAGES | make_golden.UPGRADED)[name]


def test_a_program_comes_back():
    program = decode_program(BLOBS["program"])
    for name in Program.__struct_fields__:
        value, expected = getattr(program, name), getattr(GOOD, name)
        np.testing.assert_array_equal(value, expected)
        if isinstance(value, np.ndarray):
            assert value.dtype == expected.dtype
            assert not value.flags.writeable


def test_an_empty_program_comes_back():
    program = decode_program(
        changed(
            num_qubits=0,
            codes=[],
            num_controls=[],
            num_targets=[],
            operands=[],
            clbits=[],
            params=[],
            table_refs=[],
            tables=(),
        )
    )
    assert len(program) == 0


def test_equal_programs_have_equal_blobs():
    """Whatever the byte order and the memory layout of their arrays."""
    other = msgspec.structs.replace(
        make_golden.program(),
        params=GOOD.params.astype(">f8"),
        operands=np.repeat(GOOD.operands, 2)[::2],
        tables=tuple(table.astype(">c16") for table in GOOD.tables),
    )
    assert encode_program(other) == BLOBS["program"]
    assert content_hash(encode_program(other)) == content_hash(BLOBS["program"])


def test_different_programs_have_different_names():
    names = [content_hash(BLOBS["program"]), content_hash(changed(num_clbits=4)), content_hash(changed(num_qubits=5))]
    assert len(set(names)) == 3
    assert all(len(name) == 32 and int(name, 16) >= 0 for name in names)


@pytest.mark.parametrize("name", BLOBS)
@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda blob: blob[:0], "not a qfleet message"),
        (lambda blob: blob[:3], "not a qfleet message"),
        (lambda blob: b"QF" + blob[2:], "not a qfleet message: it begins with b'QF"),
        (lambda blob: blob[:2] + b"\x02" + blob[3:], "a message of format 2, and this process reads formats 3 to 4"),
        (lambda blob: blob[:2] + b"\x00" + blob[3:], "a message of format 0"),
        (lambda blob: blob[:3] + b"X" + blob[4:], "a message of kind b'X' where"),
        (lambda blob: blob[:4], "damaged message"),
        (lambda blob: blob + b"\x00", "damaged message"),
        (lambda blob: blob[:4] + b"\xc0", "damaged message"),
        (lambda blob: blob[:4] + b"\x91" * 100_000, "damaged message"),
        (lambda blob: blob[:4] + b"\xdd\xff\xff\xff\xff", "damaged message"),
        (lambda blob: blob[:4] + b"\xdf\xff\xff\xff\xff", "damaged message"),
        (lambda blob: blob[:4] + b"\xc6\xff\xff\xff\xff", "damaged message"),
    ],
)
def test_damaged_messages(name, damage, text):
    with pytest.raises(WireError, match=text):
        DECODERS[name](damage(BLOBS[name]))


def test_a_message_of_another_kind():
    for decode in DECODERS.values():
        for name, blob in BLOBS.items():
            if DECODERS[name] is not decode:
                with pytest.raises(WireError, match="a message of kind"):
                    decode(blob)


def test_a_message_that_is_too_large(monkeypatch):
    monkeypatch.setattr("qfleet.wire.codec.blobs.MAX_BLOB_BYTES", len(BLOBS["program"]) - 1)
    with pytest.raises(WireError, match=f"a message of {len(BLOBS['program'])} bytes; the largest allowed is"):
        decode_program(BLOBS["program"])


@pytest.mark.parametrize("name", BLOBS)
def test_every_truncation(name):
    for length in range(len(BLOBS[name])):
        with pytest.raises(WireError):
            DECODERS[name](BLOBS[name][:length])


HOSTILE = {
    "qubits below zero": (changed(num_qubits=-1), "num_qubits|>= 0"),
    "too many qubits": (changed(num_qubits=MAX_QUBITS + 1), "damaged message"),
    "more qubits than a number holds": (changed(num_qubits=2**64 - 1), "damaged message"),
    "too many clbits": (changed(num_clbits=MAX_CLBITS + 1), "damaged message"),
    "code 0": (single(0), "operation 0 has an unknown operation code"),
    "code 39": (single(39), "operation 0 has an unknown operation code"),
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
    blob = single(
        code,
        targets=2 if spec.targets is None else spec.targets,
        clbits=[2] * spec.clbits,
        params=[0.5] * spec.angles,
        table_refs=[0] if table else [],
        tables=(np.ones(16 if code is Op.UNITARY else 4),) if table else (),
        jumps=[1] * spec.jumps,
        expression_refs=[0] * spec.expressions,
        expressions=(Bit(0),),
        save_refs=[0] if code is Op.SAVE else [],
        saves=(Save(kind=SaveKind.PROBABILITIES, label="p", subtype="average"),) if code is Op.SAVE else (),
    )
    (row,) = decode_program(blob)
    assert row.code is code


def test_too_many_operations(monkeypatch):
    monkeypatch.setattr("qfleet.wire.checks.program.MAX_OPERATIONS", 9)
    with pytest.raises(WireError, match="10 operations; at most 9 are allowed"):
        decode_program(BLOBS["program"])


def raw_program(**fields) -> bytes:
    """A program message with raw fields, as a peer that isn't ours could write it."""
    message = msgspec.msgpack.decode(BLOBS["program"][4:])
    for name, value in fields.items():
        message[Program.__struct_fields__.index(name)] = value
    return BLOBS["program"][:4] + msgspec.msgpack.encode(message)


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


def test_unknown_fields():
    fields = msgspec.msgpack.decode(BLOBS["program"][4:])
    with pytest.raises(WireError, match="damaged message"):
        decode_program(BLOBS["program"][:4] + msgspec.msgpack.encode([*fields, 1]))
    for name in ("work", "result"):
        fields = msgspec.msgpack.decode(BLOBS[name][4:])
        with pytest.raises(WireError, match="damaged message"):
            DECODERS[name](BLOBS[name][:4] + msgspec.msgpack.encode({**fields, "surprise": 1}))


def altered(name: str, path: list, value) -> bytes:
    fields = msgspec.msgpack.decode(BLOBS[name][4:])
    place = fields
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return BLOBS[name][:4] + msgspec.msgpack.encode(fields)


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("work", ["circuits"], []),
        ("work", ["circuits", 0, "shots"], 0),
        ("work", ["circuits", 0, "shots"], 2**31),
        ("work", ["circuits", 0, "seed"], -1),
        ("work", ["circuits", 0, "seed"], 2**63),
        ("work", ["circuits", 0, "index"], -1),
        ("work", ["circuits", 0, "index"], "0"),
        ("work", ["circuits", 0, "program"], ""),
        ("work", ["circuits", 0, "program"], "x" * 129),
        ("work", ["circuits", 0, "program"], b"x"),
        ("work", ["circuits", 0, "points"], 0),
        ("work", ["circuits", 0, "points"], -1),
        ("work", ["circuits", 0, "columns"], -1),
        ("work", ["circuits", 0, "columns"], 2**31),
        ("work", ["circuits", 0, "wanted"], [0]),
        ("work", ["requests"], []),
        ("work", ["requests"], [{}] * 65),
        ("work", ["requests", 0, "output"], "density"),
        ("work", ["requests", 0, "method"], "guess"),
        ("work", ["requests", 0, "precision"], "half"),
        ("work", ["requests", 0, "memory"], 1),
        ("work", ["circuits", 0, "request"], -1),
        ("work.v3", ["output"], "density"),
        ("work.v3", ["precision"], "half"),
        ("work.v3", ["memory"], 1),
        ("work", ["threads"], -1),
        ("work", ["threads"], 1025),
        ("result", ["circuits"], []),
        ("result", ["circuits", 0, "seconds"], -0.5),
        ("result", ["circuits", 0, "seconds"], float("nan")),
        ("result", ["circuits", 0, "error"], "x" * 4097),
        ("result", ["circuits", 0, "counts"], [1, 2]),
        ("result", ["circuits", 0, "engine"], None),
        ("result", ["circuits", 0, "points"], 0),
        ("result", ["circuits", 0, "bits"], "text"),
        ("result", ["circuits", 0, "means"], [0.5]),
    ],
)
def test_values_out_of_bounds(name, path, value):
    with pytest.raises(WireError, match=r"damaged message: .*`\$\."):
        DECODERS[name](altered(name, path, value))


@pytest.mark.parametrize(("name", "request_"), [("work", 1), ("mixed", 2), ("work.v3", 1)])
def test_a_request_that_is_not_there(name, request_):
    with pytest.raises(WireError, match=rf"circuit 0 has request {request_} of {request_}"):
        decode_work(altered(name, ["circuits", 0, "request"], request_))


@pytest.mark.parametrize("name", ["work", "result"])
def test_text_that_is_not_utf8(name):
    """Some versions of msgspec raise a `UnicodeDecodeError` for it, which is not a `msgspec.DecodeError`."""
    text = {"work": b"\xa1a", "result": "≠".encode()}[name]
    damaged = BLOBS[name].replace(text, b"\xa1\xff" if name == "work" else b"\xff" * len(text))
    assert damaged != BLOBS[name]
    with pytest.raises(WireError, match=r"(?i)damaged message: .*utf-8"):
        DECODERS[name](damaged)


def outcome(name: str, blob: bytes) -> None:
    """Decode, and let nothing but `WireError` be the reason why not; what does come back can be read to its end."""
    try:
        message = DECODERS[name](blob)
    except WireError:
        return
    if DECODERS[name] is decode_work:
        assert decode_work(encode_shard(message)) == message
        assert all(message.request_of(circuit) in message.requests for circuit in message.circuits)
    if DECODERS[name] is decode_program:
        for row in message:
            assert all(0 <= qubit < message.num_qubits for qubit in row.targets)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(BLOBS)), st.data())
def test_flipped_bytes(name, data):
    blob = bytearray(BLOBS[name])
    for _ in range(data.draw(st.integers(1, 4))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    outcome(name, bytes(blob))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(BLOBS)), st.data())
def test_removed_inserted_and_repeated_bytes(name, data):
    blob = BLOBS[name]
    first, last = sorted(data.draw(st.integers(4, len(blob))) for _ in range(2))
    middle = data.draw(st.one_of(st.binary(max_size=20), st.just(blob[first:last] * 2)))
    outcome(name, blob[:first] + middle + blob[last:])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(BLOBS)), st.binary(max_size=200))
def test_any_bytes(name, body):
    outcome(name, BLOBS[name][:4] + body)


NUMBERS = st.integers(-(2**31), 2**31 - 1)


@settings(max_examples=300, deadline=None)
@given(
    codes=st.lists(st.integers(0, 40), max_size=4),
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
    outcome("program", blob)


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


def test_only_known_messages_are_encoded():
    with pytest.raises(KeyError):
        encode_shard(make_golden.MESSAGES["work"].circuits[0])
