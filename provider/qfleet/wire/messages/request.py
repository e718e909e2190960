# SPDX-License-Identifier: Apache-2.0
"""Requests: the output of a circuit, and how the circuit is simulated."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

from msgspec import Struct

from qfleet.wire.limits import MAX_DENSITY_TARGETS
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Quantity, SaveKind

Precision = Literal["double", "single"]
#: The methods of simulation: states of single shots, density matrices, the channel or the matrix of all operations.
Method = Literal["automatic", "statevector", "density_matrix", "superop", "unitary"]

#: Bytes of one amplitude.
AMPLITUDE_BYTES: Final[dict[Precision, int]] = {"double": 16, "single": 8}
#: Bytes of one number of a density matrix, which is always in double precision.
DENSITY_BYTES: Final = 8
#: Methods that have noise and resets as one outcome.
EXACT_METHODS: Final = frozenset({"density_matrix", "superop"})
#: Binary logarithms of the numbers for each qubit.
_EXPONENTS: Final = {"density_matrix": 2, "unitary": 2, "superop": 4}


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


class MethodError(ValueError):
    """A circuit doesn't have the method that is asked for.

    The text follows a circuit's name.
    """


class Request(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The output of a circuit, and how the circuit is simulated."""

    output: Output = Output.COUNTS
    #: ``automatic`` until the program is looked at: see `resolve_method`
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

        A density matrix or a superoperator has as many real numbers.
        """
        return _EXPONENTS.get(self.method, 1) * num_qubits

    def state_bytes(self, num_qubits: int) -> int:
        """Return the bytes of one state."""
        each = DENSITY_BYTES if self.method in EXACT_METHODS else self.amplitude_bytes
        return each << self.exponent(num_qubits)


def resolve_method(program: Program, request: Request) -> tuple[Method, str]:
    """Return the method that simulates a program, and the reason.

    Raises:
        MethodError: the method that is asked for can't give the output or the saved data.
    """
    if program.saves_superop() or program.sets_superop() or request.method == "superop":
        return _superop(program, request)
    saves = program.saves_unitary()
    if saves and request.output == Output.STATEVECTOR:
        raise MethodError("saves its unitary, and gives no statevector then; ask for counts, or leave the save out")
    method: Method = "unitary" if saves or request.output == Output.UNITARY else "statevector"
    if program.sets_density_matrix() and request.method != "density_matrix":
        return _with_density_matrix(program, request)
    if request.method == "density_matrix" and method == "statevector":
        refusal = density_refusal(program, request.output)
        if refusal:
            raise MethodError(
                f"{refusal}, which method={request.method!r} doesn't have; ask for probabilities or the density "
                "matrix, or leave the method out"
            )
        return request.method, f"method={request.method!r} was asked for"
    if request.method == "automatic":
        why = "the circuit saves its unitary" if saves else "the default where no unitary is saved"
        return method, f"automatic: {why}"
    if request.method != method:
        what = "saves its unitary" if saves else f"gives its {request.output}"
        raise MethodError(f"{what}, which method={request.method!r} doesn't have; leave the method out")
    return method, f"method={request.method!r} was asked for"


def _superop(program: Program, request: Request) -> tuple[Method, str]:
    """Return the method of a program that saves its superoperator."""
    if widest_noise(program) > MAX_DENSITY_TARGETS:
        raise MethodError(
            f"has noise on {widest_noise(program)} qubits together; method='superop' takes noise on at most "
            f"{MAX_DENSITY_TARGETS}"
        )
    if not program.saves_superop():
        raise MethodError("saves no superoperator, which method='superop' is for; add `save_superop()`")
    if request.output != Output.COUNTS:
        raise MethodError(f"saves its superoperator, and gives no {request.output}; ask for counts")
    if request.method not in ("superop", "automatic"):
        raise MethodError(
            f"saves its superoperator, which method={request.method!r} doesn't have; leave the method out"
        )
    if request.method == "automatic":
        return "superop", "automatic: the circuit saves its superoperator"
    return "superop", "method='superop' was asked for"


def _with_density_matrix(program: Program, request: Request) -> tuple[Method, str]:
    """Return the method of a program that sets a density matrix."""
    if request.method != "automatic":
        raise MethodError(
            f"sets a density matrix, which method={request.method!r} doesn't have; leave the method out, or take "
            "method='density_matrix'"
        )
    refusal = density_refusal(program, request.output)
    if refusal:
        raise MethodError(f"sets a density matrix, and {refusal}; leave one of the two out")
    return "density_matrix", "automatic: the circuit sets a density matrix"


def has_exact_means(program: Program, output: Output) -> bool:
    """Tell whether means over all outcomes are wanted, not over shots."""
    kinds = [save.kind for save in program.saves[-1:]]
    return output == Output.EXPECTATION_VALUES and kinds == [SaveKind.EXPECTATION_VALUES]


def density_refusal(program: Program, output: Output) -> str:
    """Return the reason against a density matrix; empty without one.

    It gives amplitudes, or has noise on many qubits together.
    """
    if widest_noise(program) > MAX_DENSITY_TARGETS:
        return f"has noise on {widest_noise(program)} qubits together"
    if output == Output.STATEVECTOR:
        return "gives its statevector"
    for save in program.saves:
        if save.spec.quantity in (Quantity.AMPLITUDES, Quantity.AMPLITUDES_AT):
            return f"has {save.spec.instruction} ({save.label!r})"
    return ""


def widest_noise(program: Program) -> int:
    """Return the number of targets of a program's widest channel."""
    return max([channel.num_targets for channel in program.channels], default=0)
