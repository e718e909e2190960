# SPDX-License-Identifier: Apache-2.0
"""Do messages that were written earlier still say the same?"""

import make_golden
import msgspec
import numpy as np
import pytest

from qfleet.wire import codec
from qfleet.wire.messages import shard
from qfleet.wire.program.program import Program

FILES = sorted(make_golden.FOLDER.glob("*.bin"))
DECODERS = {
    "program": codec.decode_program,
    "dynamic": codec.decode_program,
    "parametrised": codec.decode_program,
    "saving": codec.decode_program,
    "saved": codec.decode_result,
    "means": codec.decode_program,
    "squares": codec.decode_program,
    "points": codec.decode_work,
    "counts_of_points": codec.decode_result,
    "bits": codec.decode_result,
    "means_of_points": codec.decode_result,
    "work": codec.decode_work,
    "result": codec.decode_result,
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_golden_file_holds_what_it_did(path):
    name = path.name.split(".")[0]
    message, expected = DECODERS[name](path.read_bytes()), make_golden.MESSAGES[name]
    if isinstance(expected, Program):
        assert fields(message) == fields(expected)
    else:
        assert message == expected


def fields(program: Program) -> dict:
    values = {name: getattr(program, name) for name in Program.__struct_fields__}
    return {
        name: [table.tolist() for table in value]
        if name == "tables"
        else value.tolist()
        if isinstance(value, np.ndarray)
        else value
        for name, value in values.items()
    }


def test_every_kind_of_message_has_a_golden_file():
    """If this fails for a new message: add it to `make_golden.MESSAGES`, and run that as a script."""
    heads = {path.read_bytes()[:4] for path in FILES}
    assert heads >= {b"qf" + bytes([codec.VERSION]) + kind for kind in codec._KINDS.values()}


def test_every_public_struct_is_in_a_golden_file():
    def types_in(value):
        if isinstance(value, msgspec.Struct):
            yield type(value)
            for name in value.__struct_fields__:
                yield from types_in(getattr(value, name))
        elif isinstance(value, tuple):
            for item in value:
                yield from types_in(item)

    seen = {found for message in make_golden.MESSAGES.values() for found in types_in(message)}
    public = {
        value
        for value in vars(shard).values()
        if isinstance(value, type) and issubclass(value, msgspec.Struct) and value is not msgspec.Struct
    }
    assert public <= seen
