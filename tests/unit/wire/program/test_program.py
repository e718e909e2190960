# SPDX-License-Identifier: Apache-2.0
"""A program unpacks into the operations in its arrays."""

import make_golden
import numpy as np

from qfleet.wire.program.operations import Op


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
