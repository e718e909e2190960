# SPDX-License-Identifier: Apache-2.0
"""The result of a shard as plain values, without Qiskit's result types."""

from __future__ import annotations

from typing import Any

import numpy as np

from qfleet.jobs.result_data import experiment_data, split_parameter_sets
from qfleet.jobs.saved_data import read_array
from qfleet.ledger import CircuitRecord, JobRecord
from qfleet.wire.messages.request import Output
from qfleet.wire.messages.result import CircuitResult, ShardResult


def shard_values(record: JobRecord, result: ShardResult) -> list[dict[str, Any]]:
    """Return what the circuits of a shard gave.

    Each dict has the keys ``circuit`` (its index in the job), ``name``, ``first_shot``, ``shots``, ``seconds``,
    ``engine``, and, if the circuit failed, ``error``. Without an error the data follow: ``counts``, ``memory``,
    ``statevector``, ``unitary`` and the labels of saves as in Qiskit's `ExperimentResultData`. Of a sampler's job they
    are ``bits``: bool, shape (parameter sets, shots, clbits), clbit 0 first. Of an estimator's job they are
    ``expectation_values``: float64, one for each parameter set and observable.

    Args:
        record: the job as it was submitted.
        result: the result of one of its shards.

    Raises:
        DamagedDataError: the data don't fit the job.
    """
    circuits = [(circuit, first) for first, circuit in _first_points(record)]
    values = []
    for part in result.circuits:
        circuit = next((circuit for circuit, first in reversed(circuits) if first <= part.index), record.circuits[0])
        parts = [part] if record.pubs else split_parameter_sets(part)
        values += [_value(record, circuit, each) for each in parts]
    return values


def _first_points(record: JobRecord) -> list[tuple[int, CircuitRecord]]:
    """Return each circuit with the index of its first parameter set."""
    first, found = 0, []
    for circuit in record.circuits:
        found.append((first, circuit))
        first += circuit.points
    return found


def _value(record: JobRecord, circuit: CircuitRecord, part: CircuitResult) -> dict[str, Any]:
    value: dict[str, Any] = {
        "circuit": part.index,
        "name": circuit.name,
        "first_shot": part.first_shot,
        "shots": part.shots,
        "seconds": part.seconds,
        "engine": part.engine,
    }
    if part.error:
        value["error"] = part.error
    elif record.output == Output.BITS:
        rows = read_array(part.bits, "u1").reshape(part.points, part.shots, -1)
        value["bits"] = np.unpackbits(rows, axis=-1, count=circuit.num_clbits, bitorder="little").astype(bool)
    elif record.output == Output.EXPECTATION_VALUES:
        value["expectation_values"] = read_array(part.expectation_values, "<f8").copy()
    else:
        value |= experiment_data(record, circuit, [part]).to_dict()
    return value
