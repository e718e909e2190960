# SPDX-License-Identifier: Apache-2.0
"""Do messages that were written earlier still say the same?"""

import make_golden
import msgspec
import numpy as np
import pytest

from qfleet.wire.codec.blobs import VERSIONS, Kind
from qfleet.wire.codec.programs import decode_program
from qfleet.wire.codec.shards import decode_result, decode_work
from qfleet.wire.messages import request, result, work
from qfleet.wire.program.program import Program

FILES = sorted(make_golden.FOLDER.glob("*.bin"))
DECODERS = {
    "program": decode_program,
    "dynamic": decode_program,
    "parametrised": decode_program,
    "saving": decode_program,
    "saved": decode_result,
    "means": decode_program,
    "squares": decode_program,
    "points": decode_work,
    "counts_of_points": decode_result,
    "bits": decode_result,
    "means_of_points": decode_result,
    "work": decode_work,
    "mixed": decode_work,
    "result": decode_result,
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_golden_file_holds_what_it_did(path):
    name = path.name.split(".")[0]
    message, expected = (
        DECODERS[name](path.read_bytes()),
        make_golden.UPGRADED.get(path.stem, make_golden.MESSAGES[name]),
    )
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
    assert heads >= {b"qf" + bytes([VERSIONS[kind]]) + kind.value for kind in Kind}


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
        for module in (request, result, work)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, msgspec.Struct) and value is not msgspec.Struct
    }
    assert public <= seen
