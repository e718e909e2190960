# SPDX-License-Identifier: Apache-2.0
"""Drop the qubits that no operation names.

Circuits that were laid out for a large device have many. They are in |0> and don't change counts.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.program import Program


def drop_idle_qubits(program: Program) -> Program:
    """Return a program on the qubits that an operation names.

    The qubits keep their order. A save of all qubits names all.
    """
    named = _named_qubits(program)
    if named.all():
        return program
    qubits = np.maximum(program.operands, ~program.operands)
    places = (np.cumsum(named) - 1).astype(np.int32)
    operands = np.where(program.operands < 0, ~places[qubits], places[qubits])
    return msgspec.structs.replace(program, num_qubits=int(named.sum()), operands=operands)


def kept_qubits(program: Program) -> list[int]:
    """Return the qubits that a program has behind `drop_idle_qubits`."""
    return np.flatnonzero(_named_qubits(program)).tolist()


def _named_qubits(program: Program) -> NDArray[np.bool_]:
    """Mark the qubits that an operation names, shape (qubits,)."""
    named = np.zeros(program.num_qubits, np.bool_)
    named[np.maximum(program.operands, ~program.operands)] = True
    # A program has at least one qubit.
    named[:1] |= not named.any()
    return named
