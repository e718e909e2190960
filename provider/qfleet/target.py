# SPDX-License-Identifier: Apache-2.0
"""The operations and the widths that Qiskit's transpiler is given.

Not public.
"""

from __future__ import annotations

import copy
from functools import cache
from typing import Final

from qiskit.circuit import (
    Barrier,
    BoxOp,
    BreakLoopOp,
    ContinueLoopOp,
    ForLoopOp,
    IfElseOp,
    Instruction,
    SwitchCaseOp,
    WhileLoopOp,
)
from qiskit.circuit.library import (
    DiagonalGate,
    Initialize,
    MCPhaseGate,
    MCXGate,
    PauliGate,
    PermutationGate,
    StatePreparation,
    UnitaryGate,
    get_standard_gate_name_mapping,
)
from qiskit.transpiler import Target

from qfleet.lowering.saves import NAMES
from qfleet.wire.limits import LARGEST_VALUE
from qfleet.wire.messages.request import AMPLITUDE_BYTES, Output

#: The classes of operations of any width, by name.
_OF_ANY_WIDTH = {
    "barrier": Barrier,
    "diagonal": DiagonalGate,
    "initialize": Initialize,
    "mcphase": MCPhaseGate,
    "mcx": MCXGate,
    "pauli": PauliGate,
    "permutation": PermutationGate,
    "state_preparation": StatePreparation,
    "unitary": UnitaryGate,
}
#: The transpiler refuses circuits with control flow that isn't in the target.
_CONTROL_FLOW = {
    "box": BoxOp,
    "break_loop": BreakLoopOp,
    "continue_loop": ContinueLoopOp,
    "for_loop": ForLoopOp,
    "if_else": IfElseOp,
    "switch_case": SwitchCaseOp,
    "while_loop": WhileLoopOp,
}


#: Errors that are written into circuits, and what sets a state. The transpiler can't translate them.
_KEPT: Final = (
    "kraus",
    "superop",
    "quantum_channel",
    "roerror",
    "set_density_matrix",
    "set_matrix_product_state",
    "set_stabilizer",
    "set_superop",
)

#: The width of a backend that returns counts. Idle qubits cost nothing, so memory doesn't limit it. It is larger than
#: that of real devices, and small enough for programs that make circuits as wide as their backend. `run()` accepts
#: wider circuits.
_WIDEST: Final = 1024


def widest(output: Output) -> int:
    """Return the number of qubits of a backend that returns an output.

    States and unitaries include idle qubits, and their amplitudes must fit a Redis value.
    """
    if output not in (Output.STATEVECTOR, Output.UNITARY):
        return _WIDEST
    amplitudes = (LARGEST_VALUE // min(AMPLITUDE_BYTES.values())).bit_length() - 1
    return amplitudes // 2 if output == Output.UNITARY else amplitudes


@cache
def fleet_target(num_qubits: int) -> Target:
    """Return the target of backends with this number of qubits.

    It has no coupling map. It is made once.
    """
    target = Target(description="qfleet", num_qubits=num_qubits)
    for name, operation in (get_standard_gate_name_mapping() | _OF_ANY_WIDTH).items():
        target.add_instruction(operation, name=name)
    return _with_operations_of_a_fleet(target)


def device_target(device: Target) -> Target:
    """Return a copy of a device's target, with a simulator's operations.

    It has the device's coupling map, gates and error rates. It has no other gates, since these would have no noise.
    """
    return _with_operations_of_a_fleet(copy.deepcopy(device))


def _with_operations_of_a_fleet(target: Target) -> Target:
    """Add control flow, saves and errors to a target, and return it."""
    for name, operation in (_CONTROL_FLOW | dict.fromkeys([*NAMES, *_KEPT], Instruction)).items():
        if name not in target:
            target.add_instruction(operation, name=name)
    return target
