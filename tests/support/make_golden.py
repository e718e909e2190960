# SPDX-License-Identifier: Apache-2.0
"""The messages of the golden files.

Run as a script, the module writes the files of the current format. A file of an older format stays as it is. When the
format changes, give the new one its own samples.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from qfleet.wire.codec.programs import encode_program
from qfleet.wire.codec.shards import encode_shard
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.messages.result import CircuitResult, ShardResult
from qfleet.wire.messages.work import CircuitWork, ShardWork
from qfleet.wire.program import expressions
from qfleet.wire.program.expressions import FLOAT, Binary, BinaryOp, Bit, Bits, Cast, Constant, Index, Unary, UnaryOp
from qfleet.wire.program.formulas import BINARY_STEPS, Formula, Step
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Save, Saved, SaveKind

FOLDER = Path(__file__).parents[1] / "wire_data"


def program() -> Program:
    """Return a program with a row of each kind.

    It has open and closed controls, parameters, all tables, a measurement and a reset.
    """
    rows = [
        (Op.GLOBAL_PHASE, 0, 0),
        (Op.H, 0, 1),
        (Op.X, 2, 1),
        (Op.U, 1, 1),
        (Op.RZZ, 0, 2),
        (Op.UNITARY, 1, 1),
        (Op.DIAGONAL, 0, 2),
        (Op.INITIALIZE, 0, 2),
        (Op.MEASURE, 0, 1),
        (Op.RESET, 0, 1),
    ]
    codes, controls, targets = zip(*rows, strict=True)
    return Program(
        num_qubits=4,
        num_clbits=3,
        codes=np.array(codes, np.uint8),
        num_controls=np.array(controls, np.uint16),
        num_targets=np.array(targets, np.uint16),
        operands=np.array([0, 3, ~1, 2, ~0, 3, 1, 2, 0, 1, 2, 0, 1, 3, 2, 0], np.int32),
        clbits=np.array([1], np.int32),
        params=np.array([0.5, 0.1, -0.2, 0.3, 1.5], np.float64),
        table_refs=np.array([0, 1, 2], np.int32),
        tables=(
            np.array([0, 1, 1j, 0], np.complex128),
            np.array([1, -1, 1j, -1j], np.complex128),
            np.array([0.6, 0, 0, 0.8j], np.complex128),
        ),
    )


def dynamic() -> Program:
    """Return a loop with every kind of expression.

    The loop counts variable 0 up until a condition holds.
    """
    counter, one = expressions.Variable(0), Constant(70, b"\x01")
    rows = [(Op.STORE, 0, 0), (Op.H, 0, 1), (Op.MEASURE, 0, 1), (Op.JUMP_UNLESS, 0, 0), (Op.JUMP, 0, 0)]
    codes, controls, targets = zip(*rows, strict=True)
    return Program(
        num_qubits=1,
        num_clbits=3,
        codes=np.array(codes, np.uint8),
        num_controls=np.array(controls, np.uint16),
        num_targets=np.array(targets, np.uint16),
        operands=np.array([0, 0], np.int32),
        clbits=np.array([1], np.int32),
        params=np.zeros(0),
        table_refs=np.zeros(0, np.int32),
        tables=(),
        jumps=np.array([5, 0], np.int32),
        expression_refs=np.array([0, 1, 2], np.int32),
        expressions=(
            counter,
            Binary(BinaryOp.ADD, counter, one),
            Binary(
                BinaryOp.LOGIC_AND,
                Binary(BinaryOp.LESS, Unary(UnaryOp.NEGATE, expressions.Variable(1)), Constant(FLOAT, 0.5)),
                Unary(UnaryOp.LOGIC_NOT, Index(Bits((2, 1)), Cast(1, Bit(1)))),
            ),
        ),
        variables=(70, FLOAT),
        loops=((0, "while_loop at position 1"),),
    )


def parametrised() -> Program:
    """Return slots beside a number, with formulas of every kind of step."""
    steps = [Step.PARAMETER]
    for step in Step:
        if step in BINARY_STEPS:
            steps += [Step.NUMBER, step]
        elif step not in (Step.PARAMETER, Step.NUMBER):
            steps.append(step)
    numbers = np.arange(1, 1 + len(BINARY_STEPS)) - 0.5j
    return Program(
        num_qubits=1,
        num_clbits=0,
        codes=np.array([Op.GLOBAL_PHASE, Op.U, Op.RX], np.uint8),
        num_controls=np.zeros(3, np.uint16),
        num_targets=np.array([0, 1, 1], np.uint16),
        operands=np.array([0, 0], np.int32),
        clbits=np.zeros(0, np.int32),
        params=np.array([0.0, 0.0, -0.5, 0.0, 0.0], np.float64),
        table_refs=np.zeros(0, np.int32),
        tables=(),
        num_parameters=3,
        slots=np.array([0, 1, 4], np.int32),
        slot_refs=np.array([1, 0, 1], np.int32),
        formulas=(
            Formula(bytes([Step.PARAMETER]), np.array([2], "<i4").tobytes()),
            Formula(bytes(steps), np.array([1], "<i4").tobytes(), numbers.astype("<c16").tobytes()),
        ),
    )


def saving() -> Program:
    """Return a program with a save of each shape.

    It saves a state, amplitudes of basis states, an expectation value and a variance.
    """
    masks = {"x_masks": np.array([0, 3], "<u8").tobytes(), "z_masks": np.array([1, 2], "<u8").tobytes()}
    return Program(
        num_qubits=2,
        num_clbits=1,
        codes=np.array([Op.H, Op.SAVE, Op.MEASURE, Op.SAVE, Op.SAVE, Op.SAVE], np.uint8),
        num_controls=np.zeros(6, np.uint16),
        num_targets=np.array([1, 2, 1, 2, 2, 2], np.uint16),
        operands=np.array([0, 0, 1, 0, 0, 1, 1, 0, 0, 1], np.int32),
        clbits=np.array([0], np.int32),
        params=np.zeros(0),
        table_refs=np.zeros(0, np.int32),
        tables=(),
        save_refs=np.arange(4, dtype=np.int32),
        saves=(
            Save(kind=SaveKind.STATEVECTOR, label="statevector", subtype="single"),
            Save(kind=SaveKind.AMPLITUDES, label="ä", subtype="c_list", indices=np.array([3, 0], "<i8").tobytes()),
            Save(
                kind=SaveKind.EXPECTATION_VALUE,
                label="e",
                subtype="average",
                coefficients=np.array([0.5, -1j], "<c16").tobytes(),
                **masks,
            ),
            Save(
                kind=SaveKind.EXPECTATION_VALUE_VARIANCE,
                label="v",
                subtype="c_accum",
                coefficients=np.array([1, 2, 3, 4], "<c16").tobytes(),
                **masks,
            ),
        ),
    )


def means(kind: SaveKind) -> Program:
    """Return a program that ends by saving three expectation values.

    One of the observables has no terms.
    """
    return Program(
        num_qubits=2,
        num_clbits=0,
        codes=np.array([Op.H, Op.SAVE], np.uint8),
        num_controls=np.zeros(2, np.uint16),
        num_targets=np.array([1, 2], np.uint16),
        operands=np.array([1, 1, 0], np.int32),
        clbits=np.zeros(0, np.int32),
        params=np.zeros(0),
        table_refs=np.zeros(0, np.int32),
        tables=(),
        save_refs=np.zeros(1, np.int32),
        saves=(
            Save(
                kind=kind,
                label="means",
                subtype="average",
                x_masks=np.array([0, 3, 1], "<u8").tobytes(),
                z_masks=np.array([1, 2, 0], "<u8").tobytes(),
                coefficients=np.array([0.5, -1, 2], "<c16").tobytes(),
                starts=np.array([0, 2, 2, 3], "<i4").tobytes(),
            ),
        ),
    )


MESSAGES: dict[str, Struct | Program] = {
    "program": program(),
    "dynamic": dynamic(),
    "parametrised": parametrised(),
    "saving": saving(),
    "means": means(SaveKind.EXPECTATION_VALUES),
    "squares": means(SaveKind.EXPECTATION_VALUES_AND_SQUARES),
    "work": ShardWork(
        circuits=(
            CircuitWork(index=0, program="00ff" * 8, shots=1024, seed=2**63 - 1),
            CircuitWork(index=7, program="a", shots=1, seed=0, first_shot=4096, blocks=3),
            CircuitWork(index=8, program="b", shots=1, seed=0, values=np.array([0.5, -2], "<f8").tobytes()),
        ),
        requests=(Request(Output.STATEVECTOR, "statevector", "single", memory=True),),
        threads=2,
    ),
    "result": ShardResult(
        circuits=(
            CircuitResult(
                index=0,
                first_shot=0,
                shots=3,
                seconds=0.25,
                engine="statevector",
                outcomes=b"\x00\x03",
                counts=np.array([1, 2], "<i8").tobytes(),
                memory=np.array([1, 0, 1], "<u4").tobytes(),
                amplitudes=np.array([1, 0], "<c16").tobytes(),
            ),
            CircuitResult(
                index=7, first_shot=4096, shots=1, seconds=0.0, engine="", error="out of memory: 1 GiB ≠ 2 GiB"
            ),
        )
    ),
    "points": ShardWork(
        circuits=(
            CircuitWork(
                index=0,
                program="00ff" * 8,
                shots=10,
                seed=3,
                points=2,
                values=np.array([[0.5, -2], [1, 3]], "<f8").tobytes(),
                observables=np.array([[0, 1, 1], [2, 0, 0]], "<i4").tobytes(),
                num_observables=3,
            ),
            CircuitWork(index=2, program="a", shots=10, seed=0, points=9, observables=bytes(4), num_observables=1),
        ),
        requests=(Request(Output.EXPECTATION_VALUES),),
        threads=0,
    ),
    "mixed": ShardWork(
        circuits=(
            CircuitWork(index=0, program="a", shots=10, seed=0),
            CircuitWork(index=1, program="b", shots=10, seed=2113, request=1),
            CircuitWork(index=2, program="a", shots=10, seed=4226),
        ),
        requests=(Request(), Request(method="unitary")),
        threads=0,
    ),
    "counts_of_points": ShardResult(
        circuits=(
            CircuitResult(
                index=5,
                first_shot=0,
                shots=3,
                seconds=0.25,
                engine="statevector",
                points=3,
                distinct=np.array([2, 1, 1], "<i8").tobytes(),
                outcomes=b"\x00\x01\x01\x00",
                counts=np.array([1, 2, 3, 3], "<i8").tobytes(),
            ),
        )
    ),
    "bits": ShardResult(
        circuits=(
            CircuitResult(
                index=5, first_shot=6, shots=2, seconds=0.25, engine="numpy", points=2, bits=b"\x00\x01\x02\x03"
            ),
        )
    ),
    "means_of_points": ShardResult(
        circuits=(
            CircuitResult(
                index=0,
                first_shot=0,
                shots=2,
                seconds=0.25,
                engine="numpy",
                points=2,
                expectation_values=np.array([0.5, -1, 0, 1e-9], "<f8").tobytes(),
            ),
        )
    ),
    "saved": ShardResult(
        circuits=(
            CircuitResult(
                index=0,
                first_shot=0,
                shots=3,
                seconds=0.5,
                engine="numpy",
                engine_reason="machine code isn't compiled",
                saved=(
                    Saved(
                        kind=SaveKind.STATEVECTOR,
                        label="statevector",
                        subtype="c_list",
                        entries=2,
                        values=np.array([1, 0, 0, 1j], "<c16").tobytes(),
                        clbits=b"\x00\x01",
                        places=np.array([1, 0, 1], "<u4").tobytes(),
                    ),
                    Saved(
                        kind=SaveKind.PROBABILITIES,
                        label="probabilities",
                        subtype="average",
                        entries=1,
                        values=np.array([1.5, 1.5], "<f8").tobytes(),
                        weights=np.array([3], "<i8").tobytes(),
                    ),
                ),
            ),
        )
    ),
}


def _format_3(name: str) -> ShardWork:
    """Return a shard of one request without method, as in format 3."""
    work = MESSAGES[name]
    assert isinstance(work, ShardWork)
    (request,) = work.requests
    return replace(work, requests=(replace(request, method="automatic"),))


#: The messages that a file of an older format holds, where they aren't those of `MESSAGES`.
UPGRADED: dict[str, Struct] = {f"{name}.v3": _format_3(name) for name in ("work", "points")}


def encoded(message: Struct | Program) -> bytes:
    """Return the blob of a message of any kind."""
    return encode_program(message) if isinstance(message, Program) else encode_shard(message)


if __name__ == "__main__":
    for name, message in MESSAGES.items():
        blob = encoded(message)
        (FOLDER / f"{name}.v{blob[2]}.bin").write_bytes(blob)
