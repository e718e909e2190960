# SPDX-License-Identifier: Apache-2.0
"""Limits of circuits: qubits, memory, and sizes that Redis holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit

from qfleet.errors import CapacityError, InvalidOptionError
from qfleet.options import RunOptions
from qfleet.wire.cost.cost import fits_a_machine
from qfleet.wire.cost.methods import most_exponent, size_of_state
from qfleet.wire.limits import LARGEST_VALUE
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.program.program import Program


def check_state(circuit: QuantumCircuit, num_qubits: int, request: Request, others: Sequence[str] = ()) -> None:
    """Refuse a circuit whose state no machine holds.

    Args:
        circuit: named in the error.
        num_qubits: qubits that are simulated.
        request: the request for the circuit, with a resolved method.
        others: what other methods say of the circuit.

    Raises:
        CapacityError: the circuit has too many qubits.
    """
    if not fits_a_machine(request, num_qubits):
        size = size_of_state(num_qubits, request)
        raise CapacityError(
            f"circuit {circuit.name!r} can't be run: "
            f"{'; '.join([f'{request.method}: its {num_qubits} qubits need {size}', *others])}",
            circuit=circuit.name,
            number=num_qubits,
            limit=most_exponent(request) * num_qubits // request.exponent(num_qubits),
        )


def check_memory(circuit: QuantumCircuit, num_qubits: int, needed: int, options: RunOptions) -> None:
    """Refuse a circuit that needs more memory than its user allows.

    Args:
        circuit: named in the error.
        num_qubits: qubits that are simulated.
        needed: bytes of memory that a worker takes for it.
        options: have ``max_memory_mb``.

    Raises:
        CapacityError: the circuit needs more.
    """
    if options.max_memory_mb and needed > options.max_memory_mb * 2**20:
        raise CapacityError(
            f"circuit {circuit.name!r}: its {num_qubits} qubits, with all that it saves and gives, need "
            f"{-(-needed // 2**20)} MiB of memory, and max_memory_mb={options.max_memory_mb} allows no more than that",
            circuit=circuit.name,
            needed_bytes=needed,
            available_bytes=options.max_memory_mb * 2**20,
        )


def check_result(
    circuit: QuantumCircuit, program: Program, size: int, output: Output, *, largest: int = LARGEST_VALUE
) -> None:
    """Refuse a circuit whose result doesn't fit a Redis value.

    Args:
        circuit: named in the error.
        program: its program.
        size: predicted bytes of its result.
        output: the output of the job.
        largest: bytes of data that a Redis value may hold.

    Raises:
        CapacityError: the result is larger.
    """
    # The bits of many shots are returned in blocks.
    if size > largest and output != Output.BITS:
        smaller = "save averages instead of lists and states"
        if not program.saves:
            smaller = f"ask for counts instead of the {output}"
        raise CapacityError(
            f"circuit {circuit.name!r}: its result would take {size / 2**20:.0f} MiB, and a Redis value "
            f"holds 512 MiB; {smaller}, or for fewer shots or qubits",
            circuit=circuit.name,
            needed_bytes=size,
            available_bytes=largest,
        )


def check_blob(circuit: QuantumCircuit, blob: bytes, *, largest: int = LARGEST_VALUE) -> None:
    """Refuse a program that doesn't fit a Redis value.

    Args:
        circuit: named in the error.
        blob: its encoded program.
        largest: bytes of data that a Redis value may hold.

    Raises:
        CapacityError: the program is larger.
    """
    if len(blob) > largest:
        raise CapacityError(
            f"circuit {circuit.name!r}: its program takes {len(blob) / 2**20:.0f} MiB, and a Redis value "
            "holds 512 MiB; cut the circuit, or give large unitaries as gates",
            circuit=circuit.name,
            needed_bytes=len(blob),
            available_bytes=largest,
        )


def check_initial_statevector(vector: NDArray[np.complex128] | None, circuit: QuantumCircuit, output: Output) -> None:
    """Raise `InvalidOptionError` for an initial state that doesn't fit its circuit."""
    if vector is None:
        return
    if output == Output.UNITARY:
        text = "initial_statevector has no meaning for a unitary; leave the option out"
        raise InvalidOptionError(text, option="initial_statevector", circuit=circuit.name)
    if vector.size != 1 << circuit.num_qubits:
        raise InvalidOptionError(
            f"initial_statevector has {vector.size} amplitudes; circuit {circuit.name!r} "
            f"with its {circuit.num_qubits} qubits needs {1 << circuit.num_qubits}",
            option="initial_statevector",
            circuit=circuit.name,
        )
