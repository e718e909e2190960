# SPDX-License-Identifier: Apache-2.0
"""The record of a job, for the next client that asks."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import numpy as np
import pytest

from qfleet.errors import DamagedDataError
from qfleet.queue.record import CircuitRecord, JobRecord, decode_record, encode_record


def record(metadata: dict[str, Any]) -> JobRecord:
    circuit = CircuitRecord(
        name="bell",
        num_qubits=2,
        num_clbits=2,
        qregs=(("q", 2),),
        cregs=(("c", 2),),
        global_phase=0.5,
        metadata=metadata,
        measured=True,
        shots=10,
        seed=3,
        required_bytes=1,
    )
    return JobRecord(
        backend="automatic",
        created=1.5,
        output="counts",
        precision="double",
        memory=False,
        method="automatic",
        tags=("a", "b"),
        metadata=metadata,
        circuits=(circuit,),
    )


def test_round_trip() -> None:
    written = record({"depth": 3, "labels": ["x", None], "nested": {"pi": 3.14}})
    assert decode_record(encode_record(written)) == written


@dataclasses.dataclass
class Odd:
    """Can be written, and not compared."""

    value: int = 1

    def __eq__(self, other: object) -> bool:
        raise AttributeError("no such comparison")

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    "value", [object(), (1, 2), {1, 2}, 2**70, np.arange(3), 1 + 2j, float("nan"), lambda: None, "\ud800", Odd()]
)
def test_what_does_not_come_back_identical_is_left_out(value: object) -> None:
    read = decode_record(encode_record(record({"kept": 1, "lost": value, 5: "a key that is no string"})))
    assert read.metadata == {"kept": 1}
    assert read.circuits[0].metadata == {"kept": 1}


def test_writing_changes_nothing() -> None:
    value = object()
    written = record({"value": value})
    encode_record(written)
    assert written.metadata["value"] is value


@pytest.mark.parametrize("blob", [b"", b"\xc1", b"nonsense", msgspec.msgpack.encode({"backend": 3})])
def test_a_damaged_record_is_one_typed_error(blob: bytes) -> None:
    with pytest.raises(DamagedDataError, match="can't be read"):
        decode_record(blob)
