# SPDX-License-Identifier: Apache-2.0
"""Lower a Qiskit circuit to a program that the fleet runs.

Composite operations are inlined, control flow becomes jumps, global phases are added up, and barriers, delays and
identities are dropped. An operation that can't be run is refused by name and position.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparseObservable

from qfleet.errors import CapacityError, NoiseError
from qfleet.lowering.context import LoweringContext
from qfleet.lowering.noise import after_passes, with_noise
from qfleet.lowering.operations import Operations
from qfleet.lowering.passes.pipeline import Wanted, run_passes
from qfleet.lowering.refusal import RefusalError
from qfleet.lowering.sites import Place
from qfleet.lowering.size import LIMITS, ProgramLimits
from qfleet.lowering.tables import amplitude_rows
from qfleet.noise import NoiseModel
from qfleet.wire.messages.request import Method, Output
from qfleet.wire.program.program import Program


def lower(
    circuit: QuantumCircuit,
    output: Output = Output.STATEVECTOR,
    *,
    initial_state: NDArray[np.complex128] | None = None,
    observables: Sequence[SparseObservable] = (),
    method: Method = "automatic",
    noise: NoiseModel | None = None,
    gates_met: set[tuple[str, int]] | None = None,
    elsewhere: set[Place] | None = None,
    kept: list[int] | None = None,
    limits: ProgramLimits = LIMITS,
) -> Program:
    """Return the program that yields an output of a circuit.

    The circuit isn't changed. Qubits and clbits are numbered by their positions in ``circuit.qubits`` and
    ``circuit.clbits``. Unless amplitudes are the output, qubits that no operation names are left out. A state
    preparation on untouched qubits in the circuit itself (not inside another operation) becomes an initialization.

    Args:
        circuit: the circuit. Its parameters may be free: the program has slots for the angles that depend on them, and
            numbers the parameters as ``circuit.parameters`` does.
        output: the output to compute. For ``unitary``, measurements, resets and initializations are refused.
        initial_state: amplitudes to begin with instead of |0...0>, shape (2**num_qubits,), norm 1.
        observables: observables on all qubits, for the output of expectation values.
        method: the method that is asked for, which a ``save_state`` depends on.
        noise: the noise model. Composite operations that it doesn't name are inlined, and their gates get its noise.
        gates_met: gets the names or labels of the gates, with their numbers of qubits, if there is a noise model.
        elsewhere: gets the gates that the noise model names for other qubits alone.
        kept: gets the circuit's qubits that the program has, in order, unless amplitudes are the output.
        limits: the largest sizes of the program.

    Raises:
        TypeError: it isn't a `QuantumCircuit`.
        UnboundParameterError: a parameter that isn't the circuit's own has no value, or an operation needs a value, for
            example a fractional power.
        UnsupportedCircuitError: the circuit holds something that qfleet doesn't run. The error names the operation and
            its position in ``circuit.data``.
        NoiseError: the noise model doesn't fit the circuit, or an error in the circuit is impossible.
        CapacityError: it has more qubits, clbits, operations or observables than a program may have.
    """
    if not isinstance(circuit, QuantumCircuit):
        raise TypeError(f"expected a QuantumCircuit, got {type(circuit).__name__}")
    if noise is not None:
        circuit = after_passes(circuit, noise)
    parameters = list(circuit.parameters) if circuit.num_parameters else []
    context = LoweringContext(
        circuit,
        parameters,
        unitary=output == Output.UNITARY,
        noise=noise if noise is not None and noise.has_channels else None,
    )
    try:
        _check_size(len(parameters), limits.parameters, "parameters")
        _check_size(circuit.num_qubits, limits.qubits, "qubits")
        _check_size(circuit.num_clbits, limits.clbits, "clbits")
        start = None if initial_state is None else amplitude_rows(initial_state, context.tables, circuit.num_qubits)
        rows = Operations(context).lower_circuit(circuit, outermost=True, start=start)
        _check_variables(circuit)
        program = rows.program(
            context.tables, circuit.num_qubits, circuit.num_clbits, context.variables.types, parameters
        )
        program = with_noise(program, rows, noise, elsewhere)
        if gates_met is not None:
            gates_met |= context.gates_met
        _check_size(len(program), limits.operations, "operations")
        if rows.jumps or rows.expressions:
            _check_size(
                program.num_flow_operations(), limits.flow_operations, "jumps and stores, its for-loops unrolled"
            )
        return run_passes(program, Wanted(output, context.save_state_labels, observables, method, kept))
    except NoiseError as exc:
        raise exc.prefixed(f"circuit {circuit.name!r}: ") from exc
    except RefusalError as refusal:
        # The cause is an exception that a definition or a matrix raised, if there was one.
        raise refusal.error(circuit.name) from refusal.__cause__


def _check_variables(circuit: QuantumCircuit) -> None:
    given = [*circuit.iter_input_vars(), *circuit.iter_captured_vars()]
    if given:
        names = ", ".join(repr(var.name) for var in given)
        raise RefusalError(
            f"has classical variables without a value ({names}); declare them with `circuit.add_var(name, value)`"
        )


def _check_size(number: int, limit: int, what: str) -> None:
    if number > limit:
        raise RefusalError(
            f"has {number} {what}; a program has at most {limit}", CapacityError, number=number, limit=limit
        )
