# SPDX-License-Identifier: Apache-2.0
"""The engines that keep the contract, and programs for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import engine_oracle as oracle
import numpy as np
import pytest
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.typing import NDArray
from product_engine import ProductEngine

from qfleet.wire.messages.request import Method
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet_worker.engines.contract import Engine, Experiment, Outcome, Simulator
from qfleet_worker.engines.driver.limits import DriverLimits
from qfleet_worker.engines.mps.engine import ChainEngine
from qfleet_worker.engines.numpy.simulator import NumpySimulator
from qfleet_worker.engines.stabilizer.engine import StabilizerEngine
from qfleet_worker.engines.statevector.simulator import StatevectorSimulator

ENGINES: dict[str, Callable[[], Simulator]] = {"numpy": NumpySimulator, "statevector": StatevectorSimulator}
#: These engines, and methods that can't run every circuit. A test that needs more than they support is skipped.
METHODS: dict[str, Callable[[], Simulator]] = ENGINES | {
    "product": lambda: Supported(ProductEngine()),
    "mps": lambda: Supported(ChainEngine(), "matrix_product_state"),
    "stabilizer": lambda: Supported(StabilizerEngine(lambda: ""), "stabilizer"),
}
#: Engines that save; one of them repeats a circuit for each shot instead of keeping its states.
SAVING_ENGINES: dict[str, Callable[[], Simulator]] = ENGINES | {
    "replaying": lambda: NumpySimulator(DriverLimits(waiting_bytes=0)),
    "mps": lambda: Supported(ChainEngine(), "matrix_product_state"),
}
PRECISIONS = {"double": (np.complex128, 1e-11), "single": (np.complex64, 2e-5)}


class Supported:
    """A simulator that skips the tests that its engine can't run.

    It runs statevectors by its own method.
    """

    def __init__(self, engine: Engine, method: Method = "statevector") -> None:
        self._engine = engine
        self._method = method
        self._simulator = engine.open()

    def run(self, experiment: Experiment) -> Outcome:
        """Run a circuit, or skip the test."""
        return self._simulator.run(self._taken(experiment))

    def sweep(self, experiment: Experiment, params: NDArray[np.float64], seeds: Sequence[int]) -> Iterator[Outcome]:
        """Run a circuit with many parameter sets, or skip the test."""
        return self._simulator.sweep(self._taken(experiment), params, seeds)

    def _taken(self, experiment: Experiment) -> Experiment:
        """Return the experiment with the engine's method, or skip the test."""
        request = experiment.request
        if request.method != "statevector":
            pytest.skip(f"{self._engine.name}: another method")
        request = replace(request, method=self._method)
        refusal = self._engine.supports(experiment.program, request)
        if refusal:
            pytest.skip(f"{self._engine.name}: {refusal}")
        return replace(experiment, request=request)


def counts(outcome: Outcome) -> dict[int, int]:
    """Return counts by outcome, read as a number.

    The rows must be distinct and ascend.
    """
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
