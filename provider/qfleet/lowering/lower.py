# SPDX-License-Identifier: Apache-2.0
"""How does a Qiskit circuit become a program that the fleet runs?

Everything composite is inlined, control flow becomes jumps, global phases are summed, barriers, delays and identities
are dropped, and what can't be run is refused by name and position.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qfleet.errors import CapacityError
from qfleet.lowering.operations import Walk
from qfleet.lowering.refusal import RefusalError, unbound
from qfleet.lowering.saves import resolved
from qfleet.lowering.tables import amplitude_rows
from qfleet.wire.limits import MAX_CLBITS, MAX_FLOW_OPERATIONS, MAX_OPERATIONS, MAX_PARAMETERS, MAX_QUBITS
from qfleet.wire.program.program import Program

__all__ = ["lower", "unbound"]


def lower(
    circuit: QuantumCircuit, *, unitary: bool = False, initial_state: NDArray[np.complex128] | None = None
) -> Program:
    """The program of a circuit, which stays as it is.

    Qubits and clbits are numbered by their positions in ``circuit.qubits`` and ``circuit.clbits``. A state preparation
    in the circuit itself (not inside another operation) on qubits that nothing has touched becomes an initialization.

    Args:
        circuit: the circuit. Its parameters may be free: the program has slots for what depends on them, and numbers
            them as ``circuit.parameters`` does.
        unitary: whether the unitary of the circuit is wanted, so that nothing in it may be a measurement, a reset or an
            initialization.
        initial_state: amplitudes to begin with in place of |0...0>, shape (2**num_qubits,), of norm 1.

    Raises:
        TypeError: it isn't a `QuantumCircuit`.
        UnboundParameterError: parameters that aren't the circuit's own have no value, or an operation has to be known
            with its value, as a fractional power has.
        UnsupportedCircuitError: the circuit holds something that qfleet doesn't run; the error names the operation and
            its position in ``circuit.data``.
        CapacityError: it has more qubits, clbits or operations than a program may have.
    """
    if not isinstance(circuit, QuantumCircuit):
        raise TypeError(f"expected a QuantumCircuit, got {type(circuit).__name__}")
    parameters = list(circuit.parameters) if circuit.num_parameters else []
    walk = Walk(unitary=unitary, free={parameter: parameter for parameter in parameters})
    try:
        _check_size(len(parameters), MAX_PARAMETERS, "parameters")
        _check_size(circuit.num_qubits, MAX_QUBITS, "qubits")
        _check_size(circuit.num_clbits, MAX_CLBITS, "clbits")
        start = None if initial_state is None else amplitude_rows(initial_state, walk.tables, circuit.num_qubits)
        rows = walk.circuit(circuit, outermost=True, start=start)
        given = [*circuit.iter_input_vars(), *circuit.iter_captured_vars()]
        if given:
            names = ", ".join(repr(var.name) for var in given)
            raise RefusalError(
                f"has classical variables without a value ({names}); declare them with `circuit.add_var(name, value)`"
            )
        program = rows.program(walk.tables, circuit.num_qubits, circuit.num_clbits, walk.variables.types, parameters)
        program = resolved(program, walk.saved_states, unitary=unitary)
        _check_size(len(program), MAX_OPERATIONS, "operations")
        if rows.jumps or rows.expressions:
            _check_size(program.num_flow_operations(), MAX_FLOW_OPERATIONS, "jumps and stores, its for-loops unrolled")
    except RefusalError as refusal:
        # The cause is an exception that a definition or a matrix raised, if that was it.
        raise refusal.error(circuit.name) from refusal.__cause__
    return program


def _check_size(number: int, limit: int, what: str) -> None:
    if number > limit:
        raise RefusalError(f"has {number} {what}; a program has {limit} at most", CapacityError)
