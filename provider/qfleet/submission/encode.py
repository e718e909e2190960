# SPDX-License-Identifier: Apache-2.0
"""Circuits, lowered and encoded, with their predicted cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from qiskit.circuit import ClassicalRegister, Clbit, QuantumCircuit
from qiskit.quantum_info import SparseObservable

from qfleet.errors import UnsupportedCircuitError
from qfleet.ledger import CircuitRecord, NoiseRecord
from qfleet.lowering.lower import lower
from qfleet.lowering.passes.exact_means import without_squares
from qfleet.lowering.sites import Place
from qfleet.options import RunOptions, check_text
from qfleet.submission.limits import check_blob, check_initial_statevector, check_memory, check_result, check_state
from qfleet.submission.notices import warn_of_gates_elsewhere, warn_of_gates_without_noise
from qfleet.submission.planning import ShotBlock, shots_at_once
from qfleet.submission.shot_blocks import block_of
from qfleet.wire.codec.blobs import content_hash
from qfleet.wire.codec.programs import encode_program
from qfleet.wire.cost.branches import turns_of
from qfleet.wire.cost.constants import FASTER_ENGINE
from qfleet.wire.cost.cost import cost, costs, fits_a_machine, seconds_of, states_bytes
from qfleet.wire.cost.errors import ErrorRuns, error_runs
from qfleet.wire.cost.methods import choose_exact_method, choose_method, other_methods
from qfleet.wire.cost.tableaux import BLOCK_SHOTS
from qfleet.wire.limits import LARGEST_VALUE
from qfleet.wire.messages.methods import MethodError
from qfleet.wire.messages.request import METHODS, Method, Output, Request
from qfleet.wire.program.clifford_programs import clifford_refusal
from qfleet.wire.program.jumps import program_jumps
from qfleet.wire.program.operations import WRITES
from qfleet.wire.program.program import Program


@dataclass(frozen=True, slots=True)
class EncodedCircuit:
    """A lowered and encoded circuit, without the values of one parameter set."""

    #: content hash of the blob
    name: str
    blob: bytes
    #: of one parameter set, without its seed and metadata
    record: CircuitRecord
    #: with the method that simulates it
    request: Request
    #: predicted bytes of memory, by the engine of a worker
    needs: Mapping[str, int]
    #: predicted, of one parameter set
    seconds: float
    result_bytes: int
    #: True if expectation values are averages over shots that differ
    sampled: bool = False
    #: see `qfleet.submission.planning.PlannedCircuit.block`
    block: ShotBlock | None = None


def lower_circuit(
    circuit: QuantumCircuit, options: RunOptions, output: Output, observables: Sequence[SparseObservable] = ()
) -> Program:
    """Return the program that yields an output of a circuit.

    Args:
        circuit: the circuit.
        options: the options of its run.
        output: the output.
        observables: observables, for the output "expectation values". Unless the final state varies between shots, one
            shot is enough for them.

    Raises:
        QfleetError: the circuit can't be run; the subclass and the text say why.
    """
    check_text("the name of a circuit", circuit.name)
    if options.initial_statevector is not None or output in (Output.STATEVECTOR, Output.UNITARY):
        # Its output or its initial state has all qubits.
        request = Request(output, "unitary" if output == Output.UNITARY else "statevector", options.precision)
        check_state(circuit, circuit.num_qubits, request)
        check_memory(circuit, circuit.num_qubits, states_bytes(circuit.num_qubits, request), options)
    check_initial_statevector(options.initial_statevector, circuit, output)
    noise = options.noise_model
    gates_met: set[tuple[str, int]] = set()
    elsewhere: set[Place] = set()
    program = lower(
        circuit,
        output,
        initial_state=options.initial_statevector,
        observables=observables,
        method=options.method,
        noise=noise,
        gates_met=gates_met,
        elsewhere=elsewhere,
    )
    if noise is not None:
        warn_of_gates_without_noise(circuit.name, noise, gates_met)
        warn_of_gates_elsewhere(circuit.name, elsewhere)
    return program


def encode_lowered(
    circuit: QuantumCircuit,
    program: Program,
    options: RunOptions,
    output: Output,
    num_observables: int = 0,
    *,
    exact: bool = False,
    values: NDArray[np.float64] | None = None,
    largest_value: int = LARGEST_VALUE,
) -> EncodedCircuit:
    """Encode the program of a circuit, and predict its cost.

    Args:
        circuit: the circuit.
        program: what `lower_circuit` returns for it.
        options: the options of its run.
        output: what is wanted of it.
        num_observables: expectation values that are wanted for each parameter set, if not all that the program saves.
        exact: True if expectation values must be exact, whatever they depend on.
        values: the values of the program's parameters at all points, shape (points, parameters); ``None`` if they
            aren't known.
        largest_value: bytes of data that a Redis value may hold.

    Raises:
        QfleetError: it needs more than is available; the subclass and the text say of what.
    """
    request = request_of(options, output)
    try:
        errors = error_runs(program, turns_of(program)) if len(program.channel_refs) else None
        program, method, method_reason = _with_method(program, request, options.shots, errors, values, exact=exact)
    except MethodError as exc:
        text, own = str(exc), clifford_refusal(program)
        if own and own in text:
            text = text.replace(own, clifford_refusal(as_drawn(circuit, program, options, output)))
        raise UnsupportedCircuitError(f"circuit {circuit.name!r} {text}", circuit=circuit.name) from exc
    request = request_of(options, output, method)
    sampled = output == Output.EXPECTATION_VALUES and program.saves[-1].spec.squares
    if output == Output.EXPECTATION_VALUES and not sampled:
        options = dataclasses.replace(options, shots=1)
    if not fits_a_machine(request, program.num_qubits):
        drawn = as_drawn(circuit, program, options, output)
        check_state(circuit, program.num_qubits, request, other_methods(drawn, program.num_qubits, request, values))
    shots = min(options.shots, shots_at_once(output, options.max_shot_size, program.num_clbits) or options.shots)
    at_once = costs(program, request, shots=shots, num_observables=num_observables, errors=errors)
    whole = at_once[FASTER_ENGINE]
    check_memory(circuit, program.num_qubits, whole.memory_bytes, options)
    needs = {engine: each.memory_bytes for engine, each in at_once.items()}
    # A worker with the faster engine runs a circuit on the slower one where that has room for it alone.
    needs[FASTER_ENGINE] = min(needs.values())
    if shots != options.shots:
        whole = cost(program, request, shots=options.shots, num_observables=num_observables, errors=errors)
    check_result(circuit, program, whole.result_bytes, output, largest=largest_value)
    blob = encode_program(program)
    check_blob(circuit, blob, largest=largest_value)
    record = CircuitRecord(
        **_names(circuit),
        global_phase=0.0,
        metadata={},
        measured=bool(WRITES[program.codes].any()),
        saves=bool(program.saves),
        shots=options.shots,
        seed=0,
        required_bytes=at_once[FASTER_ENGINE].memory_bytes,
        method=method,
        method_reason=method_reason,
        noise=_noise_of(program),
    )
    block = None
    if METHODS[method].is_clifford:
        block = block_of(seconds_of(program, request), options.shots, multiple=BLOCK_SHOTS)
    elif len(program.channel_refs) and method == "statevector":
        block = block_of(seconds_of(program, request, errors), options.shots)
    return EncodedCircuit(
        content_hash(blob), blob, record, request, needs, whole.seconds, whole.result_bytes, sampled, block
    )


def request_of(options: RunOptions, output: Output, method: Method | None = None) -> Request:
    """Return the request for an output.

    Args:
        options: the options of the run.
        output: the output.
        method: a resolved method; by default that of the options.
    """
    request = Request(output, method or options.method, options.precision, options.memory)
    if method is not None and not METHODS[method].is_chain:
        return request
    bond = options.matrix_product_state_max_bond_dimension or 0
    return replace(request, bond=bond, threshold=options.matrix_product_state_truncation_threshold)


def as_drawn(circuit: QuantumCircuit, program: Program, options: RunOptions, output: Output) -> Program:
    """Return a program with the qubits of its circuit, for errors."""
    kept: list[int] = []
    # The qubits of observables don't matter.
    output = Output.COUNTS if output == Output.EXPECTATION_VALUES else output
    lower(circuit, output, method=options.method, noise=options.noise_model, kept=kept)
    if len(kept) != program.num_qubits:
        return program
    qubits = np.array(kept, np.int32)[np.maximum(program.operands, ~program.operands)]
    operands = np.where(program.operands < 0, ~qubits, qubits)
    return replace(program, num_qubits=circuit.num_qubits, operands=operands)


def _noise_of(program: Program) -> NoiseRecord | None:
    """Return the noise of a program; ``None`` without any."""
    if not (len(program.channel_refs) or len(program.flips)):
        return None
    hazards = np.array(
        [
            1 - channel.chances()[0] if jumps is None else jumps.chance
            for channel, jumps in zip(program.channels, program_jumps(program), strict=True)
        ],
        np.float64,
    )
    readouts = np.count_nonzero(program.flips.reshape(-1, 2).any(axis=1))
    errors = float(hazards[program.channel_refs].sum())
    return NoiseRecord(len(program.channels), len(program.channel_refs), int(readouts), errors)


def _with_method(
    program: Program,
    request: Request,
    shots: int,
    errors: ErrorRuns | None,
    values: NDArray[np.float64] | None,
    *,
    exact: bool,
) -> tuple[Program, Method, str]:
    """Return a program with the method that simulates it, and the reason.

    Expectation values that depend on randomness are exact means if they must be, or where a density matrix costs less.

    Raises:
        MethodError: see `choose_method` and `choose_exact_method`.
    """
    if request.output != Output.EXPECTATION_VALUES:
        return program, *choose_method(program, request, shots, errors=errors, values=values)
    if not program.saves[-1].spec.squares:
        return program, *choose_method(program, request, 1, values=values)
    means = without_squares(program)
    if exact:
        return means, *choose_exact_method(means, request, values)
    method, reason = choose_method(program, request, shots, means, errors, values)
    return (means if method == "density_matrix" else program), method, reason


def with_names(encoded: EncodedCircuit, circuit: QuantumCircuit) -> EncodedCircuit:
    """Return the same for another circuit that has the same program."""
    return dataclasses.replace(encoded, record=replace(encoded.record, **_names(circuit)))


def _names(circuit: QuantumCircuit) -> dict[str, Any]:
    """Return the fields of a circuit's record that aren't in its program."""
    return {
        "name": circuit.name,
        "num_qubits": circuit.num_qubits,
        "num_clbits": circuit.num_clbits,
        "qregs": tuple([(register.name, register.size) for register in circuit.qregs]),
        "cregs": tuple([(register.name, register.size) for register in _distinct_registers(circuit)]),
    }


def _distinct_registers(circuit: QuantumCircuit) -> list[ClassicalRegister]:
    """Return the classical registers that add clbits, in order.

    `QuantumCircuit.compose` adds registers for conditions whose clbits are in other registers too. Outcomes would show
    those clbits twice.
    """
    if sum([register.size for register in circuit.cregs]) <= circuit.num_clbits:
        return list(circuit.cregs)
    seen: set[Clbit] = set()
    found = []
    for register in circuit.cregs:
        if not register.size or not seen.issuperset(register):
            found.append(register)
        seen.update(register)
    return found
