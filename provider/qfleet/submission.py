# SPDX-License-Identifier: Apache-2.0
"""Circuits and options, checked and lowered: a job that is ready to be stored, or an error with nothing done."""

from __future__ import annotations

import copy
import secrets
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit

from qfleet.binds import Binds, global_phases
from qfleet.errors import CapacityError, InvalidOptionError, UnboundParameterError, UnsupportedCircuitError
from qfleet.lowering import lower, unbound
from qfleet.options import RunOptions, check_text
from qfleet.planning import Item, plan, predict_result_bytes, predict_seconds
from qfleet.queue import CircuitRecord, JobRecord, NewJob
from qfleet.wire import codec
from qfleet.wire.cost import required_bytes
from qfleet.wire.program import Op, Program
from qfleet.wire.saving import saved_bytes, saves_unitary
from qfleet.wire.shard import CircuitWork, Output

#: Circuit k of a job is seeded with the job's seed and this times k: Aer's rule.
SEED_STEP: Final = 2113
#: What a Redis value may hold, less what surrounds the data.
_LARGEST_VALUE: Final = codec.MAX_BLOB_BYTES - 2**20
#: By code, the operations that give a circuit outcomes.
_WRITES: Final = np.isin(np.arange(256), [Op.MEASURE, Op.STORE])
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
    seed = secrets.randbelow(2**31) if options.seed_simulator is None else options.seed_simulator
    batches = list(_batches(_circuits(run_input), options, output))
    records: list[CircuitRecord] = []
    items: list[Item] = []
    for loaded, table in batches:
        circuit, template = loaded.circuit, loaded.record
        rows = table.astype("<f8", copy=False)
        for row, phase in zip(rows, global_phases(circuit, table), strict=True):
            index = len(records)
            circuit_seed = seed + SEED_STEP * index
            records.append(replace(template, seed=circuit_seed, global_phase=phase, metadata=_copied(circuit.metadata)))
            work = CircuitWork(
                index=index, program=loaded.name, shots=options.shots, seed=circuit_seed, values=row.tobytes()
            )
            items.append(Item(work, loaded.seconds, loaded.result_bytes + len(work.values)))
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
    return NewJob(
        job_id=str(uuid.uuid4()),
        record=record,
        retention=retention,
        shards=shards,
        programs={loaded.name: loaded.blob for loaded, _ in batches},
    )


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


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A circuit, lowered and encoded, and what all its points have in common."""

    circuit: QuantumCircuit
    #: content hash of the blob
    name: str
    blob: bytes
    record: CircuitRecord
    #: predicted, of one point
    seconds: float
    result_bytes: int


def _batches(
    circuits: Sequence[QuantumCircuit], options: RunOptions, output: Output
) -> Iterator[tuple[_Loaded, NDArray[np.float64]]]:
    """Each circuit with its points: values of its parameters in their order, shape (points, parameters)."""
    binds = options.parameter_binds
    if binds is not None and len(binds) != len(circuits):
        raise InvalidOptionError(
            f"parameter_binds has {len(binds)} entries for {len(circuits)} circuits; one for each circuit is needed"
        )
    points = [Binds(circuit, binds[at] if binds else {}) for at, circuit in enumerate(circuits)]
    number = sum(map(len, points))
    if number > _MAX_CIRCUITS:
        raise CapacityError(f"{number} circuits in one job; at most {_MAX_CIRCUITS} are taken")
    # Circuits are often given more than once.
    known: dict[int, _Loaded] = {}
    for circuit, each in zip(circuits, points, strict=True):
        table = each.table()
        if table is not None:
            try:
                if id(circuit) not in known:
                    known[id(circuit)] = _load(circuit, options, output)
                yield known[id(circuit)], table
                continue
            except UnboundParameterError:
                if not circuit.num_parameters:
                    raise
        for bound in each.bound():
            if bound.num_parameters:
                raise unbound(parameter.name for parameter in bound.parameters).error(circuit.name)
            yield _load(bound, options, output), np.zeros((1, 0))


def _load(circuit: QuantumCircuit, options: RunOptions, output: Output) -> _Loaded:
    check_text("the name of a circuit", circuit.name)
    needed = _memory_bytes(circuit, options, output)
    _check_initial_statevector(options.initial_statevector, circuit, output)
    program = lower(circuit, unitary=output == "unitary", initial_state=options.initial_statevector)
    method, method_reason = _method(circuit, program, options, output)
    if program.saves:
        saved = saved_bytes(program, options.shots, options.precision)
        needed = _memory_bytes(circuit, options, "unitary" if method == "unitary" else output, saved)
    result_bytes = _result_bytes(circuit, program, options, output)
    blob = codec.encode_program(program)
    if len(blob) > _LARGEST_VALUE:
        raise CapacityError(
            f"circuit {circuit.name!r}: its program takes {len(blob) / 2**20:.0f} MiB, and a Redis value "
            "holds 512 MiB; cut the circuit, or give large unitaries as gates"
        )
    record = CircuitRecord(
        name=circuit.name,
        num_qubits=circuit.num_qubits,
        num_clbits=circuit.num_clbits,
        qregs=tuple((register.name, register.size) for register in circuit.qregs),
        cregs=tuple((register.name, register.size) for register in circuit.cregs),
        global_phase=0.0,
        metadata={},
        measured=bool(_WRITES[program.codes].any()),
        shots=options.shots,
        seed=0,
        required_bytes=needed,
        method=method,
        method_reason=method_reason,
    )
    seconds = predict_seconds(program, options.shots, "unitary" if method == "unitary" else output)
    return _Loaded(circuit, codec.content_hash(blob), blob, record, seconds, result_bytes)


def _method(circuit: QuantumCircuit, program: Program, options: RunOptions, output: Output) -> tuple[str, str]:
    """How a circuit is simulated, and why so. Raises `UnsupportedCircuitError` if what it saves says otherwise."""
    saves = saves_unitary(program)
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


def _memory_bytes(circuit: QuantumCircuit, options: RunOptions, output: Output, saved: int = 0) -> int:
    """What simulating a circuit is predicted to need. Raises `CapacityError` if no worker has it, or may use it."""
    exponent = circuit.num_qubits * (2 if output == "unitary" else 1)
    if exponent > _MOST_AMPLITUDES_LOG2:
        raise CapacityError(
            f"circuit {circuit.name!r}: its {circuit.num_qubits} qubits need 2**{exponent} amplitudes; "
            f"no worker holds more than 2**{_MOST_AMPLITUDES_LOG2}"
        )
    needed = required_bytes(circuit.num_qubits, output, options.precision, saved)
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


def _copied(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A copy that the caller can't change by changing the circuit; what refuses to be copied is in it itself."""
    return {key: _copied_value(value) for key, value in metadata.items()}


def _copied_value(value: object) -> object:
    try:
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001 - a value may be any object, and refuse to be copied in any way
        return value
