# SPDX-License-Identifier: Apache-2.0
"""How much memory a circuit needs: what the client refuses by, and what an engine keeps to."""

from __future__ import annotations

from qfleet.wire.shard import Output, Precision

#: Bytes of one amplitude.
AMPLITUDE_BYTES: dict[Precision, int] = {"double": 16, "single": 8}

#: What an engine may hold at its peak beside its buffers: tables, samples, saved branches.
OVERHEAD_BYTES = 64 * 1024 * 1024

#: State-sized buffers that a simulation holds at its peak: the state, the buffer it is written into, and the
#: probabilities or the copy that is returned.
BUFFERS = 3


def output_bytes(num_qubits: int, output: Output, precision: Precision) -> int:
    """Bytes of the amplitudes that come back from one circuit; 0 where none do."""
    if output not in ("statevector", "unitary"):
        return 0
    return AMPLITUDE_BYTES[precision] << (2 * num_qubits if output == "unitary" else num_qubits)


def required_bytes(num_qubits: int, output: Output, precision: Precision, saved: int = 0) -> int:
    """Bytes of memory that simulating a circuit takes at its peak, with ``saved`` bytes of data saved on the way."""
    exponent = 2 * num_qubits if output == "unitary" else num_qubits
    return (BUFFERS * AMPLITUDE_BYTES[precision] << exponent) + OVERHEAD_BYTES + saved
