# SPDX-License-Identifier: Apache-2.0
"""Does a program unpack into the operations that its arrays hold?"""

import make_golden
import numpy as np

from qfleet.wire.program.program import NON_UNITARY_OPS, PARAMS, TABLE_OPS, TARGETS, Op


def test_rows_take_what_is_theirs():
    rows = list(make_golden.program())
    assert [(row.code, row.controls, row.targets, row.params, row.clbit) for row in rows] == [
        (Op.GLOBAL_PHASE, (), (), (0.5,), -1),
        (Op.H, (), (0,), (), -1),
        (Op.X, (3, ~1), (2,), (), -1),
        (Op.U, (~0,), (3,), (0.1, -0.2, 0.3), -1),
        (Op.RZZ, (), (1, 2), (1.5,), -1),
        (Op.UNITARY, (0,), (1,), (), -1),
        (Op.DIAGONAL, (), (2, 0), (), -1),
        (Op.INITIALIZE, (), (1, 3), (), -1),
        (Op.MEASURE, (), (2,), (), 1),
        (Op.RESET, (), (0,), (), -1),
    ]
    tables = [row.table for row in rows if row.table is not None]
    assert [row.code for row in rows if row.table is not None] == [Op.UNITARY, Op.DIAGONAL, Op.INITIALIZE]
    np.testing.assert_array_equal(tables, make_golden.program().tables)


def test_its_length_is_its_rows():
    assert len(make_golden.program()) == 10


def test_every_operation_is_described():
    assert set(TARGETS) == set(Op)
    assert set(Op) >= set(PARAMS)
    assert {code for code, targets in TARGETS.items() if targets is None} == TABLE_OPS | {Op.SAVE}
    assert not set(PARAMS) & (TABLE_OPS | NON_UNITARY_OPS)


def test_operation_codes_stay_as_they_are():
    """They are on the wire: a number that changes is a new format."""
    names = (
        "X Y Z H S SDG T TDG SX SXDG P RX RY RZ R U SWAP ISWAP DCX ECR RXX RYY RZZ RZX XX_MINUS_YY XX_PLUS_YY RCCX RC3X"
    )
    others = "GLOBAL_PHASE UNITARY DIAGONAL MEASURE RESET INITIALIZE JUMP JUMP_UNLESS STORE SAVE"
    assert {code.name: int(code) for code in Op} == {
        name: number for number, name in enumerate(f"{names} {others}".split(), start=1)
    }
