# SPDX-License-Identifier: Apache-2.0
"""What is left of a program whose circuit has qubits that nothing acts on?

Circuits that were laid out for a large device have many. They are in |0> and matter to nobody who asks for counts.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from qfleet.wire.program import Program
from qfleet.wire.saves import FULL_WIDTH


def without_idle_qubits(program: Program) -> Program:
    """The program on those qubits alone that an operation names, in their order; as it is if it saves all of them."""
    qubits = np.maximum(program.operands, ~program.operands)
    named = np.zeros(program.num_qubits, np.bool_)
    named[qubits] = True
    # A program has a qubit at least.
    named[:1] |= not named.any()
    if named.all() or any(save.kind in FULL_WIDTH for save in program.saves):
        return program
    places = (np.cumsum(named) - 1).astype(np.int32)
    operands = np.where(program.operands < 0, ~places[qubits], places[qubits])
    return dataclasses.replace(program, num_qubits=int(named.sum()), operands=operands)
