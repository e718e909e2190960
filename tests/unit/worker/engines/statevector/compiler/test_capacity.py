# SPDX-License-Identifier: Apache-2.0
"""Compiling a circuit never writes beyond an array: one that is too small raises, and is called a defect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import engine_oracle as oracle
import numpy as np
import pytest
from engine_oracle import op

from qfleet.wire.program.operations import Op
from qfleet_worker.engines.contract import CompilerError
from qfleet_worker.engines.machine_code.loading import load_if_ready
from qfleet_worker.engines.statevector.compiler import (
    draft,
    group_operations,
    matrix_operations,
    merging,
    schedule,
    tape,
)
from qfleet_worker.engines.statevector.compiler import emission as emit
from qfleet_worker.engines.statevector.compiler.frame import new_frame
from qfleet_worker.engines.statevector.compiler.gate_table import GATES
from qfleet_worker.engines.statevector.compiler.plan import Segment, compile_program
from qfleet_worker.engines.statevector.compiler.rows import Rows
from qfleet_worker.engines.statevector.compiler.tables import Limits, compile_rows
from qfleet_worker.engines.statevector.compiler.values import refill
from qfleet_worker.engines.statevector.kernels import diagonals, layout
from qfleet_worker.engines.statevector.kernels.layout import Tables, Values


@pytest.fixture(autouse=True, scope="module")
def loaded() -> None:
    """Machine code that is compiled already isn't compiled again."""
    load_if_ready()


def raises() -> Any:
    return pytest.raises(CompilerError, match="a defect of qfleet, please report it")


def rows(*operations: Any, num_qubits: int = 2) -> dict[str, Any]:
    """Return the arguments of `compile_rows` for a program: members of `Rows` and `Limits`, and the wires."""
    program = oracle.program(num_qubits, 0, list(operations))
    sizes = 1 << program.num_targets.astype(np.int64)
    table = np.concatenate([*program.tables, np.zeros(1, complex)])
    starts = np.cumsum([0, *map(len, program.tables)])
    takers = np.isin(program.codes, [Op.UNITARY, Op.DIAGONAL])
    table_at = np.full(len(program.codes), -1)
    table_at[takers] = starts[program.table_refs]
    return {
        "codes": program.codes.astype(np.int64),
        "num_controls": program.num_controls.astype(np.int64),
        "num_targets": program.num_targets.astype(np.int64),
        "operands": program.operands.astype(np.int64),
        "params": program.params.astype(np.float64),
        "fixed": np.zeros(len(program.params), np.bool_),
        "table_at": table_at,
        "table": table,
        "wires": np.arange(num_qubits),
        "num_wires": num_qubits,
        "lane_bits": 2,
        "local_bits": 10,
        "run_bits": 3,
        "matrix_entries": int((sizes * sizes).sum()),
        "num_terms": int(sizes.sum()),
        "from_zero": 1,
    }


def compile_arguments(arguments: dict[str, Any]) -> Tables:
    """Call `compile_rows` with the members of its arguments, and return its result."""
    chosen = Rows(**{name: arguments[name] for name in Rows._fields})
    limits = Limits(**{name: arguments[name] for name in Limits._fields})
    return compile_rows(chosen, GATES, arguments["wires"], limits)


RNG = np.random.default_rng(1)
MATRICES = [op(Op.UNITARY, [0, 1, 2, 3], table=oracle.random_table(RNG, Op.UNITARY, 4)) for _ in range(4)]
TERMS = [op(Op.DIAGONAL, [*range(6)], table=oracle.random_table(RNG, Op.DIAGONAL, 6)) for _ in range(40)]


def test_rows_that_fit_compile() -> None:
    compile_arguments(rows(*MATRICES, op(Op.RX, [0], [0.1]), num_qubits=4))


@pytest.mark.parametrize("short", ["matrix_entries", "num_terms"])
def test_arrays_sized_for_less(short: str) -> None:
    arguments = rows(*(MATRICES * 10 if short == "matrix_entries" else TERMS), num_qubits=6)
    compile_arguments(arguments)
    with raises():
        compile_arguments(arguments | {"matrix_entries": 0, "num_terms": 0})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("operands", np.array([0])),
        ("operands", np.array([0, 2])),
        ("operands", np.array([0, ~7])),
        ("params", np.array([])),
        ("wires", np.array([0, 9])),
        ("wires", np.array([0, -1])),
        ("codes", np.array([Op.RXX, 64])),
        ("num_targets", np.array([5, 0])),
        ("num_controls", np.array([0, 70])),
    ],
)
def test_rows_that_name_what_is_not_there(name: str, value: Any) -> None:
    arguments = rows(op(Op.RXX, [0, 1], [0.3]), op(Op.GLOBAL_PHASE, [], [0.1]))
    compile_arguments(arguments | {"wires": arguments["wires"].copy()})
    with raises():
        compile_arguments(arguments | {name: value})


@pytest.mark.parametrize("table_at", [-1, 1])
@pytest.mark.parametrize("code", [Op.UNITARY, Op.DIAGONAL])
def test_tables_that_are_not_there(code: Op, table_at: int) -> None:
    arguments = rows(op(code, [0, 1], table=oracle.random_table(RNG, code, 2)))
    arguments["table"] = arguments["table"][:-1]
    compile_arguments(arguments)
    with raises():
        compile_arguments(arguments | {"table_at": np.array([table_at])})


def test_a_gate_that_fits_into_no_stage() -> None:
    layer = [op(Op.H, [qubit]) for qubit in range(8)]
    arguments = rows(*layer, op(Op.UNITARY, [4, 5, 6, 7], table=oracle.random_table(RNG, Op.UNITARY, 4)), num_qubits=8)
    with raises():
        compile_arguments(arguments | {"local_bits": 5, "run_bits": 3})


@pytest.mark.parametrize("short", ["coefs", "factors", "low_tables", "high_tables", "pool", "phases", "params"])
def test_values_for_other_angles_without_room(short: str) -> None:
    angles = [op(Op.RZZ, [0, 1], [0.3]), op(Op.P, [1], [0.2], controls=[0]), op(Op.RX, [0], [0.1])]
    angles += [op(Op.RZZ, [9, 8], [0.4]), op(Op.RZ, [7], [0.4])]
    program = oracle.program(10, 0, [*(op(Op.H, [qubit]) for qubit in range(2, 8)), *angles])
    (segment,) = compile_program(program, 2).steps
    assert isinstance(segment, Segment)
    tables = segment.tables
    assert all(map(len, tables.values))
    params, pool = program.params[None].copy(), tables.pool.copy()
    refill(tables.recipe, pool, params, 0, tables.values)
    values = tables.values
    if short in Values._fields:
        values = values._replace(**{short: getattr(values, short)[:-1].copy()})
    pool = pool[:-1].copy() if short == "pool" else pool
    params = params[:, :-1].copy() if short == "params" else params
    with raises():
        refill(tables.recipe, pool, params, 0, values)


def guarded(rows: int, *columns: int, dtype: type = np.int64) -> np.ndarray:
    """Return an array in the midst of a larger one, which holds -9 all around it."""
    return np.full((rows + 2 * draft.LARGEST, *columns), -9, dtype)[draft.LARGEST : draft.LARGEST + rows]


def is_untouched(array: np.ndarray) -> bool:
    """Tell whether nothing was written around a guarded array."""
    assert array.base is not None
    return bool((array.base[: draft.LARGEST] == -9).all() and (array.base[draft.LARGEST + len(array) :] == -9).all())


def small_draft(**sizes: int) -> draft.Draft:
    """Return a draft with as much room as is named, and that of one that must stay free."""
    return draft.Draft(
        guarded(1 + sizes.get("gates", 0), draft.COLUMNS),
        guarded(1 + sizes.get("terms", 0), 3),
        guarded(draft.LARGEST + sizes.get("pool", 0), dtype=np.complex128),
        guarded(draft.LARGEST + sizes.get("pool", 0), dtype=np.complex128),
        np.ones((2, 1), np.complex128),
        np.zeros(draft.LARGEST + sizes.get("pool", 0), np.bool_),
        guarded(1 + sizes.get("tape", 0), tape.TAPE_COLUMNS),
        np.zeros(4, np.int64),
        np.full(2, -1, np.int64),
        np.full(2, -1, np.int64),
        np.zeros(2, np.int64),
        np.full(2, -1, np.int64),
        np.full(2, -1, np.int64),
        np.full(2, -1, np.int64),
        np.arange(2),
        False,
    )


#: For each array: what fills a draft with room for one of it.
FILLING: dict[str, Callable[[draft.Draft], object]] = {
    "pool": lambda new: draft.room(new, draft.LARGEST),
    "tape": lambda new: draft.instruct(new, True, tape.TURN, 0, 1, 0, 0, 0),
    "gates": lambda new: draft.add_gate(new, draft.DENSE, 1, 0),
    "terms": lambda new: draft.add_term(new, 0, 1, 1, 2),
}


@pytest.mark.parametrize("array", FILLING)
def test_a_draft_that_is_full(array: str) -> None:
    new = small_draft(**{"gates": 1, array: draft.LARGEST if array == "pool" else 1})
    new.gates[0] = 0
    FILLING[array](new)
    draft.check_capacity(new)
    for _ in range(5):
        FILLING[array](new)
        with raises():
            draft.check_capacity(new)
    assert all(map(is_untouched, (new.gates, new.terms, new.pool, new.second_pool, new.tape)))
    assert new.gates[0, draft.SIZE] <= len(new.terms)


def diagonal_draft() -> draft.Draft:
    new = small_draft(gates=1, terms=1)
    draft.add_gate(new, draft.DIAGONAL, 0, 3)
    draft.add_term(new, 0, 3, 3, 4)
    return new


@pytest.mark.parametrize("full", ["diagonals", "terms", "table_terms", "table_rows", "ops"])
def test_diagonals_without_room(full: str) -> None:
    new = diagonal_draft()
    arguments = (np.zeros(1, np.int64), new_frame(3, 2, 2), np.zeros(0, np.int64))
    merging.emit_diagonals(new, merging.new_emitted(new, 1), *arguments)
    emitted = merging.new_emitted(new, 1)
    with raises():
        merging.emit_diagonals(new, emitted._replace(**{full: getattr(emitted, full)[:0]}), *arguments)


@pytest.mark.parametrize("targets", [[0], [2], [0, 3], [2, 3, 4, 5]])
def test_coefficients_without_room(targets: list[int]) -> None:
    def emit_into(size: int, inside: int) -> int:
        op_row, sources = np.zeros(layout.OP_COLUMNS, np.int64), np.zeros(size, np.int64)
        matrix = matrix_operations.Matrix(3, 0, np.array(targets), inside, inside)
        return matrix_operations.emit_matrix(matrix, new_frame(63, 6, 2), op_row, sources, 0)

    for inside in (0, 2):
        if inside and 1 in targets:
            continue
        most = emit_into(1 << 14, inside)
        with raises():
            emit_into(most - 1, inside)


def test_a_permutation_without_room() -> None:
    gates = np.zeros((1, draft.COLUMNS), np.int64)

    def emit_into(wires: int, size: int) -> None:
        op_row = np.zeros(layout.OP_COLUMNS, np.int64)
        sequence, ints = np.zeros(1, np.int64), np.zeros(size, np.int64)
        emit.emit_permutation(gates, sequence, wires, new_frame(255, 8, 2), op_row, ints, 0)

    emit_into(0b111100, 16)
    with raises():
        emit_into(0b111100, 15)
    with raises():
        emit_into(0b1111100, 64)


def test_a_linear_permutation_without_room() -> None:
    gates = np.zeros((1, draft.COLUMNS), np.int64)

    def emit_into(bits: int, size: int) -> None:
        frame = new_frame((1 << bits) - 1, bits, 2)
        op_row, ints = np.zeros(layout.OP_COLUMNS, np.int64), np.zeros(size, np.int64)
        emit.emit_linear_permutation(gates, np.zeros(1, np.int64), frame, op_row, ints, 0)

    emit_into(8, 21)
    with raises():
        emit_into(8, 20)
    with raises():
        emit_into(3, 64)


def test_a_group_without_room() -> None:
    gates = np.zeros((5, draft.COLUMNS), np.int64)
    gates[:, draft.TARGETS] = [2, 3, 4, 5, 6]

    def emit_into(number: int, size: int) -> None:
        op_row = np.zeros(layout.OP_COLUMNS, np.int64)
        sources = np.zeros(size, np.int64)
        kind = schedule.FULL_GROUP
        group_operations.emit_group(gates, np.arange(number), kind, new_frame(127, 7, 2), op_row, sources, 0)

    emit_into(3, 1 << 10)
    with raises():
        emit_into(3, 8)
    with raises():
        emit_into(5, 1 << 10)


def test_tables_without_room() -> None:
    pool = np.ones(1, complex)

    def build(mask: int, bits: int, size: int, high_size: int) -> None:
        terms = np.array([[mask, mask, 0]])
        select, second, wanted, high = diagonals.table_sizes(terms, bits)
        tables, high_tables = np.empty(wanted - size), np.empty(high - high_size, complex)
        row = np.zeros(layout.TABLE_COLUMNS, np.int64)
        row[layout.TABLE_BITS], row[layout.TABLE_SELECT], row[layout.TABLE_SECOND] = bits, select, second
        row[layout.TABLE_AT], row[layout.TABLE_HIGH_AT] = (0 if wanted else -1), (0 if high else -1)
        diagonals.build_tables(terms, pool, row, tables, high_tables)

    build(0b11, 2, 0, 0)
    build(0b11 << 8, 10, 0, 0)
    with raises():
        build(0b11, 2, 1, 0)
    with raises():
        build(0b11 << 8, 10, 0, 1)


def test_stages_and_items_without_room() -> None:
    gates = np.zeros((3, draft.COLUMNS), np.int64)
    gates[:, draft.KIND] = draft.DENSE
    gates[:, draft.CHANGES] = [1, 2, 4]

    def arrays(number: int) -> list[np.ndarray]:
        return [np.zeros(number, np.int64) for _ in range(3)]

    schedule.stages(gates, 3, 3, 2, schedule.Order(*arrays(3)))
    with raises():
        schedule.stages(gates, 3, 3, 2, schedule.Order(*arrays(2)))
    with raises():
        schedule.stages(gates, 3, 3, 2, schedule.Order(np.zeros(3, np.int64), *arrays(0)[:2]))
    frame = new_frame(7, 3, 2)
    schedule.itemise(gates, np.arange(3), frame, schedule.Items(*arrays(3)))
    with raises():
        schedule.itemise(gates, np.arange(3), frame, schedule.Items(*arrays(2)))
