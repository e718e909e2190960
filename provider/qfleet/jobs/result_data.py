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
from qfleet.jobs.counts import HEX
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
    saves = any(part.saved for part in parts)
    counted = circuit.measured if job.output == Output.STATEVECTOR else circuit.num_clbits or not saves
    if job.output != Output.UNITARY and counted:
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
    if job.output != Output.COUNTS:
        data[str(job.output)] = _amplitudes(job, circuit, parts[-1])
    if saves:
        data |= saved_data(
            [part.saved for part in parts],
            num_qubits=circuit.num_qubits,
            num_clbits=circuit.num_clbits,
            precision=job.precision,
        )
    return ExperimentResultData(**data)


def _outcomes(part: CircuitResult, num_clbits: int, *, memory: bool) -> tuple[list[int], list[int], list[int]]:
    """Return the outcomes of a part.

    Args:
        part: the result.
        num_clbits: the number of clbits of the circuit.
        memory: return the outcome of each shot too.

    Returns:
        The distinct outcomes as numbers, their counts, and, with `memory`, for each shot the place of its outcome among
        them.

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
    shape = (size, size) if job.output == Output.UNITARY else (size,)
    amplitudes = read_array(part.amplitudes, "<c16" if job.precision == "double" else "<c8")
    if amplitudes.size != np.prod(shape):
        raise DamagedDataError(f"circuit {part.index} gave {amplitudes.size} amplitudes where {shape} were expected")
    return amplitudes.reshape(shape).copy()
