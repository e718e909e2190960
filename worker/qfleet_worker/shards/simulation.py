# SPDX-License-Identifier: Apache-2.0
"""What does a circuit give at its points? As the fields of a `qfleet.wire.messages.work.CircuitResult`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from qfleet.wire.cost.cost import OVERHEAD_BYTES, circuit_bytes, required_bytes
from qfleet.wire.cost.sizes import result_bytes
from qfleet.wire.limits import MAX_BLOB_BYTES
from qfleet.wire.messages.result import CircuitResult
from qfleet.wire.messages.work import SEED_STEP, CircuitWork, ShardWork
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import MANY_OBSERVABLES, Save, SaveKind
from qfleet_worker.engines.contract import Engine, EngineError, Experiment, Outcome
from qfleet_worker.shards.angles import fill, filled

#: States of more amplitudes than 2 to this power are refused: an array's size would overflow.
_MOST_AMPLITUDES_LOG2: Final = 50
#: Bytes of results that the room of a process beside its memory is enough for, copied as often as they are.
TOGETHER_BYTES: Final = OVERHEAD_BYTES
#: Terms of the observables wanted at a point, if these are there several times.
_MOST_TERMS: Final = 1 << 16


def check_size(program: Program, circuit: CircuitWork, work: ShardWork, *, memory_bytes: int, held: int) -> None:
    """Raise `EngineError` for a circuit that takes more memory than there is, or gives more than Redis holds.

    Args:
        memory_bytes: what this process may use.
        held: bytes of results that the shard has already.
    """
    qubits, saves = program.num_qubits, program.saves_unitary()
    exponent = 2 * qubits if saves or work.output == "unitary" else qubits
    if exponent > _MOST_AMPLITUDES_LOG2:
        raise EngineError(f"its {qubits} qubits need 2**{exponent} amplitudes; no machine holds so many")
    shots, columns = circuit.shots, circuit.columns if circuit.wanted else 0
    size = result_bytes(program, shots, work.output, work.precision, memory=work.memory, columns=columns)
    if size * circuit.points + held > MAX_BLOB_BYTES:
        raise EngineError(
            f"its results would take {size * circuit.points >> 20} MiB, beside {held >> 20} MiB of others; "
            f"a Redis value holds {MAX_BLOB_BYTES >> 20} MiB"
        )
    together = circuit.points if size * circuit.points > TOGETHER_BYTES else 1
    needed = circuit_bytes(
        program, shots, work.output, work.precision, memory=work.memory, columns=columns, points=together
    )
    if needed > memory_bytes:
        states = required_bytes(qubits, "unitary" if saves else work.output, work.precision)
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
        result.means,
    )
    return saved + sum(map(len, data))


def simulate(engine: Engine, program: Program, circuit: CircuitWork, work: ShardWork, threads: int) -> dict[str, Any]:
    """Run a circuit at its points, together.

    Raises `EngineError` or `MemoryError` where any of them can't be run.
    """
    if work.output == "unitary" and not all(save.kind is SaveKind.UNITARY for save in program.saves):
        raise EngineError("its unitary is wanted, and it saves something of a state, which a unitary doesn't have")
    params = fill(program, _values(circuit, program))
    experiment = Experiment(
        program=filled(program, params[0]),
        shots=circuit.shots,
        seed=circuit.seed,
        first_shot=circuit.first_shot,
        memory=work.memory or work.output == "bits",
        output=work.output if work.output in ("statevector", "unitary") else "counts",
        precision=work.precision,
        threads=threads,
    )
    seeds = range(circuit.seed, circuit.seed + SEED_STEP * circuit.points, SEED_STEP)
    if work.output == "means":
        return {"means": _means(engine, experiment, circuit, params, seeds).astype("<f8", copy=False).tobytes()}
    outcomes = engine.sweep(experiment, params, seeds) if circuit.points > 1 else iter([engine.run(experiment)])
    if work.output == "bits":
        return {"bits": b"".join([_bits(outcome) for outcome in outcomes])}
    return _fields(outcomes, circuit.points)


def _values(circuit: CircuitWork, program: Program) -> NDArray[np.float64]:
    """The values of a program's parameters, shape (points, parameters)."""
    needed = 8 * program.num_parameters * circuit.points
    if len(circuit.values) != needed:
        raise EngineError(
            f"it comes with {len(circuit.values)} bytes of values; its {program.num_parameters} parameters take "
            f"{needed} at {circuit.points} points"
        )
    return np.frombuffer(circuit.values, "<f8").reshape(circuit.points, -1)


def _fields(outcomes: Iterable[Outcome], points: int) -> dict[str, Any]:
    """Outcomes as counts and amplitudes, those of all points one after the other."""
    parts: dict[str, list[bytes]] = {"outcomes": [], "counts": [], "memory": [], "amplitudes": []}
    distinct: list[int] = []
    saved: tuple[Any, ...] = ()
    for outcome in outcomes:
        distinct.append(len(outcome.counts))
        parts["outcomes"].append(outcome.outcomes.tobytes())
        parts["counts"].append(outcome.counts.astype("<i8", copy=False).tobytes())
        if outcome.memory is not None:
            parts["memory"].append(outcome.memory.astype("<u4", copy=False).tobytes())
        if outcome.amplitudes is not None:
            parts["amplitudes"].append(np.ascontiguousarray(outcome.amplitudes).tobytes())
        saved = outcome.saved
    fields: dict[str, Any] = {name: b"".join(blobs) for name, blobs in parts.items()}
    if points > 1:
        return fields | {"distinct": np.array(distinct, "<i8").tobytes()}
    return fields | {"saved": saved}


def _bits(outcome: Outcome) -> bytes:
    """Each shot's clbits, shape (shots, ceil(num_clbits / 8))."""
    return b"" if outcome.memory is None or not outcome.outcomes.size else outcome.outcomes[outcome.memory].tobytes()


def _means(
    engine: Engine, experiment: Experiment, circuit: CircuitWork, params: NDArray[np.float64], seeds: Sequence[int]
) -> NDArray[np.float64]:
    """The means that are wanted at each point, shape (points, columns or twice as many)."""
    save = experiment.program.saves[-1] if experiment.program.saves else None
    if save is None or save.kind not in MANY_OBSERVABLES:
        raise EngineError("means of observables are wanted of it, and it saves none")
    parts: list[tuple[NDArray[np.intp], NDArray[np.float64]]] = []
    for points, columns in _groups(circuit, save):
        saves = (*experiment.program.saves[:-1], save if columns is None else _of(save, columns))
        program = msgspec.structs.replace(experiment.program, saves=saves, params=params[points[0]])
        some = msgspec.structs.replace(experiment, program=program)
        outcomes = engine.sweep(some, params[points], [seeds[at] for at in points.tolist()])
        sums = np.stack([np.frombuffer(outcome.saved[-1].values, "<f8") for outcome in outcomes])
        parts.append((points, sums / circuit.shots))
    order, means = map(np.concatenate, zip(*parts, strict=True))
    return np.asarray(means[np.argsort(order)], np.float64)


def _groups(circuit: CircuitWork, save: Save) -> Iterator[tuple[NDArray[np.intp], NDArray[np.int64] | None]]:
    """Points with the observables that are wanted there; ``None`` for all of them."""
    everywhere = np.arange(circuit.points)
    if not circuit.wanted:
        yield everywhere, None
        return
    rows, rest = divmod(len(circuit.wanted), 4 * max(circuit.columns, 1))
    wanted = np.frombuffer(circuit.wanted, "<i4").astype(np.int64) if not rest else np.zeros(0, np.int64)
    if rows not in (1, circuit.points) or rest or not circuit.columns:
        raise EngineError(f"it comes with {len(circuit.wanted)} bytes that say which means are wanted at its points")
    if wanted.min() < 0 or wanted.max() >= len(save.starts) // 4 - 1:
        raise EngineError("a mean is wanted of an observable that isn't there")
    table = wanted.reshape(rows, circuit.columns)
    if rows == 1:
        yield everywhere, table[0]
        return
    distinct, places = np.unique(table, axis=0, return_inverse=True)
    for number, columns in enumerate(distinct):
        yield np.flatnonzero(places.reshape(-1) == number), columns


def _of(save: Save, columns: NDArray[np.int64]) -> Save:
    """Some of a save's observables. Raises `EngineError` for so many that some must be there twice."""
    x, z, coefficients = save.paulis()
    starts = save.sums()
    lengths = starts[columns + 1] - starts[columns]
    if lengths.sum() > max(len(x), _MOST_TERMS):
        raise EngineError(f"{lengths.sum()} terms of observables are wanted at a point; there are {len(x)}")
    ends = np.cumsum(lengths)
    terms = np.arange(ends[-1]) + np.repeat(starts[columns] - (ends - lengths), lengths)
    return replace(
        save,
        x_masks=x[terms].astype("<u8").tobytes(),
        z_masks=z[terms].astype("<u8").tobytes(),
        coefficients=coefficients[0, terms].astype("<c16").tobytes(),
        starts=np.concatenate([[0], ends]).astype("<i4").tobytes(),
    )
