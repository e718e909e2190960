# SPDX-License-Identifier: Apache-2.0
"""The data of one circuit's result in Qiskit's types.

They are counts, memory, amplitudes and saved data.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.result.models import ExperimentResultData

from qfleet.errors import DamagedDataError
from qfleet.jobs.counts import FleetData, Outcomes, join_outcomes
from qfleet.jobs.saved_data import read_array, saved_data
from qfleet.ledger import CircuitRecord, JobRecord
from qfleet.wire.messages.request import Output
from qfleet.wire.messages.result import CircuitResult


def split_parameter_sets(result: CircuitResult) -> list[CircuitResult]:
    """Return a result of several parameter sets as single results.

    Raises:
        DamagedDataError: the data don't fit together.
    """
    sets = result.points
    if sets == 1:
        return [result]
    common: dict[str, Any] = {
        "first_shot": result.first_shot,
        "shots": result.shots,
        "seconds": result.seconds / sets,
        "engine": result.engine,
        "engine_reason": result.engine_reason,
        "threads": result.threads,
        "truncation": result.truncation,
        "error": result.error,
    }
    if result.error:
        return [CircuitResult(index=result.index + number, **common) for number in range(sets)]
    distinct = read_array(result.distinct, "<i8")
    ends = [0, *np.cumsum(distinct).tolist()]
    width, rest = divmod(len(result.outcomes), ends[-1]) if ends[-1] else (0, len(result.outcomes))
    memory, amplitudes = len(result.memory) // sets, len(result.amplitudes) // sets
    if (
        len(distinct) != sets
        or ((distinct < 0) | (distinct > len(result.counts))).any()
        or rest
        or len(result.counts) != 8 * ends[-1]
        or memory * sets != len(result.memory)
        or amplitudes * sets != len(result.amplitudes)
    ):
        text = f"the data of circuits {result.index} to {result.index + sets - 1} don't fit them"
        raise DamagedDataError(text, circuit=result.index)
    return [
        CircuitResult(
            index=result.index + number,
            outcomes=result.outcomes[width * begin : width * end],
            counts=result.counts[8 * begin : 8 * end],
            memory=result.memory[memory * number : memory * (number + 1)],
            amplitudes=result.amplitudes[amplitudes * number : amplitudes * (number + 1)],
            **common,
        )
        for number, (begin, end) in enumerate(pairwise(ends))
    ]


def experiment_data(job: JobRecord, circuit: CircuitRecord, parts: Sequence[CircuitResult]) -> ExperimentResultData:
    """Return the data of a circuit whose shots have all run.

    Args:
        job: the job as it was submitted.
        circuit: the circuit.
        parts: the results of its blocks of shots, in the order of the shots.

    Raises:
        DamagedDataError: the data don't fit the job.
    """
    data: dict[str, Any] = {}
    outcomes = None
    saves = any(part.saved for part in parts)
    counted = circuit.measured if job.output == Output.STATEVECTOR else circuit.num_clbits or not saves
    if job.output != Output.UNITARY and counted:
        outcomes = join_outcomes([_outcomes(part, circuit.num_clbits, memory=job.memory) for part in parts])
    if job.output != Output.COUNTS:
        data[str(job.output)] = _amplitudes(job, circuit, parts[-1])
    if saves:
        data |= saved_data(
            [part.saved for part in parts],
            num_qubits=circuit.num_qubits,
            num_clbits=circuit.num_clbits,
            precision=job.precision,
        )
    return ExperimentResultData(**data) if outcomes is None else FleetData(outcomes, memory=job.memory, **data)


def _outcomes(part: CircuitResult, num_clbits: int, *, memory: bool) -> Outcomes:
    """Return the outcomes of a part.

    Args:
        part: the result.
        num_clbits: the number of clbits of the circuit.
        memory: return the outcome of each shot too.

    Raises:
        DamagedDataError: the data don't fit the circuit.
    """
    width = (num_clbits + 7) // 8
    counts = read_array(part.counts, "<i8")
    shots = read_array(part.memory if memory else b"", "<u4")
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
    numbers: NDArray[Any]
    if width <= 8:
        padded = np.zeros((counts.size, 8), np.uint8)
        padded[:, :width] = np.frombuffer(part.outcomes, np.uint8).reshape(counts.size, width)
        numbers = padded.view("<u8")[:, 0]
    else:
        rows = [part.outcomes[at * width : (at + 1) * width] for at in range(counts.size)]
        numbers = np.array([int.from_bytes(row, "little") for row in rows], object)
    if len(numbers) and (not (numbers[:-1] < numbers[1:]).all() or int(numbers[-1]) >> num_clbits):
        raise DamagedDataError(f"the outcomes of circuit {part.index} aren't in order, or have more clbits than it has")
    return Outcomes(numbers, counts, shots)


def _amplitudes(job: JobRecord, circuit: CircuitRecord, part: CircuitResult) -> NDArray[np.complexfloating]:
    size = 1 << circuit.num_qubits
    shape = (size, size) if job.output == Output.UNITARY else (size,)
    amplitudes = read_array(part.amplitudes, "<c16" if job.precision == "double" else "<c8")
    if amplitudes.size != np.prod(shape):
        raise DamagedDataError(f"circuit {part.index} gave {amplitudes.size} amplitudes where {shape} were expected")
    return amplitudes.reshape(shape).copy()


def truncation(parts: Sequence[CircuitResult]) -> dict[str, Any]:
    """Return the metadata of a matrix product state; empty without one."""
    found = [part.truncation for part in parts if part.truncation is not None]
    if not found:
        return {}
    return {
        "matrix_product_state": {
            "truncation_error": max([discarded for discarded, _ in found]),
            "largest_bond_dimension": max([bond for _, bond in found]),
        }
    }
