# SPDX-License-Identifier: Apache-2.0
"""Sizes of programs, their saved data and their results.

They are the same for all engines.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from qfleet.wire.cost.chains import bounds
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.program.events import event_numbers
from qfleet.wire.program.expressions import Binary, Bit, Bits, Cast, Expression, Index, Unary
from qfleet.wire.program.operations import EXPRESSIONS, IS_UNITARY, Op
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Payload, Quantity, value_size, value_type
from qfleet.wire.program.tensors import packed_size

#: Bytes of compiled parts: an operation, an entry of its matrix, a jump or a store, and a node of an expression. Larger
#: matrices are tables, or have controls, which take nothing.
_OPERATION_BYTES = 768
_ENTRY_OF_A_MATRIX_BYTES = 112
_LARGEST_MATRIX_LOG2 = 4
#: Bytes of an operation as elementary ones.
_ELEMENTARY_BYTES = 128
_FLOW_OPERATION_BYTES = 2048
_NODE_BYTES = 1024
#: Copies of tables, masks, formulas and indices: in the blob, decoded, and in use.
_PROGRAM_COPIES = 4
#: Bytes of a variable that is at most 64 bits wide.
_VARIABLE_BYTES = 64
#: Bytes of a result besides its data.
ROOM_OF_RESULT = 256


class SavedSize(NamedTuple):
    """An amount of data."""

    #: bytes
    total: int
    #: saved values, each of a branch
    entries: int


def saved_size(program: Program, shots: int, request: Request, num_observables: int = 0) -> SavedSize:
    """Return an upper estimate of the size of a program's saved data.

    Args:
        program: the program.
        shots: shots of the circuit.
        request: the request for it.
        num_observables: expectation values that the last save returns, if not all.
    """
    if not program.saves:
        return SavedSize(0, 0)
    events = event_numbers(program) - 1
    rows = np.flatnonzero(program.codes == Op.SAVE)
    total = entries = 0
    for row, ref in zip(rows.tolist(), program.save_refs.tolist(), strict=True):
        save = program.saves[ref]
        branches = shots if len(program.jumps) else min(shots, 1 << min(int(events[row]), 31))
        if save.spec.quantity in (Quantity.MATRIX, Quantity.SUPEROP):
            branches = 1
        if save.manner != "list":
            branches = min(branches, 1 << min(program.num_clbits, 31)) if save.conditional else 1
        if save.spec.quantity is Quantity.TENSORS:
            size = int(packed_size(bounds(program, request)))
        else:
            size = value_size(save, program.num_qubits, int(program.num_targets[row]))
        if num_observables and ref == len(program.saves) - 1 and save.spec.payload is Payload.PAULI_SUMS:
            size = num_observables * (2 if save.spec.squares else 1)
        item = np.dtype(value_type(save.kind, request.precision)).itemsize
        total += branches * (size * item + 16 + program.num_clbits // 8) + (4 * shots if save.manner == "list" else 0)
        entries += branches
    return SavedSize(total, entries)


def num_terms(program: Program, num_observables: int = 0) -> int:
    """Return the number of Pauli terms that a program's saves evaluate.

    Args:
        program: the program.
        num_observables: expectation values that are wanted of the last save, if not all; its terms count in proportion.
    """
    terms = [save.num_terms for save in program.saves]
    if num_observables and terms and terms[-1]:
        terms[-1] = -(-terms[-1] * num_observables // (len(program.saves[-1].starts) // 4 - 1))
    return sum(terms)


def output_bytes(num_qubits: int, request: Request) -> int:
    """Return the bytes of the amplitudes in a circuit's result.

    They are those of one point; 0 if the output has no amplitudes.
    """
    exponents = {Output.STATEVECTOR: 1, Output.UNITARY: 2}
    return request.amplitude_bytes << exponents[request.output] * num_qubits if request.returns_amplitudes else 0


def program_bytes(program: Program, *, compiled: bool = True) -> int:
    """Return the bytes of memory that a program takes, decoded and compiled.

    Args:
        program: the program.
        compiled: False for a method that runs its rows as elementary operations.
    """
    arrays: int = sum([getattr(program, name).nbytes for name in _ARRAYS])
    arrays += sum([table.nbytes for table in program.tables])
    parts = sum([len(each.steps) + len(each.parameters) + len(each.numbers) for each in program.formulas])
    parts += sum(
        [len(s.indices) + len(s.x_masks) + len(s.z_masks) + len(s.coefficients) + len(s.starts) for s in program.saves]
    )
    objects = len(program.formulas) + len(program.tables) + len(program.saves) + len(program.loops)
    objects += len(program.channels)
    parts += sum([len(each.probabilities) + len(each.masks) + len(each.operators) for each in program.channels])
    nodes = objects + num_nodes(program)
    targets = program.num_targets[IS_UNITARY[program.codes]].astype(np.int64)
    entries = int((1 << 2 * np.minimum(targets, _LARGEST_MATRIX_LOG2)).sum())
    rows = _OPERATION_BYTES * len(program) + _ENTRY_OF_A_MATRIX_BYTES * entries
    if not compiled:
        rows = _ELEMENTARY_BYTES * len(program)
    flow = _FLOW_OPERATION_BYTES * program.num_flow_operations() + _NODE_BYTES * nodes
    variables = sum([_VARIABLE_BYTES + 2 * (max(kind, 0) // 8) for kind in program.variables])
    return rows + flow + variables + _PROGRAM_COPIES * (arrays + parts)


def num_nodes(program: Program) -> int:
    """Return the number of nodes of a program's expressions, roughly.

    Ten clbits of a register count as one node.
    """
    return sum(map(_nodes, program.expressions))


_ARRAYS = (
    "codes", "num_controls", "num_targets", "operands", "clbits", "params", "table_refs", "jumps", "expression_refs",
    "slots", "slot_refs", "save_refs", "channel_refs", "flips",
)  # fmt: skip


def _nodes(expression: Expression) -> int:
    """Return the number of nodes of an expression.

    Each clbit of a register is a tenth of a node, rounded up.
    """
    match expression:
        case Bits(clbits):
            return 1 + len(clbits) // 10
        case Unary(_, operand) | Cast(_, operand):
            return 1 + _nodes(operand)
        case Binary(_, left, right):
            return 1 + _nodes(left) + _nodes(right)
        case Index(target, index):
            return 1 + _nodes(target) + _nodes(index)
    return 1


def counted_bytes(program: Program, shots: int, request: Request, num_observables: int = 0) -> SavedSize:
    """Return the size of a result at one point without its amplitudes.

    It includes the number of saved values.

    Args:
        program: the circuit's program.
        shots: shots of the circuit.
        request: the request for it.
        num_observables: expectation values in the result, if not all that the program saves.
    """
    row = (program.num_clbits + 7) // 8
    of_observables = request.output == Output.EXPECTATION_VALUES
    saved = saved_size(program, shots, request, num_observables if of_observables else 0)
    if of_observables:
        return saved
    if request.output == Output.BITS:
        return SavedSize(shots * row + saved.total, saved.entries)
    distinct = min(shots, 1 << min(program.num_clbits, 31))
    if distinct * row > _SMALL_BYTES:
        distinct = min(distinct, 1 << min(_written_clbits(program), 31))
    counts = distinct * (row + 8) + (4 * shots if request.memory else 0)
    return SavedSize(counts + saved.total, saved.entries)


#: Up to this number of bytes of outcomes, the written clbits don't matter.
_SMALL_BYTES = 1024 * 1024


def _written_clbits(program: Program) -> int:
    """Return the largest number of clbits that a program writes."""
    written = set(program.clbits.tolist())
    counts = EXPRESSIONS[program.codes]
    first = np.cumsum(counts) - counts
    for ref in set(program.expression_refs[first[program.codes == Op.STORE]].tolist()):
        place = program.expressions[ref]
        match place.target if isinstance(place, Index) else place:
            case Bit(clbit):
                written.add(clbit)
            case Bits(clbits):
                written.update(clbits)
    return len(written)
