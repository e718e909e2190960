# SPDX-License-Identifier: Apache-2.0
"""The circuits and observables that the benchmarks run.

Most are families with a circuit for each number of qubits; some have one size.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, transpile
from qiskit.circuit import ParameterVector
from qiskit.circuit.classical import expr
from qiskit.circuit.library import quantum_volume
from qiskit.quantum_info import PauliList, SparsePauliOp


def qft(num_qubits: int) -> QuantumCircuit:
    """Return the quantum Fourier transform of a product state."""
    circuit = QuantumCircuit(num_qubits)
    for qubit, angle in enumerate(np.random.default_rng(1).uniform(0, 3, num_qubits)):
        circuit.ry(float(angle), qubit)
    for target in reversed(range(num_qubits)):
        circuit.h(target)
        for control in reversed(range(target)):
            circuit.cp(math.pi / 2 ** (target - control), control, target)
    for qubit in range(num_qubits // 2):
        circuit.swap(qubit, num_qubits - 1 - qubit)
    return circuit


def ghz(num_qubits: int) -> QuantumCircuit:
    """Return a chain of CNOTs."""
    circuit = QuantumCircuit(num_qubits)
    circuit.h(0)
    for qubit in range(num_qubits - 1):
        circuit.cx(qubit, qubit + 1)
    return circuit


def volume(num_qubits: int) -> QuantumCircuit:
    """Return one layer per qubit of random SU(4) gates on random pairs."""
    return quantum_volume(num_qubits, num_qubits, seed=7)


def ansatz(num_qubits: int) -> QuantumCircuit:
    """Return a hardware-efficient ansatz of five layers.

    A layer has RY, RZ and a chain of CNOTs; RY and RZ follow at the end.
    """
    rng = np.random.default_rng(3)
    circuit = QuantumCircuit(num_qubits)
    for layer in range(6):
        for qubit in range(num_qubits):
            circuit.ry(float(rng.uniform(0, 6)), qubit)
            circuit.rz(float(rng.uniform(0, 6)), qubit)
        for qubit in range(num_qubits - 1 if layer < 5 else 0):
            circuit.cx(qubit, qubit + 1)
    return circuit


def qaoa(num_qubits: int) -> QuantumCircuit:
    """Return five layers of QAOA for MaxCut on a random 3-regular graph."""
    rng, shuffled = np.random.default_rng(4), random.Random(5)
    edges: set[tuple[int, int]] = set()
    while not edges:
        points = [qubit for qubit in range(num_qubits) for _ in range(3)]
        shuffled.shuffle(points)
        pairs = {(min(pair), max(pair)) for pair in zip(points[::2], points[1::2], strict=True)}
        if len(pairs) == len(points) // 2 and all(a != b for a, b in pairs):
            edges = pairs
    circuit = QuantumCircuit(num_qubits)
    circuit.h(range(num_qubits))
    for _ in range(5):
        gamma, beta = rng.uniform(0, 3, 2)
        for a, b in sorted(edges):
            circuit.rzz(float(gamma), a, b)
        circuit.rx(float(beta), range(num_qubits))
    return circuit


def ising(num_qubits: int) -> QuantumCircuit:
    """Return ten Trotter steps of the transverse-field Ising chain."""
    circuit = QuantumCircuit(num_qubits)
    for _ in range(10):
        for first in (0, 1):
            for qubit in range(first, num_qubits - 1, 2):
                circuit.rzz(0.2, qubit, qubit + 1)
        circuit.rx(0.3, range(num_qubits))
    return circuit


def clifford_t(num_qubits: int) -> QuantumCircuit:
    """Return twenty random Clifford+T gates per qubit."""
    rng = random.Random(11)
    circuit = QuantumCircuit(num_qubits)
    for _ in range(20 * num_qubits):
        kind = rng.random()
        control, target = rng.sample(range(num_qubits), 2)
        if kind < 0.35:
            circuit.cx(control, target)
        elif kind < 0.6:
            circuit.h(target)
        elif kind < 0.8:
            circuit.s(target)
        else:
            circuit.t(target)
    return circuit


def adder(num_qubits: int) -> QuantumCircuit:
    """Return two additions by ripple-carry adders of Toffoli gates (arXiv:quant-ph/0410184).

    Both numbers are superpositions; after each addition, RY change all bits.
    """
    rng = np.random.default_rng(6)
    circuit, size = QuantumCircuit(num_qubits), (num_qubits - 2) // 2
    carry, first, second, last = 0, range(1, size + 1), range(size + 1, 2 * size + 1), 2 * size + 1
    below = [carry, *first]
    for _ in range(2):
        for qubit in range(num_qubits):
            circuit.ry(float(rng.uniform(0, 3)), qubit)
        for low, a, b in zip(below, first, second, strict=False):
            circuit.cx(a, b)
            circuit.cx(a, low)
            circuit.ccx(low, b, a)
        circuit.cx(below[size], last)
        for low, a, b in reversed([*zip(below, first, second, strict=False)]):
            circuit.ccx(low, b, a)
            circuit.cx(a, low)
            circuit.cx(low, b)
    return circuit


def excitations(num_qubits: int) -> QuantumCircuit:
    """Return double excitations of unitary coupled cluster as Pauli exponentials.

    There are as many as a quarter of the qubits, of eight exponentials each, on some four qubits and those between.
    """
    rng = random.Random(8)
    circuit, half = QuantumCircuit(num_qubits), num_qubits // 2
    circuit.x(range(half))
    for _ in range(max(1, num_qubits // 4)):
        angle = rng.uniform(0, 1)
        low, high = sorted(rng.sample(range(half), 2)), sorted(rng.sample(range(half, num_qubits), 2))
        qubits = [*range(low[0], low[1] + 1), *range(high[0], high[1] + 1)]
        for paulis in ("XXXY", "XXYX", "XYXX", "YXXX", "YYYX", "YYXY", "YXYY", "XYYY"):
            turned = [*zip([*low, *high], paulis, strict=True)]
            for qubit, pauli in turned:
                circuit.h(qubit) if pauli == "X" else circuit.rx(math.pi / 2, qubit)
            pairs = [*itertools.pairwise(qubits)]
            for pair in pairs:
                circuit.cx(*pair)
            circuit.rz(angle, qubits[-1])
            for pair in reversed(pairs):
                circuit.cx(*pair)
            for qubit, pauli in turned:
                circuit.h(qubit) if pauli == "X" else circuit.rx(-math.pi / 2, qubit)
    return circuit


FAMILIES: dict[str, Callable[[int], QuantumCircuit]] = {
    "qft": qft,
    "ghz": ghz,
    "volume": volume,
    "ansatz": ansatz,
    "qaoa": qaoa,
    "ising": ising,
    "clifford_t": clifford_t,
    "adder": adder,
    "excitations": excitations,
}


#: Forms of a circuit: as it is written, and transpiled to the gates that devices have.
FORMS: dict[str, list[str] | None] = {
    "native": None,
    **{gate: [gate, "rz", "sx", "x"] for gate in ("cx", "cz", "ecr")},
}


def exists(family: str, num_qubits: int) -> bool:
    """Tell whether a family has a circuit of this size.

    A 3-regular graph has an even number of nodes; two numbers with carries have four bits, and so has an excitation.
    """
    if family == "qaoa":
        return num_qubits >= 4 and num_qubits % 2 == 0
    return num_qubits >= 4 or family not in ("adder", "excitations")


def circuits(
    sizes: Sequence[int], families: Sequence[str], forms: Sequence[str] = ("native",)
) -> Iterator[tuple[int, str, QuantumCircuit]]:
    """Yield the circuits of families and sizes.

    Args:
        sizes: numbers of qubits.
        families: names in `FAMILIES`.
        forms: names in `FORMS`.

    Yields:
        Each circuit with its number of qubits and its family, and its form if it isn't the native one; no circuit for a
        size that the family lacks.
    """
    for num_qubits in sizes:
        for form in forms:
            gates, name = FORMS[form], "" if form == "native" else f", {form}"
            for family in families:
                if exists(family, num_qubits):
                    circuit = FAMILIES[family](num_qubits)
                    if gates is not None:
                        circuit = transpile(circuit, basis_gates=gates, optimization_level=1, seed_transpiler=1)
                    yield num_qubits, family + name, circuit


def sizes(text: str) -> list[int]:
    """Return the numbers of a list such as ``2-6,10``."""
    numbers: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        numbers.extend(range(int(first), int(last or first) + 1))
    return numbers


# ------------------------------------------------------------------------------------------- circuits that are dynamic


def teleportation() -> QuantumCircuit:
    """Return a circuit that teleports a qubit.

    Two corrections depend on measurements.
    """
    circuit = QuantumCircuit(3, 3)
    circuit.ry(1.1, 0)
    circuit.rz(0.3, 0)
    circuit.h(1)
    circuit.cx(1, 2)
    circuit.cx(0, 1)
    circuit.h(0)
    circuit.measure([0, 1], [0, 1])
    with circuit.if_test((circuit.clbits[1], 1)):
        circuit.x(2)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.z(2)
    circuit.measure(2, 2)
    return circuit


def repetition_code(distance: int = 5, rounds: int = 5) -> QuantumCircuit:
    """Return a repetition code with a coherent error on each qubit.

    Ancillas are measured and reset in each round.
    """
    ancillas = distance - 1
    circuit = QuantumCircuit(distance + ancillas, rounds * ancillas + distance)
    circuit.ry(0.4, range(distance))
    for number in range(rounds):
        for ancilla in range(ancillas):
            circuit.cx(ancilla, distance + ancilla)
            circuit.cx(ancilla + 1, distance + ancilla)
        for ancilla in range(ancillas):
            circuit.measure(distance + ancilla, number * ancillas + ancilla)
            circuit.reset(distance + ancilla)
    circuit.measure(range(distance), range(rounds * ancillas, rounds * ancillas + distance))
    return circuit


def repeat_until_success(tries: int | None = None) -> QuantumCircuit:
    """Return a rotation made by repeat-until-success (arXiv:1311.1074).

    Cliffords and Toffolis make an RX, and are repeated until both ancillas are measured as 0.

    Args:
        tries: the most tries, unrolled; by default a loop without a limit.
    """
    target, ancillas = QuantumRegister(1), QuantumRegister(2)
    failure, found = ClassicalRegister(2), ClassicalRegister(1)
    circuit = QuantumCircuit(target, ancillas, failure, found)

    def attempt() -> None:
        circuit.h(ancillas)
        circuit.ccx(*ancillas, target[0])
        circuit.s(target)
        circuit.ccx(*ancillas, target[0])
        circuit.h(ancillas)
        circuit.measure(ancillas, failure)

    def another() -> None:
        circuit.x(target)
        circuit.reset(ancillas)
        attempt()

    attempt()
    if tries is None:
        with circuit.while_loop(expr.not_equal(failure, 0)):
            another()
    for _ in range((tries or 1) - 1):
        with circuit.if_test(expr.not_equal(failure, 0)):
            another()
    circuit.measure(target, found)
    return circuit


DYNAMIC: dict[str, Callable[[], QuantumCircuit]] = {
    "teleportation": teleportation,
    "repetition code, 5 rounds": repetition_code,
    "repeat until success": repeat_until_success,
    "repeat until success, 6 tries": lambda: repeat_until_success(6),
}


# ----------------------------------------------------------------------------------------- sweeps, observables, lengths


def layers(num_qubits: int, reps: int = 3) -> tuple[QuantumCircuit, ParameterVector]:
    """Return a hardware-efficient ansatz and its parameters.

    The parameters are numbered in the order of the circuit.
    """
    angles = ParameterVector("angle", 2 * num_qubits * (reps + 1))
    circuit, at = QuantumCircuit(num_qubits), iter(angles)
    for layer in range(reps + 1):
        for qubit in range(num_qubits):
            circuit.ry(next(at), qubit)
            circuit.rz(next(at), qubit)
        for qubit in range(num_qubits - 1 if layer < reps else 0):
            circuit.cx(qubit, qubit + 1)
    return circuit, angles


def molecular(num_qubits: int, terms: int) -> SparsePauliOp:
    """Return an observable like that of a molecule.

    Each term has X or Y on at most four qubits; eight terms share these qubits.
    """
    rng = np.random.default_rng(1)
    x, z = np.zeros((2, terms, num_qubits), np.bool_)
    for at in range(terms):
        if at % 8 == 0:
            flipped = rng.choice(num_qubits, 2 * int(rng.integers(3)), replace=False)
        x[at, flipped] = True
        z[at] = rng.random(num_qubits) < 0.3
    return SparsePauliOp(PauliList.from_symplectic(z, x), rng.normal(size=terms))


def random_paulis(num_qubits: int, terms: int) -> SparsePauliOp:
    """Return a sum of random Pauli terms."""
    rng = np.random.default_rng(2)
    x, z = rng.random((2, terms, num_qubits)) < 0.5
    return SparsePauliOp(PauliList.from_symplectic(z, x), rng.normal(size=terms))


def repeated(family: str, num_qubits: int, gates: int) -> QuantumCircuit:
    """Repeat a family's circuit until it has a number of gates."""
    once = FAMILIES[family](num_qubits)
    circuit = QuantumCircuit(num_qubits)
    for number in range(gates):
        instruction = once.data[number % len(once.data)]
        circuit.append(instruction.operation, [once.find_bit(qubit).index for qubit in instruction.qubits])
    return circuit
