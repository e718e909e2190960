# SPDX-License-Identifier: Apache-2.0
"""Jobs of each kind, with results that fit them."""

from __future__ import annotations

from typing import Any

import numpy as np
from make_jobs import make_circuit_record, make_circuit_result, make_job_record

from qfleet.ledger.record import JobRecord, PubRecord
from qfleet.wire.messages.result import CircuitResult, ShardResult
from qfleet.wire.program.saves import Saved, SaveKind, Subtype


def samples() -> dict[str, tuple[JobRecord, list[ShardResult]]]:
    """Records and what their shards gave, by name."""
    counted = {"outcomes": b"\x00\x03", "counts": _ints(4, 6), "memory": np.array([0, 1] * 5, "<u4").tobytes()}
    counted["memory"] = np.repeat(np.arange(2), [4, 6]).astype("<u4").tobytes()
    state = np.array([1, 0, 0, 1j], "<c16").tobytes()
    made = {
        "counts": (_record("counts"), [_part(**counted)]),
        "blocks": (
            _record("counts", shots=20),
            [_part(**counted), _part(first_shot=10, **counted)],
        ),
        "points": (
            _record("counts", points=3, phases=np.array([0.5, 1, 2], "<f8").tobytes(), memory=False),
            [_part(points=3, distinct=_ints(1, 1, 1), outcomes=b"\x00\x01\x02", counts=_ints(10, 10, 10))],
        ),
        "statevector": (_record("statevector"), [_part(amplitudes=state, **counted)]),
        "unitary": (_record("unitary"), [_part(amplitudes=np.eye(4).astype("<c16").tobytes())]),
        "failed": (_record("counts", points=2), [_part(points=2, error="no")]),
        "saved": (_record("counts"), [_part(**counted, saved=_saved())]),
        "bits": (
            _record(
                "bits", points=2, pub=PubRecord(shape=(2,), registers=(("c", np.arange(2, dtype="<i4").tobytes()),))
            ),
            [_part(points=2, bits=bytes(20))],
        ),
        "means": (
            _record("means", points=2, pub=PubRecord(shape=(2, 1), observables_shape=(3,), precision=0.1)),
            [_part(points=2, expectation_values=np.arange(6, dtype="<f8").tobytes())],
        ),
        "squares": (
            _record("means", pub=PubRecord(shape=(), observables_shape=(2,), precision=0.1, sampled=True)),
            [_part(expectation_values=np.arange(4, dtype="<f8").tobytes())],
        ),
    }
    return {name: (record, [ShardResult(circuits=(part,)) for part in parts]) for name, (record, parts) in made.items()}


def _ints(*numbers: int) -> bytes:
    return np.array(numbers, "<i8").tobytes()


def _record(output: str, *, pub: PubRecord | None = None, memory: bool = True, **changed: Any) -> JobRecord:
    fields: dict[str, Any] = {
        "num_qubits": 2, "num_clbits": 2, "qregs": (("q", 2),), "cregs": (("c", 2),), "global_phase": 0.5,
        "metadata": {"a": [1, None]}, "seed": 3,
    }  # fmt: skip
    circuit = make_circuit_record(**fields | changed)
    pubs = () if pub is None else (pub,)
    return make_job_record(circuit, created=1.5, output=output, memory=memory, tags=("t",), pubs=pubs)


def _part(**changed: Any) -> CircuitResult:
    return make_circuit_result(**changed)


def _saved() -> tuple[Saved, ...]:
    def one(kind: SaveKind, subtype: Subtype, values: Any, **changed: Any) -> Saved:
        label = f"{kind.name} {subtype}"
        return Saved(kind=kind, label=label, subtype=subtype, entries=1, values=values.tobytes(), **changed)

    state, ten = np.array([1, 0, 0, 1j], "<c16"), _ints(10)
    return (
        one(SaveKind.STATEVECTOR, "single", state),
        one(SaveKind.STATEVECTOR_DICT, "c_single", state, clbits=b"\x01"),
        one(SaveKind.AMPLITUDES, "list", state[:2], places=np.zeros(10, "<u4").tobytes()),
        one(SaveKind.PROBABILITIES, "average", np.array([5.0, 5.0], "<f8"), weights=ten),
        one(SaveKind.PROBABILITIES_DICT, "c_average", np.array([5.0, 5.0], "<f8"), weights=ten, clbits=b"\x02"),
        one(SaveKind.EXPECTATION_VALUE, "accum", np.array([3.0], "<f8"), weights=ten),
        one(SaveKind.EXPECTATION_VALUE_VARIANCE, "average", np.array([3.0, 1.0], "<f8"), weights=ten),
        one(SaveKind.DENSITY_MATRIX, "average", state, weights=ten),
    )
