# SPDX-License-Identifier: Apache-2.0
"""The golden messages as blobs, and blobs of programs with something wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import make_golden
import msgspec
import numpy as np

from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.codec.shards import decode_result, decode_work, encode_shard
from qfleet.wire.errors import WireError
from qfleet.wire.program.program import Program

GOOD = make_golden.program()
#: The messages of the current format, and those of older formats that differ.
BLOBS = {name: make_golden.encoded(message) for name, message in make_golden.MESSAGES.items()} | {
    name: (make_golden.FOLDER / f"{name}.bin").read_bytes() for name in make_golden.UPGRADED
}
DECODERS: dict[str, Callable[[bytes], Any]] = {
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


def changed(**fields: Any) -> bytes:
    """Return the blob of the good program with changed fields.

    A list becomes an array with the type of its field.
    """
    for name, value in fields.items():
        if isinstance(value, list) and name != "tables":
            fields[name] = np.array(value, getattr(GOOD, name).dtype)
    return encode_program(msgspec.structs.replace(GOOD, **fields))


def single(code: int, controls: int = 0, targets: int = 1, **fields: Any) -> bytes:
    """Return the blob of a program of one row."""
    empty = {
        "operands": list(range(controls + targets)),
        "clbits": [],
        "params": [],
        "table_refs": [],
        "tables": (),
        **fields,
    }
    return changed(codes=[code], num_controls=[controls], num_targets=[targets], **empty)


def raw_program(**fields: Any) -> bytes:
    """Return a program message with raw fields, as from a foreign client."""
    message = msgspec.msgpack.decode(BLOBS["program"][4:])
    for name, value in fields.items():
        message[Program.__struct_fields__.index(name)] = value
    return BLOBS["program"][:4] + msgspec.msgpack.encode(message)


def check_outcome(name: str, blob: bytes) -> None:
    """Check that a blob is refused with `WireError` or decodes completely.

    A decoded message must be readable to its end.
    """
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
