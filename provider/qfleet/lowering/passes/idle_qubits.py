# SPDX-License-Identifier: Apache-2.0
"""Drop the qubits that no operation names.

Circuits that were laid out for a large device have many. They are in |0> and don't change counts.
"""

from __future__ import annotations

import msgspec
import numpy as np

from qfleet.wire.program.program import Program


def drop_idle_qubits(program: Program) -> Program:
    """Return a program on the qubits that an operation names.

    The qubits keep their order. A save of all qubits names all.
    """
    qubits = np.maximum(program.operands, ~program.operands)
    named = np.zeros(program.num_qubits, np.bool_)
    named[qubits] = True
    # A program has at least one qubit.
    named[:1] |= not named.any()
    if named.all():
        return program
    places = (np.cumsum(named) - 1).astype(np.int32)
    operands = np.where(program.operands < 0, ~places[qubits], places[qubits])
    return msgspec.structs.replace(program, num_qubits=int(named.sum()), operands=operands)
