# SPDX-License-Identifier: Apache-2.0
"""The result of a job of circuits: Qiskit's `Result`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from qiskit.result import Result
from qiskit.result.models import ExperimentResult, ExperimentResultData

from qfleet.errors import DamagedDataError
from qfleet.garbage import put_off_collection
from qfleet.jobs.counts import FleetResult
from qfleet.jobs.result_data import experiment_data, split_parameter_sets, truncation
from qfleet.jobs.saved_data import read_array
from qfleet.ledger import CircuitRecord, JobRecord, NoiseRecord
from qfleet.ledger.metadata import copy_metadata
from qfleet.wire.messages.request import EXACT_METHODS
from qfleet.wire.messages.result import CircuitResult
from qfleet.wire.messages.work import SEED_STEP


def assemble(
    job_id: str,
    record: JobRecord,
    results: Iterable[CircuitResult],
    *,
    backend_version: str,
    ended: float,
    default_error: str,
) -> Result:
    """Return the result of a job.

    Args:
        job_id: the job's id.
        record: the job as it was submitted.
        results: the results of its circuits, in any order; a circuit without one has failed with ``default_error``.
        backend_version: the version of the backend.
        ended: when the job ended, in seconds since the epoch.
        default_error: the error of circuits without a result.

    Raises:
        DamagedDataError: the data don't fit the job.
    """
    blocks: dict[int, list[CircuitResult]] = {}
    for result in results:
        for part in split_parameter_sets(result):
            blocks.setdefault(part.index, []).append(part)
    with put_off_collection():
        experiments = [
            experiment(record, circuit, parameter_set, blocks.get(index, ()), default_error)
            for index, (circuit, parameter_set) in enumerate(record.parameter_sets())
        ]
    succeeded = [each.success for each in experiments]
    return FleetResult(
        backend_name=record.backend,
        backend_version=backend_version,
        job_id=job_id,
        date=_date(ended),
        status="COMPLETED" if all(succeeded) else "PARTIAL COMPLETED" if any(succeeded) else "ERROR",
        success=all(succeeded),
        results=experiments,
        time_taken=ended - record.created,
    )


def _date(seconds: float) -> str:
    """Return a time in ISO 8601.

    Args:
        seconds: seconds since the epoch.

    Raises:
        DamagedDataError: the time has no date.
    """
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (ValueError, OverflowError, OSError) as exc:
        raise DamagedDataError(f"the job ended {seconds} seconds after 1970, which has no date: {exc}") from exc


def header(circuit: CircuitRecord, parameter_set: int = 0) -> dict[str, Any]:
    """Return the header of an experiment as Qiskit's own simulators write it.

    Args:
        circuit: the circuit.
        parameter_set: the number of its parameter set.
    """
    phase = read_array(circuit.phases, "<f8")[parameter_set].item() if circuit.phases else circuit.global_phase
    return {
        "name": circuit.name,
        "n_qubits": circuit.num_qubits,
        "qreg_sizes": [list(register) for register in circuit.qregs],
        "creg_sizes": [list(register) for register in circuit.cregs],
        "qubit_labels": [[name, bit] for name, size in circuit.qregs for bit in range(size)],
        "clbit_labels": [[name, bit] for name, size in circuit.cregs for bit in range(size)],
        "memory_slots": circuit.num_clbits,
        "global_phase": phase,
        # A user may change the metadata of one parameter set, which must not change the others.
        "metadata": copy_metadata(circuit.metadata) if circuit.points > 1 else circuit.metadata,
    }


def experiment(
    job: JobRecord, circuit: CircuitRecord, parameter_set: int, blocks: Sequence[CircuitResult], default_error: str
) -> ExperimentResult:
    """Return the result of one circuit at one parameter set.

    Args:
        job: the job as it was submitted.
        circuit: the circuit.
        parameter_set: the number of the parameter set.
        blocks: the results of its blocks of shots, in any order.
        default_error: the error of a circuit if a block has no result.

    Raises:
        DamagedDataError: the data don't fit the job.
    """
    parts = sorted(blocks, key=lambda part: part.first_shot)
    error = next((part.error for part in parts if part.error), "")
    # Blocks that a dead worker never returned leave a gap in the shots.
    if not error and sum(part.shots for part in parts) != circuit.shots:
        error = default_error
    seconds = sum(part.seconds for part in parts)
    threads = max((part.threads for part in parts), default=0)
    common: dict[str, Any] = {
        "name": circuit.name,
        "seed_simulator": circuit.seed + SEED_STEP * parameter_set,
        "header": header(circuit, parameter_set),
        "time_taken": seconds,
        "metadata": {
            "method": circuit.method,
            "method_reason": circuit.method_reason,
            "engine": parts[0].engine if parts else "",
            "engine_reason": parts[0].engine_reason if parts else "",
            "device": "CPU",
            # A density matrix is in double precision, whatever is asked for.
            "precision": "double" if circuit.method in EXACT_METHODS else job.precision,
            "num_qubits": circuit.num_qubits,
            "required_memory_mb": -(-circuit.required_bytes // 2**20),
            "time_taken": seconds,
            **({"threads": threads} if threads else {}),
            **truncation(parts),
            **({} if circuit.noise is None else {"noise": _noise(circuit.noise, parts)}),
        },
    }
    if error:
        return ExperimentResult(circuit.shots, False, ExperimentResultData(), status=f"ERROR: {error}", **common)
    try:
        data = experiment_data(job, circuit, parts)
    except DamagedDataError as exc:
        exc.circuit = parts[0].index
        raise
    return ExperimentResult(circuit.shots, True, data, status="DONE", **common)


def _noise(noise: NoiseRecord, parts: Sequence[CircuitResult]) -> dict[str, Any]:
    """Return the metadata of noise.

    Blocks of shots count their patterns each for itself.
    """
    patterns = sum(part.patterns for part in parts)
    return msgspec.structs.asdict(noise) | ({"patterns": patterns} if patterns else {})


def failures(result: Result) -> dict[int, str]:
    """Return texts about the circuits of a result that failed.

    By index, a text has the circuit's name and the reason.
    """
    return {
        index: f"circuit {index} ({circuit.header['name']!r}): {circuit.status.removeprefix('ERROR: ')}"
        for index, circuit in enumerate(result.results)
        if not circuit.success
    }
