# SPDX-License-Identifier: Apache-2.0
"""Clifford gates of a program: what they make of Paulis.

An operation counts by its matrix, not by its name: a rotation about Z by pi/2 is a Clifford gate, and so is a unitary
whose table is one. A Pauli is two masks and a sign: ``(-1)**sign * i**popcount(x & z) * X**x * Z**z``, which is
Hermitian.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.matrices import controlled, table
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation

#: Qubits of a gate at most, controls included, whose matrix is looked at.
MOST_CLIFFORD_QUBITS: Final = 6
#: Entries of a matrix that differ by less are the same.
TOLERANCE: Final = 1e-9

#: Gates that aren't Clifford gates, with any number of controls.
NEVER: Final = frozenset({Op.T, Op.TDG, Op.RCCX, Op.RC3X})
#: Gates of one angle that are Clifford gates at multiples of pi/2 at most, with any number of controls.
OF_RIGHT_ANGLES: Final = frozenset({Op.P, Op.RX, Op.RY, Op.RZ, Op.RXX, Op.RYY, Op.RZZ, Op.RZX})


class Image(NamedTuple):
    """A Pauli that another one becomes."""

    #: qubits that get X or Y, bit i for the gate's i-th qubit
    x: int
    #: qubits that get Z or Y
    z: int
    #: 1 if it is negative, else 0
    sign: int


class Clifford(NamedTuple):
    """A Clifford gate but for its phase.

    Its qubits are its controls and then its targets.
    """

    #: the images of X and Z on the first qubit, then of those on the next one, and so on
    images: tuple[Image, ...]

    @property
    def num_qubits(self) -> int:
        """Return the number of its qubits."""
        return len(self.images) // 2


def clifford_of(operation: Operation) -> Clifford | None:
    """Return an operation as a Clifford gate; ``None`` if it isn't one.

    An initialization to a stabilizer state counts too: its gate takes the targets from |0...0> to that state.

    Args:
        operation: a unitary one or an initialization.
    """
    if len(operation.controls) + len(operation.targets) > MOST_CLIFFORD_QUBITS:
        return None
    opposed = sum([(control < 0) << bit for bit, control in enumerate(operation.controls)])
    shape = _Shape(operation.code, len(operation.controls), opposed, len(operation.targets))
    if operation.table is None:
        return _of_angles(shape, operation.params)
    return _of_table(shape, operation.table.tobytes())


class _Shape(NamedTuple):
    """All of an operation but its qubits and its numbers."""

    code: Op
    controls: int
    #: the mask of the open controls
    opposed: int
    targets: int


@lru_cache(maxsize=1 << 14)
def _of_angles(shape: _Shape, params: tuple[float, ...]) -> Clifford | None:
    if shape.code in NEVER or (shape.code in OF_RIGHT_ANGLES and not are_right(np.array(params)).all()):
        return None
    return _of(shape, Operation(shape.code, (), tuple(range(shape.targets)), params, None, -1))


@lru_cache(maxsize=1 << 9)
def _of_table(shape: _Shape, entries: bytes) -> Clifford | None:
    numbers = np.frombuffer(entries, np.complex128)
    if shape.code is Op.INITIALIZE:
        return _preparation(numbers)
    return _of(shape, Operation(shape.code, (), tuple(range(shape.targets)), (), numbers, -1))


def are_right(angles: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark the angles that are multiples of pi/2, but for rounding."""
    return np.asarray(np.abs(np.remainder(angles + math.pi / 4, math.pi / 2) - math.pi / 4) < 10 * TOLERANCE)


def _of(shape: _Shape, bare: Operation) -> Clifford | None:
    """Return the Clifford gate of an operation, which comes without its controls."""
    width = shape.controls + shape.targets
    matrix = controlled(table(bare), shape.controls, shape.opposed)
    back = matrix.conj().T
    found = []
    for x, z in [masks for qubit in range(width) for masks in ((1 << qubit, 0), (0, 1 << qubit))]:
        image = matrix @ _applied(x, z, back)
        flips = int(np.argmax(np.abs(image[0])))
        phases = 0
        for bit in range(width):
            ratio = image[1 << bit, flips ^ 1 << bit] * np.conj(image[0, flips])
            phases |= int(ratio.real < 0) << bit
        pauli = _applied(flips, phases, np.eye(1 << width, dtype=np.complex128))
        sign = int((image[0, flips] * np.conj(pauli[0, flips])).real < 0)
        if not np.abs(image - (1 - 2 * sign) * pauli).max() < TOLERANCE:
            return None
        found.append(Image(flips, phases, sign))
    return Clifford(tuple(found))


def _preparation(amplitudes: NDArray[np.complex128]) -> Clifford | None:
    """Return a gate that takes |0...0> to a state.

    It is ``None`` unless that is a stabilizer state.
    """
    width = len(amplitudes).bit_length() - 1
    states = np.arange(1 << width)
    overlaps = amplitudes.conj()[states[:, None] ^ states] * amplitudes
    signs = 1.0 - 2.0 * (np.bitwise_count(states[:, None] & states) & 1)
    # By the masks of X and Z: the expectation value of each Pauli.
    values = (overlaps @ signs) * _phases(states[:, None], states)
    x, z = np.nonzero(np.abs(values) > 1 - 1e-7)
    if len(x) != len(states):
        return None
    stabilizers: list[Image] = []
    span = {(0, 0)}
    for each in zip(x.tolist(), z.tolist(), strict=True):
        if each not in span:
            span |= {(each[0] ^ other[0], each[1] ^ other[1]) for other in span}
            stabilizers.append(Image(*each, int(values[each].real < 0)))
    every = np.divmod(np.arange(1 << 2 * width), 1 << width)
    found: list[Image] = []
    for row, stabilizer in enumerate(stabilizers):
        # One that anticommutes with this stabilizer, and commutes with the others and with those found before.
        fits = _anticommute(every, stabilizer)
        for other in [*stabilizers[:row], *stabilizers[row + 1 :], *found[::2]]:
            fits &= ~_anticommute(every, other)
        at = int(np.argmax(fits))
        found += [Image(int(every[0][at]), int(every[1][at]), 0), stabilizer]
    return Clifford(tuple(found))


def _anticommute(paulis: tuple[NDArray[np.int64], NDArray[np.int64]], other: Image) -> NDArray[np.bool_]:
    return np.asarray((np.bitwise_count(paulis[0] & other.z) + np.bitwise_count(paulis[1] & other.x)) % 2 == 1)


def _applied(x: int, z: int, matrix: NDArray[np.complexfloating]) -> NDArray[np.complex128]:
    """Return the product of a positive Pauli and a matrix."""
    rows = np.arange(len(matrix)) ^ x
    signs = 1.0 - 2.0 * (np.bitwise_count(rows & z) & 1)
    return np.asarray((signs * _phases(x, z))[:, None] * matrix[rows], np.complex128)


def _phases(x: int | NDArray[np.int64], z: int | NDArray[np.int64]) -> NDArray[np.complex128]:
    """Return the factors that make ``X**x * Z**z`` Hermitian."""
    return np.asarray(np.array([1, 1j, -1, -1j])[np.bitwise_count(np.bitwise_and(x, z)) & 3])
