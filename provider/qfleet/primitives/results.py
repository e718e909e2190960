# SPDX-License-Identifier: Apache-2.0
"""What does a PUB give? Arrays, put together from what its points gave."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.primitives import BitArray, DataBin, PubResult, SamplerPubResult

from qfleet.errors import DamagedDataError
from qfleet.primitives.pubs import layout
from qfleet.queue import CircuitRecord, JobRecord, PubRecord
from qfleet.result import copied
from qfleet.wire.shard import CircuitResult

#: The key of a PUB's metadata that says why it failed.
ERROR = "error"


def pub_result(
    record: JobRecord, number: int, first: int, found: Iterable[CircuitResult], default_error: str
) -> PubResult:
    """The result of one PUB of a job.

    Args:
        first: the index of the PUB's first point in the job.
        found: what its points gave, in any order. If some are missing, it failed with ``default_error``.

    Of a PUB that failed, an estimator's arrays are NaN where there is nothing, a sampler has no arrays, and the
    metadata have the key ``error``. Raises `DamagedDataError` if the data don't fit the job.
    """
    circuit, pub = record.circuits[number], record.pubs[number]
    # In order, so that not even the last bit of a mean depends on which shard ended first.
    parts = sorted(found, key=lambda part: (part.index, part.first_shot))
    good = [part for part in parts if not part.error]
    errors = [f"point {part.index - first}: {part.error}" for part in parts if part.error]
    if not errors and sum(part.points * part.shots for part in good) != circuit.points * circuit.shots:
        errors = [default_error]
    failed = {ERROR: errors[0]} if errors else {}
    if record.output == "means":
        metadata = {"target_precision": pub.precision, "circuit_metadata": copied(circuit.metadata)}
        return PubResult(_means(circuit, pub, first, good), metadata | failed)
    metadata = {"shots": circuit.shots, "circuit_metadata": copied(circuit.metadata)}
    data = DataBin(shape=pub.shape) if errors else _bits(circuit, pub, first, good)
    return SamplerPubResult(data, metadata | failed)


def _bits(circuit: CircuitRecord, pub: PubRecord, first: int, parts: Sequence[CircuitResult]) -> DataBin:
    """Each register's bits."""
    width = (circuit.num_clbits + 7) // 8
    rows = np.empty((circuit.points, circuit.shots, width), np.uint8)
    for part in parts:
        at = part.index - first
        into = rows[at : at + part.points, part.first_shot : part.first_shot + part.shots] if at >= 0 else rows[:0]
        if into.shape != (part.points, part.shots, width) or len(part.bits) != into.size:
            raise DamagedDataError(f"the bits of circuit {part.index} don't fit its {part.shots} shots")
        into[:] = np.frombuffer(part.bits, np.uint8).reshape(into.shape)
    arrays = {}
    for name, places in pub.registers:
        clbits = np.frombuffer(places, "<i4")
        packed = _register(rows, clbits)
        arrays[name] = BitArray(packed.reshape(*pub.shape, *packed.shape[1:]), len(clbits))
    return DataBin(**arrays, shape=pub.shape)


def _register(rows: NDArray[np.uint8], clbits: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Some clbits as a `BitArray` has them: big-endian, the first clbit in the lowest bit of the last byte.

    `rows`: shape (..., bytes), clbit 0 in the lowest bit of the first byte.
    """
    size = len(clbits)
    if not size:
        return np.zeros((*rows.shape[:-1], 0), np.uint8)
    first = int(clbits[0])
    if first % 8 == 0 and np.array_equal(clbits, np.arange(first, first + size)):
        # The bytes as they are, in the other order.
        found = rows[..., first // 8 : (first + size + 7) // 8][..., ::-1].copy()
        found[..., 0] &= 0xFF >> -size % 8
        return found
    bits = rows[..., clbits >> 3] >> (clbits & 7).astype(np.uint8) & 1
    return np.packbits(bits, axis=-1, bitorder="little")[..., ::-1].copy()


def _means(circuit: CircuitRecord, pub: PubRecord, first: int, parts: Sequence[CircuitResult]) -> DataBin:
    """The means and their standard errors."""
    whole = np.broadcast_shapes(pub.shape, pub.observables_shape)
    _, places = layout(pub.shape, pub.observables_shape)
    columns = math.prod(whole) // max(circuit.points, 1)
    rows = 2 if pub.sampled else 1
    sums = np.zeros((circuit.points, rows, columns))
    shots = np.zeros((circuit.points, 1, 1), np.int64)
    for part in parts:
        at = part.index - first
        if len(part.means) != 8 * part.points * rows * columns or not 0 <= at <= circuit.points - part.points:
            raise DamagedDataError(f"the means of circuit {part.index} don't fit its {columns} observables")
        means = np.frombuffer(part.means, "<f8").reshape(part.points, rows, columns)
        sums[at : at + part.points] += means * part.shots
        shots[at : at + part.points] += part.shots
    with np.errstate(invalid="ignore"):
        # NaN where there were no shots.
        means = sums / shots
    evs, stds = np.empty(math.prod(whole)), np.zeros(math.prod(whole))
    evs[places] = means[:, 0].reshape(-1)
    if pub.sampled:
        variance = np.maximum(means[:, 1] - means[:, 0] ** 2, 0)
        stds[places] = np.sqrt(variance / shots[:, 0]).reshape(-1)
    elif pub.precision:
        evs += np.random.default_rng([circuit.seed, len(evs)]).normal(0.0, pub.precision, len(evs))
        stds[:] = pub.precision
    stds[np.isnan(evs)] = np.nan
    data: dict[str, Any] = {"evs": evs.reshape(whole), "stds": stds.reshape(whole)}
    return DataBin(**data, shape=whole)
