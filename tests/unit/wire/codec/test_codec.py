# SPDX-License-Identifier: Apache-2.0
"""Do messages survive the wire, and is whatever else comes over it refused?"""

import make_golden
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_blobs import BLOBS, DECODERS, GOOD, changed, check_outcome

from qfleet.wire.codec.blobs import content_hash
from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.codec.shards import decode_work, encode_shard
from qfleet.wire.errors import WireError
from qfleet.wire.limits import MAX_BLOB_BYTES
from qfleet.wire.program.program import Program


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
    """Equal programs have one blob in any byte order and memory layout of their arrays."""
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
        (lambda blob: blob[:2] + b"\x02" + blob[3:], "a message of format 2, and this process reads 3"),
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


def test_a_message_that_is_too_large():
    # Zeros take no memory until they are read.
    with pytest.raises(WireError, match=f"a message of {MAX_BLOB_BYTES + 1} bytes; the largest allowed is"):
        decode_program(bytes(MAX_BLOB_BYTES + 1))
    with pytest.raises(WireError, match="not a qfleet message"):
        decode_program(bytes(MAX_BLOB_BYTES))


@pytest.mark.parametrize("name", BLOBS)
def test_every_truncation(name):
    for length in range(len(BLOBS[name])):
        with pytest.raises(WireError):
            DECODERS[name](BLOBS[name][:length])


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


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(BLOBS)), st.data())
def test_flipped_bytes(name, data):
    blob = bytearray(BLOBS[name])
    for _ in range(data.draw(st.integers(1, 4))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    check_outcome(name, bytes(blob))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(BLOBS)), st.data())
def test_removed_inserted_and_repeated_bytes(name, data):
    blob = BLOBS[name]
    first, last = sorted(data.draw(st.integers(4, len(blob))) for _ in range(2))
    middle = data.draw(st.one_of(st.binary(max_size=20), st.just(blob[first:last] * 2)))
    check_outcome(name, blob[:first] + middle + blob[last:])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(BLOBS)), st.binary(max_size=200))
def test_any_bytes(name, body):
    check_outcome(name, BLOBS[name][:4] + body)


def test_only_known_messages_are_encoded():
    with pytest.raises(KeyError):
        encode_shard(make_golden.MESSAGES["work"].circuits[0])
