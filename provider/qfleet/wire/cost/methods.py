# SPDX-License-Identifier: Apache-2.0
"""The choice of a program's method by its cost."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from qfleet.wire.cost.branches import passes, turns_of
from qfleet.wire.cost.cost import cost, seconds_of
from qfleet.wire.cost.errors import ErrorRuns, error_runs
from qfleet.wire.messages.methods import MethodError, lack_of, resolve_method
from qfleet.wire.messages.request import METHODS, Method, Request
from qfleet.wire.program.program import Program

#: The most memory of a density matrix that is chosen without being asked for.
MOST_BYTES: Final = 1 << 30
#: The most memory of a density matrix that a worker may have.
_MOST_OF_A_WORKER: Final = 1 << 40


def choose_method(
    program: Program,
    request: Request,
    shots: int,
    exactly: Program | None = None,
    errors: ErrorRuns | None = None,
) -> tuple[Method, str]:
    """Return the method that simulates a program, and the reason.

    A program with noise is run exactly, by its density matrix, where that takes less time than the runs of its shots.

    Args:
        program: the program.
        request: its method may be ``automatic``.
        shots: shots of the circuit.
        exactly: the program that a density matrix is made of, if it is another.
        errors: those of the program, if they are known.

    Raises:
        MethodError: the method that is asked for can't give the output or the saved data.
    """
    method, reason = resolve_method(program, request)
    if request.method != "automatic" or method != "statevector" or not len(program.channel_refs):
        return method, reason
    refusal = lack_of(program, request.output, METHODS["density_matrix"])
    if refusal:
        return method, f"automatic: it {refusal}, which a density matrix doesn't have"
    errors = errors or error_runs(program, turns_of(program))
    runs = passes(program, method, errors=errors).of(shots)
    exact = cost(exactly or program, replace(request, method="density_matrix"), shots=1 if exactly else shots)
    sampled = seconds_of(program, replace(request, method=method), errors)(shots)
    if exact.memory_bytes <= MOST_BYTES and exact.seconds < sampled:
        return "density_matrix", f"automatic: takes less time than some {runs:.0f} runs of a state with random errors"
    return method, f"automatic: some {runs:.0f} runs of a state with random errors take less than a density matrix"


def choose_exact_method(program: Program, request: Request) -> tuple[Method, str]:
    """Return the method for exact means over all outcomes, and the reason.

    Args:
        program: saves the expectation values at its end.
        request: its method may be ``automatic``.

    Raises:
        MethodError: the method that is asked for isn't exact with noise, or there isn't enough memory for one that is.
    """
    method, reason = resolve_method(program, request)
    noisy = bool(len(program.channel_refs))
    if request.method == "statevector" and noisy:
        raise MethodError(
            "has noise, with which method='statevector' gives no exact expectation values; give a precision above 0, "
            "or leave the method out"
        )
    if request.method != "automatic":
        return method, reason
    refusal = lack_of(program, request.output, METHODS["density_matrix"])
    if noisy and refusal:
        raise MethodError(
            f"{refusal}, and exact expectation values need a density matrix; give a precision above 0 to average over "
            "shots"
        )
    exact = cost(program, replace(request, method="density_matrix"), shots=1)
    if noisy and exact.memory_bytes > MOST_BYTES:
        raise MethodError(_too_large(program.num_qubits, exact.memory_bytes))
    if noisy:
        return "density_matrix", "automatic: expectation values with noise are exact by a density matrix alone"
    branches = cost(program, replace(request, method="statevector"), shots=1)
    if exact.memory_bytes <= MOST_BYTES and exact.seconds < branches.seconds:
        return "density_matrix", "automatic: takes less time than a state for each outcome of the measurements"
    return "statevector", "automatic: a state for each outcome of the measurements takes less than a density matrix"


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
