# SPDX-License-Identifier: Apache-2.0
"""Circuits and options, checked and lowered: a job that is ready to be stored, or an error with nothing done."""

from __future__ import annotations

import copy
import secrets
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.exceptions import QiskitError

from qfleet.errors import CapacityError, InvalidOptionError
from qfleet.lowering import lower
from qfleet.options import RunOptions, check_text
from qfleet.planning import Item, plan, predict_result_bytes, predict_seconds
from qfleet.queue import CircuitRecord, JobRecord, NewJob
from qfleet.wire import codec
from qfleet.wire.cost import required_bytes
from qfleet.wire.program import Op, Program
from qfleet.wire.shard import CircuitWork, Output

#: Circuit k of a job is seeded with the job's seed and this times k: Aer's rule.
SEED_STEP: Final = 2113
#: What a Redis value may hold, less what surrounds the data.
_LARGEST_VALUE: Final = codec.MAX_BLOB_BYTES - 2**20
#: Operations that give a circuit outcomes.
_WRITES: Final = [Op.MEASURE, Op.STORE]
_MAX_CIRCUITS: Final = 1_000_000
#: A state of more amplitudes than 2 to this power is refused without a look at the workers.
_MOST_AMPLITUDES_LOG2: Final = 50


def prepare(
    run_input: QuantumCircuit | Iterable[QuantumCircuit],
    options: RunOptions,
    *,
    backend_name: str,
    output: Output,
    tags: Sequence[str],
    metadata: Mapping[str, Any],
    retention: int,
) -> NewJob:
    """The job that runs circuits with these options.

    Raises:
        TypeError: something isn't a circuit.
        QfleetError: a circuit or an option can't be run; the subclass and the text say why.
    """
    circuits = _bound(_circuits(run_input), options.parameter_binds)
    if len(circuits) > _MAX_CIRCUITS:
        raise CapacityError(f"{len(circuits)} circuits in one job; at most {_MAX_CIRCUITS} are taken")
    seed = secrets.randbelow(2**31) if options.seed_simulator is None else options.seed_simulator
    programs: dict[str, bytes] = {}
    records, items = [], []
    for index, circuit in enumerate(circuits):
        check_text("the name of a circuit", circuit.name)
        needed = _memory_bytes(circuit, options, output)
        _check_initial_statevector(options.initial_statevector, circuit, output)
        program = lower(circuit, unitary=output == "unitary", initial_state=options.initial_statevector)
        result_bytes = _result_bytes(circuit, program, options, output)
        blob = codec.encode_program(program)
        if len(blob) > _LARGEST_VALUE:
            raise CapacityError(
                f"circuit {circuit.name!r}: its program takes {len(blob) / 2**20:.0f} MiB, and a Redis value "
                "holds 512 MiB; cut the circuit, or give large unitaries as gates"
            )
        name = codec.content_hash(blob)
        programs[name] = blob
        circuit_seed = seed + SEED_STEP * index
        records.append(
            CircuitRecord(
                name=circuit.name,
                num_qubits=circuit.num_qubits,
                num_clbits=circuit.num_clbits,
                qregs=tuple((register.name, register.size) for register in circuit.qregs),
                cregs=tuple((register.name, register.size) for register in circuit.cregs),
                global_phase=float(circuit.global_phase),
                metadata=_copied(circuit.metadata),
                measured=bool(np.isin(program.codes, _WRITES).any()),
                shots=options.shots,
                seed=circuit_seed,
                required_bytes=needed,
            )
        )
        work = CircuitWork(index=index, program=name, shots=options.shots, seed=circuit_seed)
        items.append(Item(work, predict_seconds(program, options.shots, output), result_bytes))
    shards = plan(
        items,
        output=output,
        precision=options.precision,
        memory=options.memory,
        threads=options.max_parallel_threads,
        max_job_size=options.max_job_size,
        max_shot_size=options.max_shot_size,
    )
    record = JobRecord(
        backend=backend_name,
        created=time.time(),
        output=output,
        precision=options.precision,
        memory=options.memory,
        method=options.method,
        tags=tuple(tags),
        metadata=dict(metadata),
        circuits=tuple(records),
    )
    return NewJob(job_id=str(uuid.uuid4()), record=record, retention=retention, shards=shards, programs=programs)


def _circuits(run_input: object) -> list[QuantumCircuit]:
    if isinstance(run_input, QuantumCircuit):
        return [run_input]
    if isinstance(run_input, (str, bytes, Mapping)) or not isinstance(run_input, Iterable):
        raise TypeError(f"a QuantumCircuit or a list of them is needed, not {type(run_input).__name__}")
    circuits = list(run_input)
    for index, circuit in enumerate(circuits):
        if not isinstance(circuit, QuantumCircuit):
            raise TypeError(f"item {index} of the list is {_described(circuit)}; QuantumCircuits are needed")
    if not circuits:
        raise InvalidOptionError("the list of circuits is empty; there is nothing to run")
    return circuits


def _described(item: object) -> str:
    text = repr(item)
    return f"{type(item).__name__} ({text if len(text) <= 60 else text[:57] + '...'})"


def _bound(circuits: list[QuantumCircuit], binds: tuple[Mapping[Any, Any], ...] | None) -> list[QuantumCircuit]:
    """The circuits, each once for every value that ``parameter_binds`` has for it."""
    if binds is None:
        return circuits
    if len(binds) != len(circuits):
        raise InvalidOptionError(
            f"parameter_binds has {len(binds)} entries for {len(circuits)} circuits; one for each circuit is needed"
        )
    return [bound for circuit, values in zip(circuits, binds, strict=True) for bound in _each_bound(circuit, values)]


def _each_bound(circuit: QuantumCircuit, values: Mapping[Any, Any]) -> Iterator[QuantumCircuit]:
    """The circuit with each of the values that its parameters have."""
    try:
        columns = {parameter: np.atleast_1d(column) for parameter, column in values.items()}
        shapes = {column.shape for column in columns.values()} or {(1,)}
        if len(shapes) > 1 or min(shapes) == (0,):
            raise ValueError(
                f"its lists have the shapes {sorted(shapes)}; all its parameters need as many values, and at least one"
            )
        for row in range(shapes.pop()[0]):
            bound = circuit.assign_parameters({parameter: column[row] for parameter, column in columns.items()})
            bound.name = circuit.name
            yield bound
    except (QiskitError, RuntimeError, TypeError, ValueError) as exc:
        reason = exc.message if isinstance(exc, QiskitError) else exc
        raise InvalidOptionError(f"parameter_binds of circuit {circuit.name!r}: {reason}") from exc


def _memory_bytes(circuit: QuantumCircuit, options: RunOptions, output: Output) -> int:
    """What simulating a circuit is predicted to need. Raises `CapacityError` if no worker has it, or may use it."""
    exponent = circuit.num_qubits * (2 if output == "unitary" else 1)
    if exponent > _MOST_AMPLITUDES_LOG2:
        raise CapacityError(
            f"circuit {circuit.name!r}: its {circuit.num_qubits} qubits need 2**{exponent} amplitudes; "
            f"no worker holds more than 2**{_MOST_AMPLITUDES_LOG2}"
        )
    needed = required_bytes(circuit.num_qubits, output, options.precision)
    if options.max_memory_mb and needed > options.max_memory_mb * 2**20:
        raise CapacityError(
            f"circuit {circuit.name!r}: its {circuit.num_qubits} qubits need {needed / 2**20:.0f} MiB of memory, "
            f"and max_memory_mb={options.max_memory_mb} allows no more than that"
        )
    return needed


def _result_bytes(circuit: QuantumCircuit, program: Program, options: RunOptions, output: Output) -> int:
    """How large a circuit's result is predicted to be. Raises `CapacityError` if it fits no Redis value."""
    size = predict_result_bytes(program, options.shots, output, options.precision, memory=options.memory)
    if size > _LARGEST_VALUE:
        raise CapacityError(
            f"circuit {circuit.name!r}: its result would take {size / 2**20:.0f} MiB, and a Redis value "
            f"holds 512 MiB; ask for counts in place of the {output}, or for fewer shots or qubits"
        )
    return size


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


def _copied(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A copy that the caller can't change by changing the circuit; what refuses to be copied is in it itself."""
    return {key: _copied_value(value) for key, value in metadata.items()}


def _copied_value(value: object) -> object:
    try:
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001 - a value may be any object, and refuse to be copied in any way
        return value
