# SPDX-License-Identifier: Apache-2.0
"""Put controls, inverses and powers on the rows of an operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qiskit.circuit import (
    AnnotatedOperation,
    ControlledGate,
    ControlModifier,
    InverseModifier,
    Operation,
    PowerModifier,
)
from qiskit.circuit.library import UGate
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Operator

from qfleet.lowering.parameters import angle, free_parameters, real
from qfleet.lowering.refusal import RefusalError, unbound
from qfleet.lowering.rows import Rows, repeated
from qfleet.lowering.tables import unitary_rows

if TYPE_CHECKING:
    from qfleet.lowering.operations import Walk

#: Rows that a power may repeat before a matrix is cheaper, and qubits up to which there is a matrix.
_MAX_REPEATED_ROWS = 4096
_MAX_MATRIX_QUBITS = 10


def controlled_rows(walk: Walk, gate: ControlledGate) -> Rows:
    """The rows of a `ControlledGate`: those of its base gate, each controlled. Raises `RefusalError`."""
    base = gate.base_gate
    if base is None or gate.num_qubits != gate.num_ctrl_qubits + base.num_qubits:
        return walk.definition(gate)
    params = gate.params
    if isinstance(base, UGate) and len(params) == 4:
        # CU keeps its phase as a fourth parameter of its base gate, where it is easily lost.
        *angles, gamma = (angle(value, walk.free) for value in params)
        rows = walk.operation(UGate(*angles))
        rows.turn(gamma)
    elif getattr(base, "_standard_gate", None) is None and free_parameters(params):
        # Where parameters were replaced, only the definition says by what.
        return walk.definition(gate)
    else:
        try:
            rows = walk.operation(base)
        except RefusalError:
            # Qiskit binds the parameters of the definition, but not those inside a composite base gate.
            return walk.definition(gate)
    return rows.controlled(gate.num_ctrl_qubits, gate.ctrl_state, base.num_qubits)


def modified_rows(walk: Walk, operation: AnnotatedOperation) -> Rows:
    """The rows of an `AnnotatedOperation`. Raises `RefusalError`."""
    rows = walk.operation(operation.base_op)
    num_qubits = operation.base_op.num_qubits
    # Controls commute with inverses and powers, and a power is cheaper without them.
    powers: list[float] = []
    for modifier in operation.modifiers:
        match modifier:
            case ControlModifier():
                pass
            case InverseModifier():
                rows = rows.inverse(walk.tables)
                powers.append(-1.0)
            case PowerModifier():
                power = real(modifier.power)
                powers.append(power)
                free = free_parameters(rows.params)
                if power.is_integer() and abs(power) * len(rows.shapes) <= _MAX_REPEATED_ROWS:
                    rows = _repeated(walk, rows, int(power))
                elif num_qubits <= _MAX_MATRIX_QUBITS and not free:
                    rows = _power(walk, operation.base_op, powers)
                elif power.is_integer():
                    rows = _repeated(walk, rows, int(power))
                elif free:
                    raise unbound(free)
                else:
                    raise RefusalError(
                        f"a fractional power of {num_qubits} qubits isn't supported; {_MAX_MATRIX_QUBITS} are possible"
                    )
            case _:
                raise RefusalError(f"its modifier {modifier!r} isn't known")
    for modifier in operation.modifiers:
        if isinstance(modifier, ControlModifier):
            rows = rows.controlled(modifier.num_ctrl_qubits, modifier.ctrl_state, num_qubits)
            num_qubits += modifier.num_ctrl_qubits
    return rows


def _repeated(walk: Walk, rows: Rows, times: int) -> Rows:
    return repeated(rows if times >= 0 else rows.inverse(walk.tables), abs(times))


def _power(walk: Walk, base: Operation, powers: list[float]) -> Rows:
    """The matrix of an operation after powers, one after the other: the order says which root of -1 is taken."""
    try:
        operator = Operator(base)
        for power in powers:
            operator = operator.power(power)
    except QiskitError as exc:
        raise RefusalError(f"its power can't be computed: {exc.message}") from exc
    return unitary_rows(operator.data, walk.tables, base.num_qubits)
