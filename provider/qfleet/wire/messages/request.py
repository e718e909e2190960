# SPDX-License-Identifier: Apache-2.0
"""Requests: the output of a circuit, and how the circuit is simulated."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, Final, Literal, NamedTuple

from msgspec import Meta, Struct

from qfleet.wire.limits import MAX_CHANNEL_QUBITS, MAX_DENSITY_TARGETS
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Quantity, SaveKind

Precision = Literal["double", "single"]
#: The methods of simulation, each described by a row of `METHODS`.
Method = Literal[
    "automatic", "statevector", "density_matrix", "superop", "unitary", "stabilizer", "matrix_product_state"
]

#: Bytes of one amplitude.
AMPLITUDE_BYTES: Final[dict[Precision, int]] = {"double": 16, "single": 8}
#: Most values of a bond of a matrix product state that is given no limit; a circuit that needs more fails.
LARGEST_BOND: Final = 1024
#: Largest limit of a bond that can be given.
MAX_BOND: Final = 1 << 15
#: Aer's default, too.
DEFAULT_THRESHOLD: Final = 1e-16
#: Bytes of one number of a density matrix, which is always in double precision.
DENSITY_BYTES: Final = 8


class Output(StrEnum):
    """The output of a circuit.

    The values are those of stored jobs: never change one.
    """

    COUNTS = "counts"
    #: counts, and the final state
    STATEVECTOR = "statevector"
    #: the matrix of the whole circuit
    UNITARY = "unitary"
    #: each shot's bits
    BITS = "bits"
    #: expectation values of observables, which the program saves at its end
    EXPECTATION_VALUES = "means"


#: Outputs that Qiskit's primitives ask for.
PRIMITIVE_OUTPUTS: Final = frozenset({Output.BITS, Output.EXPECTATION_VALUES})


class MethodSpec(NamedTuple):
    """The description of a method."""

    method: Method
    #: its state, or what it has instead
    state: str
    outputs: frozenset[Output]
    #: what saves may read
    quantities: frozenset[Quantity]
    #: the quantity that must be saved, unless the output is it
    purpose: Quantity | None = None
    #: operations that set what other methods don't have
    sets: frozenset[Op] = frozenset()
    #: targets of noise at most
    widest_noise: int = MAX_CHANNEL_QUBITS
    #: True if its gates must be Clifford gates, and its noise mixtures of Paulis and resets
    is_clifford: bool = False
    #: True if its state is a chain of tensors, whose size depends on the circuit
    is_chain: bool = False
    #: True if noise and resets have one outcome
    is_exact: bool = False
    #: the binary logarithm of the numbers of a state for each qubit; 0 if a state isn't an array of them
    exponent: int = 0


_O, _Q = Output, Quantity
_COUNTED: Final = frozenset({_O.COUNTS, *PRIMITIVE_OUTPUTS})
_OBSERVED: Final = frozenset({_Q.SQUARES_AT, _Q.PROBABILITIES, _Q.DENSITY_MATRIX, _Q.EXPECTATION_VALUES})
#: The methods, in the order in which they are preferred where the circuit's output and saves decide.
METHODS: Final[Mapping[str, MethodSpec]] = MappingProxyType(
    {
        spec.method: spec
        for spec in (
            MethodSpec(
                "statevector",
                "a statevector",
                _COUNTED | {_O.STATEVECTOR},
                _OBSERVED | {_Q.AMPLITUDES, _Q.AMPLITUDES_AT},
                exponent=1,
            ),
            MethodSpec(
                "density_matrix",
                "a density matrix",
                _COUNTED,
                _OBSERVED,
                sets=frozenset({Op.SET_DENSITY_MATRIX}),
                widest_noise=MAX_DENSITY_TARGETS,
                is_exact=True,
                exponent=2,
            ),
            MethodSpec(
                "superop",
                "a superoperator",
                frozenset({_O.COUNTS}),
                frozenset({_Q.SUPEROP}),
                purpose=_Q.SUPEROP,
                sets=frozenset({Op.SET_DENSITY_MATRIX, Op.SET_SUPEROP}),
                widest_noise=MAX_DENSITY_TARGETS,
                is_exact=True,
                exponent=4,
            ),
            MethodSpec(
                "unitary",
                "a unitary",
                frozenset({_O.COUNTS, _O.UNITARY}),
                frozenset({_Q.MATRIX}),
                purpose=_Q.MATRIX,
                exponent=2,
            ),
            MethodSpec("stabilizer", "a tableau of stabilizers", _COUNTED, _OBSERVED | {_Q.TABLEAU}, is_clifford=True),
            MethodSpec(
                "matrix_product_state",
                "a matrix product state",
                _COUNTED | {_O.STATEVECTOR},
                _OBSERVED | {_Q.AMPLITUDES, _Q.AMPLITUDES_AT, _Q.TENSORS},
                is_chain=True,
            ),
        )
    }
)
#: Methods that have noise and resets as one outcome.
EXACT_METHODS: Final = frozenset(spec.method for spec in METHODS.values() if spec.is_exact)


class Request(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The output of a circuit, and how the circuit is simulated."""

    output: Output = Output.COUNTS
    #: ``automatic`` until the program is looked at: see `qfleet.wire.messages.methods.resolve_method`
    method: Method = "statevector"
    precision: Precision = "double"
    #: True if the result has each shot's outcome, in order
    memory: bool = False
    #: the most values of a bond of a matrix product state; 0 for no limit
    bond: Annotated[int, Meta(ge=0, le=MAX_BOND)] = 0
    #: the largest part of the squared norm that is cut off a bond
    threshold: Annotated[float, Meta(ge=0, le=1)] = DEFAULT_THRESHOLD

    @property
    def returns_amplitudes(self) -> bool:
        """Tell whether the result has a state or a matrix."""
        return self.output in (Output.STATEVECTOR, Output.UNITARY)

    @property
    def keeps_shots(self) -> bool:
        """Tell whether an engine keeps each shot's outcome."""
        return self.memory or self.output == Output.BITS

    @property
    def amplitude_bytes(self) -> int:
        """Return the bytes of one amplitude."""
        return AMPLITUDE_BYTES[self.precision]

    def exponent(self, num_qubits: int) -> int:
        """Return the binary logarithm of the number of simulated amplitudes.

        A density matrix or a superoperator has as many real numbers. It is 0 for a method without amplitudes.
        """
        return METHODS[self.method].exponent * num_qubits

    def state_bytes(self, num_qubits: int) -> int:
        """Return the bytes of one state."""
        if METHODS[self.method].is_clifford:
            return tableau_bytes(num_qubits)
        if METHODS[self.method].is_chain:
            return chain_bytes(num_qubits, self.bond or LARGEST_BOND, self.amplitude_bytes)
        each = DENSITY_BYTES if self.method in EXACT_METHODS else self.amplitude_bytes
        return each << self.exponent(num_qubits)


def tableau_bytes(num_qubits: int) -> int:
    """Return the bytes of a tableau.

    It has two bits for each pair of a Pauli and a qubit, in words.
    """
    return 2 * num_qubits * 2 * 8 * (num_qubits // 64 + 1)


def chain_bytes(num_qubits: int, bond: int, amplitude_bytes: int) -> int:
    """Return the bytes of a matrix product state."""
    largest = min(num_qubits // 2, bond.bit_length())
    exponents = [min(cut, num_qubits - cut, largest) for cut in range(num_qubits + 1)]
    bonds = [min(bond, 1 << exponent) for exponent in exponents]
    return 2 * amplitude_bytes * sum([left * right for left, right in pairwise(bonds)])


def has_exact_means(program: Program, output: Output) -> bool:
    """Tell whether means over all outcomes are wanted, not over shots."""
    kinds = [save.kind for save in program.saves[-1:]]
    return output == Output.EXPECTATION_VALUES and kinds == [SaveKind.EXPECTATION_VALUES]
