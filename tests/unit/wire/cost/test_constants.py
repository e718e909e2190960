# SPDX-License-Identifier: Apache-2.0
"""Each engine has constants for each of its methods, and states count by them."""

from __future__ import annotations

from typing import get_args

import engine_oracle as oracle
import numpy as np
import pytest
from engine_oracle import measure, op
from msgspec.structs import replace

from qfleet.wire.cost.constants import CONSTANTS, ENGINES, FASTER_ENGINE, constants_of
from qfleet.wire.cost.cost import OVERHEAD_BYTES, cost, costs
from qfleet.wire.messages.request import METHODS, Method, Output, Request
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Save, SaveKind
from qfleet_worker.engines.numpy.engine import NumpyEngine
from qfleet_worker.engines.statevector.engine import StatevectorEngine

N = 24
STATE = 16 << N


def test_every_engine_has_constants_for_its_methods() -> None:
    pairs = {(engine.name, method) for engine in (StatevectorEngine(), NumpyEngine()) for method in engine.methods}
    assert pairs == CONSTANTS.keys()
    others = {spec.method for spec in METHODS.values() if not spec.exponent}
    assert {method for _, method in pairs} == METHODS.keys() - others


def test_the_table_of_methods_has_a_row_for_each() -> None:
    assert list(METHODS) == [name for name in get_args(Method) if name != "automatic"]
    assert all(name == spec.method for name, spec in METHODS.items())


def test_an_engine_without_constants_is_said_to_hold_as_much_as_the_one_that_holds_most() -> None:
    assert constants_of("another", "statevector").states == max(each.states for each in CONSTANTS.values())


def saving(kind: SaveKind, *before: object) -> Program:
    row = op(Op.SAVE, [0, 1])._replace(save=0)
    program = oracle.program(N, 1, [*before, row])  # type: ignore[list-item]
    return replace(program, saves=(Save(kind, "s", "average"),), save_refs=np.zeros(1, np.int32))


@pytest.mark.parametrize(
    ("program", "shots", "states"),
    [
        (oracle.program(N, 1, [measure(0, 0)]), 100, 1.1),
        (oracle.program(N, 1, [measure(0, 0), op(Op.H, [0])]), 100, 3.1),
        # A reset divides the shots also at the end.
        (oracle.program(N, 1, [op(Op.H, [0]), op(Op.RESET, [0])]), 100, 3.1),
        (oracle.program(N, 1, [measure(0, 0), op(Op.RESET, [0]), measure(0, 0)]), 100, 3.1),
        # One shot goes one way.
        (oracle.program(N, 1, [measure(0, 0), op(Op.H, [0])]), 1, 1.1),
        (saving(SaveKind.DENSITY_MATRIX), 100, 2.1),
        (saving(SaveKind.DENSITY_MATRIX, measure(0, 0)), 100, 4.1),
    ],
)
def test_states_of_the_faster_engine(program: Program, shots: int, states: float) -> None:
    found = cost(program, Request(), shots=shots)
    assert found.state_bytes == pytest.approx(states * STATE, rel=1e-6)
    assert 0 <= found.memory_bytes - found.state_bytes - OVERHEAD_BYTES < 2**20


@pytest.mark.parametrize("engine", ENGINES)
def test_amplitudes_that_come_back_are_there_three_times(engine: str) -> None:
    program = oracle.program(N, 0, [op(Op.H, [0])])
    found = cost(program, Request(Output.STATEVECTOR), shots=1, engine=engine)
    assert 3 * STATE <= found.memory_bytes - OVERHEAD_BYTES < 3 * STATE + 2**20
    unitary = cost(oracle.program(12, 0, []), Request(Output.UNITARY, "unitary"), shots=1, engine=engine)
    assert 3 * STATE <= unitary.memory_bytes - OVERHEAD_BYTES < 3 * STATE + 2**20


def test_costs_of_all_engines_are_those_of_each() -> None:
    program = saving(SaveKind.PROBABILITIES, measure(0, 0))
    load = {"shots": 50, "points": 3, "num_observables": 0}
    found = costs(program, Request(), **load)
    assert found == {engine: cost(program, Request(), **load, engine=engine) for engine in ENGINES}
    assert next(iter(found)) == FASTER_ENGINE
    assert found[FASTER_ENGINE].seconds < found["numpy"].seconds
