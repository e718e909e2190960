# SPDX-License-Identifier: Apache-2.0
"""Checks of jumps, variables and expressions, which workers follow blindly."""

from __future__ import annotations

import numpy as np

from qfleet.wire.checks.expressions import is_place, type_of
from qfleet.wire.errors import WireError
from qfleet.wire.limits import MAX_FLOW_OPERATIONS
from qfleet.wire.program.expressions import BOOL
from qfleet.wire.program.operations import EXPRESSIONS, JUMPS, Op
from qfleet.wire.program.program import Program


def check_flow(program: Program) -> None:
    """Check a program's jumps, loops and expressions.

    Raises:
        WireError: a jump doesn't lead to a row, or an expression doesn't have the type that its row needs.
    """
    codes = program.codes
    if not (len(program.jumps) or len(program.expression_refs) or program.expressions or program.loops):
        if program.num_flow_operations():
            raise WireError("a jump without a target, or a store without expressions")
        return
    flow_operations = program.num_flow_operations()
    if flow_operations > MAX_FLOW_OPERATIONS:
        raise WireError(f"{flow_operations} jumps and stores; at most {MAX_FLOW_OPERATIONS} are allowed")
    jumps = int(JUMPS[codes].sum())
    if jumps != len(program.jumps):
        raise WireError(f"{len(program.jumps)} targets for {jumps} jumps")
    if ((program.jumps < 0) | (program.jumps > len(codes))).any():
        raise WireError("a jump leads to a row that isn't there")
    if any(row >= len(codes) for row, _ in program.loops):
        raise WireError("a loop begins at a row that isn't there")
    refs = program.expression_refs
    needed = int(EXPRESSIONS[codes].sum())
    if needed != len(refs):
        raise WireError(f"{len(refs)} expression references where the operations need {needed}")
    if ((refs < 0) | (refs >= len(program.expressions))).any():
        raise WireError("an operation refers to an expression that isn't there")
    types = [type_of(expression, program.num_clbits, program.variables) for expression in program.expressions]
    if needed:
        _check_uses(program, types)


def _check_uses(program: Program, types: list[int]) -> None:
    users = program.codes[EXPRESSIONS[program.codes] > 0]
    counts = EXPRESSIONS[users]
    first = np.cumsum(counts) - counts
    kinds = np.array(types, np.int64)
    refs = program.expression_refs
    if (kinds[refs[first[users == Op.JUMP_UNLESS]]] != BOOL).any():
        raise WireError("a condition isn't of type Bool")
    stores = first[users == Op.STORE]
    if (kinds[refs[stores]] != kinds[refs[stores + 1]]).any():
        raise WireError("a value is stored to a place of another type")
    if not all(is_place(program.expressions[ref]) for ref in set(refs[stores].tolist())):
        raise WireError("a value is stored to what is no place")
