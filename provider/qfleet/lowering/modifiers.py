# SPDX-License-Identifier: Apache-2.0
"""Apply controls, inverses and powers to the rows of an operation."""

from __future__ import annotations

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

from qfleet.lowering.context import Recursion
from qfleet.lowering.inverses import control_rows, invert_rows, repeat_rows
from qfleet.lowering.noise import noiseless
from qfleet.lowering.parameters import angle, free_parameters, real
from qfleet.lowering.refusal import RefusalError, unbound
from qfleet.lowering.rows import Rows, Tables
from qfleet.lowering.tables import unitary_rows

#: Most rows that a power repeats. For more, a matrix is cheaper.
_MAX_REPEATED_ROWS = 4096
#: Most qubits of an operation whose power becomes a matrix.
_MAX_MATRIX_QUBITS = 10


def lower_controlled(recursion: Recursion, gate: ControlledGate) -> Rows:
    """Return the rows of a gate's base gate, each controlled. Raises `RefusalError`."""
    base = gate.base_gate
    if base is None or gate.num_qubits != gate.num_ctrl_qubits + base.num_qubits:
        return recursion.lower_definition(gate)
    params = gate.params
    if isinstance(base, UGate) and len(params) == 4:
        # CU keeps its phase as a fourth parameter, which a U gate doesn't have.
        *angles, gamma = (angle(value, recursion.context.free) for value in params)
        rows = noiseless(recursion.lower_alone(UGate(*angles)))
        rows.add_global_phase(gamma)
    elif getattr(base, "_standard_gate", None) is None and free_parameters(params):
        # If parameters were replaced, only the definition has the values.
        return recursion.lower_definition(gate)
    else:
        try:
            rows = noiseless(recursion.lower_alone(base))
        except RefusalError:
            # Qiskit binds the parameters of the definition, but not the parameters inside a composite base gate.
            return recursion.lower_definition(gate)
    return control_rows(rows, gate.num_ctrl_qubits, gate.ctrl_state, base.num_qubits)


def lower_annotated(recursion: Recursion, operation: AnnotatedOperation) -> Rows:
    """Return the rows of an operation with modifiers. Raises `RefusalError`."""
    rows = noiseless(recursion.lower_alone(operation.base_op))
    tables = recursion.context.tables
    num_qubits = operation.base_op.num_qubits
    # Controls commute with inverses and powers, and a power is cheaper without them.
    powers: list[float] = []
    for modifier in operation.modifiers:
        match modifier:
            case ControlModifier():
                pass
            case InverseModifier():
                rows = invert_rows(rows, tables)
                powers.append(-1.0)
            case PowerModifier():
                powers.append(real(modifier.power))
                rows = _raise_to_power(rows, operation.base_op, powers, tables)
            case _:
                raise RefusalError(f"its modifier {modifier!r} isn't supported")
    for modifier in operation.modifiers:
        if isinstance(modifier, ControlModifier):
            rows = control_rows(rows, modifier.num_ctrl_qubits, modifier.ctrl_state, num_qubits)
            num_qubits += modifier.num_ctrl_qubits
    return rows


def _raise_to_power(rows: Rows, base: Operation, powers: list[float], tables: Tables) -> Rows:
    """Return an operation's rows raised to the last of its powers.

    Args:
        rows: the operation raised to all powers but the last.
        base: the operation.
        powers: all powers so far, in order; inverses are powers of -1.
        tables: the tables that get a matrix.
    """
    power = powers[-1]
    free = free_parameters(rows.params)
    small = base.num_qubits <= _MAX_MATRIX_QUBITS and not free
    if power.is_integer() and (not small or abs(power) * len(rows.shapes) <= _MAX_REPEATED_ROWS):
        return repeat_rows(rows if power >= 0 else invert_rows(rows, tables), abs(int(power)))
    if small:
        return _power_matrix(base, powers, tables)
    if free:
        raise unbound(free)
    raise RefusalError(
        f"a fractional power of {base.num_qubits} qubits isn't supported; at most {_MAX_MATRIX_QUBITS} qubits are"
    )


def _power_matrix(base: Operation, powers: list[float], tables: Tables) -> Rows:
    """Return the matrix of an operation raised to powers, in order.

    The order selects the root of -1.
    """
    try:
        operator = Operator(base)
        for power in powers:
            operator = operator.power(power)
    except QiskitError as exc:
        raise RefusalError(f"its power can't be computed: {exc.message}") from exc
    return unitary_rows(operator.data, tables, base.num_qubits)
