# SPDX-License-Identifier: Apache-2.0
"""The choice of a program's method by its cost."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from qfleet.wire.cost.branches import num_passes
from qfleet.wire.cost.cost import cost
from qfleet.wire.messages.request import Method, Request, density_refusal, resolve_method
from qfleet.wire.program.program import Program

#: The most memory of a density matrix that is chosen without being asked for.
MOST_BYTES: Final = 1 << 30


def choose_method(program: Program, request: Request, shots: int) -> tuple[Method, str]:
    """Return the method that simulates a program, and the reason.

    A program with noise is run exactly, by its density matrix, where that takes less time than the runs of its shots.

    Args:
        program: the program.
        request: its method may be ``automatic``.
        shots: shots of the circuit.

    Raises:
        MethodError: the method that is asked for can't give the output or the saved data.
    """
    method, reason = resolve_method(program, request)
    if request.method != "automatic" or method != "statevector" or not len(program.channel_refs):
        return method, reason
    refusal = density_refusal(program, request.output)
    if refusal:
        return method, f"automatic: it {refusal}, which a density matrix doesn't have"
    runs = num_passes(program, shots, method)
    exact = cost(program, replace(request, method="density_matrix"), shots=shots)
    sampled = cost(program, replace(request, method=method), shots=shots)
    if exact.memory_bytes <= MOST_BYTES and exact.seconds < sampled.seconds:
        return "density_matrix", f"automatic: takes less time than some {runs:.0f} runs of a state with random errors"
    return method, f"automatic: some {runs:.0f} runs of a state with random errors take less than a density matrix"
