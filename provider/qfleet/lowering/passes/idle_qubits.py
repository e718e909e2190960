# SPDX-License-Identifier: Apache-2.0
"""What is left of a program whose circuit has qubits that nothing acts on?

Circuits that were laid out for a large device have many. They are in |0> and matter to nobody who asks for counts.
"""

from __future__ import annotations

import msgspec
import numpy as np

from qfleet.wire.program.program import Program


def without_idle_qubits(program: Program) -> Program:
    """The program on those qubits alone that an operation names, in their order; what saves all of them names all."""
    qubits = np.maximum(program.operands, ~program.operands)
    named = np.zeros(program.num_qubits, np.bool_)
    named[qubits] = True
    # A program has a qubit at least.
    named[:1] |= not named.any()
    if named.all():
        return program
    places = (np.cumsum(named) - 1).astype(np.int32)
    operands = np.where(program.operands < 0, ~places[qubits], places[qubits])
    return msgspec.structs.replace(program, num_qubits=int(named.sum()), operands=operands)
