# SPDX-License-Identifier: Apache-2.0
"""Predicts how much memory a circuit needs: what the client refuses by, and what an engine keeps to."""

from __future__ import annotations

from qfleet.wire.cost.sizes import counted_bytes, output_bytes, program_bytes
from qfleet.wire.messages.request import AMPLITUDE_BYTES, Output, Precision
from qfleet.wire.program.program import Program

#: What an engine may hold at its peak beside its buffers: random numbers, what shots wrote, saved branches.
OVERHEAD_BYTES = 64 * 1024 * 1024

#: State-sized buffers that a simulation holds at its peak: the state, the buffer it is written into, and the
#: probabilities or the copy that is returned.
BUFFERS = 3

#: Copies of a result that there are at its peak: as found, sorted or joined, encoded, and with the header before it.
_RESULT_COPIES = 4
#: Copies of a result that there are beside the states.
_RESULT_COPIES_BESIDE = 2
#: Bytes that a saved value takes beside its own while shots are collected.
_ENTRY_BYTES = 512
#: Bytes that a shot takes whose bits are wanted, beside these.
_BITS_BYTES = 24
#: Shots of which that is a part of the overhead.
_MOST_SHOTS_OF_BITS = 1 << 21


def required_bytes(num_qubits: int, output: Output, precision: Precision) -> int:
    """Return the bytes of memory that simulating a circuit takes at its peak, whatever it gives beside amplitudes."""
    exponent = 2 * num_qubits if output == Output.UNITARY else num_qubits
    return (BUFFERS * AMPLITUDE_BYTES[precision] << exponent) + OVERHEAD_BYTES


def circuit_bytes(
    program: Program,
    shots: int,
    output: Output,
    precision: Precision,
    *,
    memory: bool,
    columns: int = 0,
    points: int = 1,
) -> int:
    """Return the bytes of memory that a worker's process takes at its peak to run a circuit.

    Client and worker refuse by this number what doesn't fit. What a save in a loop gives can't be known before: it is
    counted as if each shot came there once, and bounded while it grows.

    Args:
        memory: whether each shot's outcome is asked for.
        columns: how many expectation values are wanted, if not all that the program saves.
        points: whose results are held together.
    """
    states = required_bytes(program.num_qubits, Output.UNITARY if program.saves_unitary() else output, precision)
    counted = counted_bytes(program, shots, output, precision, memory, columns)
    data = counted.total * points + (output_bytes(program.num_qubits, output, precision) * (points - 1))
    beside = max(
        states - OVERHEAD_BYTES + _RESULT_COPIES_BESIDE * data,
        # A value that is added up is there four times: so far, as found, weighted, and the sum.
        _RESULT_COPIES * data,
    )
    shots_bytes = _BITS_BYTES * max(0, shots - _MOST_SHOTS_OF_BITS) if output == Output.BITS else 0
    return OVERHEAD_BYTES + program_bytes(program) + beside + _ENTRY_BYTES * counted.entries + shots_bytes
