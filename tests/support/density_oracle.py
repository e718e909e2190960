# SPDX-License-Identifier: Apache-2.0
"""Density matrices of programs with noise, by plain matrices."""

from __future__ import annotations

from collections.abc import Sequence

import engine_oracle as oracle
import msgspec
import numpy as np
from gate_library import matrix
from numpy.typing import NDArray

from qfleet.wire.program.channels import Branch, Channel
from qfleet.wire.program.operations import IS_UNITARY, Op
from qfleet.wire.program.program import Operation, Program

Matrix = NDArray[np.complex128]


def noise(targets: Sequence[int], branches: Sequence[Branch]) -> Operation:
    """Return an operation that applies a channel."""
    return Operation(Op.NOISE, (), tuple(targets), (), None, -1, channel=Channel.of(len(targets), branches))


def program(num_qubits: int, num_clbits: int, operations: Sequence[Operation]) -> Program:
    """Return the program that consists of the operations, noise among them."""
    channels = tuple([each.channel for each in operations if each.channel is not None])
    plain = oracle.program(num_qubits, num_clbits, operations)
    return msgspec.structs.replace(plain, channels=channels, channel_refs=np.arange(len(channels), dtype=np.int32))


def random_operators(rng: np.random.Generator, num_qubits: int, number: int) -> Matrix:
    """Return Kraus operators that preserve the trace, shape (number, 2**n, 2**n)."""
    size = 2**num_qubits
    entries = rng.normal(size=(number * size, size)) + 1j * rng.normal(size=(number * size, size))
    return np.linalg.qr(entries)[0].reshape(number, size, size)


def random_branches(rng: np.random.Generator, num_qubits: int) -> list[Branch]:
    """Return a channel of Paulis, resets, a unitary and Kraus operators."""
    chances = rng.dirichlet(np.ones(8))
    branches = [Branch(chances[0])]
    for chance in chances[1:5]:
        x, z, reset = (int(mask) for mask in rng.integers(0, 2**num_qubits, 3))
        branches.append(Branch(chance, x & ~reset, z & ~reset, reset))
    for chance, number in zip(chances[5:], (1, 2, 4), strict=True):
        branches.append(Branch(chance, operators=random_operators(rng, num_qubits, number)))
    return branches


def density_matrix(circuit: Program) -> Matrix:
    """Return the density matrix at the end of a program without jumps.

    Nothing is known of its measurements.
    """
    size = 1 << circuit.num_qubits
    found = np.zeros((size, size), np.complex128)
    found[0, 0] = 1
    for operation in circuit:
        operators = [_whole(operator, operation, circuit.num_qubits) for operator in _operators(operation)]
        found = sum([operator @ found @ operator.conj().T for operator in operators], np.zeros_like(found))
    return found


def reduced(whole: Matrix, qubits: Sequence[int]) -> Matrix:
    """Return the reduced density matrix of some qubits."""
    count = len(whole).bit_length() - 1
    rest = [qubit for qubit in range(count) if qubit not in qubits]
    order = [count - 1 - qubit for qubit in (*reversed(rest), *reversed(qubits))]
    tensor = whole.reshape((2,) * 2 * count).transpose([*order, *[count + axis for axis in order]])
    shape = (2 ** len(rest), 2 ** len(qubits)) * 2
    return np.einsum("aiaj->ij", tensor.reshape(shape))


def _operators(operation: Operation) -> Matrix:
    """Return the Kraus operators of an operation on its targets."""
    width = len(operation.targets)
    if operation.code is Op.SAVE:
        return np.eye(2**width, dtype=np.complex128)[None]
    if operation.code is Op.NOISE:
        return np.concatenate([np.sqrt(each.probability) * each.kraus(width) for each in operation.channel.branches()])
    if operation.code is Op.MEASURE:
        return np.array([np.diag([1, 0]), np.diag([0, 1])], np.complex128)
    if operation.code in (Op.RESET, Op.INITIALIZE):
        state = np.eye(2)[0] if operation.code is Op.RESET else operation.table
        return np.array([np.outer(state, row) for row in np.eye(2**width)])
    return matrix(operation)[None]


def _whole(operator: Matrix, operation: Operation, num_qubits: int) -> Matrix:
    if IS_UNITARY[operation.code]:
        return oracle.full_matrix(operation, num_qubits)
    unitary = Operation(Op.UNITARY, (), operation.targets, (), operator.reshape(-1), -1)
    return oracle.full_matrix(unitary, num_qubits)
