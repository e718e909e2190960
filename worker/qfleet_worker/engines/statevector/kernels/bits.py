# SPDX-License-Identifier: Apache-2.0
"""Arithmetic on the bits of indices, in machine code."""

from __future__ import annotations

from qfleet_worker.engines.machine_code.registry import compiled_for, machine_code


@compiled_for("int64")
def popcount(mask: int) -> int:
    """Count the bits that are set."""
    number = 0
    while mask:
        mask &= mask - 1
        number += 1
    return number


@machine_code
def spread(number: int, mask: int) -> int:
    """Return the bits of `number` at the set places of `mask`."""
    result = 0
    while number:
        lowest = mask & -mask
        if number & 1:
            result |= lowest
        mask ^= lowest
        number >>= 1
    return result


@machine_code
def is_odd(number: int) -> bool:
    """Tell whether an odd number of bits are set."""
    number ^= number >> 32
    number ^= number >> 16
    number ^= number >> 8
    number ^= number >> 4
    return (0x6996 >> (number & 15)) & 1 == 1
