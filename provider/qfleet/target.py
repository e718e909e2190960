# SPDX-License-Identifier: Apache-2.0
"""What the backends tell Qiskit's transpiler: every operation that travels whole, on any number of qubits."""

from __future__ import annotations

from functools import cache

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

#: Operations of any width, by their class.
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
#: The transpiler refuses circuits that hold any of these unless they stand in the target.
_CONTROL_FLOW = {
    "box": BoxOp,
    "break_loop": BreakLoopOp,
    "continue_loop": ContinueLoopOp,
    "for_loop": ForLoopOp,
    "if_else": IfElseOp,
    "switch_case": SwitchCaseOp,
    "while_loop": WhileLoopOp,
}


@cache
def fleet_target() -> Target:
    """The target of every backend, made once in a process. It has no number of qubits, and no coupling map."""
    target = Target(description="qfleet", num_qubits=None)
    for name, operation in get_standard_gate_name_mapping().items():
        target.add_instruction(operation, name=name)
    saves = dict.fromkeys(NAMES, Instruction)
    for name, operation in (_OF_ANY_WIDTH | _CONTROL_FLOW | saves).items():
        target.add_instruction(operation, name=name)
    return target
