# SPDX-License-Identifier: Apache-2.0
"""The record of a job, for the next client that asks."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import numpy as np
import pytest
from make_jobs import make_circuit_record, make_job_record
from msgspec.structs import replace

from qfleet.errors import DamagedDataError
from qfleet.ledger.record import JobRecord, PubRecord, decode_record, encode_record


def record(metadata: dict[str, Any]) -> JobRecord:
    circuit = make_circuit_record(
        name="bell", num_qubits=2, num_clbits=2, qregs=(("q", 2),), cregs=(("c", 2),), metadata=metadata
    )
    return make_job_record(circuit, tags=("a", "b"), metadata=metadata)


def test_round_trip() -> None:
    written = record({"depth": 3, "labels": ["x", None], "nested": {"pi": 3.14}})
    assert decode_record(encode_record(written)) == written


def test_points_and_pubs_come_back() -> None:
    plain = record({})
    circuit = msgspec.structs.replace(plain.circuits[0], points=3, phases=np.array([0.5, 1, 2], "<f8").tobytes())
    pub = PubRecord(
        shape=(3,),
        observables_shape=(2, 1),
        precision=0.25,
        sampled=True,
        registers=(("a", np.arange(2, dtype="<i4").tobytes()), ("empty", b"")),
    )
    pubs = (pub, PubRecord(shape=()))
    written = msgspec.structs.replace(plain, output="means", circuits=(circuit, plain.circuits[0]), pubs=pubs)
    assert decode_record(encode_record(written)) == written
    assert written.num_circuits == 4
    assert written.parameter_sets() == [(circuit, 0), (circuit, 1), (circuit, 2), (plain.circuits[0], 0)]


@dataclasses.dataclass
class Odd:
    """Can be written, and not compared."""

    value: int = 1

    def __eq__(self, other: object) -> bool:
        raise AttributeError("no such comparison")

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("value", [object(), lambda: None, "\ud800", Odd()])
def test_what_does_not_come_back_identical_is_left_out(value: object) -> None:
    read = decode_record(encode_record(record({"kept": 1, "lost": value, 5: "a key that is no string"})))
    assert read.metadata == {"kept": 1, 5: "a key that is no string"}
    assert read.circuits[0].metadata == {"kept": 1, 5: "a key that is no string"}


def test_writing_changes_nothing() -> None:
    value = object()
    written = record({"value": value})
    encode_record(written)
    assert written.metadata["value"] is value


@pytest.mark.parametrize("blob", [b"", b"\xc1", b"nonsense", msgspec.msgpack.encode({"backend": 3})])
def test_a_damaged_record_is_one_typed_error(blob: bytes) -> None:
    with pytest.raises(DamagedDataError, match="can't be read"):
        decode_record(blob)


def test_what_doesnt_belong_together_is_damage() -> None:
    circuit = make_circuit_record(num_clbits=2, shots=1, points=3)
    pub = PubRecord(shape=(3, 1), registers=(("c", np.array([1, 0], "<i4").tobytes()),))
    good = make_job_record(circuit, output="bits", pubs=(pub,))
    assert decode_record(encode_record(good)) == good
    for change in (
        {"pubs": ()},
        {"output": "counts"},
        {"pubs": good.pubs * 2},
        {"pubs": (PubRecord(shape=(2,)),)},
        {"pubs": (PubRecord(shape=(-3,)),)},
        {"pubs": (PubRecord(shape=(3,), observables_shape=(2,)),)},
        {"pubs": (PubRecord(shape=(3,), registers=(("c", b"12"),)),)},
        {"pubs": (PubRecord(shape=(3,), registers=(("c", np.array([2], "<i4").tobytes()),)),)},
        {"circuits": (replace(circuit, phases=b"12345678"),)},
        {"circuits": (replace(circuit, points=2**40),), "pubs": (PubRecord(shape=(2**40,)),)},
        {"pubs": (PubRecord(shape=(3, 1), observables_shape=(1, 2**28)),)},
        {"pubs": (PubRecord(shape=(3, 1), precision=-0.5),)},
        {"pubs": (PubRecord(shape=(3, 1), precision=float("nan")),)},
        {"circuits": (circuit, replace(circuit, points=1_000_000)), "output": "counts", "pubs": ()},
        {"circuits": (replace(circuit, num_qubits=2**15),)},
        {"circuits": (replace(circuit, num_clbits=2**24 + 1),)},
        {"circuits": (replace(circuit, num_clbits=-1),)},
        {"circuits": (replace(circuit, shots=0),)},
        {"circuits": (replace(circuit, shots=2**31),)},
        {"circuits": (replace(circuit, seed=-1),)},
        {"circuits": (replace(circuit, cregs=(("c", 3),)),)},
        {"circuits": (replace(circuit, qregs=(("q", 2**31),)),)},
        {"circuits": (replace(circuit, qregs=(("q", -1),)),)},
        {"circuits": (replace(circuit, num_qubits=1000, qregs=(("q", 1000),) * 33),)},
        {"created": 1e12},
        {"created": float("nan")},
        {"created": -1.0},
    ):
        with pytest.raises(DamagedDataError):
            decode_record(encode_record(replace(good, **change)))


def test_metadata_in_metadata_without_end_are_one_typed_error() -> None:
    blob = encode_record(record({"a": 1}))
    deep = blob.replace(b"\x81\xa1a\x01", b"\x81\xa1a" + b"\x91" * 100_000 + b"\x01", 1)
    assert deep != blob
    with pytest.raises(DamagedDataError, match="can't be read"):
        decode_record(deep)
