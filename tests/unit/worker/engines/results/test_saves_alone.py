# SPDX-License-Identifier: Apache-2.0
"""Programs and stretches that differ in what they save alone are kept apart by an engine that keeps compiled ones."""

from __future__ import annotations

import engine_oracle as oracle
import numpy as np
import pytest
from engine_oracle import measure, op
from engines import ENGINES
from make_experiments import make_experiment
from msgspec.structs import replace
from same_outcomes import assert_same

from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation, Program
from qfleet.wire.program.saves import Save, SaveKind, Subtype
from qfleet_worker.engines.numpy.simulator import NumpySimulator


def saving(rows: list[Operation], *saves: Save) -> Program:
    """Return a program of one qubit and one clbit."""
    refs = np.array([row.save for row in rows if row.save >= 0], np.int32)
    jumps = np.array([row.jump for row in rows if row.jump >= 0], np.int32)
    return replace(oracle.program(1, 1, rows), save_refs=refs, saves=saves, jumps=jumps)


def save(number: int) -> Operation:
    return op(Op.SAVE, [0])._replace(save=number)


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_a_conditional_save_after_one_that_is_not(name: str) -> None:
    def program(subtype: Subtype) -> Program:
        rows = [op(Op.H, [0]), measure(0, 0), save(0), op(Op.H, [0]), measure(0, 0)]
        return saving(rows, Save(SaveKind.PROBABILITIES, "p", subtype))

    engine = ENGINES[name]()
    engine.run(make_experiment(program("average"), 20, 1))
    conditional = make_experiment(program("c_average"), 20, 1)
    assert_same([NumpySimulator().run(conditional), engine.run(conditional)])


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_stretches_that_save_different_things(name: str) -> None:
    ahead = [Operation(Op.JUMP, (), (), (), None, -1, goal) for goal in (2, 4, 6)]
    rows = [op(Op.X, [0]), ahead[0], save(0), ahead[1], save(1), ahead[2]]
    saves = [Save(SaveKind.PROBABILITIES, label, "average") for label in ("one", "two")]
    experiment = make_experiment(saving(rows, *saves), 20, 1)
    assert_same([NumpySimulator().run(experiment), ENGINES[name]().run(experiment)])
    assert [each.entries for each in ENGINES[name]().run(experiment).saved] == [1, 1]
