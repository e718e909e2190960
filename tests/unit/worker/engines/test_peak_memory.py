# SPDX-License-Identifier: Apache-2.0
"""A process that runs a circuit takes no more memory than the circuit is said to cost, with its result encoded."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from aer_like import LikeAer
from qiskit.circuit import QuantumCircuit

from qfleet.lowering.lower import lower
from qfleet.wire.codec.programs import encode_program
from qfleet.wire.cost.cost import OVERHEAD_BYTES, cost
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.program.program import Program
from qfleet_worker.engines.choose import choose_engine

PEAK = Path(__file__).parents[4] / "benchmarks" / "_peak.py"
#: Their state is larger than the arrays that glibc keeps when they are freed. With fewer qubits it keeps up to 50 MiB,
#: for which the overhead has room, but little more.
QUBITS = 22


def entangled(num_qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(num_qubits, num_qubits)
    circuit.h(range(num_qubits))
    for qubit in range(num_qubits - 1):
        circuit.rxx(0.2, qubit, qubit + 1)
    return circuit


def measured(num_qubits: int) -> QuantumCircuit:
    circuit = entangled(num_qubits)
    circuit.measure(range(num_qubits), range(num_qubits))
    return circuit


def branching(num_qubits: int) -> QuantumCircuit:
    circuit = entangled(num_qubits)
    for qubit in range(3):
        circuit.measure(qubit, qubit)
        circuit.ry(0.3, qubit)
        circuit.cx(qubit, qubit + 1)
    circuit.reset(0)
    return circuit.compose(entangled(num_qubits))


def ending_with_resets(num_qubits: int) -> QuantumCircuit:
    circuit = measured(num_qubits)
    circuit.reset(range(3))
    return circuit


def branching_in_blocks(num_qubits: int) -> QuantumCircuit:
    circuit = entangled(num_qubits)
    circuit.measure(0, 0)
    with circuit.if_test((0, False)):
        circuit.h(0)
        circuit.cx(0, 1)
        circuit.measure(1, 1)
        circuit.ry(0.3, 1)
    return circuit.compose(measured(num_qubits))


def saving(circuit: QuantumCircuit, name: str, qubits: list[int]) -> QuantumCircuit:
    circuit.append(LikeAer(name, len(qubits), "average"), qubits)
    return circuit


CASES: dict[str, tuple[Callable[[int], QuantumCircuit], Output, int]] = {
    "counts": (measured, Output.COUNTS, 1000),
    "statevector": (entangled, Output.STATEVECTOR, 1),
    "unitary": (lambda num_qubits: entangled(num_qubits // 2), Output.UNITARY, 1),
    "branches": (branching, Output.COUNTS, 100),
    "resets at the end": (ending_with_resets, Output.COUNTS, 1000),
    "branches in blocks": (branching_in_blocks, Output.COUNTS, 100),
    "the statevector of a branch": (branching, Output.STATEVECTOR, 100),
    "a density matrix": (lambda n: saving(entangled(n), "save_density_matrix", [n - 1, 0]), Output.COUNTS, 1),
    "density matrices": (lambda n: saving(branching(n), "save_density_matrix", [n - 1, 0]), Output.COUNTS, 20),
    "probabilities": (lambda n: saving(entangled(n), "save_probabilities", list(range(n))[::-1]), Output.COUNTS, 1),
}


#: Of density matrices, with as many numbers as the statevectors have.
DENSITY_CASES = {
    "counts": CASES["counts"],
    "branches": CASES["branches"],
    "a density matrix": CASES["a density matrix"],
    "the whole density matrix": (
        lambda n: saving(entangled(n), "save_density_matrix", list(range(n))),
        Output.COUNTS,
        1,
    ),
    "probabilities": CASES["probabilities"],
    "a gate on many qubits": (lambda num_qubits: wide(num_qubits), Output.COUNTS, 10),
}


def wide(num_qubits: int) -> QuantumCircuit:
    circuit = entangled(num_qubits)
    circuit.mcx(list(range(num_qubits - 1)), num_qubits - 1)
    circuit.initialize(np.full(1 << num_qubits - 1, 2 ** -((num_qubits - 1) / 2)), range(num_qubits - 1))
    circuit.measure(0, 0)
    return circuit


@pytest.mark.parametrize("engine", ["statevector", pytest.param("numpy", marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", CASES)
def test_no_more_than_is_said(case: str, engine: str) -> None:
    make, output, shots = CASES[case]
    check(
        lower(make(QUBITS), output),
        Request(output, "unitary" if output == Output.UNITARY else "statevector"),
        shots,
        engine,
    )


@pytest.mark.parametrize("engine", ["statevector", pytest.param("numpy", marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", DENSITY_CASES)
def test_no_more_than_is_said_for_a_density_matrix(case: str, engine: str) -> None:
    make, output, shots = DENSITY_CASES[case]
    check(lower(make(QUBITS // 2), output), Request(output, "density_matrix"), shots, engine)


def ghz(num_qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(num_qubits, num_qubits)
    circuit.h(0)
    circuit.cx(range(num_qubits - 1), range(1, num_qubits))
    return circuit


def feeding_back(num_qubits: int) -> QuantumCircuit:
    """Return a circuit whose branches have tableaus of their own."""
    circuit = ghz(num_qubits)
    for clbit in range(3):
        circuit.measure(clbit, clbit)
        with circuit.if_test((clbit, True)):
            circuit.h(clbit + 5)
        circuit.h(clbit + 20)
        circuit.measure(clbit + 20, clbit)
    circuit.measure(range(num_qubits), range(num_qubits))
    return circuit


def counted(num_qubits: int) -> QuantumCircuit:
    circuit = ghz(num_qubits)
    circuit.measure(range(num_qubits), range(num_qubits))
    return circuit


STABILIZER_CASES = {
    "frames": (counted, 10_000, 5000),
    "branches": (feeding_back, 6000, 500),
    "probabilities": (lambda n: saving(ghz(n), "save_probabilities", [0, n - 1, 5]), 8000, 1),
}


@pytest.mark.parametrize("case", STABILIZER_CASES)
def test_no_more_than_is_said_for_tableaus(case: str) -> None:
    make, num_qubits, shots = STABILIZER_CASES[case]
    check(lower(make(num_qubits), Output.COUNTS), Request(Output.COUNTS, "stabilizer"), shots, "stabilizer")


def check(program: Program, request: Request, shots: int, engine: str) -> None:
    """Run a program in a process of its own, and compare its peak with what is said."""
    if engine != "numpy" and choose_engine()[0].name != "statevector":
        pytest.skip("its machine code isn't compiled: python -m qfleet_worker warm")
    needed = cost(program, request, shots=shots, engine=engine).memory_bytes
    arguments = [str(PEAK), request.output.value, "double", "1", str(shots), engine, request.method]
    done = subprocess.run([sys.executable, *arguments], input=encode_program(program), capture_output=True, check=True)
    found = json.loads(done.stdout)
    assert found["engine"] == engine
    used = found["worker_bytes"] - found["idle_bytes"]
    # Half of the overhead is left for what isn't states: it has room for a whole one here.
    assert used <= needed - OVERHEAD_BYTES // 2
    # Nor is so much said that circuits are refused without need.
    assert needed < 4 * used + 2**27
