# SPDX-License-Identifier: Apache-2.0
"""Checks of formulas: each gives one number.

Each slot has one formula.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.errors import WireError
from qfleet.wire.program.formulas import BINARY_STEPS, Step
from qfleet.wire.program.program import Program

#: Numbers that a step adds to the stack; -2 for an unknown step.
_GROWTH = np.full(256, -2, np.int64)
for _step in Step:
    _GROWTH[_step] = 1 if _step in (Step.PARAMETER, Step.NUMBER) else -1 if _step in BINARY_STEPS else 0


def check_formulas(program: Program) -> None:
    """Check a program's slots and formulas.

    Raises:
        WireError: a slot isn't a place in the program's angles, or a formula doesn't give one number.
    """
    slots, refs, formulas = program.slots, program.slot_refs, program.formulas
    if not (len(slots) or len(refs) or formulas):
        return
    if len(slots) != len(refs):
        raise WireError(f"{len(refs)} formula references for {len(slots)} slots")
    if ((slots < 0) | (slots >= len(program.params))).any() or (slots[1:] <= slots[:-1]).any():
        raise WireError("the slots aren't places in the params, in ascending order")
    if program.params[slots].any():
        raise WireError("a slot isn't empty")
    if ((refs < 0) | (refs >= len(formulas))).any():
        raise WireError("a slot refers to a formula that isn't there")
    lengths = np.array([len(formula.steps) for formula in formulas], np.int64)
    steps = np.frombuffer(b"".join([formula.steps for formula in formulas]), np.uint8)
    growth = _GROWTH[steps]
    if (growth < -1).any():
        raise WireError("a formula has an unknown step")
    owner = np.repeat(np.arange(len(formulas)), lengths)
    # Each formula before has left one number, or fails its own check.
    depth = np.cumsum(growth) - owner
    if (depth < 1).any() or (depth[np.cumsum(lengths) - 1] != 1).any():
        raise WireError("a formula takes operands that aren't there, or leaves more than one number")
    raw = [formula.parameters for formula in formulas]
    _check_taken(raw, 4, owner[steps == Step.PARAMETER], "parameters")
    indices: NDArray[np.int32] = np.frombuffer(b"".join(raw), "<i4")
    if ((indices < 0) | (indices >= program.num_parameters)).any():
        raise WireError("a formula reads a parameter that isn't there")
    raw = [formula.numbers for formula in formulas]
    _check_taken(raw, 16, owner[steps == Step.NUMBER], "numbers")
    if not np.isfinite(np.frombuffer(b"".join(raw), "<c16")).all():
        raise WireError("a formula holds something that isn't a finite number")


def _check_taken(raw: list[bytes], size: int, owners: NDArray[np.int64], what: str) -> None:
    """Check that each formula has the items that its steps take.

    Args:
        raw: the items of each formula.
        size: bytes of an item.
        owners: the formula of each step that takes an item.
        what: the name of the items, for the error.

    Raises:
        WireError: a formula has more or fewer.
    """
    sizes = np.array([len(items) for items in raw], np.int64)
    if (sizes != size * np.bincount(owners, minlength=len(raw))).any():
        raise WireError(f"a formula has other {what} than its steps take")
