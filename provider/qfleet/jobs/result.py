# SPDX-License-Identifier: Apache-2.0
"""Results of shards, put together as Qiskit's `Result`, in the order of the job's circuits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.result import Result
from qiskit.result.models import ExperimentResult, ExperimentResultData

from qfleet.errors import DamagedDataError
from qfleet.jobs.counts import HEX, FleetResult
from qfleet.jobs.saved_data import saved_data
from qfleet.ledger import CircuitRecord, JobRecord
from qfleet.ledger.metadata import copy_metadata
from qfleet.wire.messages.result import CircuitResult
from qfleet.wire.messages.work import SEED_STEP


def assemble(
    job_id: str,
    record: JobRecord,
    found: Iterable[CircuitResult],
    *,
    backend_version: str,
    ended: float,
    default_error: str,
) -> Result:
    """The result of a job.

    Args:
        record: the job as it was submitted.
        found: what its circuits gave, in any order; some may be missing, and then failed with ``default_error``.
        ended: when the job ended, in seconds since the epoch.

    Raises:
        DamagedDataError: the data don't fit the job.
    """
    blocks: dict[int, list[CircuitResult]] = {}
    for several in found:
        for part in split(several):
            blocks.setdefault(part.index, []).append(part)
    experiments = [
        experiment(record, circuit, point, blocks.get(index, ()), default_error)
        for index, (circuit, point) in enumerate(record.points())
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
    """The time so many seconds after the epoch, as ISO 8601 has it. Raises `DamagedDataError`."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (ValueError, OverflowError, OSError) as exc:
        raise DamagedDataError(f"the job ended {seconds} seconds after 1970, which has no date: {exc}") from exc


def split(found: CircuitResult) -> list[CircuitResult]:
    """The results of single points in that of several. Raises `DamagedDataError` if the data don't fit them."""
    points = found.points
    if points == 1:
        return [found]
    common: dict[str, Any] = {
        "first_shot": found.first_shot,
        "shots": found.shots,
        "seconds": found.seconds / points,
        "engine": found.engine,
        "engine_reason": found.engine_reason,
        "error": found.error,
    }
    if found.error:
        return [CircuitResult(index=found.index + point, **common) for point in range(points)]
    distinct = _array(found.distinct, "<i8")
    ends = [0, *np.cumsum(distinct).tolist()]
    width, rest = divmod(len(found.outcomes), ends[-1]) if ends[-1] else (0, len(found.outcomes))
    memory, amplitudes = len(found.memory) // points, len(found.amplitudes) // points
    if (
        len(distinct) != points
        or ((distinct < 0) | (distinct > len(found.counts))).any()
        or rest
        or len(found.counts) != 8 * ends[-1]
        or memory * points != len(found.memory)
        or amplitudes * points != len(found.amplitudes)
    ):
        text = f"the data of circuits {found.index} to {found.index + points - 1} don't fit them"
        raise DamagedDataError(text, circuit=found.index)
    return [
        CircuitResult(
            index=found.index + point,
            outcomes=found.outcomes[width * begin : width * end],
            counts=found.counts[8 * begin : 8 * end],
            memory=found.memory[memory * point : memory * (point + 1)],
            amplitudes=found.amplitudes[amplitudes * point : amplitudes * (point + 1)],
            **common,
        )
        for point, (begin, end) in enumerate(pairwise(ends))
    ]


def header(circuit: CircuitRecord, point: int = 0) -> dict[str, Any]:
    """The header of the experiment at one of a circuit's points, as Qiskit's own simulators write it."""
    return {
        "name": circuit.name,
        "n_qubits": circuit.num_qubits,
        "qreg_sizes": [list(register) for register in circuit.qregs],
        "creg_sizes": [list(register) for register in circuit.cregs],
        "qubit_labels": [[name, bit] for name, size in circuit.qregs for bit in range(size)],
        "clbit_labels": [[name, bit] for name, size in circuit.cregs for bit in range(size)],
        "memory_slots": circuit.num_clbits,
        "global_phase": _array(circuit.phases, "<f8")[point].item() if circuit.phases else circuit.global_phase,
        # The points have it in common; who changes that of one shall not change the others'.
        "metadata": copy_metadata(circuit.metadata) if circuit.points > 1 else circuit.metadata,
    }


def experiment(
    job: JobRecord, circuit: CircuitRecord, point: int, blocks: Sequence[CircuitResult], default_error: str
) -> ExperimentResult:
    """The result of one circuit of a job, at one of its points.

    Args:
        blocks: what its blocks of shots gave, in any order. If there are too few, it failed with ``default_error``.

    Raises:
        DamagedDataError: the data don't fit the job.
    """
    parts = sorted(blocks, key=lambda part: part.first_shot)
    error = next((part.error for part in parts if part.error), "")
    # Blocks that a dead worker never returned leave a gap in the shots.
    if not error and sum(part.shots for part in parts) != circuit.shots:
        error = default_error
    seconds = sum(part.seconds for part in parts)
    common: dict[str, Any] = {
        "name": circuit.name,
        "seed_simulator": circuit.seed + SEED_STEP * point,
        "header": header(circuit, point),
        "time_taken": seconds,
        "metadata": {
            "method": circuit.method,
            "method_reason": circuit.method_reason,
            "engine": parts[0].engine if parts else "",
            "engine_reason": parts[0].engine_reason if parts else "",
            "device": "CPU",
            "precision": job.precision,
            "num_qubits": circuit.num_qubits,
            "required_memory_mb": -(-circuit.required_bytes // 2**20),
            "time_taken": seconds,
        },
    }
    if error:
        return ExperimentResult(circuit.shots, False, ExperimentResultData(), status=f"ERROR: {error}", **common)
    try:
        data = _data(job, circuit, parts)
    except DamagedDataError as exc:
        exc.circuit = parts[0].index
        raise
    return ExperimentResult(circuit.shots, True, data, status="DONE", **common)


def failures(result: Result) -> dict[int, str]:
    """Return the circuits of a result that failed: their indices, and texts that name them and say why."""
    return {
        index: f"circuit {index} ({circuit.header['name']!r}): {circuit.status.removeprefix('ERROR: ')}"
        for index, circuit in enumerate(result.results)
        if not circuit.success
    }


def _data(job: JobRecord, circuit: CircuitRecord, parts: Sequence[CircuitResult]) -> ExperimentResultData:
    data: dict[str, Any] = {}
    saves = any(part.saved for part in parts)
    counted = circuit.measured if job.output == "statevector" else circuit.num_clbits or not saves
    if job.output != "unitary" and counted:
        counts: dict[int, int] = {}
        memory: list[str] = []
        for part in parts:
            outcomes, times, shots = _outcomes(part, circuit.num_clbits, memory=job.memory)
            memory += [HEX[outcomes[row]] for row in shots]
            if len(parts) > 1:
                for outcome, number in zip(outcomes, times, strict=True):
                    counts[outcome] = counts.get(outcome, 0) + number
        if len(parts) > 1:
            # Ascending as in one block, so that not even the order shows the blocks.
            outcomes, times = sorted(counts), [counts[outcome] for outcome in sorted(counts)]
        data["counts"] = dict(zip([HEX[outcome] for outcome in outcomes], times, strict=True))
        if job.memory:
            data["memory"] = memory
    if job.output != "counts":
        data[job.output] = _amplitudes(job, circuit, parts[-1])
    if saves:
        data |= saved_data(
            [part.saved for part in parts],
            num_qubits=circuit.num_qubits,
            num_clbits=circuit.num_clbits,
            precision=job.precision,
        )
    return ExperimentResultData(**data)


def _outcomes(part: CircuitResult, num_clbits: int, *, memory: bool) -> tuple[list[int], list[int], list[int]]:
    """The distinct outcomes as numbers, how often each was seen, and, if asked for, each shot's place among them."""
    width = (num_clbits + 7) // 8
    counts = _array(part.counts, "<i8")
    shots = _array(part.memory if memory else b"", "<u4")
    wanted = part.shots if num_clbits else 0
    if (
        len(part.outcomes) != width * counts.size
        or ((counts < 1) | (counts > wanted)).any()
        or counts.sum() != wanted
        or (memory and shots.size != wanted)
        or (shots >= counts.size).any()
    ):
        raise DamagedDataError(
            f"the outcomes of circuit {part.index} don't fit its {num_clbits} clbits and {wanted} shots"
        )
    if width <= 8:
        padded = np.zeros((counts.size, 8), np.uint8)
        padded[:, :width] = np.frombuffer(part.outcomes, np.uint8).reshape(counts.size, width)
        narrow = padded.view("<u8")[:, 0]
        numbers: list[int] = narrow.tolist()
        in_order = bool((narrow[:-1] < narrow[1:]).all())
    else:
        rows = [part.outcomes[at * width : (at + 1) * width] for at in range(counts.size)]
        numbers = [int.from_bytes(row, "little") for row in rows]
        in_order = all([one < other for one, other in pairwise(numbers)])
    if numbers and (not in_order or numbers[-1] >> num_clbits):
        raise DamagedDataError(f"the outcomes of circuit {part.index} aren't in order, or have more clbits than it has")
    return numbers, counts.tolist(), shots.tolist()


def _amplitudes(job: JobRecord, circuit: CircuitRecord, part: CircuitResult) -> NDArray[np.complexfloating]:
    size = 1 << circuit.num_qubits
    shape = (size, size) if job.output == "unitary" else (size,)
    amplitudes = _array(part.amplitudes, "<c16" if job.precision == "double" else "<c8")
    if amplitudes.size != np.prod(shape):
        raise DamagedDataError(f"circuit {part.index} gave {amplitudes.size} amplitudes where {shape} were expected")
    return amplitudes.reshape(shape).copy()


def _array(raw: bytes, dtype: str) -> NDArray[Any]:
    try:
        return np.frombuffer(raw, dtype)
    except ValueError as exc:
        raise DamagedDataError(f"{len(raw)} bytes are no array of {dtype}") from exc
