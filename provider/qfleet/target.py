# SPDX-License-Identifier: Apache-2.0
"""The operations and the widths that Qiskit's transpiler is given.

Not public.
"""

from __future__ import annotations

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
    for name, operation in get_standard_gate_name_mapping().items():
        target.add_instruction(operation, name=name)
    saves = dict.fromkeys(NAMES, Instruction)
    for name, operation in (_OF_ANY_WIDTH | _CONTROL_FLOW | saves).items():
        target.add_instruction(operation, name=name)
    return target
