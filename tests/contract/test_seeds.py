# SPDX-License-Identifier: Apache-2.0
"""The seed decides the outcomes, circuit k of a job has the job's seed and 2113 * k, and the result names it."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qfleet import FleetProvider
from qfleet.backend import FleetBackend

SHOTS = 100


@pytest.fixture
def backend(provider: FleetProvider) -> FleetBackend:
    return provider.get_backend("basic_simulator", shots=SHOTS)


def coins(name: str) -> QuantumCircuit:
    """Eight fair coins: two runs that aren't of one seed never agree in 100 shots."""
    circuit = QuantumCircuit(8, 8, name=name)
    circuit.h(range(8))
    circuit.measure(range(8), range(8))
    return circuit


def restless(name: str) -> QuantumCircuit:
    """Four coins, each thrown twice with one qubit."""
    circuit = QuantumCircuit(1, 8, name=name)
    for clbit in range(8):
        circuit.h(0)
        circuit.measure(0, clbit)
        if clbit % 2:
            circuit.reset(0)
    return circuit


@pytest.mark.parametrize("make", [coins, restless])
def test_circuit_k_alone_with_its_reported_seed_gives_the_same(backend: FleetBackend, make: object) -> None:
    circuits = [make(f"circuit {k}") for k in range(4)]  # type: ignore[operator]
    together = backend.run(circuits, seed_simulator=77).result()
    assert [each.seed_simulator for each in together.results] == [77, 77 + 2113, 77 + 2 * 2113, 77 + 3 * 2113]
    for k, circuit in enumerate(circuits):
        alone = backend.run(circuit, seed_simulator=together.results[k].seed_simulator).result()
        assert alone.get_memory() == together.get_memory(k)
        assert alone.get_counts() == together.get_counts(k)
    assert len({tuple(together.get_memory(k)) for k in range(4)}) == 4


def test_counts_do_not_depend_on_memory(backend: FleetBackend) -> None:
    with_memory = backend.run(coins("c"), seed_simulator=3).result()
    without = backend.run(coins("c"), seed_simulator=3, memory=False).result()
    assert with_memory.get_counts() == without.get_counts()


def test_without_a_seed_one_is_picked_and_named(backend: FleetBackend) -> None:
    first, second = (backend.run(coins("c")).result() for _ in range(2))
    assert type(first.results[0].seed_simulator) is int
    assert first.results[0].seed_simulator != second.results[0].seed_simulator
    assert first.get_memory() != second.get_memory()
    again = backend.run(coins("c"), seed_simulator=first.results[0].seed_simulator).result()
    assert again.get_memory() == first.get_memory()


def test_values_of_parameters_count_as_circuits(backend: FleetBackend) -> None:
    angle = Parameter("angle")
    circuit = QuantumCircuit(1, 1)
    circuit.rx(angle, 0)
    circuit.measure(0, 0)
    together = backend.run(
        [coins("first"), circuit], parameter_binds=[{}, {angle: [1.0, 2.0]}], seed_simulator=5
    ).result()
    assert [each.seed_simulator for each in together.results] == [5, 5 + 2113, 5 + 2 * 2113]
    alone = backend.run(circuit.assign_parameters([2.0]), seed_simulator=5 + 2 * 2113).result()
    assert alone.get_memory() == together.get_memory(2)


@pytest.mark.parametrize("seed", [0, 2**31, 2**62, np.int64(9), np.uint64(2**62)])
def test_seeds_of_any_size(backend: FleetBackend, seed: int) -> None:
    result = backend.run([coins("a"), coins("b")], seed_simulator=seed).result()
    assert [each.seed_simulator for each in result.results] == [int(seed), int(seed) + 2113]
    assert all(type(each.seed_simulator) is int for each in result.results)


def test_every_bit_of_a_seed_counts(backend: FleetBackend) -> None:
    seeds = [5, 2**31 + 5, 2**32 + 5, 2**40 + 5, 2**61 + 5]
    memories = {tuple(backend.run(coins("c"), seed_simulator=seed).result().get_memory()) for seed in seeds}
    assert len(memories) == len(seeds)
