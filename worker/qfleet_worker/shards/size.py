# SPDX-License-Identifier: Apache-2.0
"""Sizes of circuits and results, against the memory of this process and against Redis."""

from __future__ import annotations

from typing import Final

from qfleet.wire.cost.cost import OVERHEAD_BYTES, circuit_bytes, required_bytes
from qfleet.wire.cost.sizes import result_bytes
from qfleet.wire.limits import MAX_BLOB_BYTES
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.messages.result import CircuitResult
from qfleet.wire.messages.work import CircuitWork
from qfleet.wire.program.program import Program
from qfleet_worker.engines.contract import EngineError

#: States of more amplitudes than 2 to this power are refused: an array's size would overflow.
_MOST_AMPLITUDES_LOG2: Final = 50
#: Bytes of results that the room of a process beside its memory is enough for, copied as often as they are.
TOGETHER_BYTES: Final = OVERHEAD_BYTES


def check_size(program: Program, circuit: CircuitWork, request: Request, *, memory_bytes: int, held: int) -> None:
    """Raise `EngineError` for a circuit that takes more memory than there is, or gives more than Redis holds.

    Args:
        memory_bytes: what this process may use.
        held: bytes of results that the shard has already.
    """
    qubits, exponent = program.num_qubits, request.exponent(program.num_qubits)
    if exponent > _MOST_AMPLITUDES_LOG2:
        raise EngineError(f"its {qubits} qubits need 2**{exponent} amplitudes; no machine holds so many")
    shots, columns = circuit.shots, circuit.num_observables if circuit.observables else 0
    size = result_bytes(program, shots, request.output, request.precision, memory=request.memory, columns=columns)
    if size * circuit.points + held > MAX_BLOB_BYTES:
        raise EngineError(
            f"its results would take {size * circuit.points >> 20} MiB, beside {held >> 20} MiB of others; "
            f"a Redis value holds {MAX_BLOB_BYTES >> 20} MiB"
        )
    together = circuit.points if size * circuit.points > TOGETHER_BYTES else 1
    needed = circuit_bytes(
        program, shots, request.output, request.precision, memory=request.memory, columns=columns, points=together
    )
    if needed > memory_bytes:
        states = required_bytes(
            qubits, Output.UNITARY if request.method == "unitary" else request.output, request.precision
        )
        what = "" if states > memory_bytes else ", with all that it saves and gives,"
        raise EngineError(
            f"its {qubits} qubits{what} need {needed / 2**30:.1f} GiB of memory; "
            f"this worker has {memory_bytes / 2**30:.1f} GiB for one task"
        )


def size_of(result: CircuitResult) -> int:
    """Return the bytes of a result's data."""
    saved = sum([len(each.values) + len(each.weights) + len(each.clbits) + len(each.places) for each in result.saved])
    data = (
        result.distinct,
        result.outcomes,
        result.counts,
        result.memory,
        result.amplitudes,
        result.bits,
        result.expectation_values,
    )
    return saved + sum(map(len, data))
