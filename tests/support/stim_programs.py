# SPDX-License-Identifier: Apache-2.0
"""Programs of stim's circuits."""

from __future__ import annotations

import stim
from clifford_programs import gate, noisy_program
from noise_oracle import depolarizing, measure, noise

from qfleet.wire.program.channels import Branch, Channel
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation, Program

_ANNOTATIONS = ("DETECTOR", "OBSERVABLE_INCLUDE", "QUBIT_COORDS", "SHIFT_COORDS", "TICK")


def program_of_stim(circuit: stim.Circuit) -> Program:
    """Return the program of a circuit.

    Its clbits are the measurements, in order.
    """
    rows: list[Operation] = []
    measured = 0
    for instruction in circuit.flattened():
        name = instruction.name
        if name in _ANNOTATIONS:
            continue
        qubits = [target.value for target in instruction.targets_copy()]
        chance = (instruction.gate_args_copy() or [0.0])[0]
        if name in ("M", "MR", "MX"):
            for qubit in qubits:
                turned = [gate(Op.H, qubit)] if name == "MX" else []
                rows += [*turned, measure(qubit, measured), *turned]
                rows += [gate(Op.RESET, qubit)] if name == "MR" else []
                measured += 1
        elif name in ("CX", "DEPOLARIZE2"):
            for one, other in zip(qubits[::2], qubits[1::2], strict=True):
                if name == "CX":
                    rows.append(gate(Op.X, other, controls=[one]))
                else:
                    rows.append(noise(depolarizing(chance, 2), one, other))
        else:
            for qubit in qubits:
                rows += _one_qubit(name, qubit, chance)
    return noisy_program(circuit.num_qubits, measured, rows)


def _one_qubit(name: str, qubit: int, chance: float) -> list[Operation]:
    """Return the rows of an instruction on one qubit."""
    if name == "DEPOLARIZE1":
        return [noise(depolarizing(chance), qubit)]
    if name in ("X_ERROR", "Z_ERROR"):
        letter = Branch(chance, 1) if name == "X_ERROR" else Branch(chance, 0, 1)
        return [noise(Channel.of(1, [Branch(1 - chance), letter]), qubit)]
    if name in ("R", "RX"):
        return [gate(Op.RESET, qubit), *([gate(Op.H, qubit)] if name == "RX" else [])]
    if name == "C_XYZ":
        return [gate(Op.H, qubit), gate(Op.SXDG, qubit)]
    return [gate(Op[name], qubit)]
