# SPDX-License-Identifier: Apache-2.0
"""Results of PUBs, assembled from the results of their parameter sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from qiskit.primitives import BitArray, DataBin, PubResult, SamplerPubResult

from qfleet.errors import DamagedDataError
from qfleet.jobs.layout import lay_out
from qfleet.jobs.result_data import truncation
from qfleet.ledger import CircuitRecord, JobRecord, PubRecord
from qfleet.ledger.metadata import copy_metadata
from qfleet.wire.messages.request import Output
from qfleet.wire.messages.result import CircuitResult

#: The key of a PUB's metadata with the reason why it failed.
ERROR = "error"


def pub_result(
    record: JobRecord, number: int, first: int, results: Iterable[CircuitResult], default_error: str
) -> PubResult:
    """Return the result of one PUB of a job.

    If the PUB failed, its metadata has the key ``error``; an estimator's arrays are NaN for missing values, and a
    sampler has no arrays.

    Args:
        record: the job as it was submitted.
        number: the index of the PUB in the job.
        first: the index of the PUB's first parameter set in the job.
        results: the results of its parameter sets, in any order.
        default_error: the error of a PUB with missing results.

    Raises:
        DamagedDataError: the data don't fit the job.
    """
    try:
        return _pub_result(record, number, first, results, default_error)
    except DamagedDataError as exc:
        exc.circuit = number
        raise


def whole_expectation_values(
    record: JobRecord, results: Iterable[CircuitResult]
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield the expectation values of whole parameter sets.

    They are yielded when all their shots have run. Parameter sets that failed are left out.

    Args:
        record: the job of one PUB, as it was submitted.
        results: the results of its parameter sets as they arrive, in blocks of shots.

    Yields:
        The place of some parameter sets in the flat array of all, and their expectation values: float64, shape
        (sets, expectation values of each).

    Raises:
        DamagedDataError: the data don't fit the job.
    """
    (circuit,), blocks = record.circuits, defaultdict[int, list[CircuitResult]](list)
    values = ExpectationValues(circuit, record.pubs[0])
    for part in results:
        own = blocks[part.index]
        own.append(part)
        if any(block.error for block in own) or sum(block.shots for block in own) < circuit.shots:
            continue
        end = part.index + part.points
        if end > circuit.points:
            raise DamagedDataError(f"the job has {circuit.points} parameter sets, and returned {end}", circuit=0)
        in_order = sorted(blocks.pop(part.index), key=lambda block: block.first_shot)
        yield slice(part.index, end), values.of(part.index, part.points, in_order)[0]


def _pub_result(
    record: JobRecord, number: int, first: int, results: Iterable[CircuitResult], default_error: str
) -> PubResult:
    circuit, pub = record.circuits[number], record.pubs[number]
    # In order, so that no bit of an expectation value depends on the order in which the shards ended.
    parts = sorted(results, key=lambda part: (part.index, part.first_shot))
    good = [part for part in parts if not part.error]
    errors = [f"parameter set {part.index - first}: {part.error}" for part in parts if part.error]
    seen = np.zeros(circuit.points, np.int64)
    for part in good:
        if part.first_shot + part.shots > circuit.shots:
            raise DamagedDataError(f"{part.shots} shots of circuit {part.index} don't fit its {circuit.shots}")
        seen[_places(part, first, circuit)] += part.shots
    if not errors and (seen != circuit.shots).any():
        errors = [default_error]
    failed = {ERROR: errors[0]} if errors else {}
    common = {"circuit_metadata": copy_metadata(circuit.metadata)} | _method(circuit, good) | failed
    if record.output == Output.EXPECTATION_VALUES:
        values = _expectation_values(circuit, pub, first, good)
        return PubResult(values, {"target_precision": pub.precision} | common)
    data = DataBin(shape=pub.shape) if errors else _bits(circuit, pub, first, good)
    return SamplerPubResult(data, {"shots": circuit.shots} | common)


def _method(circuit: CircuitRecord, parts: Sequence[CircuitResult]) -> dict[str, Any]:
    """Return the metadata of a circuit's noise and method."""
    if circuit.noise is None and circuit.method == "statevector":
        return {}
    noise = {} if circuit.noise is None else {"noise": msgspec.structs.asdict(circuit.noise)}
    return noise | {"method": circuit.method, "method_reason": circuit.method_reason} | truncation(parts)


def _bits(circuit: CircuitRecord, pub: PubRecord, first: int, parts: Sequence[CircuitResult]) -> DataBin:
    """Return the bits of each register."""
    width = (circuit.num_clbits + 7) // 8
    # Checked before memory for the bits of the record is allocated.
    if sum(len(part.bits) for part in parts) != circuit.points * circuit.shots * width:
        raise DamagedDataError(f"the bits from circuit {first} on don't fit its {circuit.shots} shots")
    rows = np.empty((circuit.points, circuit.shots, width), np.uint8)
    for part in parts:
        into = rows[_places(part, first, circuit), part.first_shot : part.first_shot + part.shots]
        if into.shape != (part.points, part.shots, width) or len(part.bits) != into.size:
            raise DamagedDataError(f"the bits of circuit {part.index} don't fit its {part.shots} shots")
        into[:] = np.frombuffer(part.bits, np.uint8).reshape(into.shape)
    arrays = {}
    for name, places in pub.registers:
        clbits = np.frombuffer(places, "<i4")
        packed = _register(rows, clbits)
        arrays[name] = BitArray(packed.reshape(*pub.shape, *packed.shape[1:]), len(clbits))
    try:
        return DataBin(**arrays, shape=pub.shape)
    except (TypeError, ValueError) as exc:
        raise DamagedDataError(f"registers named {sorted(arrays)} aren't those of a PUB: {exc}") from exc


def _register(rows: NDArray[np.uint8], clbits: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return clbits in the layout of Qiskit's `BitArray`.

    It is big-endian: the first clbit is the lowest bit of the last byte.

    Args:
        rows: uint8, shape (..., bytes); clbit 0 is the lowest bit of the first byte.
        clbits: the clbits' numbers, int32.
    """
    size = len(clbits)
    if not size:
        return np.zeros((*rows.shape[:-1], 0), np.uint8)
    first = int(clbits[0])
    if first % 8 == 0 and np.array_equal(clbits, np.arange(first, first + size)):
        # The same bytes in reverse order.
        packed = rows[..., first // 8 : (first + size + 7) // 8][..., ::-1].copy()
        packed[..., 0] &= 0xFF >> -size % 8
        return packed
    bits = rows[..., clbits >> 3] >> (clbits & 7).astype(np.uint8) & 1
    return np.packbits(bits, axis=-1, bitorder="little")[..., ::-1].copy()


def _places(part: CircuitResult, first: int, circuit: CircuitRecord) -> slice:
    """Return the place of a part's parameter sets in its circuit.

    Args:
        part: the part.
        first: the index of the circuit's first parameter set in the job.
        circuit: the circuit.

    Raises:
        DamagedDataError: the part doesn't fit the circuit.
    """
    begin, end = part.index - first, part.index - first + part.points
    if begin < 0 or end > circuit.points:
        raise DamagedDataError(
            f"{part.points} circuits from {part.index} on don't fit a PUB of {circuit.points} parameter sets"
        )
    return slice(begin, end)


class ExpectationValues:
    """The expectation values of an estimator's PUB, or part of them."""

    def __init__(self, circuit: CircuitRecord, pub: PubRecord) -> None:
        self.shape = np.broadcast_shapes(pub.shape, pub.observables_shape)
        #: the place of each expectation value in the flat array of all, shape (sets * columns,)
        self.places = lay_out(pub.shape, pub.observables_shape)[1]
        self._columns = len(self.places) // max(circuit.points, 1)
        self._pub = pub
        self._errors = np.zeros(len(self.places))
        if pub.precision and not pub.sampled:
            random = np.random.default_rng([circuit.seed, len(self.places)])
            self._errors = random.normal(0.0, pub.precision, len(self.places))[self.places]

    def of(
        self, first: int, num_sets: int, parts: Iterable[CircuitResult]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the expectation values of some parameter sets, and their standard errors.

        Args:
            first: the number of the first set in the PUB, and the ``index`` of its part.
            num_sets: the number of sets.
            parts: the results.

        Returns:
            Two arrays of float64, shape (sets, columns); NaN where no shots ran.

        Raises:
            DamagedDataError: the data don't fit the PUB.
        """
        rows = 2 if self._pub.sampled else 1
        sums, shots = np.zeros((num_sets, rows, self._columns)), np.zeros((num_sets, 1, 1), np.int64)
        for part in parts:
            at = part.index - first
            if len(part.expectation_values) != 8 * part.points * rows * self._columns:
                text = f"the expectation values of circuit {part.index} don't fit its {self._columns} observables"
                raise DamagedDataError(text)
            own = np.frombuffer(part.expectation_values, "<f8").reshape(part.points, rows, self._columns)
            sums[at : at + part.points] += own * part.shots
            shots[at : at + part.points] += part.shots
        errors = self._errors.reshape(-1, self._columns)[first : first + num_sets] if self._columns else 0.0
        with np.errstate(invalid="ignore"):
            averages = sums / shots
            values: NDArray[np.float64] = averages[:, 0] + errors
            if self._pub.sampled:
                stds = np.sqrt(np.maximum(averages[:, 1] - averages[:, 0] ** 2, 0) / shots[:, 0])
            else:
                stds = np.where(np.isnan(values), np.nan, self._pub.precision)
        return values, stds


def _expectation_values(circuit: CircuitRecord, pub: PubRecord, first: int, parts: Iterable[CircuitResult]) -> DataBin:
    """Return the expectation values and their standard errors."""
    values = ExpectationValues(circuit, pub)
    data: dict[str, Any] = {}
    of_pub = [msgspec.structs.replace(part, index=part.index - first) for part in parts]
    for name, array in zip(("evs", "stds"), values.of(0, circuit.points, of_pub), strict=True):
        flat = np.empty(len(values.places))
        flat[values.places] = array.reshape(-1)
        data[name] = flat.reshape(values.shape)
    return DataBin(**data, shape=values.shape)
