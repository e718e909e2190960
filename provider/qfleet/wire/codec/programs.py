# SPDX-License-Identifier: Apache-2.0
"""Blobs of programs."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeVar

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from qfleet.wire.checks.program import check_program
from qfleet.wire.codec.blobs import VERSIONS, Kind, decode_blob, head
from qfleet.wire.errors import WireError
from qfleet.wire.limits import (
    MAX_CHANNELS,
    MAX_CLBITS,
    MAX_EXPRESSIONS,
    MAX_FORMULAS,
    MAX_NAME,
    MAX_OPERATIONS,
    MAX_PARAMETERS,
    MAX_QUBITS,
    MAX_SAVES,
    MAX_TABLES,
    MAX_VARIABLES,
)
from qfleet.wire.program.channels import Channel
from qfleet.wire.program.expressions import Expression, Type
from qfleet.wire.program.formulas import Formula
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Save

_Loop = tuple[Annotated[int, Meta(ge=0, le=MAX_OPERATIONS)], Annotated[str, Meta(max_length=MAX_NAME)]]


class ProgramMessage(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A `Program` as its blob holds it, its arrays as bytes."""

    num_qubits: Annotated[int, Meta(ge=0, le=MAX_QUBITS)]
    num_clbits: Annotated[int, Meta(ge=0, le=MAX_CLBITS)]
    codes: bytes
    num_controls: bytes
    num_targets: bytes
    operands: bytes
    clbits: bytes
    params: bytes
    table_refs: bytes
    tables: Annotated[tuple[bytes, ...], Meta(max_length=MAX_TABLES)]
    jumps: bytes
    expression_refs: bytes
    expressions: Annotated[tuple[Expression, ...], Meta(max_length=MAX_EXPRESSIONS)]
    variables: Annotated[tuple[Type, ...], Meta(max_length=MAX_VARIABLES)]
    loops: Annotated[tuple[_Loop, ...], Meta(max_length=MAX_OPERATIONS)]
    num_parameters: Annotated[int, Meta(ge=0, le=MAX_PARAMETERS)]
    slots: bytes
    slot_refs: bytes
    formulas: Annotated[tuple[Formula, ...], Meta(max_length=MAX_FORMULAS)]
    save_refs: bytes
    saves: Annotated[tuple[Save, ...], Meta(max_length=MAX_SAVES)]


class NoisyProgramMessage(ProgramMessage, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The same with noise.

    Programs without noise are written as before, so that older workers read them.
    """

    channel_refs: bytes
    channels: Annotated[tuple[Channel, ...], Meta(max_length=MAX_CHANNELS)]
    flips: bytes


_Scalar = TypeVar("_Scalar", bound=np.generic)

_encoder: Final = msgspec.msgpack.Encoder()
#: The format of programs with noise.
NOISY: Final = 4
_DECODERS: Final[dict[int, msgspec.msgpack.Decoder[ProgramMessage]]] = {
    VERSIONS[Kind.PROGRAM]: msgspec.msgpack.Decoder(ProgramMessage),
    NOISY: msgspec.msgpack.Decoder(NoisyProgramMessage),
}


def encode_program(program: Program) -> bytes:
    """Return the blob of a program; equal programs have equal blobs."""
    fields: dict[str, Any] = dict(
        num_qubits=program.num_qubits,
        num_clbits=program.num_clbits,
        codes=_bytes(program.codes, np.uint8),
        num_controls=_bytes(program.num_controls, np.uint16),
        num_targets=_bytes(program.num_targets, np.uint16),
        operands=_bytes(program.operands, np.int32),
        clbits=_bytes(program.clbits, np.int32),
        params=_bytes(program.params, np.float64),
        table_refs=_bytes(program.table_refs, np.int32),
        tables=tuple(_bytes(table, np.complex128) for table in program.tables),
        jumps=_bytes(program.jumps, np.int32),
        expression_refs=_bytes(program.expression_refs, np.int32),
        expressions=program.expressions,
        variables=program.variables,
        loops=program.loops,
        num_parameters=program.num_parameters,
        slots=_bytes(program.slots, np.int32),
        slot_refs=_bytes(program.slot_refs, np.int32),
        formulas=program.formulas,
        save_refs=_bytes(program.save_refs, np.int32),
        saves=program.saves,
    )
    if not program.is_noisy():
        return head(Kind.PROGRAM) + _encoder.encode(ProgramMessage(**fields))
    fields["channel_refs"] = _bytes(program.channel_refs, np.int32)
    fields["channels"] = program.channels
    fields["flips"] = _bytes(program.flips, np.float64)
    return head(Kind.PROGRAM, NOISY) + _encoder.encode(NoisyProgramMessage(**fields))


def decode_program(blob: bytes) -> Program:
    """Return the program in a blob.

    Its arrays are read-only views into the blob.

    Raises:
        WireError: the blob is damaged, or an engine can't run its program.
    """
    message = decode_blob(blob, Kind.PROGRAM, _DECODERS)
    program = Program(
        num_qubits=message.num_qubits,
        num_clbits=message.num_clbits,
        codes=_array(message.codes, np.uint8, "codes"),
        num_controls=_array(message.num_controls, np.uint16, "num_controls"),
        num_targets=_array(message.num_targets, np.uint16, "num_targets"),
        operands=_array(message.operands, np.int32, "operands"),
        clbits=_array(message.clbits, np.int32, "clbits"),
        params=_array(message.params, np.float64, "params"),
        table_refs=_array(message.table_refs, np.int32, "table_refs"),
        tables=tuple(_array(table, np.complex128, "tables") for table in message.tables),
        jumps=_array(message.jumps, np.int32, "jumps"),
        expression_refs=_array(message.expression_refs, np.int32, "expression_refs"),
        expressions=message.expressions,
        variables=message.variables,
        loops=message.loops,
        num_parameters=message.num_parameters,
        slots=_array(message.slots, np.int32, "slots"),
        slot_refs=_array(message.slot_refs, np.int32, "slot_refs"),
        formulas=message.formulas,
        save_refs=_array(message.save_refs, np.int32, "save_refs"),
        saves=message.saves,
    )
    if isinstance(message, NoisyProgramMessage):
        program = msgspec.structs.replace(
            program,
            channel_refs=_array(message.channel_refs, np.int32, "channel_refs"),
            channels=message.channels,
            flips=_array(message.flips, np.float64, "flips"),
        )
    check_program(program)
    return program


_LITTLE_ENDIAN: dict[type[np.generic], np.dtype[Any]] = {
    dtype: np.dtype(dtype).newbyteorder("<") for dtype in (np.uint8, np.uint16, np.int32, np.float64, np.complex128)
}


def _bytes(array: NDArray[_Scalar], dtype: type[_Scalar]) -> bytes:
    return array.astype(_LITTLE_ENDIAN[dtype], copy=False).tobytes()


def _array(raw: bytes, dtype: type[_Scalar], name: str) -> NDArray[_Scalar]:
    little_endian = _LITTLE_ENDIAN[dtype]
    if len(raw) % little_endian.itemsize:
        raise WireError(f"{name}: {len(raw)} bytes are no whole number of {little_endian} items")
    return np.frombuffer(raw, little_endian)
