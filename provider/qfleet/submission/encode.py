# SPDX-License-Identifier: Apache-2.0
"""What does a circuit look like on its way: lowered, encoded, and its cost predicted?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from qiskit.circuit import ClassicalRegister, Clbit, QuantumCircuit
from qiskit.quantum_info import SparseObservable

from qfleet.errors import CapacityError, InvalidOptionError, UnsupportedCircuitError
from qfleet.ledger import CircuitRecord
from qfleet.lowering.lower import lower
from qfleet.lowering.passes.expectation_values import is_random, with_means
from qfleet.lowering.passes.idle_qubits import without_idle_qubits
from qfleet.options import RunOptions, check_text
from qfleet.submission.planning import predict_seconds, shots_at_once
from qfleet.wire.codec.blobs import content_hash
from qfleet.wire.codec.programs import encode_program
from qfleet.wire.cost.cost import circuit_bytes, required_bytes
from qfleet.wire.cost.sizes import result_bytes
from qfleet.wire.limits import LARGEST_VALUE
from qfleet.wire.messages.request import PRIMITIVE_OUTPUTS, Output
from qfleet.wire.program.program import Op, Program
from qfleet.wire.program.saves import SaveKind

#: By code, the operations that give a circuit outcomes.
_WRITES: Final = np.isin(np.arange(256), [Op.MEASURE, Op.STORE])
#: A state of more amplitudes than 2 to this power is refused without a look at the workers.
_MOST_AMPLITUDES_LOG2: Final = 50


@dataclass(frozen=True, slots=True)
class Loaded:
    """A circuit, lowered and encoded, and what all its points have in common."""

    #: content hash of the blob
    name: str
    blob: bytes
    #: of one point, its seed and metadata left out
    record: CircuitRecord
    #: predicted, of one point
    seconds: float
    result_bytes: int
    #: whether means are over shots that differ
    sampled: bool = False


def load(
    circuit: QuantumCircuit, options: RunOptions, output: Output, observables: Sequence[SparseObservable] = ()
) -> Loaded:
    """Lower a circuit, and encode it; see `lowered` and `encoded`."""
    return encoded(circuit, lowered(circuit, options, output, observables), options, output)


def lowered(
    circuit: QuantumCircuit, options: RunOptions, output: Output, observables: Sequence[SparseObservable] = ()
) -> Program:
    """The program that gives what is wanted of a circuit.

    Args:
        observables: those whose means are wanted, where the output is ``means``: see `lowering.means.with_means`.
            Unless the circuit goes several ways by chance, one shot is enough for them.

    Raises:
        QfleetError: the circuit can't be run; the subclass and the text say why.
    """
    check_text("the name of a circuit", circuit.name)
    if options.initial_statevector is not None or output in ("statevector", "unitary"):
        # What is wanted of it, or given to it, is of all qubits.
        _check_amplitudes(circuit, circuit.num_qubits, output)
        needed = required_bytes(circuit.num_qubits, output, options.precision)
        _check_memory(circuit, circuit.num_qubits, needed, options)
    _check_initial_statevector(options.initial_statevector, circuit, output)
    program = lower(circuit, unitary=output == "unitary", initial_state=options.initial_statevector)
    if output in PRIMITIVE_OUTPUTS and program.saves:
        raise UnsupportedCircuitError(
            f"circuit {circuit.name!r} has save instructions, whose data a primitive's result has no place for; "
            "use `backend.run`, or take them out"
        )
    if output == "means":
        program = with_means(program, observables, squares=is_random(program))
    return program if output in ("statevector", "unitary") else without_idle_qubits(program)


def encoded(circuit: QuantumCircuit, program: Program, options: RunOptions, output: Output) -> Loaded:
    """A program of a circuit, encoded, and its cost predicted.

    Raises:
        QfleetError: it needs more than there is; the subclass and the text say of what.
    """
    sampled = output == "means" and program.saves[-1].kind is SaveKind.EXPECTATION_VALUES_AND_SQUARES
    if output == "means" and not sampled:
        options = dataclasses.replace(options, shots=1)
    method, method_reason = _method(circuit, program, options, output)
    _check_amplitudes(circuit, program.num_qubits, "unitary" if method == "unitary" else output)
    shots = min(options.shots, shots_at_once(output, options.max_shot_size, program.num_clbits) or options.shots)
    needed = circuit_bytes(program, shots, output, options.precision, memory=options.memory)
    _check_memory(circuit, program.num_qubits, needed, options)
    size = _result_bytes(circuit, program, options, output)
    blob = encode_program(program)
    if len(blob) > LARGEST_VALUE:
        raise CapacityError(
            f"circuit {circuit.name!r}: its program takes {len(blob) / 2**20:.0f} MiB, and a Redis value "
            "holds 512 MiB; cut the circuit, or give large unitaries as gates"
        )
    record = CircuitRecord(
        **_names(circuit),
        global_phase=0.0,
        metadata={},
        measured=bool(_WRITES[program.codes].any()),
        saves=bool(program.saves),
        shots=options.shots,
        seed=0,
        required_bytes=needed,
        method=method,
        method_reason=method_reason,
    )
    seconds = predict_seconds(program, options.shots, "unitary" if method == "unitary" else output)
    return Loaded(content_hash(blob), blob, record, seconds, size, sampled)


def renamed(loaded: Loaded, circuit: QuantumCircuit) -> Loaded:
    """The same for another circuit that has the same program."""
    return dataclasses.replace(loaded, record=replace(loaded.record, **_names(circuit)))


def _names(circuit: QuantumCircuit) -> dict[str, Any]:
    """What of a circuit's record isn't in its program."""
    return {
        "name": circuit.name,
        "num_qubits": circuit.num_qubits,
        "num_clbits": circuit.num_clbits,
        "qregs": tuple([(register.name, register.size) for register in circuit.qregs]),
        "cregs": tuple([(register.name, register.size) for register in _distinct_registers(circuit)]),
    }


def _distinct_registers(circuit: QuantumCircuit) -> list[ClassicalRegister]:
    """Return the classical registers, without those whose clbits are all in registers before them.

    `QuantumCircuit.compose` adds such registers for conditions, and outcomes would be shown with their clbits twice.
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


def _method(circuit: QuantumCircuit, program: Program, options: RunOptions, output: Output) -> tuple[str, str]:
    """How a circuit is simulated, and why so. Raises `UnsupportedCircuitError` if what it saves says otherwise."""
    saves = program.saves_unitary()
    if saves and options.method == "statevector":
        raise UnsupportedCircuitError(
            f"circuit {circuit.name!r} saves its unitary, which method='statevector' doesn't have; leave the method out"
        )
    method = "unitary" if saves or output == "unitary" else "statevector"
    if options.method != "automatic":
        return method, f"method={options.method!r} was asked for"
    if saves:
        return method, "automatic: the circuit saves its unitary"
    return method, "automatic: the default where no unitary is saved"


def _check_amplitudes(circuit: QuantumCircuit, num_qubits: int, simulated: Output) -> None:
    """Raise `CapacityError` for a circuit that no worker has the memory for."""
    exponent = num_qubits * (2 if simulated == "unitary" else 1)
    if exponent > _MOST_AMPLITUDES_LOG2:
        raise CapacityError(
            f"circuit {circuit.name!r}: its {num_qubits} qubits need 2**{exponent} amplitudes; "
            f"no worker holds more than 2**{_MOST_AMPLITUDES_LOG2}"
        )


def _check_memory(circuit: QuantumCircuit, num_qubits: int, needed: int, options: RunOptions) -> None:
    """Raise `CapacityError` for a circuit that needs more memory than a worker may use."""
    if options.max_memory_mb and needed > options.max_memory_mb * 2**20:
        raise CapacityError(
            f"circuit {circuit.name!r}: its {num_qubits} qubits, with all that it saves and gives, need "
            f"{-(-needed // 2**20)} MiB of memory, and max_memory_mb={options.max_memory_mb} allows no more than that"
        )


def _result_bytes(circuit: QuantumCircuit, program: Program, options: RunOptions, output: Output) -> int:
    """How large a circuit's result is predicted to be. Raises `CapacityError` if it fits no Redis value."""
    size = result_bytes(program, options.shots, output, options.precision, memory=options.memory)
    # The bits of many shots come back in blocks.
    if size > LARGEST_VALUE and output != "bits":
        raise CapacityError(
            f"circuit {circuit.name!r}: its result would take {size / 2**20:.0f} MiB, and a Redis value "
            f"holds 512 MiB; {_smaller(program, output)}, or for fewer shots or qubits"
        )
    return size


def _smaller(program: Program, output: Output) -> str:
    if program.saves:
        return "save averages in place of lists and states"
    return f"ask for counts in place of the {output}"


def _check_initial_statevector(vector: NDArray[np.complex128] | None, circuit: QuantumCircuit, output: Output) -> None:
    if vector is None:
        return
    if output == "unitary":
        raise InvalidOptionError("initial_statevector has no meaning for a unitary; leave the option out")
    if vector.size != 1 << circuit.num_qubits:
        raise InvalidOptionError(
            f"initial_statevector has {vector.size} amplitudes; circuit {circuit.name!r} "
            f"with its {circuit.num_qubits} qubits needs {1 << circuit.num_qubits}"
        )
