# SPDX-License-Identifier: Apache-2.0
"""Chunks so small that few qubits need many stages."""

from __future__ import annotations

from qfleet_worker.engines.statevector.compiler.plan import ChunkSizes
from qfleet_worker.engines.statevector.simulator import Sizes


def small_chunks(local_bits: int, run_bits: int) -> Sizes:
    """Return sizes with small chunks.

    Nothing is simulated in one call by them.

    Args:
        local_bits: the wires of a chunk.
        run_bits: the wires of a run.
    """
    return Sizes(chunks=ChunkSizes({2: local_bits, 3: local_bits}, run_bits), small_qubits=-1)
