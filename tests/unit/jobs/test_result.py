# SPDX-License-Identifier: Apache-2.0
"""Results of shards, put together."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from make_jobs import make_circuit_record, make_circuit_result, make_job_record
from qiskit.exceptions import QiskitError
from qiskit.result import Result

from qfleet.errors import DamagedDataError
from qfleet.jobs.result import assemble
from qfleet.ledger.record import CircuitRecord, NoiseRecord
from qfleet.wire.messages.result import CircuitResult


def circuit(**changes: Any) -> CircuitRecord:
    fields: dict[str, Any] = {
        "num_clbits": 2,
        "qregs": (("q", 1),),
        "cregs": (("a", 1), ("b", 1)),
        "shots": 4,
        "seed": 9,
        "required_bytes": 2**20 + 1,
    }
    return make_circuit_record(**fields | changes)


def part(index: int, outcomes: list[int], counts: list[int], **changes: Any) -> CircuitResult:
    fields: dict[str, Any] = {
        "shots": sum(counts),
        "outcomes": bytes(outcomes),
        "counts": np.array(counts, "<i8").tobytes(),
    }
    return make_circuit_result(index, **fields | changes)


def result(circuits: list[CircuitRecord], *parts: CircuitResult, **changes: Any) -> Result:
    return assemble(
        "job",
        make_job_record(*circuits, **changes),
        parts,
        backend_version="1",
        ended=103.0,
        default_error="it died",
    )


def test_circuits_come_in_the_order_of_the_job_whatever_the_order_of_the_shards() -> None:
    both = result([circuit(name="x"), circuit(name="y")], part(1, [3], [4]), part(0, [0, 1], [1, 3]))
    assert both.get_counts(0) == {"0 0": 1, "0 1": 3}
    assert both.get_counts("y") == {"1 1": 4}
    assert both.time_taken == 3.0
    assert both.status == "COMPLETED"
    assert both.results[0].metadata["required_memory_mb"] == 2
    assert "noise" not in both.results[0].metadata


def test_the_metadata_have_the_threads_that_workers_tell() -> None:
    blocks = [part(1, [0], [2], first_shot=0, threads=2), part(1, [0], [2], first_shot=2, threads=4)]
    untold, told = result([circuit(), circuit()], part(0, [3], [4]), *blocks).results
    assert "threads" not in untold.metadata
    assert told.metadata["threads"] == 4


def test_blocks_of_shots_are_added_up_in_the_order_of_the_shots() -> None:
    blocks = [
        part(0, [1, 2], [1, 2], first_shot=3, memory=np.array([1, 1, 0], "<u4").tobytes()),
        part(0, [0, 1], [1, 2], first_shot=0, memory=np.array([0, 1, 1], "<u4").tobytes()),
    ]
    found = result([circuit(shots=6)], *blocks, memory=True)
    assert found.get_counts() == {"0 0": 1, "0 1": 3, "1 0": 2}
    assert found.get_memory() == ["0 0", "0 1", "0 1", "1 0", "1 0", "0 1"]
    assert found.results[0].time_taken == 1.0


def test_a_failed_circuit_leaves_the_others_their_data() -> None:
    partial = result([circuit(), circuit(name="bad")], part(0, [0], [4]), part(1, [], [], shots=4, error="too wide"))
    assert (partial.success, partial.status) == (False, "PARTIAL COMPLETED")
    assert partial.get_counts(0) == {"0 0": 4}
    assert partial.results[1].status == "ERROR: too wide"
    with pytest.raises(QiskitError):
        partial.get_counts(1)


@pytest.mark.parametrize("parts", [[], [part(0, [0], [3])]], ids=["nothing", "a block is missing"])
def test_missing_shots_are_an_error_of_the_circuit(parts: list[CircuitResult]) -> None:
    gone = result([circuit()], *parts)
    assert (gone.success, gone.status) == (False, "ERROR")
    assert gone.results[0].status == "ERROR: it died"


def test_more_than_64_clbits() -> None:
    wide = circuit(num_clbits=70, cregs=(("c", 70),))
    found = result([wide], part(0, [1, 0, 0, 0, 0, 0, 0, 0, 0x20], [4]))
    assert found.data(0)["counts"] == {hex(1 | 1 << 69): 4}


def test_a_statevector_without_measurements_has_no_counts_of_its_own() -> None:
    amplitudes = np.array([0.6, 0.8j])
    one = circuit(measured=False)
    found = result([one], part(0, [0], [4], amplitudes=amplitudes.tobytes()), output="statevector")
    np.testing.assert_array_equal(found.get_statevector(), amplitudes)
    assert found.get_counts() == {"0": pytest.approx(0.36), "1": pytest.approx(0.64)}


def test_a_unitary_in_single_precision() -> None:
    matrix = np.array([[0, 1j], [1, 0]], "<c8")
    found = result(
        [circuit()], part(0, [], [], shots=4, amplitudes=matrix.tobytes()), output="unitary", precision="single"
    )
    np.testing.assert_array_equal(found.get_unitary(), matrix)
    assert "counts" not in found.data(0)


@pytest.mark.parametrize(
    ("broken", "changes"),
    [
        (part(0, [1, 2, 3], [4]), {}),
        (msgspec.structs.replace(part(0, [1], [4]), counts=b"123"), {}),
        (part(0, [0, 1], [3, 2], shots=4), {}),
        (part(0, [0], [4], memory=np.zeros(3, "<u4").tobytes()), {"memory": True}),
        (part(0, [0], [4], memory=np.full(4, 1, "<u4").tobytes()), {"memory": True}),
        (part(0, [0], [4], amplitudes=b"1234567"), {"output": "statevector"}),
        (part(0, [0], [4], amplitudes=bytes(48)), {"output": "statevector"}),
    ],
)
def test_data_that_do_not_fit_are_one_typed_error(broken: CircuitResult, changes: dict[str, Any]) -> None:
    with pytest.raises(DamagedDataError):
        result([circuit()], broken, **changes)


@pytest.mark.parametrize(
    ("outcomes", "counts"),
    [
        ([0, 3], [5, -1]),
        ([0, 3], [4, 0]),
        ([0, 1, 3], [2**63 - 1, 2**63 - 1, 6]),
        ([3, 0], [2, 2]),
        ([3, 3], [2, 2]),
        ([0, 4], [2, 2]),
    ],
    ids=["below none", "none", "sums that wrap around", "another order", "one twice", "a clbit that isn't there"],
)
def test_outcomes_that_no_engine_gives_are_damage(outcomes: list[int], counts: list[int]) -> None:
    assert result([circuit()], part(0, [0, 3], [2, 2])).get_counts() == {"0 0": 2, "1 1": 2}
    with pytest.raises(DamagedDataError, match="the outcomes of circuit 0"):
        result([circuit()], part(0, outcomes, counts, shots=4))


def test_outcomes_of_many_clbits_that_no_engine_gives_are_damage() -> None:
    wide = circuit(num_clbits=70, cregs=(("a", 70),))
    rows = [(1).to_bytes(9, "little"), (1 << 69).to_bytes(9, "little"), (1 << 70).to_bytes(9, "little")]

    def given(*of: int) -> CircuitResult:
        return part(0, list(b"".join([rows[at] for at in of])), [2, 2])

    assert sum(result([wide], given(0, 1)).get_counts().values()) == 4
    for wrong in ((1, 0), (1, 1), (0, 2)):
        with pytest.raises(DamagedDataError, match="the outcomes of circuit 0"):
            result([wide], given(*wrong))


@pytest.mark.parametrize("ended", [float("nan"), float("inf"), 1e18])
def test_an_end_that_has_no_date_is_damage(ended: float) -> None:
    job = make_job_record()
    with pytest.raises(DamagedDataError, match="which has no date"):
        assemble("job", job, [], backend_version="1", ended=ended, default_error="")


def test_the_metadata_have_the_noise() -> None:
    noisy = circuit(noise=NoiseRecord(2, 3, 1, 0.25))
    assert result([noisy], part(0, [1], [4])).results[0].metadata["noise"] == {
        "channels": 2,
        "places": 3,
        "readouts": 1,
        "errors_per_shot": 0.25,
    }


def test_blocks_of_shots_add_their_patterns_of_errors() -> None:
    noisy = circuit(noise=NoiseRecord(2, 3, 1, 0.25))
    parts = [part(0, [1], [2], patterns=2), part(0, [1], [2], first_shot=2, patterns=1)]
    assert result([noisy], *parts).results[0].metadata["noise"]["patterns"] == 3


@pytest.mark.parametrize(("method", "precision"), [("statevector", "single"), ("density_matrix", "double")])
def test_the_precision_is_the_one_of_the_simulation(method: str, precision: str) -> None:
    found = result([circuit(method=method)], part(0, [0], [4]), precision="single")
    assert found.results[0].metadata["precision"] == precision
