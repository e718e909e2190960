# SPDX-License-Identifier: Apache-2.0
"""Arithmetic on words of 64 bits, in machine code."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from qfleet_worker.engines.machine_code.registry import inner_code


@intrinsic  # type: ignore[untyped-decorator]
def ones(typing_context: Any, word: Any) -> Any:
    """Return how many bits of a word are set."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def lowest_bit(typing_context: Any, word: Any) -> Any:
    """Return the place of the lowest bit that is set."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], context.get_constant(types.boolean, False))

    return types.uint64(types.uint64), codegen


@inner_code
def is_odd(word: Any) -> Any:
    """Return 1 if an odd number of bits are set, else 0."""
    return ones(word) & np.uint64(1)
