# SPDX-License-Identifier: Apache-2.0
"""Messages to bytes and back.

A blob is four bytes, ``b"qf"``, the format version and the kind of message, and then msgpack. Decoding checks and
bounds everything and raises `WireError` and nothing else. Nothing in a blob can run code.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, TypeVar, cast

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from qfleet.wire.checks.flow import check_flow
from qfleet.wire.checks.saves import check_saves
from qfleet.wire.errors import WireError as WireError
from qfleet.wire.messages.shard import MAX_COUNT, MAX_SEED, SEED_STEP, CircuitWork, ShardResult, ShardWork
from qfleet.wire.program.expressions import Expression, Type
from qfleet.wire.program.formulas import MAX_FORMULAS, MAX_PARAMETERS, Formula, check_formulas
from qfleet.wire.program.program import NON_UNITARY_OPS, PARAMS, TABLE_OPS, TARGETS, Op, Program
from qfleet.wire.program.saves import MAX_SAVES, Save

#: Raised whenever a reader of the older format could misread the newer one.
VERSION = 3

#: Redis stores no value above 512 MB (``proto-max-bulk-len``); nothing larger is ever decoded.
MAX_BLOB_BYTES = 512 * 1024 * 1024
MAX_QUBITS = 32_767
MAX_CLBITS = 1 << 24
#: What a check of a program allocates grows with its rows; as many as this come to some 400 MB as a blob.
MAX_OPERATIONS = 1 << 24
#: A table over more qubits than this is no gate that a simulator could hold.
MAX_TABLE_QUBITS = 30
MAX_EXPRESSIONS = 1 << 20
MAX_VARIABLES = 1 << 16
#: Each point of a circuit may come to be run, and to give a result, on its own.
MAX_POINTS = 100_000
#: Characters of a loop's name.
MAX_NAME = 200

_MAGIC = b"qf"


_Loop = tuple[Annotated[int, Meta(ge=0, le=MAX_OPERATIONS)], Annotated[str, Meta(max_length=MAX_NAME)]]


class _ProgramMessage(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    num_qubits: Annotated[int, Meta(ge=0, le=MAX_QUBITS)]
    num_clbits: Annotated[int, Meta(ge=0, le=MAX_CLBITS)]
    codes: bytes
    num_controls: bytes
    num_targets: bytes
    operands: bytes
    clbits: bytes
    params: bytes
    table_refs: bytes
    tables: Annotated[tuple[bytes, ...], Meta(max_length=1 << 20)]
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


_KINDS: dict[type[Struct], bytes] = {_ProgramMessage: b"P", ShardWork: b"W", ShardResult: b"R"}
_encoder = msgspec.msgpack.Encoder()
_decoders = {kind: msgspec.msgpack.Decoder(kind) for kind in _KINDS}
_Message = TypeVar("_Message", bound=Struct)
_Shard = TypeVar("_Shard", ShardWork, ShardResult)
_Scalar = TypeVar("_Scalar", bound=np.generic)


def encode(message: ShardWork | ShardResult) -> bytes:
    """The blob of a shard's work or result."""
    return _header(type(message)) + _encoder.encode(message)


def decode_work(blob: bytes) -> ShardWork:
    """The work in a blob. Raises `WireError`."""
    return _bounded(_decode(blob, ShardWork))


def decode_result(blob: bytes) -> ShardResult:
    """The result in a blob. Raises `WireError`."""
    return _bounded(_decode(blob, ShardResult))


def _bounded(message: _Shard) -> _Shard:
    """Return a message whose points and shots are as few, and have as small numbers, as their own messages may have."""
    points = sum([circuit.points for circuit in message.circuits])
    if points > MAX_POINTS:
        raise WireError(f"circuits at {points} points; a shard has at most {MAX_POINTS}")
    for circuit in message.circuits:
        if circuit.index + circuit.points > MAX_COUNT or circuit.first_shot + circuit.shots > MAX_COUNT:
            raise WireError(
                f"{circuit.points} circuits from {circuit.index} on, and {circuit.shots} shots from "
                f"{circuit.first_shot} on; what is counted is below {MAX_COUNT}"
            )
        if isinstance(circuit, CircuitWork) and circuit.seed + SEED_STEP * (circuit.points - 1) > MAX_SEED:
            raise WireError(f"the seed of a point of circuit {circuit.index} is above {MAX_SEED}")
    return message


def encode_program(program: Program) -> bytes:
    """The blob of a program; equal programs give equal blobs."""
    message = _ProgramMessage(
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
    return _header(_ProgramMessage) + _encoder.encode(message)


def content_hash(blob: bytes) -> str:
    """The name of a blob: 32 hexadecimal digits of its BLAKE2b hash."""
    return hashlib.blake2b(blob, digest_size=16).hexdigest()


def decode_program(blob: bytes) -> Program:
    """The program in a blob, its arrays read-only views into it. Raises `WireError` for any that can't be run."""
    message = _decode(blob, _ProgramMessage)
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
    _check(program)
    return program


def _header(kind: type[Struct]) -> bytes:
    return _MAGIC + bytes([VERSION]) + _KINDS[kind]


def _decode(blob: bytes, kind: type[_Message]) -> _Message:
    if len(blob) > MAX_BLOB_BYTES:
        raise WireError(f"a message of {len(blob)} bytes; the largest allowed is {MAX_BLOB_BYTES}")
    if blob[:2] != _MAGIC or len(blob) < 4:
        raise WireError(f"not a qfleet message: it begins with {bytes(blob[:4])!r}")
    if blob[2] != VERSION:
        raise WireError(
            f"a message of format {blob[2]}, and this process reads format {VERSION}: "
            "client and workers need the same qfleet version"
        )
    if blob[3:4] != _KINDS[kind]:
        raise WireError(f"a message of kind {bytes(blob[3:4])!r} where {_KINDS[kind]!r} was expected")
    try:
        message = _decoders[kind].decode(memoryview(blob)[4:])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise WireError(f"damaged message: {exc}") from exc
    return cast(_Message, message)


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


_KNOWN = np.zeros(256, bool)
_FIXED_TARGETS = np.full(256, -1, np.int64)
_PARAM_COUNT = np.zeros(256, np.int64)
_TAKES_TABLE = np.zeros(256, bool)
#: Limits by code.
_LEAST_TARGETS = np.zeros(256, np.int64)
_MOST_CONTROLS = np.full(256, 1 << 16, np.int64)
#: Members of an enumeration are slow to look up.
_MEASURE = int(Op.MEASURE)
for _op in Op:
    _KNOWN[_op] = True
    _targets = TARGETS[_op]
    _FIXED_TARGETS[_op] = -1 if _targets is None else _targets
    _PARAM_COUNT[_op] = PARAMS.get(_op, 0)
    _TAKES_TABLE[_op] = _op in TABLE_OPS
    _LEAST_TARGETS[_op] = int(_op in TABLE_OPS)
    if _op in NON_UNITARY_OPS:
        _MOST_CONTROLS[_op] = 0


def _check(program: Program) -> None:
    """Raise `WireError` unless every row of the program is one that an engine may run blindly."""
    codes = program.codes
    if not len(codes) == len(program.num_controls) == len(program.num_targets):
        raise WireError(
            f"{len(codes)} codes, {len(program.num_controls)} control and {len(program.num_targets)} target counts"
        )
    if len(codes) > MAX_OPERATIONS:
        raise WireError(f"{len(codes)} operations; at most {MAX_OPERATIONS} are allowed")
    controls = program.num_controls.astype(np.int64)
    targets = program.num_targets.astype(np.int64)
    _require(_KNOWN[codes], "has an unknown operation code")
    fixed = _FIXED_TARGETS[codes]
    _require((fixed < 0) | (fixed == targets), "has a wrong number of targets")
    _require(targets >= _LEAST_TARGETS[codes], "has a table, but no targets")
    _require(controls <= _MOST_CONTROLS[codes], "has controls, but isn't unitary")

    widths = controls + targets
    if widths.sum() != len(program.operands):
        raise WireError(f"{len(program.operands)} operands where the operations need {widths.sum()}")
    rows = np.repeat(np.arange(len(codes)), widths)
    qubits = program.operands.astype(np.int64)
    if np.count_nonzero(qubits < 0):
        first = np.repeat(np.cumsum(widths) - widths, widths)
        is_control = np.arange(len(rows)) - first < controls[rows]
        qubits = np.where(is_control & (qubits < 0), ~qubits, qubits)
    _require((qubits >= 0) & (qubits < program.num_qubits), "names a qubit that isn't there", rows)
    slots = rows * (MAX_QUBITS + 1) + qubits
    slots.sort()
    if np.count_nonzero(slots[1:] == slots[:-1]):
        raise WireError("an operation names the same qubit twice")

    num_params = _PARAM_COUNT[codes].sum()
    if num_params != len(program.params):
        raise WireError(f"{len(program.params)} params where the operations need {num_params}")
    if np.count_nonzero(np.isfinite(program.params)) != len(program.params):
        raise WireError("a parameter isn't a finite number")
    measurements = np.count_nonzero(codes == _MEASURE)
    if measurements != len(program.clbits):
        raise WireError(f"{len(program.clbits)} clbits for {measurements} measurements")
    if np.count_nonzero((program.clbits < 0) | (program.clbits >= program.num_clbits)):
        raise WireError("a measurement writes a clbit that isn't there")
    _check_tables(program, targets)
    check_flow(program)
    check_formulas(program)
    check_saves(program)


def _check_tables(program: Program, targets: NDArray[np.int64]) -> None:
    takers = _TAKES_TABLE[program.codes]
    refs = program.table_refs
    num_takers = np.count_nonzero(takers)
    if num_takers != len(refs):
        raise WireError(f"{len(refs)} table references for {num_takers} operations that need one")
    if not (num_takers or program.tables):
        return
    if ((refs < 0) | (refs >= len(program.tables))).any():
        raise WireError("an operation refers to a table that isn't there")
    widths = targets[takers]
    if (widths > MAX_TABLE_QUBITS).any():
        raise WireError(f"a table over {np.max(widths)} qubits; at most {MAX_TABLE_QUBITS} are allowed")
    sizes = np.array([table.size for table in program.tables], np.int64)
    expected = 1 << np.where(program.codes[takers] == Op.UNITARY, 2 * widths, widths)
    if (sizes[refs] != expected).any():
        raise WireError("a table's size doesn't fit its operation's qubits")
    if not all(np.isfinite(table).all() for table in program.tables):
        raise WireError("a table holds something that isn't a finite number")


def _require(holds: NDArray[np.bool_], what: str, rows: NDArray[np.int64] | None = None) -> None:
    if np.count_nonzero(holds) != len(holds):
        at = int(np.argmin(holds))
        raise WireError(f"operation {at if rows is None else int(rows[at])} {what}")
