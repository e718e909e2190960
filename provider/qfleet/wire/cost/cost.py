# SPDX-License-Identifier: Apache-2.0
"""Predicts how much memory a circuit needs: what the client refuses by, and what an engine keeps to."""

from __future__ import annotations

import numpy as np

from qfleet.wire.checks.flow import num_flow_operations
from qfleet.wire.checks.saves import SavedSize, saved_size, saves_unitary
from qfleet.wire.messages.shard import Output, Precision
from qfleet.wire.program.expressions import Binary, Bit, Bits, Cast, Expression, Index, Unary
from qfleet.wire.program.program import Op, Program

#: Bytes of one amplitude.
AMPLITUDE_BYTES: dict[Precision, int] = {"double": 16, "single": 8}

#: What an engine may hold at its peak beside its buffers: random numbers, what shots wrote, saved branches.
OVERHEAD_BYTES = 64 * 1024 * 1024

#: State-sized buffers that a simulation holds at its peak: the state, the buffer it is written into, and the
#: probabilities or the copy that is returned.
BUFFERS = 3

#: Copies of a result that there are at its peak: as found, sorted or joined, encoded, and with the header before it.
_RESULT_COPIES = 4
#: Copies of a result that there are beside the states.
_RESULT_COPIES_BESIDE = 2
#: Bytes that a saved value takes beside its own while shots are collected.
_ENTRY_BYTES = 512
#: Bytes that a shot takes whose bits are wanted, beside these.
_BITS_BYTES = 24
#: Shots of which that is a part of the overhead.
_MOST_SHOTS_OF_BITS = 1 << 21
#: Bytes that these take when they are compiled: an operation, an entry of its matrix, a jump or a store, and a node of
#: an expression. Larger matrices are tables, or have controls, which take nothing.
_OPERATION_BYTES = 768
_ENTRY_OF_A_MATRIX_BYTES = 112
_LARGEST_MATRIX_LOG2 = 4
_FLOW_OPERATION_BYTES = 2048
_NODE_BYTES = 1024
#: Copies of tables, masks, formulas and indices: in the blob, decoded, and at work.
_PROGRAM_COPIES = 4
#: Bytes of a variable that is at most 64 bits wide.
_VARIABLE_BYTES = 64


def output_bytes(num_qubits: int, output: Output, precision: Precision) -> int:
    """Return the bytes of the amplitudes that come back from one circuit; 0 where none do."""
    if output not in ("statevector", "unitary"):
        return 0
    return AMPLITUDE_BYTES[precision] << (2 * num_qubits if output == "unitary" else num_qubits)


def result_bytes(
    program: Program, shots: int, output: Output, precision: Precision, *, memory: bool, columns: int = 0
) -> int:
    """Return the size of a circuit's result at one point, roughly, and rather too large.

    Args:
        memory: whether each shot's outcome is asked for.
        columns: how many expectation values are wanted, if not all that the program saves.
    """
    amplitudes = output_bytes(program.num_qubits, output, precision)
    return amplitudes + 256 + _counted_bytes(program, shots, output, precision, memory, columns).total


def required_bytes(num_qubits: int, output: Output, precision: Precision) -> int:
    """Return the bytes of memory that simulating a circuit takes at its peak, whatever it gives beside amplitudes."""
    exponent = 2 * num_qubits if output == "unitary" else num_qubits
    return (BUFFERS * AMPLITUDE_BYTES[precision] << exponent) + OVERHEAD_BYTES


def circuit_bytes(
    program: Program,
    shots: int,
    output: Output,
    precision: Precision,
    *,
    memory: bool,
    columns: int = 0,
    points: int = 1,
) -> int:
    """Return the bytes of memory that a worker's process takes at its peak to run a circuit.

    Client and worker refuse by this number what doesn't fit. What a save in a loop gives can't be known before: it is
    counted as if each shot came there once, and bounded while it grows.

    Args:
        memory: whether each shot's outcome is asked for.
        columns: how many expectation values are wanted, if not all that the program saves.
        points: whose results are held together.
    """
    states = required_bytes(program.num_qubits, "unitary" if saves_unitary(program) else output, precision)
    counted = _counted_bytes(program, shots, output, precision, memory, columns)
    data = counted.total * points + (output_bytes(program.num_qubits, output, precision) * (points - 1))
    beside = max(
        states - OVERHEAD_BYTES + _RESULT_COPIES_BESIDE * data,
        # A value that is added up is there four times: so far, as found, weighted, and the sum.
        _RESULT_COPIES * data,
    )
    shots_bytes = _BITS_BYTES * max(0, shots - _MOST_SHOTS_OF_BITS) if output == "bits" else 0
    return OVERHEAD_BYTES + program_bytes(program) + beside + _ENTRY_BYTES * counted.entries + shots_bytes


def program_bytes(program: Program) -> int:
    """Return the bytes of memory that a program takes, decoded and compiled."""
    arrays: int = sum([getattr(program, name).nbytes for name in _ARRAYS])
    arrays += sum([table.nbytes for table in program.tables])
    parts = sum([len(each.steps) + len(each.parameters) + len(each.numbers) for each in program.formulas])
    parts += sum(
        [len(s.indices) + len(s.x_masks) + len(s.z_masks) + len(s.coefficients) + len(s.starts) for s in program.saves]
    )
    objects = len(program.formulas) + len(program.tables) + len(program.saves) + len(program.loops)
    nodes = objects + num_nodes(program)
    targets = program.num_targets[program.codes <= Op.DIAGONAL].astype(np.int64)
    entries = int((1 << 2 * np.minimum(targets, _LARGEST_MATRIX_LOG2)).sum())
    compiled = _OPERATION_BYTES * len(program) + _ENTRY_OF_A_MATRIX_BYTES * entries
    flow = _FLOW_OPERATION_BYTES * num_flow_operations(program) + _NODE_BYTES * nodes
    variables = sum([_VARIABLE_BYTES + 2 * (max(kind, 0) // 8) for kind in program.variables])
    return compiled + flow + variables + _PROGRAM_COPIES * (arrays + parts)


def num_nodes(program: Program) -> int:
    """Return how many nodes the expressions of a program have, roughly: ten clbits of a register count as one."""
    return sum(map(_nodes, program.expressions))


_ARRAYS = (
    "codes", "num_controls", "num_targets", "operands", "clbits", "params", "table_refs", "jumps", "expression_refs",
    "slots", "slot_refs", "save_refs",
)  # fmt: skip


def _nodes(expression: Expression) -> int:
    """Return how many nodes an expression has, each clbit of a register being a tenth of one, rounded up."""
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


def _counted_bytes(
    program: Program, shots: int, output: Output, precision: Precision, memory: bool, columns: int
) -> SavedSize:
    """Return the size of a result without its amplitudes, and how many saved values are in it."""
    row = (program.num_clbits + 7) // 8
    saved = saved_size(program, shots, precision, columns if output == "means" else 0)
    if output == "bits":
        return SavedSize(shots * row + saved.total, saved.entries)
    distinct = min(shots, 1 << min(program.num_clbits, 31))
    if distinct * row > _SMALL_BYTES:
        distinct = min(distinct, 1 << min(_written_clbits(program), 31))
    counts = 0 if output == "means" else distinct * (row + 8) + (4 * shots if memory else 0)
    return SavedSize(counts + saved.total, saved.entries)


#: Bytes of outcomes below which it doesn't matter which clbits are written.
_SMALL_BYTES = 1024 * 1024


def _written_clbits(program: Program) -> int:
    """Return how many clbits a program writes, at most."""
    written = set(program.clbits.tolist())
    counts = np.where(program.codes == Op.STORE, 2, program.codes == Op.JUMP_UNLESS).astype(np.int64)
    first = np.cumsum(counts) - counts
    for ref in set(program.expression_refs[first[program.codes == Op.STORE]].tolist()):
        place = program.expressions[ref]
        match place.target if isinstance(place, Index) else place:
            case Bit(clbit):
                written.add(clbit)
            case Bits(clbits):
                written.update(clbits)
    return len(written)
