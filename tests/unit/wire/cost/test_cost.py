# SPDX-License-Identifier: Apache-2.0
"""The memory that is predicted for a circuit holds all that it compiles, saves and gives."""

from __future__ import annotations

import engine_oracle as oracle
import numpy as np
import pytest
from engine_oracle import measure, op
from msgspec.structs import replace

from qfleet.wire.cost.constants import ENGINES
from qfleet.wire.cost.cost import OVERHEAD_BYTES, cost, states_bytes
from qfleet.wire.cost.sizes import num_terms, program_bytes
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.program.expressions import (
    BOOL,
    Binary,
    BinaryOp,
    Bit,
    Bits,
    Cast,
    Constant,
    Index,
    Unary,
    UnaryOp,
    Variable,
)
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation, Program
from qfleet.wire.program.saves import Save, SaveKind


def measured(num_qubits: int, num_clbits: int, measurements: int = 1) -> Program:
    rows = [measure(at % num_qubits, at) for at in range(measurements)]
    return oracle.program(num_qubits, num_clbits, rows)


def needed(program: Program, shots: int = 10, output: str = "counts", *, memory: bool = False, **load: int) -> int:
    """Return the bytes of memory that a circuit is said to need on the engine that needs most."""
    request = Request(Output(output), memory=memory)
    return max(cost(program, request, shots=shots, engine=engine, **load).memory_bytes for engine in ENGINES)


def result_bytes(program: Program, shots: int, output: str = "counts", **load: int) -> int:
    return cost(program, Request(Output(output)), shots=shots, **load).result_bytes


def test_a_small_circuit_needs_its_states_and_the_overhead() -> None:
    states = max(states_bytes(20, Request(), engine) for engine in ENGINES)
    assert states <= needed(measured(20, 1)) < states + 10_000


def test_results_count_in_copies() -> None:
    few, many = (needed(measured(1, 1), shots, memory=True) for shots in (1000, 10_001_000))
    assert many - few >= 3 * 4 * 10_000_000
    assert needed(measured(1, 1), 10_000_000) == needed(measured(1, 1), 10)
    assert needed(measured(1, 8), 50_000_000, "bits") > 3 * 50_000_000 + OVERHEAD_BYTES


def test_outcomes_are_counted_by_the_clbits_that_are_written() -> None:
    row = (1 << 24) // 8
    for measurements in (0, 1, 3, 40):
        size = result_bytes(measured(1, 1 << 24, measurements), 1000)
        rows = min(1000, 1 << measurements)
        assert rows * row <= size < rows * (row + 8) + 1000


def test_what_is_stored_is_written_too() -> None:
    store = Operation(Op.STORE, (), (), (), None, -1, -1, (Bits((1, 5, 9)), Constant(3, b"\x01")))
    one = Operation(Op.STORE, (), (), (), None, -1, -1, (Index(Bits((1, 5)), Constant(3, b"")), Constant(BOOL, b"")))
    bit = Operation(Op.STORE, (), (), (), None, -1, -1, (Bit(70), Constant(BOOL, b"")))
    plain = oracle.program(1, 1 << 24, [measure(0, 5), store, one, bit])
    expressions = tuple([each for row in (store, one, bit) for each in row.expressions])
    program = replace(plain, expressions=expressions, expression_refs=np.arange(6, dtype=np.int32))
    size = result_bytes(program, 1000)
    assert (1 << 4) * (1 << 21) <= size < (1 << 4) * ((1 << 21) + 8) + 1000


def test_saved_values_count_in_copies() -> None:
    save = Save(SaveKind.DENSITY_MATRIX, "d", "average")
    row = op(Op.SAVE, range(12))._replace(save=0)
    program = replace(oracle.program(12, 0, [row]), saves=(save,), save_refs=np.zeros(1, np.int32))
    assert needed(program) >= 4 * (16 << 24)


def test_many_saved_values_count_by_their_number() -> None:
    save = Save(SaveKind.PROBABILITIES, "p", "list")
    rows = [*[measure(0, 0)] * 20, op(Op.SAVE, [0])._replace(save=0)]
    program = replace(oracle.program(1, 1, rows), saves=(save,), save_refs=np.zeros(1, np.int32))
    assert needed(program, 1_000_000) - needed(program, 1) >= 500 * 1_000_000


def test_points_count_together_and_wanted_columns_in_place_of_all() -> None:
    save = Save(SaveKind.EXPECTATION_VALUES, "m", "average", starts=np.zeros(100_001, "<i4").tobytes())
    row = op(Op.SAVE, [0])._replace(save=0)
    program = replace(oracle.program(1, 0, [row]), saves=(save,), save_refs=np.zeros(1, np.int32))
    assert needed(program, 1, "means", points=1000) >= 4 * 8 * 100_000 * 1000
    assert needed(program, 1, "means", points=1000, num_observables=3) < needed(program, 1, "means") + 1000 * 500
    assert result_bytes(program, 1, "means") >= 800_000
    assert result_bytes(program, 1, "means", num_observables=3) < 1000


def test_terms_count_by_the_wanted_columns_and_the_circuit_counts_in_full() -> None:
    """A tenth of the observables of the last save is wanted, and so a tenth of its terms, and all of another save's."""
    terms = np.zeros(1000, "<u8").tobytes()
    save = Save(
        SaveKind.EXPECTATION_VALUES,
        "m",
        "average",
        x_masks=terms,
        z_masks=terms,
        coefficients=np.ones(1000, "<c16").tobytes(),
        starts=np.arange(0, 1001, 50, dtype="<i4").tobytes(),
    )
    rows = [*[op(Op.H, [0])] * 300, *[op(Op.SAVE, range(16))._replace(save=at) for at in range(2)]]
    program = replace(oracle.program(16, 0, rows), saves=(save, save), save_refs=np.arange(2, dtype=np.int32))
    assert [num_terms(program, wanted) for wanted in (0, 1, 2, 20)] == [2000, 1050, 1100, 2000]
    assert num_terms(measured(1, 1), 5) == 0

    def seconds(**load: int) -> float:
        return cost(program, Request(Output.EXPECTATION_VALUES), shots=1, **load).seconds

    bare = replace(program, saves=(), save_refs=np.zeros(0, np.int32))
    circuit = cost(bare, Request(Output.EXPECTATION_VALUES), shots=1).seconds
    assert seconds(num_observables=2) - circuit == pytest.approx(1100 / 2000 * (seconds() - circuit))


def test_a_program_counts_by_what_it_consists_of() -> None:
    base = measured(4, 4)
    gates = oracle.program(4, 4, [oracle.op(Op.RXX, [0, 1], [0.1])] * 100)
    wide = oracle.program(4, 4, [oracle.op(Op.RC3X, [0, 1, 2, 3])] * 100)
    assert program_bytes(base) < program_bytes(gates) - 100 * 2000 < program_bytes(wide) - 100 * 20_000
    register = Bits(tuple(range(4)) * 1000)
    for more in (
        {"expressions": (register,) * 10},
        {"expressions": (Binary(BinaryOp.BIT_AND, Index(register, Bits((0, 1))), Bit(0)),) * 20},
        {"expressions": tuple([Unary(UnaryOp.BIT_NOT, Cast(3, Variable(0)))] * 100), "variables": (3,)},
        {"variables": (1 << 16,) * 20},
        {"tables": (np.zeros(1 << 12, np.complex128),)},
        {"saves": (Save(SaveKind.AMPLITUDES, "a", "single", indices=bytes(1 << 17)),)},
        {"loops": tuple([(0, "loop")] * 1000)},
    ):
        assert program_bytes(replace(base, **more)) >= program_bytes(base) + 100_000
