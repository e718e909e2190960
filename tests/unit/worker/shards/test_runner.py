# SPDX-License-Identifier: Apache-2.0
"""The course of a shard, with a store and an engine that only say what they were asked."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from fake_shards import FakeEngine, FakeStore, P, circuit, program, run
from make_jobs import make_shard_work

from qfleet.wire.codec.blobs import content_hash
from qfleet.wire.codec.programs import decode_program
from qfleet.wire.codec.shards import encode_shard
from qfleet.wire.cost.cost import cost
from qfleet.wire.messages.request import Request
from qfleet_worker.engines.contract import EngineError, Experiment, Outcome
from qfleet_worker.picked import ClaimedShard
from qfleet_worker.shards.runner import MORE_ATTEMPTS


def test_a_shard_runs_and_its_result_is_stored() -> None:
    work = make_shard_work(circuit(3), circuit(4, seed=6, shots=7), precision="single")
    store, engine = FakeStore(encode_shard(work)), FakeEngine()
    assert run(store, engine) is True
    assert [(asked.seed, asked.shots, asked.request.precision) for asked in engine.asked] == [
        (5, 10, "single"),
        (6, 7, "single"),
    ]
    first, second = store.result.circuits
    assert (first.index, first.shots, first.engine, first.error) == (3, 10, "fake", "")
    assert (first.outcomes, first.counts) == (b"\x01", np.array([10], "<i8").tobytes())
    assert (first.memory, first.amplitudes) == (b"", b"")
    assert (second.index, second.shots) == (4, 7)
    (finished,) = store.finished
    assert (finished["whole"], finished["blocks"], finished["error"]) == (2, [], "")


def test_memory_and_amplitudes_are_packed() -> None:
    def answer(experiment: Experiment) -> Outcome:
        amplitudes = np.arange(8, dtype=np.complex64).reshape(2, 4).T  # not contiguous
        rows = np.array([1, 0, 1], np.int64)
        return Outcome(np.array([[0], [1]], np.uint8), np.array([1, 2], np.int32), rows, amplitudes)

    work = make_shard_work(circuit(shots=3), memory=True, output="statevector", precision="single")
    store = FakeStore(encode_shard(work))
    run(store, FakeEngine(answer=answer))
    (result,) = store.result.circuits
    assert np.frombuffer(result.counts, "<i8").tolist() == [1, 2]
    assert np.frombuffer(result.memory, "<u4").tolist() == [1, 0, 1]
    assert np.frombuffer(result.amplitudes, "<c8").tolist() == [0, 4, 1, 5, 2, 6, 3, 7]


def test_a_result_that_isnt_wanted_any_more() -> None:
    assert run(FakeStore(encode_shard(make_shard_work(circuit())), wanted=False)) is False


def test_blocks_of_shots_are_counted_apart() -> None:
    work = make_shard_work(circuit(0), circuit(1, first_shot=20, blocks=3), circuit(2, blocks=2))
    store, engine = FakeStore(encode_shard(work)), FakeEngine()
    run(store, engine)
    (finished,) = store.finished
    assert (finished["whole"], finished["blocks"]) == (1, [(1, 3), (2, 2)])
    assert [asked.first_shot for asked in engine.asked] == [0, 20, 0]
    assert [result.first_shot for result in store.result.circuits] == [0, 20, 0]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (EngineError("it has no unitary"), "it has no unitary"),
        (MemoryError("1 GiB"), "its simulation ran out of memory: 1 GiB"),
        (ZeroDivisionError("oh"), "a defect of qfleet, please report it: ZeroDivisionError: oh"),
        (EngineError("long" * 5000), "long" * 1024),
    ],
    ids=["engine", "memory", "defect", "long"],
)
def test_an_error_of_one_circuit_leaves_the_others(error: Exception, text: str) -> None:
    def answer(experiment: Experiment) -> Outcome:
        if experiment.seed == 13:
            raise error
        return Outcome(np.array([[1]], np.uint8), np.array([10], np.int64))

    store = FakeStore(encode_shard(make_shard_work(circuit(0), circuit(1, seed=13), circuit(2, blocks=2))))
    assert run(store, FakeEngine(answer=answer)) is True
    assert [result.error for result in store.result.circuits] == ["", text, ""]
    (finished,) = store.finished
    assert finished["error"] == f"circuit 1: {text}"
    assert (finished["whole"], finished["blocks"]) == (1, [(2, 2)])


@pytest.mark.parametrize(
    ("blob", "named", "text"),
    [
        (None, "", "its program is missing from Redis"),
        (b"", "", "not a qfleet message"),
        (program()[:-1], "", "damaged message"),
        (program(2), P[:-1], "its program isn't the one that its name says"),
    ],
    ids=["missing", "empty", "truncated", "another"],
)
def test_a_program_that_cant_be_read(blob: bytes | None, named: str, text: str) -> None:
    name = named or content_hash(blob or b"")
    work = make_shard_work(circuit(0, program=name, points=3), circuit(3))
    store, engine = FakeStore(encode_shard(work)), FakeEngine()
    if blob is not None:
        store.blobs[name] = blob
    assert run(store, engine) is True
    bad, good = store.result.circuits
    assert (bad.index, bad.points) == (0, 3)
    assert text in bad.error
    assert good.error == ""
    assert len(engine.asked) == 1
    assert store.finished[0]["whole"] == 1


def test_work_that_cant_be_read_is_refused_whole() -> None:
    store, engine = FakeStore(b"damaged"), FakeEngine()
    assert run(store, engine) is True
    (finished,) = store.finished
    assert (finished["result"], finished["whole"], finished["blocks"], engine.asked) == (b"", 0, [], [])
    assert finished["error"].startswith("shard 0 can't be read: not a qfleet message")


@pytest.mark.parametrize(("said", "ran"), [(5, True), (None, True), (4, False), (0, False)])
def test_a_shard_with_more_circuits_than_its_job_is_said_to_have(said: int | None, ran: bool) -> None:
    work = make_shard_work(circuit(2, points=3), circuit(0))
    store, engine = FakeStore(encode_shard(work), circuits=said), FakeEngine()
    assert run(store, engine) is True
    (finished,) = store.finished
    assert bool(engine.asked) == ran
    if not ran:
        assert finished["whole"] == 0
        assert finished["error"] == (
            f"shard 0 can't be run: it has circuit 4, but its job is said to have {said} circuits"
        )


def test_a_circuit_that_needs_too_much_memory_isnt_begun() -> None:
    needed = cost(decode_program(program(25)), Request(), shots=10, engine="fake").memory_bytes
    for memory, ran in ((needed, 1), (needed - 1, 0)):
        blob = program(25)
        name = content_hash(blob)
        work = encode_shard(make_shard_work(circuit(program=name)))
        store, engine = FakeStore(work, blobs={name: blob}), FakeEngine()
        run(store, engine, memory_bytes=memory)
        assert len(engine.asked) == ran
        assert bool(store.result.circuits[0].error) == (not ran)
    assert store.result.circuits[0].error == (
        "its 25 qubits, with all that it saves and gives, need 1.6 GiB of memory; this worker has 1.6 GiB for one task"
    )


@pytest.mark.parametrize(("attempt", "runs"), [(1, True), (3, True), (4, False), (100, False)])
def test_attempts_are_bounded(attempt: int, runs: bool) -> None:
    store, engine = FakeStore(encode_shard(make_shard_work(circuit())), attempt=attempt), FakeEngine()
    assert run(store, engine) is True
    assert len(engine.asked) == runs
    (result,) = store.result.circuits
    assert (f"died {attempt - 1} times while it ran this circuit; the last cause: signal 9" in result.error) != runs
    assert store.begun == []


def test_only_the_circuit_that_kills_is_given_up() -> None:
    work = encode_shard(make_shard_work(circuit(4), circuit(5), circuit(6)))
    # One process died of the whole shard, and two that had noted which circuit they were at.
    store, engine = FakeStore(work, attempt=4, deaths={5: 2}), FakeEngine()
    assert run(store, engine) is True
    assert [bool(result.error) for result in store.result.circuits] == [False, True, False]
    assert "died 3 times while it ran this circuit" in store.result.circuits[1].error
    assert store.begun == [4, 5, 6]
    assert store.finished[0]["whole"] == len(engine.asked) == 2


def test_a_first_attempt_notes_nothing() -> None:
    store = FakeStore(encode_shard(make_shard_work(circuit(4), circuit(5))))
    run(store)
    assert store.begun == []


def test_a_shard_that_was_lost_meanwhile_is_left() -> None:
    work = encode_shard(make_shard_work(circuit(4), circuit(5)))
    store, engine = FakeStore(work, attempt=2, deaths={5: -1}), FakeEngine()
    assert run(store, engine) is False
    assert (store.begun, len(engine.asked), store.finished) == ([4, 5], 1, [])


@pytest.mark.parametrize(("attempt", "runs"), [(3 + MORE_ATTEMPTS, True), (4 + MORE_ATTEMPTS, False)])
def test_a_shard_with_many_circuits_that_kill_is_given_up_at_last(attempt: int, runs: bool) -> None:
    store = FakeStore(encode_shard(make_shard_work(circuit(4), circuit(5))), attempt=attempt)
    run(store)
    assert [not result.error for result in store.result.circuits] == [runs, runs]


def test_an_error_of_the_store_comes_out() -> None:
    store = FakeStore(encode_shard(make_shard_work(circuit())))
    store.finish = lambda *_, **__: (_ for _ in ()).throw(ConnectionError("gone"))  # type: ignore[method-assign]
    with pytest.raises(ConnectionError, match="gone"):
        run(store)


def test_results_that_together_take_too_much_memory_are_an_error_of_the_shard() -> None:
    store = FakeStore(encode_shard(make_shard_work(circuit())))
    finish = store.finish

    def refuse_results(shard: ClaimedShard, result: bytes, **what: Any) -> bool:
        if result:
            raise MemoryError("no room")
        return finish(shard, result, **what)

    store.finish = refuse_results  # type: ignore[method-assign]
    assert run(store) is True
    (finished,) = store.finished
    assert finished["error"] == "shard 0: its results together take too much memory: no room"


@pytest.mark.parametrize(
    ("grant", "share", "ran"), [(0, 1000, False), (0, 2**30, True), (2**30, 1000, True), (1, 2**30, False)]
)
def test_a_shard_may_use_what_it_was_given_or_its_share(grant: int, share: int, ran: bool) -> None:
    """Memory beside its own would be counted nowhere."""
    told: list[int] = []
    store = FakeStore(encode_shard(make_shard_work(circuit())))
    run(store, FakeEngine(), memory_bytes=share, limit_memory=told.append, grant=grant)
    (result,) = store.result.circuits
    assert told == [grant]
    assert (result.error == "") is ran


@pytest.mark.parametrize(("asked", "given", "used"), [(3, 2, 3), (0, 2, 2), (1, 4, 1)])
def test_the_user_or_else_the_worker_says_how_many_threads(asked: int, given: int, used: int) -> None:
    engine = FakeEngine()
    store = FakeStore(encode_shard(msgspec.structs.replace(make_shard_work(circuit()), threads=asked)))
    run(store, engine, threads=given)
    assert [experiment.threads for experiment in engine.asked] == [used]
    assert [result.threads for result in store.result.circuits] == [used]


def test_a_client_of_the_first_version_isnt_told_of_threads() -> None:
    store = FakeStore(encode_shard(msgspec.structs.replace(make_shard_work(circuit()), threads=2)))
    run(store, FakeEngine(), threads=0)
    assert b"threads" not in store.finished[0]["result"]
