# SPDX-License-Identifier: Apache-2.0
"""Puts results of shards together as a client does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from fuzz_limits import held_to
from qiskit.exceptions import QiskitError

from qfleet.errors import DamagedDataError
from qfleet.jobs.pub_results import ExpectationValues, pub_result
from qfleet.jobs.result import assemble, failures
from qfleet.ledger import JobRecord
from qfleet.wire.messages.result import CircuitResult

#: A record may name a million points, each of which becomes a result.
MOST_POINTS = 2000
#: Bytes that results of a fuzzer's size may take.
RESULT_BYTES = 64 * 1024 * 1024


def put_together(record: JobRecord, parts: Sequence[CircuitResult]) -> bool:
    """Make results of a job. Returns whether none was damaged."""
    if record.num_circuits > MOST_POINTS:
        return False
    with held_to(RESULT_BYTES, "putting results together"):
        return _pubs(record, parts) if record.pubs else _experiments(record, parts)


def _experiments(record: JobRecord, parts: Sequence[CircuitResult]) -> bool:
    made = _or_damaged(
        lambda: assemble("job", record, parts, backend_version="1", ended=record.created, default_error="it died")
    )
    if made is None:
        return False
    failures(made)
    for index, experiment in enumerate(made.results):
        for read in (made.data, made.get_counts, made.get_memory, made.get_statevector, made.get_unitary):
            try:
                read(index)
            except QiskitError:
                continue
        if experiment.success and "counts" in made.data(index):
            times = made.data(index)["counts"].values()
            assert all(number > 0 for number in times)
            assert not experiment.header["memory_slots"] or sum(times) == experiment.shots
    return True


def _pubs(record: JobRecord, parts: Sequence[CircuitResult]) -> bool:
    firsts = list(accumulate([circuit.points for circuit in record.circuits], initial=0))[:-1]
    good = True
    for number, first in enumerate(firsts):
        circuit, pub = record.circuits[number], record.pubs[number]
        own = [part for part in parts if first <= part.index < first + max(circuit.points, 1)]
        good &= _or_damaged(lambda n=number, f=first, own=own: pub_result(record, n, f, own, "it died")) is not None
        if record.output == "means":
            good &= _or_damaged(lambda c=circuit, p=pub: ExpectationValues(c, p).shape) is not None
    return good


def _or_damaged(make: Callable[[], Any]) -> Any:
    """Return the object that is made, or ``None`` of damaged data."""
    try:
        return make()
    except DamagedDataError:
        return None
