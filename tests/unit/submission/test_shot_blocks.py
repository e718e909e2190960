# SPDX-License-Identifier: Apache-2.0
"""The shots of a circuit with noise are cut for several workers, but not so short that each repeats much."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_jobs import make_circuit_work
from qiskit.circuit import QuantumCircuit

from qfleet.lowering.lower import lower
from qfleet.options import RunOptions
from qfleet.submission.encode import EncodedCircuit, encode_lowered
from qfleet.submission.planning import FIRST_SHARDS, LONGEST_SHARD, SHARD_SECONDS, PlannedCircuit, ShotBlock, plan
from qfleet.submission.shot_blocks import RUNS_OF_A_BLOCK, block_of
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.program.channels import Branch, Channel
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program


@given(
    st.integers(1, 10**7),
    st.floats(1e-6, 1.0),
    st.floats(1e-9, 1e-2),
    st.floats(0.5, 1.0),
)
def test_a_block_repeats_little(shots: int, run: float, each: float, power: float) -> None:
    def seconds_of(some: int) -> float:
        return run + each * some**power

    block = block_of(seconds_of, shots)
    if block is None:
        assert seconds_of(shots) < 2 * max(SHARD_SECONDS, LONGEST_SHARD, RUNS_OF_A_BLOCK * seconds_of(1))
        return
    assert 1 <= block.shots < shots
    assert block.seconds == seconds_of(block.shots)
    assert block.seconds <= max(LONGEST_SHARD, RUNS_OF_A_BLOCK * seconds_of(1)) * (1 + 1e-9)
    # Of equal length, and hardly shorter than they may be.
    blocks = -(-shots // block.shots)
    assert blocks >= 2
    if block.shots >= 40:
        assert run <= 2 * block.seconds / RUNS_OF_A_BLOCK
        assert shots - (blocks - 1) * block.shots > 0


def item(points: int, block: ShotBlock | None, shots: int = 1000) -> PlannedCircuit:
    work = make_circuit_work(0, shots=shots, seed=1, points=points, values=bytes(8 * points))
    return PlannedCircuit(work, Request(), 2.0, 100, block=block)


def cut(given: PlannedCircuit, max_shot_size: int | None = None) -> list[tuple[int, int, int]]:
    shards = plan([given], threads=1, max_job_size=None, max_shot_size=max_shot_size)
    return [(each.points, each.first_shot, each.shots) for shard in shards for each in shard.work.circuits]


def test_a_circuit_is_cut_into_its_blocks() -> None:
    assert cut(item(1, ShotBlock(400, 1.0))) == [(1, 0, 400), (1, 400, 400), (1, 800, 200)]
    assert cut(item(1, None)) == [(1, 0, 1000)]


def test_the_users_limit_is_kept() -> None:
    assert len(cut(item(1, ShotBlock(400, 1.0)), max_shot_size=100)) == 10
    assert len(cut(item(1, ShotBlock(100, 1.0)), max_shot_size=400)) == 10


def test_many_parameter_sets_are_cut_between_them_alone() -> None:
    assert {shots for _, _, shots in cut(item(FIRST_SHARDS, ShotBlock(400, 1.0)))} == {1000}
    assert {shots for _, _, shots in cut(item(FIRST_SHARDS - 1, ShotBlock(500, 1.0)))} == {500}


def test_blocks_have_shards_of_their_own() -> None:
    shards = plan([item(1, ShotBlock(400, 1.0))], threads=1, max_job_size=None, max_shot_size=None)
    assert [shard.seconds for shard in shards] == [1.0] * 3
    assert {circuit.blocks for shard in shards for circuit in shard.work.circuits} == {3}


def noisy(layers: int, error: float) -> tuple[QuantumCircuit, Program]:
    """Return a circuit of 16 qubits, and its program with an error after each CX."""
    circuit = QuantumCircuit(16)
    for layer in range(layers):
        for qubit in range(15):
            circuit.ry(0.1 + layer, qubit)
            circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    program = lower(circuit, Output.COUNTS)
    channel = Channel.of(2, [Branch(1 - error), Branch(error, x_mask=1, z_mask=2)])
    pairs = np.flatnonzero(program.num_controls == 1)
    widths = program.num_controls.astype(int) + program.num_targets
    starts = np.cumsum(widths) - widths
    operands = program.operands.tolist()
    for at in reversed(pairs.tolist()):
        end = int(starts[at]) + 2
        operands[end:end] = operands[end - 2 : end]
    return circuit, msgspec.structs.replace(
        program,
        codes=np.insert(program.codes, pairs + 1, Op.NOISE),
        num_controls=np.insert(program.num_controls, pairs + 1, 0),
        num_targets=np.insert(program.num_targets, pairs + 1, 2),
        operands=np.array(operands, np.int32),
        channel_refs=np.zeros(len(pairs), np.int32),
        channels=(channel,),
    )


def encoded(layers: int, error: float, shots: int) -> EncodedCircuit:
    circuit, program = noisy(layers, error)
    return encode_lowered(circuit, program, RunOptions(shots=shots), Output.COUNTS)


@pytest.mark.parametrize(("shots", "is_cut"), [(100_000, True), (10, False)])
def test_only_long_circuits_are_cut(shots: int, is_cut: bool) -> None:
    found = encoded(20, 0.01, shots)
    assert found.request.method == "statevector"
    assert (found.block is not None) is is_cut
    if found.block is not None:
        assert found.block.shots < shots
        assert found.block.seconds < found.seconds


def test_what_no_number_of_shots_changes_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    chances = Channel.chances

    def counted(channel: Channel) -> np.ndarray:
        read.append(channel)
        return chances(channel)

    monkeypatch.setattr(Channel, "chances", counted)
    assert encoded(20, 0.01, 100_000).block is not None
    # For the cost, and for the record.
    assert len(read) == 2


def test_a_circuit_without_noise_is_never_cut() -> None:
    circuit, _ = noisy(20, 0.01)
    options = RunOptions(shots=10**6)
    assert encode_lowered(circuit, lower(circuit, Output.COUNTS), options, Output.COUNTS).block is None
