# SPDX-License-Identifier: Apache-2.0
"""States take each other's memory, and nothing of what was in it."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.circuit import QuantumCircuit

from qfleet.lowering.lower import lower
from qfleet.wire.messages.request import Output, Request
from qfleet_worker.engines.contract import Experiment, Outcome
from qfleet_worker.engines.statevector.runtime.memory import KeptMemory
from qfleet_worker.engines.statevector.runtime.state import State
from qfleet_worker.engines.statevector.simulator import StatevectorSimulator
from qfleet_worker.engines.threads import ThreadTeam
from qfleet_worker.machine.allocator import KEPT_ARRAY_BYTES
from qfleet_worker.machine.arrays import empty

#: The fewest with a state that the C library doesn't keep, in double precision.
QUBITS = (KEPT_ARRAY_BYTES // 16).bit_length() - 1


def test_the_next_state_of_the_same_size_or_less_has_the_same_memory() -> None:
    memory = KeptMemory(4 * KEPT_ARRAY_BYTES)
    first = memory.take(2 * KEPT_ARRAY_BYTES)
    assert first is not None
    assert (len(first), first.ctypes.data % (1 << 21)) == (2 * KEPT_ARRAY_BYTES, 0)
    first[::4096] = 7
    memory.rest()
    for size in (2 * KEPT_ARRAY_BYTES, KEPT_ARRAY_BYTES):
        taken = memory.take(size)
        assert taken is not None
        assert (len(taken), taken.ctypes.data) == (size, first.ctypes.data)
        taken[:] = 1
        assert taken.all()


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_states_begin_at_the_border_of_a_cache_line(dtype: type[np.complexfloating]) -> None:
    # Some, since memory may begin there by chance.
    arrays = [empty((3, 1 << bits), np.dtype(dtype)) for bits in (11, 12, 18, 19)]
    arrays += [ThreadTeam(1).room(1 << 14, np.dtype(np.float64)), State(14, np.dtype(dtype), ThreadTeam(1)).amplitudes]
    assert [array.ctypes.data % 64 for array in arrays] == [0] * len(arrays)
    assert all(array.flags.c_contiguous and array.flags.writeable for array in arrays)
    assert empty(5, np.dtype(dtype)).shape == (5,)


def test_small_states_and_large_ones_get_none() -> None:
    memory = KeptMemory(2 * KEPT_ARRAY_BYTES)
    kept = memory.take(KEPT_ARRAY_BYTES)
    assert kept is not None
    assert memory.take(KEPT_ARRAY_BYTES - 1) is None
    again = memory.take(KEPT_ARRAY_BYTES)
    assert again is not None
    assert again.ctypes.data == kept.ctypes.data
    assert memory.take(2 * KEPT_ARRAY_BYTES + 1) is None
    # It was given up, and lives on only in what has it.
    assert not np.shares_memory(memory.take(KEPT_ARRAY_BYTES), kept)


def test_memory_that_is_not_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr("mmap.mmap", refuse)
    assert KeptMemory().take(KEPT_ARRAY_BYTES) is None


def layers(num_qubits: int, seed: int) -> QuantumCircuit:
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(num_qubits)
    for qubit in range(0, num_qubits, seed):
        circuit.ry(float(rng.uniform(0, 3)), qubit)
    for qubit in range(num_qubits - 1):
        circuit.cx(qubit, qubit + 1)
    return circuit


def run(simulator: StatevectorSimulator, circuit: QuantumCircuit, output: Output = Output.COUNTS) -> Outcome:
    measured = circuit.copy()
    if output == Output.COUNTS:
        measured.measure_all()
    return simulator.run(Experiment(lower(measured), 300, seed=5, request=Request(output)))


def test_results_do_not_depend_on_the_circuits_before(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    take = KeptMemory.take
    monkeypatch.setattr(KeptMemory, "take", lambda memory, size: taken.append(take(memory, size)) or taken[-1])
    simulator = StatevectorSimulator()
    circuits = [layers(QUBITS + 1, 1), layers(QUBITS, 4), layers(QUBITS + 1, 7), layers(9, 1), layers(QUBITS, 2)]
    found = [run(simulator, circuit) for circuit in circuits]
    addresses = {memory.ctypes.data for memory in taken if memory is not None}
    assert (len(taken), len(addresses)) == (5, 1)
    state = run(simulator, circuits[1], Output.STATEVECTOR).amplitudes
    assert state is not None
    before = state.copy()
    for circuit, outcome in zip(circuits, found, strict=True):
        run(simulator, circuits[0])
        for alone in (run(StatevectorSimulator(), circuit), run(simulator, circuit)):
            assert alone.outcomes.tolist() == outcome.outcomes.tolist()
            assert alone.counts.tolist() == outcome.counts.tolist()
    assert (state == before).all()
