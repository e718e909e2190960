# SPDX-License-Identifier: Apache-2.0
"""Changes inputs of the fuzzer by their meaning: rows of a program, items of its arrays, fields of a message.

Bytes that are changed blindly are refused by the first check. The same generator state gives the same input.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
from random_expressions import random_expression
from random_programs import program_of, random_program, random_values

from qfleet.wire.codec.blobs import Kind, head
from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.errors import WireError
from qfleet.wire.program.expressions import BOOL
from qfleet.wire.program.operations import ANGLES, IS_UNITARY, TARGETS, Op
from qfleet.wire.program.program import Operation, Program

#: The arrays of a program's message, by their place in it.
_ARRAYS: Final = {
    2: "<u1", 3: "<u2", 4: "<u2", 5: "<i4", 6: "<i4", 7: "<f8", 8: "<i4", 10: "<i4", 11: "<i4", 16: "<i4", 17: "<i4",
    19: "<i4",
}  # fmt: skip
_NUMBERS: Final = (0, 1, 2, 3, 7, 8, 9, 62, 63, 64, 255, 256, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**63 - 1, -1, -2)
_FLOATS: Final = (0.0, -0.0, 0.5, 1.0, -1.0, np.pi, 1e-300, 1e300, float("inf"), float("nan"))
_TEXTS: Final = (
    "",
    "a",
    "counts",
    "statevector",
    "unitary",
    "bits",
    "means",
    "automatic",
    "single",
    "c_list",
    "average",
    "shape",
    "self",
    "ä" * 300,
)
#: Programs that are looked at row by row: larger ones take too long.
_MOST_BYTES: Final = 1 << 14


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Return an input that is like another one, or has nothing but its kind in common with it."""
    kind = data[:1]
    if kind in (b"S", b"A"):
        try:
            tree = msgspec.msgpack.decode(data[1:])
        except (msgspec.DecodeError, ValueError, RecursionError):
            tree = None
        if isinstance(tree, list) and len(tree) == 2:
            for _ in range(int(rng.integers(1, 4))):
                tree = _shard(tree, rng) if kind == b"S" else _changed(tree, rng)
            try:
                return kind + msgspec.msgpack.encode(tree)
            except (TypeError, ValueError, OverflowError, RecursionError):
                return data
    return kind + _bytes(data[1:], rng)


def fresh_shard(rng: np.random.Generator) -> bytes:
    """Return a random input that runs: a shard with a random program."""
    means = rng.random() < 0.2
    program = random_program(
        rng,
        int(rng.integers(1, 6)),
        int(rng.integers(0, 12)),
        int(rng.integers(1, 20)),
        slots=bool(rng.random() < 0.3),
        means=bool(means),
        unitary=bool(rng.random() < 0.15),
    )
    points = int(rng.integers(1, 4)) if program.num_parameters or means else 1
    values = random_values(rng, program, points)
    outputs = ["counts", "statevector", "bits"] if not means else ["means"]
    if IS_UNITARY[program.codes].all():
        outputs.append("unitary")
    circuit = {
        "index": 0, "program": 0, "shots": int(rng.integers(1, 40)), "seed": int(rng.integers(1 << 40)),
        "points": points, "values": values.astype("<f8").tobytes(),
    }  # fmt: skip
    request = {
        "output": outputs[int(rng.integers(len(outputs)))], "method": "automatic",
        "precision": "double" if rng.random() < 0.8 else "single", "memory": bool(rng.random() < 0.5),
    }  # fmt: skip
    work = {"circuits": [circuit], "requests": [request], "threads": 1}
    return b"S" + msgspec.msgpack.encode([work, [_tree_of(program)]])


def _tree_of(program: Program) -> Any:
    return msgspec.msgpack.decode(encode_program(program)[4:])


def _shard(tree: list[Any], rng: np.random.Generator) -> list[Any]:
    work, programs = tree
    if not isinstance(programs, list) or not programs or rng.random() < 0.25:
        return [_changed(work, rng), programs]
    at, chance = int(rng.integers(len(programs))), rng.random()
    programs = list(programs)
    if chance < 0.5:
        programs[at] = _rows(programs[at], rng)
    elif chance < 0.8:
        programs[at] = _array(programs[at], rng)
    elif chance < 0.95:
        programs[at] = _changed(programs[at], rng)
    else:
        (other,) = msgspec.msgpack.decode(fresh_shard(rng)[1:])[1]
        programs[at] = other
    return [work, programs]


def _rows(tree: Any, rng: np.random.Generator) -> Any:
    """Return a program with some of its rows changed; what refers to rows is left to refer to others."""
    blob = head(Kind.PROGRAM) + msgspec.msgpack.encode(tree)
    if len(blob) > _MOST_BYTES:
        return _array(tree, rng)
    try:
        program = decode_program(blob)
    except WireError:
        return _array(tree, rng)
    rows = list(program)
    for _ in range(int(rng.integers(1, 4))):
        rows = _other_rows(rows, program, rng)
    kept = [row.save for row in rows if row.save >= 0]
    saves = [program.saves[save] for save in dict.fromkeys(kept)]
    numbers = {save: number for number, save in enumerate(dict.fromkeys(kept))}
    first: set[int] = set()
    renumbered = []
    for row in rows:
        if row.save >= 0:
            if row.save in first:
                continue
            first.add(row.save)
            renumbered.append(row._replace(save=numbers[row.save]))
        else:
            renumbered.append(row)
    goals = [row._replace(jump=min(row.jump, len(renumbered))) for row in renumbered]
    loops = [loop for loop in program.loops if loop[0] < len(goals)]
    made = program_of(
        goals, program.num_qubits, program.num_clbits, variables=program.variables, loops=loops, saves=saves
    )
    fits = program.slots < len(made.params)
    params = made.params.copy()
    params[program.slots[fits]] = 0
    return _tree_of(
        msgspec.structs.replace(
            made,
            params=params,
            num_parameters=program.num_parameters,
            slots=program.slots[fits],
            slot_refs=program.slot_refs[fits],
            formulas=program.formulas,
        )
    )


def _other_rows(rows: list[Operation], program: Program, rng: np.random.Generator) -> list[Operation]:
    """Return rows with one taken out, doubled, moved, or made another."""
    if not rows:
        return rows
    at, to = int(rng.integers(len(rows))), int(rng.integers(len(rows)))
    row = rows[at]
    match int(rng.integers(6)):
        case 0:
            return rows[:at] + rows[at + 1 :]
        case 1:
            return rows[:to] + [row] * int(rng.integers(1, 4)) + rows[to:]
        case 2:
            rows = rows.copy()
            rows[at], rows[to] = rows[to], row
            return rows
        case 3 if row.jump >= 0:
            other = row._replace(jump=int(rng.integers(len(rows) + 1)))
        case 3 if row.params:
            other = row._replace(params=tuple(rng.choice(_FLOATS[:8], len(row.params)).tolist()))
        case 4 if row.code is Op.JUMP_UNLESS:
            condition = random_expression(rng, BOOL, 3, program.num_clbits, program.variables)
            other = row._replace(expressions=(condition,))
        case _:
            other = _other_row(row, program, rng)
    return [*rows[:at], other, *rows[at + 1 :]]


def _other_row(row: Operation, program: Program, rng: np.random.Generator) -> Operation:
    """Return a row on other qubits, or with another operation of as many targets."""
    operands = rng.permutation(program.num_qubits)[: len(row.targets) + len(row.controls)].tolist()
    targets, controls = operands[: len(row.targets)], operands[len(row.targets) :]
    code = row.code
    alike = [op for op in Op if TARGETS[op] == len(row.targets) == TARGETS[code] and op < Op.JUMP]
    if alike and row.controls:
        alike = [op for op in alike if IS_UNITARY[op]]
    if alike and row.jump < 0 and not row.expressions and rng.random() < 0.5:
        code = alike[int(rng.integers(len(alike)))]
    clbit = int(rng.integers(program.num_clbits)) if code is Op.MEASURE and program.num_clbits else row.clbit
    return row._replace(
        code=code,
        targets=tuple(targets),
        controls=tuple([qubit if rng.random() < 0.7 else ~qubit for qubit in controls]),
        params=row.params if code is row.code else tuple(rng.uniform(-4, 4, ANGLES[code]).tolist()),
        clbit=clbit,
    )


def _array(tree: Any, rng: np.random.Generator) -> Any:
    """Return a program with items of one of its arrays changed."""
    if not isinstance(tree, list) or len(tree) != 21:
        return _changed(tree, rng)
    place = list(_ARRAYS)[int(rng.integers(len(_ARRAYS)))]
    kind, raw = np.dtype(_ARRAYS[place]), tree[place]
    if not isinstance(raw, bytes) or len(raw) % kind.itemsize:
        return _changed(tree, rng)
    items = np.frombuffer(raw, kind).tolist()
    other = rng.choice(_FLOATS) if kind.kind == "f" else int(_NUMBERS[int(rng.integers(len(_NUMBERS)))])
    at = int(rng.integers(len(items) + 1))
    match int(rng.integers(4)):
        case 0:
            items[at : at + 1] = [other]
        case 1:
            items.insert(at, other)
        case 2:
            del items[at : at + 1]
        case _ if items:
            items[at % len(items)] = items[int(rng.integers(len(items)))]
    made = np.array(items, np.float64 if kind.kind == "f" else np.int64).astype(kind)
    return [*tree[:place], made.tobytes(), *tree[place + 1 :]]


def _changed(tree: Any, rng: np.random.Generator) -> Any:
    """Return a tree with one of its nodes changed."""
    if isinstance(tree, list) and tree and rng.random() < 0.85:
        at = int(rng.integers(len(tree)))
        if rng.random() < 0.1:
            return [*tree[:at], *tree[at + 1 :]] if rng.random() < 0.5 else [*tree[:at], tree[at], *tree[at:]]
        return [*tree[:at], _changed(tree[at], rng), *tree[at + 1 :]]
    if isinstance(tree, dict) and tree and rng.random() < 0.95:
        key = list(tree)[int(rng.integers(len(tree)))]
        if rng.random() < 0.05:
            return {name: value for name, value in tree.items() if name != key}
        return tree | {key: _changed(tree[key], rng)}
    return _other_value(tree, rng)


def _other_value(value: Any, rng: np.random.Generator) -> Any:
    """Another value, mostly of the same type."""
    if rng.random() < 0.05:
        return [None, 0, "", b"", [], {}, 1.5, True, [[]], {"a": 1}][int(rng.integers(10))]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        near = value + int(rng.integers(-2, 3))
        return near if rng.random() < 0.5 else int(_NUMBERS[int(rng.integers(len(_NUMBERS)))])
    if isinstance(value, float):
        return float(rng.choice(_FLOATS))
    if isinstance(value, str):
        return _TEXTS[int(rng.integers(len(_TEXTS)))]
    if isinstance(value, bytes):
        return _bytes(value, rng)
    return value


def _bytes(raw: bytes, rng: np.random.Generator) -> bytes:
    """Return bytes with a few changed, a word of them, or some more or less."""
    changed = bytearray(raw)
    at = int(rng.integers(len(raw) + 1))
    match int(rng.integers(5)):
        case 0 if raw:
            changed[at % len(raw)] ^= 1 << int(rng.integers(8))
        case 1:
            del changed[at : at + int(rng.choice([1, 2, 4, 8, 16]))]
        case 2:
            changed[at:at] = rng.bytes(int(rng.choice([1, 4, 8, 16])))
        case 3:
            number = int(_NUMBERS[int(rng.integers(len(_NUMBERS)))]) & (1 << 64) - 1
            size = int(rng.choice([1, 4, 8]))
            changed[at : at + size] = number.to_bytes(8, "little")[:size]
        case _:
            changed[at : at + 8] = np.float64(rng.choice(_FLOATS)).tobytes()
    return bytes(changed)
