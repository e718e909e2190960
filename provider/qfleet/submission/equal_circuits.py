# SPDX-License-Identifier: Apache-2.0
"""Circuits that differ in their angles alone, made one program.

The angles become parameters, and each circuit is a parameter set. A data set that is encoded into a circuit is
thousands of such circuits, bound one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np

from qfleet.wire.program.formulas import parameter
from qfleet.wire.program.program import Program

#: A program without its angles.
AngleStructure: TypeAlias = tuple[Any, ...]

#: The fields of a program that must be equal.
_FORM: Final = [name for name in Program.__struct_fields__ if name != "params"]
#: Largest number of angles: each needs a formula.
_MOST_ANGLES: Final = 10_000


def angle_structure(program: Program) -> AngleStructure | None:
    """Return a program without its angles, for comparison.

    It is ``None`` for a program with parameters, without angles or with too many.
    """
    if program.num_parameters or not 0 < len(program.params) <= _MOST_ANGLES:
        return None
    return tuple([_hashable(getattr(program, name)) for name in _FORM])


def _hashable(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tobytes()
    return tuple(map(_hashable, value)) if isinstance(value, tuple) else value


def find_repeated(structures: Iterable[AngleStructure | None]) -> set[AngleStructure]:
    """Return the structures that several programs have."""
    return {each for each, times in Counter(structures).items() if times > 1 and each is not None}


def with_free_angles(program: Program) -> Program:
    """Return the program with each of its angles a parameter."""
    angles = np.arange(len(program.params), dtype=np.int32)
    return msgspec.structs.replace(
        program,
        params=np.zeros_like(program.params),
        num_parameters=len(angles),
        slots=angles,
        slot_refs=angles,
        formulas=tuple([parameter(index) for index in angles.tolist()]),
    )
