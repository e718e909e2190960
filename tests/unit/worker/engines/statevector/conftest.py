# SPDX-License-Identifier: Apache-2.0
"""Chunks that are so small that few qubits need many stages."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from qfleet_worker.engines.statevector.compiler import plan, small


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Sets the wires of a chunk and of a run; nothing is simulated in one call."""

    def set_sizes(local_bits: int, run_bits: int) -> None:
        monkeypatch.setattr(plan, "LOCAL_BITS", {2: local_bits, 3: local_bits})
        monkeypatch.setattr(plan, "RUN_BITS", run_bits)
        monkeypatch.setattr(small, "MAX_QUBITS", -1)

    return set_sizes
