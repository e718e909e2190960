# SPDX-License-Identifier: Apache-2.0
"""The exact outcomes of a circuit by Qiskit, without code of qfleet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
from qiskit.circuit import Delay, Gate, QuantumCircuit, Qubit
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.quantum_info import Statevector
from scipy import stats

#: The probability that a correct simulator fails a test of counts.
SIGNIFICANCE = 1e-6


def standard_gates() -> dict[str, Gate]:
    """Return each standard gate of Qiskit, bound to arbitrary angles."""
    gates = {}
    for name, template in get_standard_gate_name_mapping().items():
        gate = template.to_mutable()
        if isinstance(gate, Gate):
            gate.params = [0.3 + 0.2 * place for place in range(len(gate.params))]
            gates[name] = gate
    gates["delay"] = Delay(100, "ns")
    return gates


def outcome_probabilities(circuit: QuantumCircuit) -> dict[str, float]:
    """Return the exact probability of each outcome, a bit string without spaces.

    A measurement copies its qubit onto a fresh one, and a reset exchanges it for a fresh one. So only one measurement
    of a pure state at the end is left.
    """
    deferred = QuantumCircuit(circuit.qubits)
    holders: dict[int, Qubit] = {}

    def fresh() -> Qubit:
        bit = Qubit()
        deferred.add_bits([bit])
        return bit

    for instruction in circuit.data:
        if instruction.name == "measure":
            holder = fresh()
            deferred.cx(instruction.qubits[0], holder)
            holders[circuit.find_bit(instruction.clbits[0]).index] = holder
        elif instruction.name == "reset":
            deferred.swap(instruction.qubits[0], fresh())
        elif instruction.name != "barrier":
            deferred.append(instruction)
    places = {clbit: deferred.find_bit(holder).index for clbit, holder in holders.items()}
    sums: dict[str, float] = defaultdict(float)
    for index, probability in enumerate(Statevector(deferred).probabilities()):
        bits = [index >> places[clbit] & 1 if clbit in places else 0 for clbit in range(circuit.num_clbits)]
        sums["".join(map(str, reversed(bits)))] += float(probability)
    return {outcome: probability for outcome, probability in sums.items() if probability > 1e-12}


def assert_drawn_from(counts: Mapping[str, int], probabilities: Mapping[str, float]) -> None:
    """Check that counts fit a distribution, by Pearson's chi-square test."""
    seen = {outcome.replace(" ", ""): count for outcome, count in counts.items()}
    shots = sum(seen.values())
    impossible = seen.keys() - probabilities.keys()
    assert not impossible, f"outcomes of probability 0 were seen: {sorted(impossible)}"
    expected = np.array([probability * shots for probability in probabilities.values()])
    observed = np.array([seen.get(outcome, 0) for outcome in probabilities])
    # Rare outcomes are merged, since the test needs several expected counts per cell.
    rare = expected < 5
    expected = np.append(expected[~rare], expected[rare].sum())
    observed = np.append(observed[~rare], observed[rare].sum())
    filled = expected > 0
    if filled.sum() < 2:
        return
    expected *= observed.sum() / expected.sum()
    p_value = stats.chisquare(observed[filled], expected[filled]).pvalue
    assert p_value > SIGNIFICANCE, f"{counts} aren't samples of {probabilities}: p = {p_value}"
