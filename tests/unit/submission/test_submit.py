# SPDX-License-Identifier: Apache-2.0
"""Client and worker refuse the same circuits, since both ask the same function for the memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from aer_like import LikeAer
from fake_shards import FakeEngine, OneEngine
from make_jobs import make_presence
from qiskit.circuit import QuantumCircuit

from qfleet.errors import CapacityError
from qfleet.ledger import NewJob
from qfleet.options import RunOptions
from qfleet.submission.prepare import prepare
from qfleet.submission.submit import check_capacity
from qfleet.wire.codec.programs import decode_program
from qfleet.wire.cost.constants import ENGINES
from qfleet.wire.messages.presence import Presence
from qfleet.wire.messages.request import Output
from qfleet_worker.engines.choose import Engines
from qfleet_worker.engines.contract import EngineError
from qfleet_worker.engines.numpy.engine import NumpyEngine
from qfleet_worker.shards.size import Costs, size_refusal


class Fleet:
    """A connection to workers that are said to be there."""

    def __init__(self, *workers: Presence) -> None:
        self._workers = workers

    @contextmanager
    def ledger(self) -> Iterator[Any]:
        yield SimpleNamespace(workers=lambda: list(self._workers))


def worker(engine: str, memory_bytes: int, **changed: Any) -> Presence:
    return make_presence(engine=engine, memory_bytes=memory_bytes, **changed)


def plain(num_qubits: int = 26) -> QuantumCircuit:
    circuit = QuantumCircuit(num_qubits, 4)
    circuit.ry(0.3, range(num_qubits))
    circuit.measure(range(4), range(4))
    return circuit


def branching() -> QuantumCircuit:
    circuit = plain()
    circuit.reset(0)
    circuit.ry(0.3, range(26))
    return circuit


def saving(name: str, subtype: str, num_qubits: int = 26, width: int | None = None) -> QuantumCircuit:
    circuit = QuantumCircuit(num_qubits)
    circuit.ry(0.3, range(num_qubits))
    qubits = range(width or num_qubits)
    circuit.append(LikeAer(name, len(qubits), subtype), qubits)
    return circuit


JOBS: dict[str, tuple[QuantumCircuit, Output, dict[str, Any]]] = {
    "counts": (plain(), Output.COUNTS, {}),
    "single precision": (plain(27), Output.COUNTS, {"precision": "single"}),
    "memory": (plain(), Output.COUNTS, {"memory": True, "shots": 10_000_000}),
    "branches": (branching(), Output.COUNTS, {}),
    "a state": (plain(24), Output.STATEVECTOR, {}),
    "a unitary": (saving("save_unitary", "single", 12), Output.COUNTS, {}),
    "probabilities": (saving("save_probabilities", "average", width=20), Output.COUNTS, {}),
    "density matrix": (saving("save_density_matrix", "average", width=3), Output.COUNTS, {}),
    "bits": (plain(), Output.BITS, {"shots": 50_000_000}),
}


def job(name: str) -> NewJob:
    circuit, output, options = JOBS[name]
    return prepare(circuit, RunOptions(**options), backend_name="b", output=output, tags=(), metadata={}, retention=1)


def client_refuses(new: NewJob, *workers: Presence) -> bool:
    try:
        check_capacity(Fleet(*workers), new)  # type: ignore[arg-type]
    except CapacityError:
        return True
    return False


#: The engines of a worker, by the one that it names. Nothing is run.
WORKERS = {
    "numpy": Engines([NumpyEngine()]),
    "statevector": Engines([OneEngine(FakeEngine(), name="statevector"), NumpyEngine()]),
}


def worker_refuses(new: NewJob, engine: str, memory_bytes: int) -> bool:
    shard = new.shards[0]
    (circuit,) = shard.circuits
    program = decode_program(new.programs[circuit.program])
    request = shard.request_of(circuit)
    too_large = partial(size_refusal, program, circuit, request, costs=Costs(), memory_bytes=memory_bytes, held=0)
    try:
        WORKERS[engine].choose(program, request, too_large)
    except EngineError:
        return True
    return False


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", JOBS)
def test_client_and_worker_agree_to_the_byte(name: str, engine: str) -> None:
    new = job(name)
    needed = new.needs[engine].memory_bytes
    assert needed > 512 * 2**20
    for memory_bytes, refused in ((needed - 1, True), (needed, False)):
        assert client_refuses(new, worker(engine, memory_bytes)) is refused
        assert worker_refuses(new, engine, memory_bytes) is refused


def test_the_worker_that_has_the_memory_counts_whatever_its_engine() -> None:
    new = job("counts")
    faster, slower = (new.needs[engine].memory_bytes for engine in ENGINES)
    assert faster < slower
    assert not client_refuses(new, worker("numpy", faster), worker("statevector", faster))
    assert client_refuses(new, worker("numpy", slower - 1), worker("statevector", faster - 1))
    # A shard may be taken before the faster engine is compiled. An older worker doesn't say which one it has.
    assert client_refuses(new, worker("numpy", faster, compiling=True))
    assert not client_refuses(new, worker("", faster))
    assert not client_refuses(new)


def test_the_error_tells_what_the_largest_worker_needs() -> None:
    new = job("counts")
    with pytest.raises(
        CapacityError, match=r"26 qubits and 1024 shots need 3\.1 GiB .* largest worker has 2\.0 GiB"
    ) as e:
        check_capacity(Fleet(worker("numpy", 2**31), worker("statevector", 2**30)), new)  # type: ignore[arg-type]
    assert (e.value.needed_bytes, e.value.available_bytes) == (new.needs["numpy"].memory_bytes, 2**31)


def test_the_error_names_the_circuit_that_needs_most_on_the_engine_of_the_largest_worker() -> None:
    """Branches take more states in one engine only: each needs most for another circuit, and neither for the first."""
    circuits = {"small": plain(4), "divided": branching(), "wide": plain(27)}
    for name, circuit in circuits.items():
        circuit.name = name
    options, output = RunOptions(), Output.COUNTS
    made = list(circuits.values())
    new = prepare(made, options, backend_name="b", output=output, tags=(), metadata={}, retention=1)
    named = {}
    for engine, (needed, _) in new.needs.items():
        with pytest.raises(CapacityError) as caught:
            check_capacity(Fleet(worker(engine, needed - 1)), new)  # type: ignore[arg-type]
        alone = prepare(
            circuits[caught.value.circuit], options, backend_name="b", output=output, tags=(), metadata={}, retention=1
        )
        assert caught.value.needed_bytes == needed == alone.needs[engine].memory_bytes
        named[engine] = caught.value.circuit
    assert named == {"statevector": "divided", "numpy": "wide"}


@pytest.mark.parametrize(
    ("num_qubits", "resets", "way"),
    [
        (36, 0, r"1126\.5 GiB .*2\.0 GiB\. Start a worker with more memory, or see by `backend\.explain"),
        (39, 1, r"2\.0 GiB, and no machine has enough$"),
    ],
)
def test_more_memory_is_named_where_a_machine_may_have_it(num_qubits: int, resets: int, way: str) -> None:
    circuit, options = plain(num_qubits), RunOptions(method="statevector")
    for _ in range(resets):
        # Several states are held then.
        circuit.reset(0)
        circuit.h(0)
    new = prepare(circuit, options, backend_name="b", output=Output.COUNTS, tags=(), metadata={}, retention=1)
    with pytest.raises(CapacityError, match=way):
        check_capacity(Fleet(worker("statevector", 2**31)), new)  # type: ignore[arg-type]
