# SPDX-License-Identifier: Apache-2.0
"""Requests: the output of a circuit, and how the circuit is simulated."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from qfleet.wire.limits import MAX_CHANNEL_QUBITS, MAX_DENSITY_TARGETS
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Quantity, SaveKind

Precision = Literal["double", "single"]
#: The methods of simulation, each described by a row of `METHODS`.
Method = Literal["automatic", "statevector", "density_matrix", "superop", "unitary", "stabilizer"]

#: Bytes of one amplitude.
AMPLITUDE_BYTES: Final[dict[Precision, int]] = {"double": 16, "single": 8}
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
            MethodSpec("stabilizer", "a tableau of stabilizers", _COUNTED, _OBSERVED, is_clifford=True),
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

        A density matrix or a superoperator has as many real numbers. A tableau has no amplitudes: it is 0 then.
        """
        return METHODS[self.method].exponent * num_qubits

    def state_bytes(self, num_qubits: int) -> int:
        """Return the bytes of one state."""
        if METHODS[self.method].is_clifford:
            return tableau_bytes(num_qubits)
        each = DENSITY_BYTES if self.method in EXACT_METHODS else self.amplitude_bytes
        return each << self.exponent(num_qubits)


def tableau_bytes(num_qubits: int) -> int:
    """Return the bytes of a tableau.

    It has two bits for each pair of a Pauli and a qubit, in words.
    """
    return 2 * num_qubits * 2 * 8 * (num_qubits // 64 + 1)


def has_exact_means(program: Program, output: Output) -> bool:
    """Tell whether means over all outcomes are wanted, not over shots."""
    kinds = [save.kind for save in program.saves[-1:]]
    return output == Output.EXPECTATION_VALUES and kinds == [SaveKind.EXPECTATION_VALUES]
