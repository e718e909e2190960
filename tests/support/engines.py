# SPDX-License-Identifier: Apache-2.0
"""The engines that keep the contract, and programs for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import engine_oracle as oracle
import numpy as np
from hypothesis import strategies as st

from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet_worker.engines.contract import Engine, Outcome
from qfleet_worker.engines.numpy.engine import NumpyEngine
from qfleet_worker.engines.statevector.engine import StatevectorEngine

ENGINES: dict[str, Callable[[], Engine]] = {"numpy": NumpyEngine, "statevector": StatevectorEngine}
PRECISIONS = {"double": (np.complex128, 1e-11), "single": (np.complex64, 2e-5)}


def counts(outcome: Outcome) -> dict[int, int]:
    """Return counts by outcome, read as a number, and check that the rows are distinct and ascend."""
    numbers = [int.from_bytes(row.tobytes(), "little") for row in outcome.outcomes]
    assert numbers == sorted(set(numbers))
    assert outcome.outcomes.dtype == np.uint8
    assert outcome.counts.dtype == np.int64
    assert (outcome.counts > 0).all()
    return dict(zip(numbers, outcome.counts.tolist(), strict=True))


def programs(codes: Sequence[Op], qubits: int, clbits: int, length: int) -> st.SearchStrategy[Program]:
    """Return a strategy for random programs over `codes`.

    Their sizes come from the seed, since hypothesis would prefer small ones.
    """

    def build(seed: int) -> Program:
        rng = np.random.default_rng(seed)
        num_qubits = int(rng.integers(1, qubits + 1))
        num_clbits = int(rng.integers(min(clbits, 1), clbits + 1))
        size = rng.integers(length + 1)
        operations = [oracle.random_operation(rng, num_qubits, num_clbits, codes) for _ in range(size)]
        return oracle.program(num_qubits, num_clbits, operations)

    return st.builds(build, st.integers(0, 2**32))
