# SPDX-License-Identifier: Apache-2.0
"""Checks of sizes against the limits of memory and of Redis."""

from __future__ import annotations

from typing import Final

from qfleet.wire.cost.cost import MOST_AMPLITUDES_LOG2, OVERHEAD_BYTES, Cost
from qfleet.wire.limits import MAX_BLOB_BYTES
from qfleet.wire.messages.request import Request
from qfleet.wire.messages.result import CircuitResult
from qfleet.wire.messages.work import CircuitWork
from qfleet.wire.program.program import Program
from qfleet_worker.engines.contract import Engine

#: Bytes of results that fit in the room beside a process's memory, with all their copies.
TOGETHER_BYTES: Final = OVERHEAD_BYTES
#: The number of costs to remember.
_MOST_COSTS: Final = 512


class Costs:
    """The costs of the circuits that ran last.

    Each is computed once: a variational loop sends the same program again and again.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, Request, int, int, int], Cost] = {}

    def of(self, engine: Engine, program: Program, circuit: CircuitWork, request: Request, *, points: int = 1) -> Cost:
        """Return the cost of a circuit at some points.

        Args:
            engine: the engine that runs it.
            program: its program, which is known by its name, the hash of its bytes.
            circuit: the circuit's shots and observables.
            request: the output that is wanted, with a resolved method.
            points: the number of points.
        """
        wanted = circuit.num_observables if circuit.observables else 0
        key = (circuit.program, engine.name, request, circuit.shots, points, wanted)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _MOST_COSTS:
                self._known.clear()
            found = engine.cost(program, request, shots=circuit.shots, points=points, num_observables=wanted)
            self._known[key] = found
        return found


def size_refusal(
    program: Program,
    circuit: CircuitWork,
    request: Request,
    engine: Engine,
    *,
    costs: Costs,
    memory_bytes: int,
    held: int,
    blob_bytes: int = MAX_BLOB_BYTES,
) -> str:
    """Return why a circuit is too large for process or Redis.

    Args:
        program: the circuit's program.
        circuit: the circuit's shots and points.
        request: the output that is wanted, with a resolved method.
        engine: the engine that runs the circuit.
        costs: the costs that are known.
        memory_bytes: the bytes of memory that this process may use.
        held: the bytes of results that the shard has already.
        blob_bytes: the bytes that a Redis value holds.

    Returns:
        The reason, for the user; empty if the circuit fits.
    """
    qubits, exponent = program.num_qubits, request.exponent(program.num_qubits)
    if exponent > MOST_AMPLITUDES_LOG2:
        return f"its {qubits} qubits need 2**{exponent} amplitudes; no machine holds so many"
    needed = costs.of(engine, program, circuit, request)
    size = needed.result_bytes * circuit.points
    if size + held > blob_bytes:
        return (
            f"its results would take {size >> 20} MiB, beside {held >> 20} MiB of others; "
            f"a Redis value holds {blob_bytes >> 20} MiB"
        )
    if circuit.points > 1 and size > TOGETHER_BYTES:
        needed = costs.of(engine, program, circuit, request, points=circuit.points)
    if needed.memory_bytes > memory_bytes:
        what = "" if needed.state_bytes + OVERHEAD_BYTES > memory_bytes else ", with all that it saves and gives,"
        return (
            f"its {qubits} qubits{what} need {needed.memory_bytes / 2**30:.1f} GiB of memory; "
            f"this worker has {memory_bytes / 2**30:.1f} GiB for one task"
        )
    return ""


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
