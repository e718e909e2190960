# SPDX-License-Identifier: Apache-2.0
"""Products of several gates on a few wires."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.matrices import ComplexArray


class Gate(NamedTuple):
    """A unitary on wires."""

    #: pairs of a wire and the value (0 or 1) that it must have
    controls: tuple[tuple[int, int], ...]
    targets: tuple[int, ...]
    #: complex128, shape (2**targets,) for a diagonal, (2**targets, 2**targets) for a matrix, and (2**targets, 1) for
    #: the state that targets in |0> are given
    table: ComplexArray


def product(gates: list[Gate], wires: list[int], inputs: list[int]) -> ComplexArray:
    """Return the matrix of gates that are applied in their order.

    Args:
        gates: the first is applied first.
        wires: the wires of the matrix's rows.
        inputs: the wires of its columns; the others are in |0>.

    Returns:
        complex128, shape (2**wires, 2**inputs).
    """
    matrix = np.zeros((1 << len(wires), 1 << len(inputs)), np.complex128)
    matrix[_rows((), tuple(wires.index(wire) for wire in inputs), len(inputs))[:, 0], np.arange(matrix.shape[1])] = 1
    _apply(gates, wires, matrix)
    return matrix


def diagonal_product(gates: list[Gate], wires: list[int]) -> ComplexArray:
    """Return the diagonal of the product of diagonal gates.

    Returns:
        complex128, shape (2**wires,).
    """
    table = np.ones((1 << len(wires), 1), np.complex128)
    _apply(gates, wires, table)
    return table[:, 0]


def _apply(gates: list[Gate], wires: list[int], matrix: ComplexArray) -> None:
    """Multiply a matrix by each gate from the left, in place.

    The rows of the matrix are over `wires`.
    """
    at = {wire: bit for bit, wire in enumerate(wires)}
    columns = matrix.shape[1]
    for controls, targets, table in gates:
        rows = _rows(
            tuple([(at[wire], value) for wire, value in controls]),
            tuple([at[wire] for wire in targets]),
            len(wires),
        )
        if table.ndim == 1:
            matrix[rows] *= table[:, None, None]
        else:
            # A table with one column sets wires that are in |0>: only the first row of its part isn't zero.
            part = matrix[rows[: table.shape[1]]].reshape(table.shape[1], -1)
            matrix[rows] = (table @ part).reshape((*rows.shape, columns))


@lru_cache(maxsize=1024)
def _rows(controls: tuple[tuple[int, int], ...], targets: tuple[int, ...], width: int) -> NDArray[np.intp]:
    """Return the indices over `width` bits whose controls have their values.

    Shape (2**targets, 2**(all other bits)): one row of it for each value of the targets.
    """
    fixed = sum(value << bit for bit, value in controls)
    used = {bit for bit, _ in controls}.union(targets)
    return _spread(targets)[:, None] + (_spread([bit for bit in range(width) if bit not in used]) + fixed)


def _spread(bits: tuple[int, ...] | list[int]) -> NDArray[np.intp]:
    """Return the numbers whose set bits are all among `bits`.

    The first of these bits counts fastest.
    """
    numbers = np.zeros(1, np.intp)
    for bit in bits:
        numbers = np.concatenate([numbers, numbers + (1 << bit)])
    return numbers
