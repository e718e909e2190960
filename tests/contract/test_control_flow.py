# SPDX-License-Identifier: Apache-2.0
"""Dynamic circuits on a real fleet: what they give, and what the user hears of loops that don't end."""

from __future__ import annotations

import flow_oracle
import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit.classical import expr, types
from reference import assert_drawn_from

from qfleet import FleetProvider
from qfleet.backend import FleetBackend
from qfleet.errors import JobFailedError, UnsupportedCircuitError


@pytest.fixture
def backend(provider: FleetProvider) -> FleetBackend:
    return provider.get_backend()


def teleportation() -> QuantumCircuit:
    qc = QuantumCircuit(3, 3)
    qc.u(0.7, 0.3, 1.9, 0)
    qc.h(1)
    qc.cx(1, 2)
    qc.cx(0, 1)
    qc.h(0)
    qc.measure([0, 1], [0, 1])
    with qc.if_test((qc.clbits[1], 1)):
        qc.x(2)
    with qc.if_test((qc.clbits[0], 1)):
        qc.z(2)
    qc.measure(2, 2)
    return qc


def repeat_until_success() -> QuantumCircuit:
    qc = QuantumCircuit(QuantumRegister(1), ClassicalRegister(1, "failed"), ClassicalRegister(3, "tries"))
    tries = qc.add_var("tries", expr.lift(0, types.Uint(3)))
    qc.x(0)
    qc.measure(0, 0)
    with qc.while_loop(expr.logic_and(qc.clbits[0], expr.less(tries, 6))):
        qc.reset(0)
        qc.ry(1.4, 0)
        qc.measure(0, 0)
        qc.store(tries, expr.add(tries, 1))
    qc.store(qc.cregs[1], tries)
    return qc


def switch_in_a_loop() -> QuantumCircuit:
    qc = QuantumCircuit(3, 3)
    with qc.for_loop(range(1, 4)) as step:
        qc.ry(step * 0.4, 0)
        qc.cx(0, 1)
        qc.measure([0, 1], [0, 1])
        with qc.switch(qc.cregs[0]) as case:
            with case(1, 2):
                qc.x(2)
                qc.continue_loop()
            with case(case.DEFAULT):
                qc.h(2)
        with qc.if_test((qc.clbits[0], 1)):
            qc.break_loop()
    qc.measure(2, 2)
    return qc


CIRCUITS = [teleportation, repeat_until_success, switch_in_a_loop]


@pytest.mark.parametrize("make", CIRCUITS)
def test_counts_are_drawn_from_what_the_circuit_means(backend: FleetBackend, make) -> None:
    circuit = make()
    counts = backend.run(circuit, shots=5000, seed_simulator=3).result().get_counts()
    assert sum(counts.values()) == 5000
    exact = flow_oracle.probabilities(circuit)
    assert_drawn_from(counts, {f"{key:0{circuit.num_clbits}b}": chance for key, chance in exact.items()})


@pytest.mark.parametrize("make", CIRCUITS)
def test_blocks_of_shots_change_nothing(backend: FleetBackend, make) -> None:
    circuit = make()
    whole, cut = (
        backend.run(circuit, shots=500, seed_simulator=3, memory=True, max_shot_size=size).result().get_memory()
        for size in (None, 70)
    )
    assert whole == cut


def test_the_statevector_after_the_last_shot(provider: FleetProvider) -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.h(0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    backend = provider.get_backend("statevector_simulator")
    for seed in range(6):
        result = backend.run(circuit, shots=1, seed_simulator=seed).result()
        (outcome,) = result.get_counts()
        assert np.abs(np.asarray(result.get_statevector()))[3 if outcome == "1" else 0] == pytest.approx(1)


def test_stores_alone_are_counted(provider: FleetProvider) -> None:
    circuit = QuantumCircuit(1, 2)
    circuit.store(circuit.cregs[0], 2)
    for name in ("automatic", "statevector_simulator"):
        assert provider.get_backend(name).run(circuit, shots=5).result().get_counts() == {"10": 5}


def test_an_endless_loop_fails_its_circuit_and_is_named(backend: FleetBackend) -> None:
    endless = QuantumCircuit(1, 1)
    with endless.while_loop((endless.clbits[0], 0)):
        endless.x(0)
    job = backend.run([teleportation(), endless], shots=10)
    with pytest.raises(JobFailedError, match="while_loop at position 0 didn't end"):
        job.result(timeout=100)
    assert job.result(partial=True).results[0].success


def test_a_unitary_holds_no_control_flow(provider: FleetProvider) -> None:
    circuit = QuantumCircuit(2, 1, name="dynamic")
    circuit.h(0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    with pytest.raises(UnsupportedCircuitError, match=r"'dynamic' holds 'if_else' at position 1 .*part of a unitary"):
        provider.get_backend("unitary_simulator").run(circuit)
