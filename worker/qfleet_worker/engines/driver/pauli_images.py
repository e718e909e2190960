# SPDX-License-Identifier: Apache-2.0
"""Paulis in front of gates, and what they are behind them.

A Pauli in front of a Clifford gate is another Pauli behind it; in front of any other gate that is so for some Paulis
only, such as Z before a rotation about Z. Signs are left out: no outcome of a measurement depends on them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.matrices import table
from qfleet.wire.program.operations import ANGLES, HAS_TABLE, SPEC, Op
from qfleet.wire.program.program import Operation, Program

#: Qubits of a gate at most whose matrix is looked at.
_MOST_QUBITS: Final = 4
#: Entries of a matrix that differ by less are the same.
_TOLERANCE: Final = 1e-12


class GateImages:
    """The gates of a program, as Paulis pass through them.

    A Pauli is two masks: the qubits that get X or Y, and those that get Z or Y. Bit i is that of the i-th qubit among
    those that the program names.

    Args:
        program: has no jumps.
    """

    def __init__(self, program: Program) -> None:
        qubits = np.maximum(program.operands, ~program.operands)
        self.named = np.unique(qubits)
        ranks = np.searchsorted(self.named, qubits)
        widths = program.num_controls.astype(np.int64) + program.num_targets
        ends = np.cumsum(widths)
        self._begins, self._ends = (ends - widths).tolist(), ends.tolist()
        self._ranks: list[int] = ranks.tolist()
        self._opposed: list[bool] = (program.operands < 0).tolist()
        #: by row: the mask of its qubits
        self.masks = [sum([1 << rank for rank in set(self.qubits(row))]) for row in range(len(widths))]
        self._known: dict[tuple[int, int, int], tuple[int, int] | None] = {}
        self._codes: list[int] = program.codes.tolist()
        self._controls: list[int] = program.num_controls.tolist()
        self._params: list[float] = program.params.tolist()
        self._params_end: list[int] = np.cumsum(ANGLES[program.codes]).tolist()

    def qubits(self, row: int) -> list[int]:
        """Return the qubits of a row, its controls first."""
        return self._ranks[self._begins[row] : self._ends[row]]

    def image(self, row: int, x: int, z: int) -> tuple[int, int] | None:
        """Return what a Pauli before a gate is behind it.

        It is ``None`` if that isn't a Pauli.

        Args:
            row: that of the gate.
            x: the mask of X.
            z: the mask of Z.
        """
        mask = self.masks[row]
        key = row, x & mask, z & mask
        if key not in self._known:
            self._known[key] = self._image(*key)
        known = self._known[key]
        return None if known is None else (x & ~mask | known[0], z & ~mask | known[1])

    def _image(self, row: int, x: int, z: int) -> tuple[int, int] | None:
        """Return the image of a Pauli on a row's own qubits."""
        own_x = own_z = 0
        qubits = self.qubits(row)
        for bit, rank in enumerate(qubits):
            own_x |= (x >> rank & 1) << bit
            own_z |= (z >> rank & 1) << bit
        code, controls = Op(self._codes[row]), self._controls[row]
        if not own_x and (SPEC[code].diagonal or not own_z >> controls):
            return x, z
        if HAS_TABLE[code] or len(qubits) > _MOST_QUBITS:
            return None
        begin, end = self._begins[row], self._params_end[row]
        opposed = sum([self._opposed[begin + bit] << bit for bit in range(controls)])
        params = tuple(self._params[end - int(ANGLES[code]) : end])
        found = _image(code, params, (controls, opposed, len(qubits)), own_x, own_z)
        if found is None:
            return None
        x, z = (sum([(mask >> bit & 1) << rank for bit, rank in enumerate(qubits)]) for mask in found)
        return x, z


@lru_cache(maxsize=1 << 14)
def _image(code: Op, params: tuple[float, ...], shape: tuple[int, int, int], x: int, z: int) -> tuple[int, int] | None:
    """Return the image of a Pauli on a gate's own qubits.

    Args:
        code: the gate's.
        params: its angles.
        shape: the number of its controls, the mask of those that are open, and the number of its qubits.
        x: the mask of X, whose bit 0 is the first control's.
        z: the same for Z.
    """
    matrix = _matrix(code, params, shape)
    image = matrix @ _pauli(shape[2], x, z) @ matrix.conj().T
    flips = int(np.argmax(np.abs(image[0])))
    signs = 0
    for bit in range(shape[2]):
        ratio = image[1 << bit, flips ^ 1 << bit] * np.conj(image[0, flips])
        signs |= int(ratio.real < 0) << bit
    apart = np.abs(image - image[0, flips] * _pauli(shape[2], flips, signs)).max()
    return (flips, signs) if apart < _TOLERANCE else None


def _pauli(num_qubits: int, x: int, z: int) -> NDArray[np.complex128]:
    """Return a Pauli's matrix, up to a factor."""
    at = np.arange(1 << num_qubits)
    matrix = np.zeros((len(at), len(at)), np.complex128)
    matrix[at, at ^ x] = (-1.0) ** np.bitwise_count(at & z)
    return matrix


@lru_cache(maxsize=1 << 10)
def _matrix(code: Op, params: tuple[float, ...], shape: tuple[int, int, int]) -> NDArray[np.complex128]:
    """Return a gate's matrix over its controls and targets; see `_image`."""
    controls, opposed, qubits = shape
    own = table(Operation(code, (), tuple(range(qubits - controls)), params, None, -1))
    own = np.diag(own) if own.ndim == 1 else own
    matrix = np.eye(1 << qubits, dtype=np.complex128)
    rows = np.arange(len(own)) << controls | (1 << controls) - 1 ^ opposed
    matrix[np.ix_(rows, rows)] = own
    return matrix
