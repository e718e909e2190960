# SPDX-License-Identifier: Apache-2.0
"""Clifford programs with noise, and the ways to run them by frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace
from noise_oracle import depolarizing, measure, noise, program_of

from qfleet.wire.messages.request import Output, Request
from qfleet.wire.program.channels import Branch, Channel
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation, Program
from qfleet_worker.engines.contract import Experiment, Outcome
from qfleet_worker.engines.machine_code.loading import load_if_ready
from qfleet_worker.engines.stabilizer.frames.run import OUTCOME_BYTES, run_frames
from qfleet_worker.engines.threads import ThreadTeam

# Functions that `qfleet warm` doesn't compile are compiled when they are first called.
load_if_ready()

_ONE = (Op.X, Op.Y, Op.Z, Op.H, Op.S, Op.SDG, Op.SX, Op.SXDG)
_TWO = (Op.SWAP, Op.ISWAP, Op.DCX, Op.ECR)


def gate(code: Op, *targets: int, controls: Sequence[int] = (), angles: Sequence[float] = ()) -> Operation:
    """Return a gate."""
    return Operation(code, tuple(controls), targets, tuple(angles), None, -1)


def pauli_channel(rng: np.random.Generator, width: int, branches: int, stay: float) -> Channel:
    """Return a mixture of random Paulis with unequal probabilities."""
    weights = rng.exponential(size=branches)
    weights *= (1 - stay) / weights.sum()
    masks = rng.integers(0, 1 << width, (branches, 2)).tolist()
    return Channel.of(
        width, [Branch(stay), *[Branch(weight, x, z) for weight, (x, z) in zip(weights.tolist(), masks, strict=True)]]
    )


def random_gate(rng: np.random.Generator, num_qubits: int) -> Operation:
    """Return a Clifford gate of one or two qubits."""
    places = rng.permutation(num_qubits).tolist()
    kind = int(rng.integers(4 if num_qubits > 1 else 2))
    if kind == 0:
        return gate(_ONE[int(rng.integers(len(_ONE)))], places[0])
    if kind == 1:
        return gate(Op.RY, places[0], angles=[float(rng.integers(4)) * np.pi / 2])
    if kind == 2:
        return gate(_TWO[int(rng.integers(len(_TWO)))], *places[:2])
    control = places[0] if rng.random() < 0.7 else ~places[0]
    return gate((Op.X, Op.Y, Op.Z)[int(rng.integers(3))], places[1], controls=[control])


def random_rows(rng: np.random.Generator, num_qubits: int, num_clbits: int, length: int) -> list[Operation]:
    """Return rows of gates, noise, resets and measurements with readout errors."""
    rows = []
    for _ in range(length):
        kind, qubit = rng.random(), int(rng.integers(num_qubits))
        if kind < 0.6:
            rows.append(random_gate(rng, num_qubits))
        elif kind < 0.8:
            width = int(rng.integers(1, min(num_qubits, 3) + 1))
            channel = depolarizing(0.2, width) if rng.random() < 0.5 else pauli_channel(rng, width, 5, 0.7)
            rows.append(noise(channel, *rng.permutation(num_qubits)[:width].tolist()))
        elif kind < 0.9:
            flips = rng.choice([0.0, 0.0, 0.1, 0.3, 1.0], 2).tolist()
            rows.append(measure(qubit, int(rng.integers(num_clbits)), (flips[0], flips[1])))
        else:
            rows.append(gate(Op.RESET, qubit))
    return rows


def shared_channels(program: Program) -> Program:
    """Return a program that has each channel once, as lowered ones do."""
    numbers: dict[Channel, int] = {}
    refs = [numbers.setdefault(program.channels[ref], len(numbers)) for ref in program.channel_refs.tolist()]
    return replace(program, channels=tuple(numbers), channel_refs=np.array(refs, np.int32))


def noisy_program(num_qubits: int, num_clbits: int, rows: Sequence[Operation]) -> Program:
    """Return the program of some rows, with each channel once."""
    return shared_channels(program_of(num_qubits, num_clbits, rows))


def frames(
    program: Program,
    shots: int,
    seed: int = 1,
    first_shot: int = 0,
    *,
    output: Output = Output.COUNTS,
    memory: bool = False,
    threads: int = 1,
    outcome_bytes: int = OUTCOME_BYTES,
) -> Outcome:
    """Run a program by frames, which must be able to."""
    request = Request(output, "stabilizer", memory=memory)
    experiment = Experiment(program, shots, seed, first_shot, request, threads)
    outcome = run_frames(experiment, ThreadTeam(threads), outcome_bytes)
    assert outcome is not None
    return outcome


def bits_of(program: Program, shots: int, seed: int = 1) -> np.ndarray:
    """Return the clbits of each shot, bool, shape (shots, clbits)."""
    rows = frames(program, shots, seed, output=Output.BITS).outcomes
    return np.unpackbits(rows, axis=1, bitorder="little")[:, : program.num_clbits].astype(np.bool_)


def counts_of(outcome: Outcome) -> dict[int, int]:
    """Return counts by outcome, read as a number."""
    rows = [int.from_bytes(row.tobytes(), "little") for row in outcome.outcomes]
    return dict(zip(rows, outcome.counts.tolist(), strict=True))
