# SPDX-License-Identifier: Apache-2.0
"""Random programs of every operation: decoding accepts them, and all engines give the same."""

from __future__ import annotations

import numpy as np
import pytest
from engines import ENGINES
from make_experiments import make_experiment
from random_programs import random_program, random_values
from same_outcomes import assert_same

from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.program.angles import fill, filled
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import SaveKind

SEEDS = range(40)
KINDS = {
    "flow": {},
    "straight": {"flow": False},
    "slots": {"slots": True},
    "unitary": {"unitary": True},
    "noisy flow": {"noise": True},
    "noisy": {"flow": False, "noise": True},
    "means": {"means": True, "slots": True},
}


def made(seed: int, kind: str) -> Program:
    rng = np.random.default_rng([seed, *kind.encode()])
    return random_program(rng, int(rng.integers(1, 7)), int(rng.integers(0, 10)), **KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_all_engines_give_the_same(kind: str) -> None:
    # With what they keep of the programs before.
    engines = [engine() for engine in ENGINES.values()]
    for seed in SEEDS:
        program = decode_program(encode_program(made(seed, kind)))
        values = random_values(np.random.default_rng(seed), program, 1)
        program = filled(program, fill(program, values)[0])
        output = "unitary" if kind == "unitary" else "statevector"
        experiment = make_experiment(program, 60, seed, memory=True, output=output)
        assert_same([engine.run(experiment) for engine in engines])


def test_every_operation_and_every_kind_of_save_is_there() -> None:
    programs = [made(seed, kind) for kind in KINDS for seed in SEEDS]
    # Statevectors have all operations but those of density matrices and superoperators.
    codes = {code for program in programs for code in program.codes.tolist()}
    assert codes == set(map(int, Op)) - {int(Op.SET_DENSITY_MATRIX), int(Op.SET_SUPEROP)}
    others = {SaveKind.SUPEROP, SaveKind.STABILIZER, SaveKind.CLIFFORD, SaveKind.MATRIX_PRODUCT_STATE}
    assert {save.kind for program in programs for save in program.saves} == set(SaveKind) - others
    assert any(program.saves_unitary() for program in programs)
    assert any(program.num_parameters and len(program.slots) for program in programs)
    assert any((program.operands < 0).any() and (program.num_controls > 1).any() for program in programs)


def test_the_same_seed_gives_the_same_program() -> None:
    for kind in KINDS:
        assert encode_program(made(3, kind)) == encode_program(made(3, kind))
        assert encode_program(made(3, kind)) != encode_program(made(4, kind))
