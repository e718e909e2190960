# SPDX-License-Identifier: Apache-2.0
"""Runs one input of the fuzzer, and raises for whatever must not happen.

An input is a letter, which says what it is, and its content:

=====  =================================================================================================================
S      msgpack ``[work, programs]``: a shard and the programs of its circuits, decoded and run on every engine
A      msgpack ``[record, results]``: a job's record and what its shards gave, put together as a client does
B      bytes as they are, for every decoder of messages
N      JSON: what a worker says of itself
U      UTF-8: the url of a broker
=====  =================================================================================================================

What doesn't decode raises the error of its decoder and nothing else. What decodes is encoded, decoded and encoded again
with the same bytes; it runs to an outcome or an error of the circuit; and all engines give the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from fake_shards import FakeStore, OneEngine, always
from fuzz_limits import held_to
from same_outcomes import assert_same_saves

from qfleet.errors import DamagedDataError
from qfleet.ledger.record import decode_record, encode_record
from qfleet.wire.codec.blobs import VERSIONS, Kind, content_hash, head
from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.codec.shards import decode_result, decode_work, encode_shard
from qfleet.wire.cost.cost import OVERHEAD_BYTES, cost
from qfleet.wire.errors import WireError
from qfleet.wire.messages.presence import Presence
from qfleet.wire.messages.result import CircuitResult
from qfleet.wire.messages.work import CircuitWork, ShardWork, take_points
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet.wire.redis.broker import BrokerUrlError, celery_settings, parse_broker
from qfleet_worker.engines.contract import EngineError, Simulator
from qfleet_worker.engines.driver.limits import DriverLimits
from qfleet_worker.picked import ClaimedShard
from qfleet_worker.shards.runner import Runner
from qfleet_worker.shards.simulation import resolve

#: What a process of a worker may use.
MEMORY_BYTES: Final = 192 * 1024 * 1024
#: Bytes that decoding may take, for inputs of a fuzzer's size.
DECODING_BYTES: Final = 50 * 1024 * 1024
#: Shots and points that are run of what decodes: more only take longer.
MOST_SHOTS, MOST_POINTS, MOST_CIRCUITS = 60, 12, 6
MOST_QUBITS: Final = 10
#: A shot may go back in a loop less often than in a worker.
LIMITS: Final = DriverLimits(passes=100)
#: What a table may be off an isometry for its circuit to have one answer.
_ROUNDING: Final = 1e-9

#: What makes the engines: each input gets its own, so that it does the same when it is run alone.
Engines = Sequence[Callable[[], Simulator]]


class FindingError(AssertionError):
    """Something happened that must not."""


def check(data: bytes, engines: Engines) -> bool:
    """Run an input. Returns whether all of it decoded.

    Raises:
        FindingError: its text says what must not have happened. Any other exception must not have either.
    """
    case = _CASES.get(data[:1])
    return bool(case is not None and case(data[1:], engines))


def _shard(content: bytes, engines: Engines) -> bool:
    tree = _tree(content, 2)
    if tree is None or not isinstance(tree[1], list):
        return False
    blobs = [head(Kind.PROGRAM) + msgspec.msgpack.encode(each) for each in tree[1]]
    names = [content_hash(blob) for blob in blobs]
    _name_programs(tree[0], names)
    # The first inputs were kept when a shard had one request, which it didn't name.
    version = VERSIONS[Kind.WORK] if isinstance(tree[0], dict) and "requests" in tree[0] else 3
    work = _decoded(decode_work, head(Kind.WORK, version) + msgspec.msgpack.encode(tree[0]))
    programs = [_decoded(decode_program, blob) for blob in blobs]
    for program in programs:
        if program is not None:
            _stable(encode_program, decode_program, program)
    if work is None:
        return False
    _stable(encode_shard, decode_work, work)
    run = _smaller(work)
    known = dict(zip(names, programs, strict=True))
    found = [_run(engine(), run, dict(zip(names, blobs, strict=True)), known) for engine in engines]
    for other in found[1:]:
        _same(run, known, found[0], other)
    return None not in programs


def _name_programs(work: Any, names: Sequence[str]) -> None:
    """Let circuits that give a number in place of a program's name run that program."""
    if isinstance(work, dict) and isinstance(work.get("circuits"), list):
        for circuit in work["circuits"]:
            if isinstance(circuit, dict) and isinstance(circuit.get("program"), int) and names:
                circuit["program"] = names[circuit["program"] % len(names)]


def _smaller(work: ShardWork) -> ShardWork:
    """Return the same work with few shots and points, whose size was decoded."""
    circuits = []
    for circuit in work.circuits[:MOST_CIRCUITS]:
        fewer = circuit
        if circuit.points > MOST_POINTS and len(circuit.values) % circuit.points == 0:
            fewer = take_points(circuit, 0, MOST_POINTS)
        circuits.append(msgspec.structs.replace(fewer, shots=min(circuit.shots, MOST_SHOTS)))
    return msgspec.structs.replace(work, circuits=tuple(circuits), threads=1)


def _run(
    engine: Simulator, work: ShardWork, blobs: dict[str, bytes], programs: dict[str, Program | None]
) -> list[CircuitResult]:
    """Run a shard, and return the worker's result."""
    runnable = [programs.get(circuit.program) for circuit in work.circuits]
    if any(program is not None and program.num_qubits > MOST_QUBITS for program in runnable):
        # Refused by its size, or too slow to be run here.
        small = [
            circuit
            for circuit, program in zip(work.circuits, runnable, strict=True)
            if program is None or not MOST_QUBITS < program.num_qubits <= 30
        ]
        if not small:
            return []
        work = msgspec.structs.replace(work, circuits=tuple(small))
    name = type(engine).__name__
    store = FakeStore(encode_shard(work), blobs=blobs)
    promised = max([_promised(circuit, work, programs.get(circuit.program)) for circuit in work.circuits])
    defects = _Defects()
    logger = logging.getLogger("qfleet_worker.shards.runner")
    logger.addHandler(defects)
    try:
        with held_to(promised, f"{name}: running a shard"):
            shard = ClaimedShard("job", 0, "me", 1, encode_shard(work))
            Runner(store, always(engine), memory_bytes=MEMORY_BYTES, max_attempts=3).run(shard)
    finally:
        logger.removeHandler(defects)
    if defects.found is not None:
        raise FindingError(f"{name}: a circuit ended in what isn't its own error") from defects.found
    (finished,) = store.finished
    if not finished["result"]:
        return []
    result = decode_result(finished["result"])
    _stable(encode_shard, decode_result, result)
    for circuit in result.circuits:
        if "a defect of qfleet" in circuit.error:
            raise FindingError(f"{name}: {circuit.error}")
    return list(result.circuits)


def _promised(circuit: CircuitWork, work: ShardWork, program: Program | None) -> int:
    """Return bytes that running a circuit may take; with what Python takes by itself."""
    if program is None or program.num_qubits > MOST_QUBITS:
        return OVERHEAD_BYTES
    wanted = circuit.num_observables if circuit.observables else 0
    try:
        request = resolve(program, work.request_of(circuit))
    except EngineError:
        return OVERHEAD_BYTES
    load = {"shots": circuit.shots, "points": circuit.points, "num_observables": wanted}
    return cost(program, request, engine=OneEngine.name, **load).memory_bytes


class _Defects(logging.Handler):
    """Keeps the exception that a runner took for a defect."""

    def __init__(self) -> None:
        super().__init__()
        self.found: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.found = record.exc_info[1]


def _same(
    work: ShardWork,
    programs: dict[str, Program | None],
    one: Sequence[CircuitResult],
    two: Sequence[CircuitResult],
) -> None:
    """Raise unless two engines gave the same counts and saves, where a circuit has one answer."""
    by_index = {circuit.index: circuit for circuit in work.circuits}
    for first, second in zip(one, two, strict=False):
        asked = by_index.get(first.index)
        program = None if asked is None else programs.get(asked.program)
        if first.error or second.error or first.index != second.index or program is None or not _is_tame(program):
            continue
        for name in ("outcomes", "counts", "memory", "bits"):
            if getattr(first, name) != getattr(second, name):
                raise FindingError(f"engines differ in {name}: {getattr(first, name)!r}, {getattr(second, name)!r}")
        # Of saves that hold numbers of single precision the rounding is the engine's.
        if asked is not None and work.request_of(asked).precision == "double":
            try:
                assert_same_saves(first.saved, second.saved)
            except AssertionError as exc:
                raise FindingError(f"engines differ in what is saved: {first.saved!r}, {second.saved!r}") from exc


def _is_tame(program: Program) -> bool:
    """Tell whether tables are isometries, and all libraries agree on the sines of the angles."""
    if len(program.params) and np.abs(program.params).max() > 1e6:
        return False
    if program.num_parameters:
        return False
    for row in program:
        if row.table is None:
            continue
        if row.code is Op.DIAGONAL:
            fits = np.abs(np.abs(row.table) - 1).max() < _ROUNDING
        elif row.code is Op.INITIALIZE:
            fits = abs(np.linalg.norm(row.table) - 1) < _ROUNDING
        else:
            matrix = row.table.reshape(1 << len(row.targets), -1)
            fits = np.abs(matrix @ matrix.conj().T - np.eye(len(matrix))).max() < _ROUNDING
        if not fits:
            return False
    return True


def _assembled(content: bytes, _: Engines) -> bool:
    from fuzz_clients import put_together

    tree = _tree(content, 2)
    if tree is None or not isinstance(tree[1], list):
        return False
    try:
        with held_to(DECODING_BYTES, "decoding a record"):
            record = decode_record(msgspec.msgpack.encode(tree[0]))
    except DamagedDataError:
        return False
    again = encode_record(record)
    if encode_record(decode_record(again)) != again:
        raise FindingError("a record is written in two ways")
    blobs = [head(Kind.RESULT) + msgspec.msgpack.encode(each) for each in tree[1]]
    results = [_decoded(decode_result, blob) for blob in blobs]
    parts = [part for result in results if result is not None for part in result.circuits]
    for result in results:
        if result is not None:
            _stable(encode_shard, decode_result, result)
    return put_together(record, parts) and None not in results


def _raw(content: bytes, _: Engines) -> bool:
    found = [_decoded(decode, content) for decode in (decode_program, decode_work, decode_result)]
    try:
        decode_record(content)
    except DamagedDataError:
        return any(each is not None for each in found)
    return True


def _presence(content: bytes, _: Engines) -> bool:
    try:
        presence = msgspec.json.decode(content, type=Presence)
    except msgspec.DecodeError:
        return False
    again = msgspec.json.encode(presence)
    if msgspec.json.encode(msgspec.json.decode(again, type=Presence)) != again:
        raise FindingError("a presence is written in two ways")
    return True


def _url(content: bytes, _: Engines) -> bool:
    url = content.decode(errors="replace")
    secret = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
    try:
        broker = parse_broker(url)
    except BrokerUrlError as exc:
        if len(secret) > 3 and secret in str(exc) and secret not in url.replace(f":{secret}@", "", 1):
            raise FindingError(f"an error shows the password {secret!r}: {exc}") from exc
        return False
    password = broker.client_options.get("password", "")
    shown = f"{broker} {broker!r}"
    if len(password) > 3 and password in shown and password not in url.replace(f":{password}@", "", 1):
        raise FindingError(f"the password {password!r} is shown: {shown}")
    celery_settings(broker)
    return True


_CASES: dict[bytes, Callable[[bytes, Engines], bool]] = {
    b"S": _shard,
    b"A": _assembled,
    b"B": _raw,
    b"N": _presence,
    b"U": _url,
}


def _tree(content: bytes, length: int) -> list[Any] | None:
    """Content as a list of so many parts; ``None`` if it is no such list."""
    try:
        tree = msgspec.msgpack.decode(content)
        msgspec.msgpack.encode(tree)
    except (msgspec.DecodeError, ValueError, RecursionError, TypeError):
        return None
    return tree if isinstance(tree, list) and len(tree) == length else None


def _decoded(decode: Callable[[bytes], Any], blob: bytes) -> Any:
    """Return the message in a blob, or ``None``."""
    try:
        with held_to(DECODING_BYTES, decode.__name__):
            return decode(blob)
    except WireError:
        return None


def _stable(encode: Callable[[Any], bytes], decode: Callable[[bytes], Any], message: Any) -> None:
    again = encode(message)
    if encode(decode(again)) != again:
        raise FindingError(f"{type(message).__name__} is written in two ways")
