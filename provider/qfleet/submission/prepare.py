# SPDX-License-Identifier: Apache-2.0
"""Preparation of a job: circuits and options, checked and lowered.

The job is ready to be stored. An error leaves nothing behind.
"""

from __future__ import annotations

import dataclasses
import secrets
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit

from qfleet.errors import CapacityError, InvalidOptionError, UnboundParameterError
from qfleet.garbage import put_off_collection
from qfleet.ledger import CircuitRecord, JobRecord, LargestNeed, NewJob, PubRecord
from qfleet.ledger.metadata import copy_metadata
from qfleet.lowering.refusal import unbound
from qfleet.noise import NoiseModel
from qfleet.options import WEIGHTS, RunOptions
from qfleet.submission.bindings import Bindings, global_phases
from qfleet.submission.encode import EncodedCircuit, encode_lowered, lower_circuit, with_names
from qfleet.submission.equal_circuits import AngleStructure, angle_structure, find_repeated, with_free_angles
from qfleet.submission.notices import DeviceFacts, warn_of_forgotten_noise, warn_of_wider_circuits
from qfleet.submission.placing import place
from qfleet.submission.planning import PlannedCircuit, plan, shots_at_once
from qfleet.submission.repeated_circuits import encode_circuit
from qfleet.wire.cost.constants import ENGINES
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.messages.work import SEED_STEP, CircuitWork
from qfleet.wire.program.program import Program

_MAX_CIRCUITS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class ParameterSets:
    """A lowered circuit and the parameter sets to run it with."""

    encoded: EncodedCircuit
    #: values of the circuit's parameters in their order, shape (sets, parameters)
    values: NDArray[np.float64]
    #: int32, shape (sets, columns): the observables of `CircuitWork`; ``None`` for all of them
    wanted: NDArray[np.int32] | None = None


@dataclass(frozen=True, slots=True)
class JobEntry:
    """One entry of the job's record: a circuit that the user gave."""

    circuit: QuantumCircuit
    batches: Sequence[ParameterSets]
    #: radians, one for each parameter set
    phases: Sequence[float]
    pub: PubRecord | None = None


def prepare(
    run_input: QuantumCircuit | Iterable[QuantumCircuit],
    options: RunOptions,
    *,
    backend_name: str,
    output: Output,
    tags: Sequence[str],
    metadata: Mapping[str, Any],
    retention: int,
    device: DeviceFacts | None = None,
) -> NewJob:
    """Return the job that runs circuits with these options.

    Raises:
        TypeError: something isn't a circuit.
        QfleetError: a circuit or an option can't be run; the subclass and the text say why.
    """
    with put_off_collection():
        entries = list(_entries(_circuits(run_input), options, output))
        return new_job(
            entries,
            options,
            backend_name=backend_name,
            output=output,
            tags=tags,
            metadata=metadata,
            retention=retention,
            device=device,
        )


def new_job(
    entries: Sequence[JobEntry],
    options: RunOptions,
    *,
    backend_name: str,
    output: Output,
    tags: Sequence[str],
    metadata: Mapping[str, Any],
    retention: int,
    device: DeviceFacts | None = None,
) -> NewJob:
    """Return the job of these entries. Raises `CapacityError` for too many circuits."""
    _warn_of_noise([entry.circuit for entry in entries], options.noise_model, device)
    number = sum(len(entry.phases) for entry in entries)
    if number > _MAX_CIRCUITS:
        text = f"{number} circuits in one job; at most {_MAX_CIRCUITS} are taken"
        raise CapacityError(text, number=number, limit=_MAX_CIRCUITS)
    seed = secrets.randbelow(2**31) if options.seed_simulator is None else options.seed_simulator
    records: list[CircuitRecord] = []
    items: list[PlannedCircuit] = []
    programs: dict[str, bytes] = {}
    index = 0
    for entry in entries:
        records.append(_record(entry, seed + SEED_STEP * index))
        for batch in entry.batches:
            if len(batch.values):
                programs[batch.encoded.name] = batch.encoded.blob
                items.append(_item(batch, index, seed + SEED_STEP * index))
            index += len(batch.values)
    pubs = tuple([entry.pub for entry in entries if entry.pub is not None])
    if not pubs:
        # A result must not have data of two PUBs.
        items = list(_join(items))
    num_clbits = max([record.num_clbits for record in records], default=0)
    most_shots = shots_at_once(output, options.max_shot_size, num_clbits)
    threads, most = options.max_parallel_threads, options.max_job_size
    shards, tiers = place(plan(items, threads=threads, max_job_size=most, max_shot_size=most_shots))
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
        pubs=pubs,
    )
    return NewJob(
        job_id=str(uuid.uuid4()),
        record=record,
        retention=retention,
        shards=shards,
        programs=programs,
        needs=_largest_needs(entries),
        weight=WEIGHTS[options.priority],
        tiers=tiers,
    )


def _warn_of_noise(circuits: Sequence[QuantumCircuit], model: NoiseModel | None, device: DeviceFacts | None) -> None:
    """Warn of noise that is missing, unless that was asked for.

    Who takes a device's backend without its noise knows that it has one.
    """
    if device is None and model is None:
        warn_of_forgotten_noise(circuits)
    elif device is not None and model is not None:
        warn_of_wider_circuits(circuits, device, model)


def _largest_needs(entries: Iterable[JobEntry]) -> dict[str, LargestNeed]:
    """Return the largest need for memory on each engine.

    Of several circuits with the same need, it is that of the first.
    """
    needs = [(batch.encoded.needs, at) for at, entry in enumerate(entries) for batch in entry.batches]
    largest = {}
    for engine in ENGINES:
        memory_bytes, place = max([(each[engine], -at) for each, at in needs], default=(0, 0))
        largest[engine] = LargestNeed(memory_bytes, -place)
    return largest


def _record(entry: JobEntry, seed: int) -> CircuitRecord:
    phases = entry.phases
    same = len(set(phases)) < 2
    return replace(
        entry.batches[0].encoded.record,
        seed=seed,
        global_phase=phases[0] if phases else 0.0,
        phases=b"" if same else np.array(phases, "<f8").tobytes(),
        metadata=copy_metadata(entry.circuit.metadata),
        points=len(phases),
    )


def _item(batch: ParameterSets, index: int, seed: int) -> PlannedCircuit:
    encoded, num_sets = batch.encoded, len(batch.values)
    wanted = b"" if batch.wanted is None else batch.wanted.astype("<i4", copy=False).tobytes()
    work = CircuitWork(
        index=index,
        program=encoded.name,
        shots=encoded.record.shots,
        seed=seed,
        points=num_sets,
        values=batch.values.astype("<f8", copy=False).tobytes(),
        observables=wanted,
        num_observables=0 if batch.wanted is None else batch.wanted.shape[1],
    )
    return PlannedCircuit(
        work,
        encoded.request,
        encoded.seconds,
        encoded.result_bytes + (len(work.values) + len(wanted)) // num_sets,
        encoded.needs,
        encoded.record.num_qubits,
        encoded.block,
    )


def _join(items: Iterable[PlannedCircuit]) -> Iterator[PlannedCircuit]:
    """Yield the items, with neighbours of one program joined into one.

    The joined item has the parameter sets of all of them.
    """

    def same_run(item: PlannedCircuit) -> tuple[str, int, Request, bytes]:
        return item.work.program, item.work.shots, item.request, item.work.observables

    for (_, _, _, wanted), same in groupby(items, same_run):
        first, *others = same
        if wanted or not others:
            yield first
            yield from others
            continue
        together = [first, *others]
        work = replace(
            first.work,
            points=sum(item.work.points for item in together),
            values=b"".join([item.work.values for item in together]),
        )
        yield dataclasses.replace(first, work=work)


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
        raise InvalidOptionError("the list of circuits is empty; there is nothing to run", option="run_input")
    return circuits


def _described(item: object) -> str:
    text = repr(item)
    return f"{type(item).__name__} ({text if len(text) <= 60 else text[:57] + '...'})"


def _entries(circuits: Sequence[QuantumCircuit], options: RunOptions, output: Output) -> Iterator[JobEntry]:
    """Yield an entry for each circuit.

    Circuits whose programs differ in their angles alone share one program.
    """
    if len(circuits) == 1 and options.parameter_binds is None and not circuits[0].num_parameters:
        values = np.zeros((1, 0))
        encoded = encode_circuit(circuits[0], options, output)
        yield JobEntry(circuits[0], [ParameterSets(encoded, values)], global_phases(circuits[0], values))
        return
    programs = list(_programs(circuits, options, output))
    # A circuit that is given several times is one program already.
    structures = {id(program): angle_structure(program) for _, program, _ in programs}
    several = find_repeated(structures.values())
    angles: dict[AngleStructure | None, dict[int, NDArray[np.float64]]] = {form: {} for form in several}
    for _, program, _ in programs:
        if structures[id(program)] in several:
            angles[structures[id(program)]][id(program)] = program.params
    known: dict[AngleStructure | int | None, EncodedCircuit] = {}
    for circuit, program, table in programs:
        phases = global_phases(circuit, table)
        form = structures[id(program)]
        alike = form in several
        key = form if alike else id(program)
        if key not in known:
            every = np.array(list(angles[form].values())) if alike else table
            free = with_free_angles(program) if alike else program
            known[key] = encode_lowered(circuit, free, options, output, values=every)
        values = program.params[None] if alike else table
        yield JobEntry(circuit, [ParameterSets(with_names(known[key], circuit), values)], phases)


def _programs(
    circuits: Sequence[QuantumCircuit], options: RunOptions, output: Output
) -> Iterator[tuple[QuantumCircuit, Program, NDArray[np.float64]]]:
    """Yield each circuit, lowered, and its parameter sets.

    A circuit whose parameters Qiskit must bind is yielded as a circuit for each parameter set.
    """
    binds = options.parameter_binds
    if binds is not None and len(binds) != len(circuits):
        raise InvalidOptionError(
            f"parameter_binds has {len(binds)} entries for {len(circuits)} circuits; one for each circuit is needed",
            option="parameter_binds",
        )
    bindings = [Bindings(circuit, binds[at] if binds else {}) for at, circuit in enumerate(circuits)]
    number = sum(map(len, bindings))
    if number > _MAX_CIRCUITS:
        text = f"{number} circuits in one job; at most {_MAX_CIRCUITS} are taken"
        raise CapacityError(text, number=number, limit=_MAX_CIRCUITS)
    known: dict[int, Program] = {}
    for circuit, each in zip(circuits, bindings, strict=True):
        table = each.table()
        if table is not None:
            try:
                if id(circuit) not in known:
                    known[id(circuit)] = lower_circuit(circuit, options, output)
                yield circuit, known[id(circuit)], table
                continue
            except UnboundParameterError:
                if not circuit.num_parameters:
                    raise
        for bound in each.bound():
            if bound.num_parameters:
                raise unbound(parameter.name for parameter in bound.parameters).error(circuit.name)
            yield bound, lower_circuit(bound, options, output), np.zeros((1, 0))
