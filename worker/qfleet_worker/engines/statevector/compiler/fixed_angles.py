# SPDX-License-Identifier: Apache-2.0
"""The angles of a program that are constants to the compiler."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.program import Program

#: Qubits from which on a circuit is compiled for all of its angles that aren't slots: it runs so long that to compile
#: it again for other ones is nothing.
MANY_QUBITS: Final = 13
#: How far an angle may be from a multiple of pi/4 to count as one, in units of pi/4.
_NEAR: Final = 1e-12


def fixed_angles(program: Program) -> NDArray[np.bool_]:
    """Tell of each angle whether it is constant, shape (angles,).

    Slots aren't. In circuits of a few qubits, only multiples of pi/4 are, from which compilers for hardware make gates
    such as H; so a loop over circuits with other numbers compiles them once.
    """
    params = program.params
    if program.num_qubits >= MANY_QUBITS:
        fixed = np.ones(len(params), np.bool_)
    else:
        eighths = params * (4 / np.pi)
        fixed = np.abs(eighths - np.rint(eighths)) < _NEAR
    fixed[program.slots] = False
    return fixed
