# SPDX-License-Identifier: Apache-2.0
"""The sums of rows that the last stage writes are those of the sampler's own pass, to the bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from qiskit.circuit import QuantumCircuit

from qfleet.lowering.lower import lower
from qfleet_worker.engines.machine_code.loading import load_if_ready
from qfleet_worker.engines.statevector.compiler.plan import CHUNKS, compile_program
from qfleet_worker.engines.statevector.runtime import sampling
from qfleet_worker.engines.statevector.runtime.sampling import Sampler
from qfleet_worker.engines.statevector.runtime.state import State
from qfleet_worker.engines.threads import ThreadTeam

DTYPES = {2: np.dtype(np.complex128), 3: np.dtype(np.complex64)}


@pytest.fixture(autouse=True, scope="module")
def _machine_code() -> None:
    load_if_ready()


def layers(num_qubits: int) -> QuantumCircuit:
    rng = np.random.default_rng(1)
    circuit = QuantumCircuit(num_qubits)
    for angles in rng.uniform(0, 3, (3, num_qubits)).tolist():
        for qubit, angle in enumerate(angles):
            circuit.ry(angle, qubit)
        for qubit in rng.permutation(num_qubits - 1).tolist():
            circuit.cx(qubit, qubit + 1)
    return circuit


def sparse(num_qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(num_qubits)
    circuit.h(0)
    for qubit in range(num_qubits - 2):
        circuit.cx(qubit, qubit + 1)
    # In |1>, and nothing else happens to it.
    circuit.x(num_qubits - 1)
    return circuit


def run(circuit: QuantumCircuit, lane_bits: int, threads: int) -> tuple[State, np.ndarray | None]:
    """Return the state after a circuit, and the sums of its rows from its last stage."""
    plan = compile_program(lower(circuit), lane_bits, threads, chunks=CHUNKS)
    state = State(plan.num_wires, DTYPES[lane_bits], ThreadTeam(threads), sampled=True)
    for at in range(len(plan.steps)):
        state.apply(plan.steps, at)
    state.settle()
    return state, state._sums


@pytest.mark.parametrize("lane_bits", DTYPES)
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("num_qubits", [14, 16, 18])
@pytest.mark.parametrize("circuit", [layers, sparse])
def test_sums(
    circuit: Callable[[int], QuantumCircuit],
    num_qubits: int,
    threads: int,
    lane_bits: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # With rows that any stage's chunks have.
    monkeypatch.setattr(sampling, "ROW", 16)
    state, sums = run(circuit(num_qubits), lane_bits, threads)
    assert sums is not None
    own = Sampler(state.amplitudes, ThreadTeam(1))
    assert (np.cumsum(sums) == own._ends).all()
    assert own.total == pytest.approx(1, abs=1e-5)
    if circuit is sparse and num_qubits == 18:
        # Chunks of several runs each.
        local = int(compile_program(lower(circuit(num_qubits)), lane_bits, threads).steps[-1].tables.stages[-1, 0])
        assert local & (local + 1)


def test_a_changed_state_has_no_sums() -> None:
    changes = [
        State.clear,
        lambda state: state.project(3, 1, state.weights(3)[1]),
        lambda state: state.multiply((2,), np.diag([1, 1j])),
        lambda state: state.multiply((2, 4, 5), np.eye(8)),
        lambda state: state.scale(1.0),
        lambda state: state.restore(state.copied()),
    ]
    for change in changes:
        state, sums = run(layers(14), 2, 1)
        assert sums is not None
        assert np.shares_memory(sums, state._sums)
        change(state)
        assert state._sums is None


def test_chunks_without_whole_rows_are_summed_up_later() -> None:
    assert len(sampling.sums_in_stage(1 << 16, 0b1111111)) == 1 << 9
    assert not len(sampling.sums_in_stage(1 << 16, 0b1011111))
    assert not len(sampling.sums_in_stage(1 << 13, (1 << 13) - 1))
    assert len(sampling.sums_in_stage(1 << 28, 0b11111111)) == 1 << 20
    assert not len(sampling.sums_in_stage(1 << 28, 0b1111111))
