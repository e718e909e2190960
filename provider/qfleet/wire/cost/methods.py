# SPDX-License-Identifier: Apache-2.0
"""The choice of a program's method by its cost."""

from __future__ import annotations

from typing import Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from qfleet.wire.cost.branches import passes, turns_of
from qfleet.wire.cost.chains import bounds
from qfleet.wire.cost.constants import FASTER_ENGINE, constants_of
from qfleet.wire.cost.cost import MOST_STATE_BYTES, cost, fits_a_machine, seconds_of
from qfleet.wire.cost.errors import ErrorRuns, error_runs
from qfleet.wire.messages.methods import MethodError, lack_of, resolve_method
from qfleet.wire.messages.request import LARGEST_BOND, MAX_BOND, METHODS, Method, Request
from qfleet.wire.program.angles import ANGLES_AT_ONCE, AngleError, fill
from qfleet.wire.program.clifford_programs import clifford_refusal
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Quantity

#: The most memory of a density matrix that is chosen without being asked for.
MOST_BYTES: Final = 1 << 30
#: The most memory of a density matrix that a worker may have.
_MOST_OF_A_WORKER: Final = 1 << 40
#: Predicted seconds of other methods from which on a tableau is worth a look at the gates.
WORTH_A_TABLEAU: Final = 5e-3


def choose_method(
    program: Program,
    request: Request,
    shots: int,
    exactly: Program | None = None,
    errors: ErrorRuns | None = None,
    values: NDArray[np.float64] | None = None,
) -> tuple[Method, str]:
    """Return the method that simulates a program, and the reason.

    A program with noise is run exactly, by its density matrix, where that takes less time than the runs of its shots.
    Clifford gates are run on a tableau where all else takes milliseconds and longer than that, or fits no machine.

    Args:
        program: the program.
        request: its method may be ``automatic``.
        shots: shots of the circuit.
        exactly: the program that a density matrix is made of, if it is another.
        errors: those of the program, if they are known.
        values: the values of its parameters at all points, shape (points, parameters); ``None`` if they aren't known.

    Raises:
        MethodError: the method that is asked for can't give the output or the saved data.
    """
    method, reason = _resolved(program, request, values)
    if request.method != "automatic" or method != "statevector":
        return method, reason
    seconds = 0.0
    if not len(program.channel_refs):
        seconds = seconds_of(program, replace(request, method=method))(shots)
    else:
        method, reason, seconds = _with_noise(program, request, shots, exactly or program, errors)
    chosen = replace(request, method=method)
    found = _on_a_tableau(program, chosen, shots, seconds, values) or _on_a_chain(program, chosen)
    return found or (method, reason)


def _resolved(program: Program, request: Request, values: NDArray[np.float64] | None) -> tuple[Method, str]:
    """Return the method by what a program has, and the reason."""
    method, reason = resolve_method(program, request)
    refusal = METHODS[method].is_clifford and _clifford_refusal(program, values)
    if refusal and request.method == "automatic":
        saved = next(save for save in program.saves if save.spec.quantity is Quantity.TABLEAU)
        raise MethodError(f"has {saved.spec.instruction} ({saved.label!r}), and {refusal}; leave one of the two out")
    if refusal:
        raise MethodError(f"can't be run by method={method!r}: {refusal}; leave the method out, or bind other values")
    return method, reason


def _with_noise(
    program: Program, request: Request, shots: int, exactly: Program, errors: ErrorRuns | None
) -> tuple[Method, str, float]:
    """Return the better of two methods, the reason, and its seconds."""
    errors = errors or error_runs(program, turns_of(program))
    runs = passes(program, "statevector", errors=errors).of(shots)
    sampled = seconds_of(program, replace(request, method="statevector"), errors)(shots)
    lack = lack_of(program, request.output, METHODS["density_matrix"])
    if lack:
        return "statevector", f"automatic: it {lack}, which a density matrix doesn't have", sampled
    exact = cost(exactly, replace(request, method="density_matrix"), shots=shots if exactly is program else 1)
    if exact.memory_bytes <= MOST_BYTES and exact.seconds < sampled:
        reason = f"automatic: takes less time than some {runs:.0f} runs of a state with random errors"
        return "density_matrix", reason, exact.seconds
    reason = f"automatic: some {runs:.0f} runs of a state with random errors take less than a density matrix"
    return "statevector", reason, sampled


def _on_a_tableau(
    program: Program, chosen: Request, shots: int, seconds: float, values: NDArray[np.float64] | None
) -> tuple[Method, str] | None:
    """Return the stabilizer method and the reason; ``None`` where another is better.

    Args:
        program: the program.
        chosen: the best request otherwise.
        shots: shots of the circuit.
        seconds: its predicted seconds.
        values: see `choose_method`.
    """
    fits = fits_a_machine(chosen, program.num_qubits)
    # Small circuits keep their counts, however many shots they have.
    if fits and seconds - shots * constants_of(FASTER_ENGINE, chosen.method).seconds_per_shot < WORTH_A_TABLEAU:
        return None
    request = replace(chosen, method="stabilizer")
    if lack_of(program, request.output, METHODS[request.method]):
        return None
    if fits and seconds_of(program, request)(shots) > seconds:
        return None
    if not is_clifford(program, values):
        return None
    other = METHODS[chosen.method].state
    if fits:
        return request.method, f"automatic: it has Clifford gates alone, whose tableau takes less time than {other}"
    return request.method, f"automatic: it has Clifford gates alone, and no machine holds {other} of its qubits"


def method_refusal(
    program: Program, request: Request, values: NDArray[np.float64] | None = None, *, num_qubits: int = 0
) -> str:
    """Return why a method can't run a program on any machine.

    The text is empty if it can.

    Args:
        program: the program.
        request: has the method.
        values: see `choose_method`.
        num_qubits: qubits that are simulated, if not all.
    """
    num_qubits = num_qubits or program.num_qubits
    lack = lack_of(program, request.output, METHODS[request.method])
    if lack:
        return f"the circuit {lack}"
    if not fits_a_machine(request, num_qubits):
        return size_of_state(num_qubits, request)
    return (METHODS[request.method].is_clifford and _clifford_refusal(program, values)) or ""


def _on_a_chain(program: Program, chosen: Request) -> tuple[Method, str] | None:
    """Return matrix product states and the reason, where nothing else fits.

    It is ``None`` where something does, or bonds may become too wide.

    Args:
        program: the program.
        chosen: the best request otherwise.
    """
    request = replace(chosen, method="matrix_product_state")
    if fits_a_machine(chosen, program.num_qubits) or lack_of(program, request.output, METHODS[request.method]):
        return None
    widest = _widest_bond(program, request)
    if widest > LARGEST_BOND:
        return None
    other = METHODS[chosen.method].state
    return request.method, (
        f"automatic: no machine holds {other} of its qubits, and a matrix product state takes bonds of at most "
        f"{widest:.0f}"
    )


def _widest_bond(program: Program, request: Request) -> float:
    """Return the most values that a bond of a program may need."""
    return float(bounds(program, replace(request, bond=MAX_BOND)).max())


def values_matter(program: Program, method: Method, asked: Method, seconds: float) -> bool:
    """Tell whether a program's method depends on the values of its parameters.

    Args:
        program: the program.
        method: the method at some values.
        asked: the method that was asked for.
        seconds: the seconds that are predicted with the method.
    """
    if not program.num_parameters or (asked != "automatic" and not METHODS[asked].is_clifford):
        return False
    return METHODS[method].is_clifford or (seconds >= WORTH_A_TABLEAU and not clifford_refusal(program))


def is_clifford(program: Program, values: NDArray[np.float64] | None) -> bool:
    """Tell whether a program is known to be one of Clifford gates.

    For the arguments see `choose_method`.
    """
    return _clifford_refusal(program, values) == ""


def _clifford_refusal(program: Program, values: NDArray[np.float64] | None) -> str | None:
    """Return why a program isn't one of Clifford gates.

    The text is empty if it is one. It is ``None`` where the angles aren't known, or too many to look at.

    Args:
        program: the program.
        values: see `choose_method`.
    """
    refusal = clifford_refusal(program)
    if refusal or not program.num_parameters:
        return refusal
    if values is None or len(values) * (len(program.params) + 1) > ANGLES_AT_ONCE:
        return None
    try:
        return clifford_refusal(program, fill(program, values))
    except AngleError as exc:
        return str(exc)


def size_of_state(num_qubits: int, request: Request) -> str:
    """Return the size of a state that no machine holds, in words."""
    return f"2**{request.exponent(num_qubits)} amplitudes, and no machine holds more than 2**{most_exponent(request)}"


def most_exponent(request: Request) -> int:
    """Return the binary logarithm of the most amplitudes that a machine holds."""
    return (MOST_STATE_BYTES // request.state_bytes(0)).bit_length() - 2


def other_methods(
    program: Program, num_qubits: int, request: Request, values: NDArray[np.float64] | None = None
) -> list[str]:
    """Return what other methods say of a program.

    Those that don't have its output or its saves are left out, and those whose states are larger.

    Args:
        program: the program.
        num_qubits: qubits that are simulated.
        request: has the method that the others are compared with.
        values: see `choose_method`.
    """
    found = []
    for spec in METHODS.values():
        if spec.method == request.method or spec.exponent > METHODS[request.method].exponent:
            continue
        if not lack_of(program, request.output, spec):
            each = replace(request, method=spec.method)
            refusal = method_refusal(program, each, values, num_qubits=num_qubits)
            if spec.is_chain and _widest_bond(program, each) > LARGEST_BOND:
                refusal = refusal or f"its bonds may need more than {LARGEST_BOND} values; ask for the method to try it"
            found.append(f"{spec.method}: {refusal or 'it can run the circuit'}")
    return found


def choose_exact_method(
    program: Program, request: Request, values: NDArray[np.float64] | None = None
) -> tuple[Method, str]:
    """Return the method for exact means over all outcomes, and the reason.

    Args:
        program: saves the expectation values at its end.
        request: its method may be ``automatic``.
        values: see `choose_method`.

    Raises:
        MethodError: the method that is asked for isn't exact with noise, or there isn't enough memory for one that is.
    """
    method, reason = _resolved(program, request, values)
    noisy = bool(len(program.channel_refs))
    if request.method != "automatic":
        if noisy and not METHODS[request.method].is_exact:
            raise MethodError(
                f"has noise, with which method={request.method!r} gives no exact expectation values; give a precision "
                "above 0, or leave the method out"
            )
        return method, reason
    lack = lack_of(program, request.output, METHODS["density_matrix"])
    if noisy and lack:
        raise MethodError(
            f"{lack}, and exact expectation values need a density matrix; give a precision above 0 to average over "
            "shots"
        )
    exact = cost(program, replace(request, method="density_matrix"), shots=1)
    if noisy and exact.memory_bytes > MOST_BYTES:
        raise MethodError(_too_large(program.num_qubits, exact.memory_bytes))
    if noisy:
        return "density_matrix", "automatic: expectation values with noise are exact by a density matrix alone"
    branches = cost(program, replace(request, method="statevector"), shots=1)
    method, seconds = "statevector", branches.seconds
    reason = "automatic: a state for each outcome of the measurements takes less than a density matrix"
    if exact.memory_bytes <= MOST_BYTES and exact.seconds < branches.seconds:
        method, seconds = "density_matrix", exact.seconds
        reason = "automatic: takes less time than a state for each outcome of the measurements"
    chosen = replace(request, method=method)
    found = _on_a_tableau(program, chosen, 1, seconds, values) or _on_a_chain(program, chosen)
    return found or (method, reason)


def _too_large(num_qubits: int, needed: int) -> str:
    """Return the refusal of a density matrix that takes much memory.

    It is named as a way out where a worker may have that much.
    """
    size = f"takes {needed / 2**30:.1f} GiB" if needed <= _MOST_OF_A_WORKER else "is more than a worker holds"
    way = ", or method='density_matrix'" if needed <= _MOST_OF_A_WORKER else ""
    return (
        f"has noise on {num_qubits} qubits, whose density matrix {size}; give a precision above 0 for an average over "
        f"shots{way}"
    )
