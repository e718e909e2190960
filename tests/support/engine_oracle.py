# SPDX-License-Identifier: Apache-2.0
"""A slow and simple simulator that shares nothing with the engines.

It applies Qiskit's matrices, one basis state at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from gate_library import GATES, matrix
from numpy.typing import NDArray

from qfleet.wire.program.operations import ANGLES, HAS_TABLE, IS_UNITARY, Op
from qfleet.wire.program.program import Operation, Program

Vector = NDArray[np.complex128]

UNITARY_OPS = [code for code in Op if IS_UNITARY[code]]


def width(code: Op) -> int:
    """Return the number of an operation's targets; 2 if it varies."""
    if HAS_TABLE[code]:
        return 2
    return int(GATES[code](*[0.1] * int(ANGLES[code])).num_qubits) if code in GATES else 1


def op(
    code: Op,
    targets: Sequence[int] = (),
    params: Sequence[float] = (),
    controls: Sequence[int] = (),
    table: Iterable[complex] | None = None,
    clbit: int = -1,
) -> Operation:
    """Return an operation; an open control is ``~qubit``."""
    array = None if table is None else np.asarray(table, np.complex128).reshape(-1)
    return Operation(code, tuple(controls), tuple(targets), tuple(params), array, clbit)


def measure(qubit: int, clbit: int) -> Operation:
    """Return a measurement."""
    return op(Op.MEASURE, [qubit], clbit=clbit)


def program(num_qubits: int, num_clbits: int, operations: Sequence[Operation]) -> Program:
    """Return the program that consists of the operations."""
    tables = [each.table for each in operations if each.table is not None]
    return Program(
        num_qubits=num_qubits,
        num_clbits=num_clbits,
        codes=np.array([each.code for each in operations], np.uint8),
        num_controls=np.array([len(each.controls) for each in operations], np.uint16),
        num_targets=np.array([len(each.targets) for each in operations], np.uint16),
        operands=np.array([qubit for each in operations for qubit in each.controls + each.targets], np.int32),
        clbits=np.array([each.clbit for each in operations if each.code is Op.MEASURE], np.int32),
        params=np.array([angle for each in operations for angle in each.params], np.float64),
        table_refs=np.arange(len(tables), dtype=np.int32),
        tables=tuple(tables),
    )


def full_matrix(operation: Operation, num_qubits: int) -> Vector:
    """Return a unitary operation's matrix over all qubits."""
    small = matrix(operation)
    full = np.zeros((1 << num_qubits, 1 << num_qubits), np.complex128)
    for column in range(1 << num_qubits):
        active = all(column >> qubit & 1 if qubit >= 0 else not column >> ~qubit & 1 for qubit in operation.controls)
        if not active:
            full[column, column] = 1
            continue
        inside = sum((column >> qubit & 1) << bit for bit, qubit in enumerate(operation.targets))
        rest = column & ~sum(1 << qubit for qubit in operation.targets)
        for row in range(len(small)):
            full[rest | sum((row >> bit & 1) << qubit for bit, qubit in enumerate(operation.targets)), column] += small[
                row, inside
            ]
    return full


def unitary(circuit: Program) -> Vector:
    """Return the matrix of a program of gates."""
    result = np.eye(1 << circuit.num_qubits, dtype=np.complex128)
    for operation in circuit:
        result = full_matrix(operation, circuit.num_qubits) @ result
    return result


def statevector(circuit: Program) -> Vector:
    """Return the final state of a program of gates and initializations.

    The initialized qubits must be in |0>. More qubits are possible than in `unitary`.
    """
    state = np.zeros((2,) * circuit.num_qubits, np.complex128)
    state[(0,) * circuit.num_qubits] = 1
    for operation in circuit:
        if operation.code is Op.INITIALIZE:
            small = np.zeros((len(operation.table),) * 2, np.complex128)
            small[:, 0] = operation.table
        else:
            small = matrix(operation)
        # Axis n-1-q is qubit q.
        axes = [circuit.num_qubits - 1 - qubit for qubit in reversed(operation.targets)]
        at: list[int | slice] = [slice(None)] * circuit.num_qubits
        for qubit in operation.controls:
            at[circuit.num_qubits - 1 - (qubit if qubit >= 0 else ~qubit)] = int(qubit >= 0)
        part = state[(*at, ...)]
        kept = [axis for axis, index in enumerate(at) if isinstance(index, slice)]
        places = [kept.index(axis) for axis in axes]
        moved = np.moveaxis(part, places, range(len(places)))
        new = (small @ moved.reshape(len(small), -1)).reshape(moved.shape)
        state[(*at, ...)] = np.moveaxis(new, range(len(places)), places)
    return state.reshape(-1)


def branches(circuit: Program) -> list[tuple[int, Vector]]:
    """Return each branch of a program.

    Returns:
        The branch's clbits as a number, and its final state, whose squared norm is the probability.
    """
    zero = np.zeros(1 << circuit.num_qubits, np.complex128)
    zero[0] = 1
    ways = [(0, zero)]
    for operation in circuit:
        if operation.code is Op.MEASURE:
            (qubit,) = operation.targets
            ways = [
                (clbits & ~(1 << operation.clbit) | value << operation.clbit, _only(state, qubit, value))
                for clbits, state in ways
                for value in (0, 1)
            ]
        elif operation.code in (Op.RESET, Op.INITIALIZE):
            for qubit in operation.targets:
                ways = [
                    (clbits, _only(state, qubit, value)[np.arange(len(state)) ^ (value << qubit)])
                    for clbits, state in ways
                    for value in (0, 1)
                ]
            if operation.code is Op.INITIALIZE:
                ways = [(clbits, _initialized(state, operation)) for clbits, state in ways]
        else:
            full = full_matrix(operation, circuit.num_qubits)
            ways = [(clbits, full @ state) for clbits, state in ways]
        ways = [(clbits, state) for clbits, state in ways if np.linalg.norm(state) > 1e-9]
    return ways


def probabilities(circuit: Program) -> dict[int, float]:
    """Return the exact probability of each outcome, read as a number."""
    sums: dict[int, float] = defaultdict(float)
    for clbits, state in branches(circuit):
        sums[clbits] += float(np.vdot(state, state).real)
    return dict(sums)


def _only(state: Vector, qubit: int, value: int) -> Vector:
    return np.where((np.arange(len(state)) >> qubit & 1) == value, state, 0)


def _initialized(state: Vector, operation: Operation) -> Vector:
    result = np.zeros_like(state)
    for index in np.flatnonzero(state):
        for value, amplitude in enumerate(operation.table):
            place = index | sum((value >> bit & 1) << qubit for bit, qubit in enumerate(operation.targets))
            result[place] += state[index] * amplitude
    return result


def sample_gate(code: Op, targets: Sequence[int], controls: Sequence[int] = ()) -> Operation:
    """Return a gate with general angles, the same at each call."""
    rng = np.random.default_rng(code)
    table = random_table(rng, code, len(targets)) if HAS_TABLE[code] else None
    return op(code, targets, rng.uniform(-6, 6, int(ANGLES[code])).tolist(), controls, table)


def random_operation(rng: np.random.Generator, num_qubits: int, num_clbits: int, codes: Sequence[Op]) -> Operation:
    """Return a random operation among `codes` that fits on the qubits."""
    while True:
        code = codes[rng.integers(len(codes))]
        order = [int(qubit) for qubit in rng.permutation(num_qubits)]
        targets = int(rng.integers(1, min(num_qubits, 3) + 1)) if HAS_TABLE[code] else _WIDTHS[code]
        if targets > num_qubits or (code is Op.MEASURE and not num_clbits):
            continue
        controls: list[int] = []
        if code not in (Op.MEASURE, Op.RESET, Op.INITIALIZE) and rng.random() < 0.4:
            extra = int(rng.integers(0, num_qubits - targets + 1))
            controls = [qubit if rng.random() < 0.6 else ~qubit for qubit in order[targets : targets + extra]]
        params = rng.uniform(-7, 7, int(ANGLES[code])).tolist()
        table = random_table(rng, code, targets) if HAS_TABLE[code] else None
        clbit = int(rng.integers(num_clbits)) if code is Op.MEASURE else -1
        return op(code, order[:targets], params, controls, table, clbit)


def random_table(rng: np.random.Generator, code: Op, targets: int) -> Vector:
    """Return a random unitary, diagonal unitary or state."""
    size = 1 << targets
    if code is Op.DIAGONAL:
        return np.exp(1j * rng.uniform(0, 7, size))
    gauss = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    orthonormal = np.linalg.qr(gauss)[0]
    return orthonormal[:, 0] if code is Op.INITIALIZE else orthonormal


_WIDTHS = {code: width(code) for code in Op}
