# SPDX-License-Identifier: Apache-2.0
"""Saves of a program, and their data.

One row of a table describes each kind of save. Kinds and subtypes are those of Aer's ``save_*`` instructions. A new
kind is a number in `SaveKind` and a row of `SAVE_SPECS`, if states know its quantity.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum, auto
from types import MappingProxyType
from typing import Annotated, Final, Literal, NamedTuple

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from qfleet.wire.limits import (
    MAX_INDEXED_QUBITS,
    MAX_LABEL,
    MAX_PROBABILITY_QUBITS,
    MAX_QUBITS,
    MAX_SUPEROP_QUBITS,
)


class SaveKind(IntEnum):
    """The kinds of saves.

    The numbers are part of the wire format: never reuse one.
    """

    #: The amplitudes of all qubits.
    STATEVECTOR = 1
    #: The same, as a dictionary without zeros.
    STATEVECTOR_DICT = 2
    #: Some amplitudes of all qubits.
    AMPLITUDES = 3
    #: The probabilities of some basis states of all qubits.
    AMPLITUDES_SQUARED = 4
    #: The probabilities of the targets' basis states.
    PROBABILITIES = 5
    #: The same, as a dictionary without zeros.
    PROBABILITIES_DICT = 6
    #: The expectation value of a sum of Paulis on the targets.
    EXPECTATION_VALUE = 7
    #: The same, and its variance.
    EXPECTATION_VALUE_VARIANCE = 8
    #: The reduced density matrix of the targets.
    DENSITY_MATRIX = 9
    #: The matrix of all operations so far.
    UNITARY = 10
    #: The expectation values of several sums of Paulis on the targets.
    EXPECTATION_VALUES = 11
    #: The same, and their squares, for the standard error over several shots.
    EXPECTATION_VALUES_AND_SQUARES = 12
    #: The superoperator of all operations so far.
    SUPEROP = 13
    #: The stabilizers of all qubits.
    STABILIZER = 14
    #: The same, with destabilizers: a Clifford that makes the state of |0...0>.
    CLIFFORD = 15
    #: The tensors of a matrix product state of all qubits.
    MATRIX_PRODUCT_STATE = 16


#: ``single``: from the last shot; ``list``: from each shot; ``accum``: added up over shots; ``average``: their mean.
#: With ``c_``: separately for each value of the clbits at that moment.
Subtype = Literal["single", "c_single", "list", "c_list", "average", "c_average", "accum", "c_accum"]


class Payload(Enum):
    """The data of a save besides its kind."""

    NONE = auto()
    BASIS_STATES = auto()
    #: one sum of Paulis
    PAULIS = auto()
    #: several sums of Paulis
    PAULI_SUMS = auto()


class Quantity(Enum):
    """The quantity of a state that a save reads."""

    AMPLITUDES = auto()
    #: the amplitudes of some basis states
    AMPLITUDES_AT = auto()
    #: the probabilities of some basis states
    SQUARES_AT = auto()
    PROBABILITIES = auto()
    DENSITY_MATRIX = auto()
    EXPECTATION_VALUES = auto()
    #: the matrix of all operations so far, which is the same for all shots
    MATRIX = auto()
    #: the superoperator of all operations so far
    SUPEROP = auto()
    #: destabilizers and stabilizers of all qubits
    TABLEAU = auto()
    #: the tensors of a matrix product state, as `qfleet.wire.program.tensors` packs them
    TENSORS = auto()


_SINGLE: Final = ("single", "list")
_AVERAGED: Final = ("average", "accum", "list")


class SaveSpec(NamedTuple):
    """The description of a kind of save."""

    kind: SaveKind
    quantity: Quantity
    #: Aer's instruction; empty if no instruction makes such a save.
    instruction: str = ""
    payload: Payload = Payload.NONE
    #: The dtype of an entry's numbers. ``state`` is the dtype of the state's amplitudes.
    numbers: Literal["state", "complex128", "float64", "uint8"] = "float64"
    #: Subtypes without ``c_``.
    manners: tuple[str, ...] = _AVERAGED
    #: True if it acts on all qubits.
    whole_state: bool = False
    #: The largest number of targets.
    most_qubits: int = MAX_INDEXED_QUBITS
    #: True if zeros are left out of the result.
    sparse: bool = False
    #: True if an entry has a variance too. The save then has coefficients of the operator's square.
    variance: bool = False
    #: True if an entry has the squares of its numbers too.
    squares: bool = False


_K, _Q = SaveKind, Quantity
# fmt: off
SAVE_SPECS: Final = (
    SaveSpec(_K.STATEVECTOR, _Q.AMPLITUDES, "save_statevector",
             numbers="state", manners=_SINGLE, whole_state=True),
    SaveSpec(_K.STATEVECTOR_DICT, _Q.AMPLITUDES, "save_statevector_dict",
             numbers="state", manners=_SINGLE, whole_state=True, sparse=True),
    SaveSpec(_K.AMPLITUDES, _Q.AMPLITUDES_AT, "save_amplitudes", Payload.BASIS_STATES,
             numbers="state", manners=_SINGLE, whole_state=True),
    SaveSpec(_K.AMPLITUDES_SQUARED, _Q.SQUARES_AT, "save_amplitudes_sq", Payload.BASIS_STATES, whole_state=True),
    SaveSpec(_K.PROBABILITIES, _Q.PROBABILITIES, "save_probabilities", most_qubits=MAX_PROBABILITY_QUBITS),
    SaveSpec(_K.PROBABILITIES_DICT, _Q.PROBABILITIES, "save_probabilities_dict",
             most_qubits=MAX_PROBABILITY_QUBITS, sparse=True),
    SaveSpec(_K.EXPECTATION_VALUE, _Q.EXPECTATION_VALUES, "save_expval", Payload.PAULIS,
             most_qubits=MAX_QUBITS),
    SaveSpec(_K.EXPECTATION_VALUE_VARIANCE, _Q.EXPECTATION_VALUES, "save_expval_var", Payload.PAULIS,
             most_qubits=MAX_QUBITS, variance=True),
    SaveSpec(_K.DENSITY_MATRIX, _Q.DENSITY_MATRIX, "save_density_matrix",
             numbers="complex128", most_qubits=MAX_PROBABILITY_QUBITS // 2),
    SaveSpec(_K.UNITARY, _Q.MATRIX, "save_unitary", numbers="state", manners=_SINGLE, whole_state=True),
    SaveSpec(_K.EXPECTATION_VALUES, _Q.EXPECTATION_VALUES, "", Payload.PAULI_SUMS, manners=("average",),
             most_qubits=MAX_QUBITS),
    SaveSpec(_K.EXPECTATION_VALUES_AND_SQUARES, _Q.EXPECTATION_VALUES, "", Payload.PAULI_SUMS,
             manners=("average",), most_qubits=MAX_QUBITS, squares=True),
    SaveSpec(_K.SUPEROP, _Q.SUPEROP, "save_superop",
             numbers="state", manners=_SINGLE, whole_state=True, most_qubits=MAX_SUPEROP_QUBITS),
    SaveSpec(_K.STABILIZER, _Q.TABLEAU, "save_stabilizer",
             numbers="uint8", manners=_SINGLE, whole_state=True, most_qubits=MAX_QUBITS),
    SaveSpec(_K.CLIFFORD, _Q.TABLEAU, "save_clifford",
             numbers="uint8", manners=_SINGLE, whole_state=True, most_qubits=MAX_QUBITS),
    SaveSpec(_K.MATRIX_PRODUCT_STATE, _Q.TENSORS, "save_matrix_product_state",
             numbers="complex128", manners=_SINGLE, whole_state=True, most_qubits=MAX_QUBITS),
)
# fmt: on
SAVE_SPEC: Final[Mapping[SaveKind, SaveSpec]] = MappingProxyType({spec.kind: spec for spec in SAVE_SPECS})
#: Kinds by Aer's instructions.
INSTRUCTIONS: Final[Mapping[str, SaveKind]] = MappingProxyType(
    {spec.instruction: spec.kind for spec in SAVE_SPECS if spec.instruction}
)

Label = Annotated[str, Meta(max_length=MAX_LABEL)]


class _OfKind:
    """The common properties of saves and their data."""

    __slots__ = ()
    kind: SaveKind
    subtype: Subtype

    @property
    def spec(self) -> SaveSpec:
        """Return the description of the kind."""
        return SAVE_SPEC[self.kind]

    @property
    def conditional(self) -> bool:
        """Tell whether data are kept apart by the values of the clbits."""
        return self.subtype.startswith("c_")

    @property
    def manner(self) -> str:
        """Return the subtype without ``c_``."""
        return self.subtype.removeprefix("c_")

    @property
    def summed(self) -> bool:
        """Tell whether the values of shots are added up."""
        return self.manner in ("average", "accum")


class Save(_OfKind, Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One save of the state at the place of its row."""

    kind: SaveKind
    #: The name of the data in the result.
    label: Label
    subtype: Subtype
    #: int64, shape (basis states,), qubit 0 in the lowest bit: of `Payload.BASIS_STATES`.
    indices: bytes = b""
    #: uint64, shape (terms, words): term t is ``i**popcount(x & z) * X**x * Z**z``, target i in bit i. A mask has
    #: as many words as its targets need, the lowest first.
    x_masks: bytes = b""
    z_masks: bytes = b""
    #: complex128, shape (terms,). With a variance, shape (2, terms): the second row is the operator's square.
    coefficients: bytes = b""
    #: int32, shape (sums + 1,): the index of each sum's first term, and the end of the last: of `Payload.PAULI_SUMS`.
    starts: bytes = b""

    def basis_states(self) -> NDArray[np.int64]:
        """Return the basis states to save, shape (basis states,)."""
        return np.frombuffer(self.indices, "<i8").astype(np.int64, copy=False)

    @property
    def num_terms(self) -> int:
        """Return the number of terms of its sums of Paulis."""
        return len(self.coefficients) // (32 if self.spec.variance else 16)

    def paulis(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.complex128]]:
        """Return the terms of the sums of Paulis.

        Returns:
            The masks of X and of Z, uint64, shape (terms,), or (terms, words) with more than one word; and the
            coefficients, complex128, shape (1 or 2, terms).
        """
        terms = self.num_terms
        words = len(self.x_masks) // (8 * terms) if terms else 1
        shape = (terms, words) if words > 1 else (terms,)
        x = np.frombuffer(self.x_masks, "<u8").astype(np.uint64, copy=False).reshape(shape)
        z = np.frombuffer(self.z_masks, "<u8").astype(np.uint64, copy=False).reshape(shape)
        coefficients = np.frombuffer(self.coefficients, "<c16").astype(np.complex128, copy=False)
        return x, z, coefficients.reshape(2 if self.spec.variance else 1, -1)

    def sums(self) -> NDArray[np.int64]:
        """Return the index of each sum's first term.

        Returns:
            int64, shape (sums + 1,); the last entry is the number of terms.
        """
        return np.frombuffer(self.starts, "<i4").astype(np.int64)


class Saved(_OfKind, Struct, frozen=True, forbid_unknown_fields=True):
    """The data of one save, as entries of equal size."""

    kind: SaveKind
    label: Label
    subtype: Subtype
    entries: Annotated[int, Meta(ge=0, lt=2**31)]
    #: The entries one after the other, of the dtype `value_type`. Averages are sums over shots.
    values: bytes = b""
    #: int64, shape (entries,): the number of values in each sum.
    weights: bytes = b""
    #: uint8, shape (entries, ceil(num_clbits / 8)): the clbits of each entry, if data are kept apart by them.
    clbits: bytes = b""
    #: uint32: for a list, the entry of each shot that saved one, in the order of the shots.
    places: bytes = b""


def mask_words(num_targets: int) -> int:
    """Return the number of words in a Pauli's mask."""
    return max(1, -(-num_targets // 64))


def value_type(kind: SaveKind, precision: str) -> str:
    """Return the dtype of an entry's numbers, as numpy writes it."""
    match SAVE_SPEC[kind].numbers:
        case "state":
            return "<c16" if precision == "double" else "<c8"
        case "complex128":
            return "<c16"
        case "uint8":
            return "|u1"
    return "<f8"


def tableau_size(num_qubits: int) -> int:
    """Return the bytes of all destabilizers and stabilizers.

    Each has a row of bits: those of X, those of Z, and its sign.
    """
    return 2 * num_qubits * (-(-(2 * num_qubits + 1) // 8))


def value_size(save: Save, num_qubits: int, num_targets: int) -> int:
    """Return the number of numbers in one entry of a save.

    Args:
        save: the save.
        num_qubits: number of qubits of the program.
        num_targets: number of targets of the row that saves.
    """
    spec = save.spec
    match spec.quantity:
        case Quantity.AMPLITUDES:
            return 1 << num_qubits
        case Quantity.MATRIX:
            return 1 << 2 * num_qubits
        case Quantity.SUPEROP:
            return 1 << 4 * num_qubits
        case Quantity.TABLEAU:
            return tableau_size(num_qubits)
        case Quantity.PROBABILITIES:
            return 1 << num_targets
        case Quantity.DENSITY_MATRIX:
            return 1 << 2 * num_targets
        case Quantity.EXPECTATION_VALUES:
            sums = len(save.starts) // 4 - 1 if spec.payload is Payload.PAULI_SUMS else 1
            return sums * (2 if spec.variance or spec.squares else 1)
    return len(save.indices) // 8
