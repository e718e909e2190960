# SPDX-License-Identifier: Apache-2.0
"""What does a circuit save of its state, and what comes back of it?

The kinds and subtypes are those of Aer's ``save_*`` instructions.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from qfleet.wire.limits import MAX_LABEL


class SaveKind(IntEnum):
    """What is saved. The numbers are part of the wire format: never reuse one."""

    #: the amplitudes of all qubits
    STATEVECTOR = 1
    #: the same, for a dictionary without zeros
    STATEVECTOR_DICT = 2
    #: some amplitudes of all qubits
    AMPLITUDES = 3
    #: the probabilities of some basis states of all qubits
    AMPLITUDES_SQUARED = 4
    #: the probabilities of the targets' basis states
    PROBABILITIES = 5
    #: the same, for a dictionary without zeros
    PROBABILITIES_DICT = 6
    #: the mean of a sum of Paulis on the targets
    EXPECTATION_VALUE = 7
    #: the same, and its variance
    EXPECTATION_VALUE_VARIANCE = 8
    #: the reduced density matrix of the targets
    DENSITY_MATRIX = 9
    #: the matrix of all operations so far
    UNITARY = 10
    #: the means of several sums of Paulis on the targets
    EXPECTATION_VALUES = 11
    #: the same, and their squares: over several shots, these tell how far the means are sure
    EXPECTATION_VALUES_AND_SQUARES = 12


#: ``single``: from the last shot; ``list``: from each shot; ``accum``: added up over shots; ``average``: their mean.
#: With ``c_``: apart for each value that the clbits have at that moment.
Subtype = Literal["single", "c_single", "list", "c_list", "average", "c_average", "accum", "c_accum"]

#: Kinds that act on all qubits.
FULL_WIDTH = frozenset(
    {
        SaveKind.STATEVECTOR,
        SaveKind.STATEVECTOR_DICT,
        SaveKind.AMPLITUDES,
        SaveKind.AMPLITUDES_SQUARED,
        SaveKind.UNITARY,
    }
)
#: Kinds that are no averages over shots.
NOT_AVERAGED = frozenset({SaveKind.STATEVECTOR, SaveKind.STATEVECTOR_DICT, SaveKind.AMPLITUDES, SaveKind.UNITARY})
#: Kinds with the indices of basis states.
INDEXED = frozenset({SaveKind.AMPLITUDES, SaveKind.AMPLITUDES_SQUARED})
#: Kinds with several sums of Paulis.
MANY_OBSERVABLES = frozenset({SaveKind.EXPECTATION_VALUES, SaveKind.EXPECTATION_VALUES_AND_SQUARES})
#: Kinds with a sum of Paulis, or several.
OBSERVABLES = frozenset({SaveKind.EXPECTATION_VALUE, SaveKind.EXPECTATION_VALUE_VARIANCE}) | MANY_OBSERVABLES

Label = Annotated[str, Meta(max_length=MAX_LABEL)]


class Save(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What one `Op.SAVE` saves of the state at its place."""

    kind: SaveKind
    #: by which the result names it
    label: Label
    subtype: Subtype
    #: int64: the basis states of `INDEXED` kinds, qubit 0 in the lowest bit
    indices: bytes = b""
    #: uint64, shape (terms,): term t is ``i**popcount(x & z) * X**x * Z**z``, target i in bit i
    x_masks: bytes = b""
    z_masks: bytes = b""
    #: complex128, shape (terms,); with a variance shape (2, terms), the second row that of the operator's square
    coefficients: bytes = b""
    #: int32, shape (sums + 1,): where the terms of each of several sums begin, and the last one's end
    starts: bytes = b""

    def basis_states(self) -> NDArray[np.int64]:
        """The basis states to be saved, shape (states,)."""
        return np.frombuffer(self.indices, "<i8").astype(np.int64, copy=False)

    def paulis(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.complex128]]:
        """The masks of X and of Z, shape (terms,), and the coefficients, shape (1 or 2, terms)."""
        x = np.frombuffer(self.x_masks, "<u8").astype(np.uint64, copy=False)
        z = np.frombuffer(self.z_masks, "<u8").astype(np.uint64, copy=False)
        rows = 2 if self.kind is SaveKind.EXPECTATION_VALUE_VARIANCE else 1
        coefficients = np.frombuffer(self.coefficients, "<c16").astype(np.complex128, copy=False)
        return x, z, coefficients.reshape(rows, -1)

    def sums(self) -> NDArray[np.int64]:
        """Where the terms of each of several sums begin, and the last one's end; shape (sums + 1,)."""
        return np.frombuffer(self.starts, "<i4").astype(np.int64)

    @property
    def conditional(self) -> bool:
        """Whether what is saved is kept apart by the values of the clbits."""
        return self.subtype.startswith("c_")

    @property
    def manner(self) -> str:
        """The subtype without its condition."""
        return self.subtype.removeprefix("c_")


class Saved(Struct, frozen=True, forbid_unknown_fields=True):
    """What one save gave, as entries of equal size."""

    kind: SaveKind
    label: Label
    subtype: Subtype
    entries: Annotated[int, Meta(ge=0, lt=2**31)]
    #: the entries one after the other, flat; of the type that `value_type` says. Averages are sums over shots.
    values: bytes = b""
    #: int64, shape (entries,): how many times each sum was added to
    weights: bytes = b""
    #: uint8, shape (entries, ceil(num_clbits / 8)): the clbits of each entry, if they matter
    clbits: bytes = b""
    #: uint32: for a list, the entry of each shot that saved one, in the order of the shots
    places: bytes = b""


def value_type(kind: SaveKind, precision: str) -> str:
    """The type of the numbers of an entry, as numpy writes it."""
    if kind in NOT_AVERAGED:
        return "<c16" if precision == "double" else "<c8"
    return "<c16" if kind is SaveKind.DENSITY_MATRIX else "<f8"


def value_size(save: Save, num_qubits: int, num_targets: int) -> int:
    """How many numbers one entry of a save has."""
    match save.kind:
        case SaveKind.STATEVECTOR | SaveKind.STATEVECTOR_DICT:
            return 1 << num_qubits
        case SaveKind.UNITARY:
            return 1 << 2 * num_qubits
        case SaveKind.PROBABILITIES | SaveKind.PROBABILITIES_DICT:
            return 1 << num_targets
        case SaveKind.DENSITY_MATRIX:
            return 1 << 2 * num_targets
        case SaveKind.EXPECTATION_VALUE:
            return 1
        case SaveKind.EXPECTATION_VALUE_VARIANCE:
            return 2
        case SaveKind.EXPECTATION_VALUES:
            return len(save.starts) // 4 - 1
        case SaveKind.EXPECTATION_VALUES_AND_SQUARES:
            return 2 * (len(save.starts) // 4 - 1)
    return len(save.indices) // 8
