# SPDX-License-Identifier: Apache-2.0
"""The circuit program: a quantum circuit as flat, typed arrays.

A program is a table with one row per operation, in circuit order. A row has an operation code, a number of controls
and a number of targets; everything of variable length lies in flat arrays that are consumed row by row:

======================  ==========================================================================================
array                   what one row takes from it
======================  ==========================================================================================
``operands``            its controls, then its targets, as qubit indices; an open control (active on 0) is ``~qubit``
``clbits``              ``MEASURE``: one clbit index
``params``              as many angles (radians) as `PARAMS` says for the code
``table_refs``          ``UNITARY``, ``DIAGONAL``, ``INITIALIZE``: one index into ``tables``
``jumps``               ``JUMP``, ``JUMP_UNLESS``: the row to go on with; the number of rows to end
``expression_refs``     ``JUMP_UNLESS``: one index into ``expressions``; ``STORE``: two, for where and what
``save_refs``           ``SAVE``: one index into ``saves``
======================  ==========================================================================================

Angles that depend on parameters are slots: places in ``params`` that hold 0 until formulas fill them. Such a program is
one for all points at which a circuit is run.

Qubit order is Qiskit's: the first target is the least significant bit of a matrix or vector index. Gate matrices
are Qiskit's too (``RZ(θ) = diag(exp(-iθ/2), exp(iθ/2))``, ``U(θ, φ, λ)`` with a real upper left entry).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from itertools import islice
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.expressions import Expression
from qfleet.wire.program.formulas import Formula
from qfleet.wire.program.saves import Save, SaveKind


class Op(IntEnum):
    """The operations of a program. The numbers are part of the wire format: never reuse one."""

    X = 1
    Y = 2
    Z = 3
    H = 4
    S = 5
    SDG = 6
    T = 7
    TDG = 8
    SX = 9
    SXDG = 10
    P = 11
    RX = 12
    RY = 13
    RZ = 14
    R = 15
    U = 16
    SWAP = 17
    ISWAP = 18
    DCX = 19
    ECR = 20
    RXX = 21
    RYY = 22
    RZZ = 23
    RZX = 24
    XX_MINUS_YY = 25
    XX_PLUS_YY = 26
    RCCX = 27
    RC3X = 28
    GLOBAL_PHASE = 29
    #: Any unitary: its table is the matrix, row-major, ``4**targets`` entries.
    UNITARY = 30
    #: A diagonal unitary: its table is the diagonal, ``2**targets`` entries.
    DIAGONAL = 31
    MEASURE = 32
    RESET = 33
    #: Reset the targets, then give them the state of the table, ``2**targets`` amplitudes of norm 1.
    INITIALIZE = 34
    #: Go on with another row.
    JUMP = 35
    #: Go on with another row if an expression of type BOOL is false.
    JUMP_UNLESS = 36
    #: Give clbits, a variable or one bit of either the value of an expression.
    STORE = 37
    #: Save something of the state as it is at this place, which stays as it is.
    SAVE = 38


#: Targets of each operation; ``None`` where the row says how many.
TARGETS: dict[Op, int | None] = {
    **dict.fromkeys((Op.X, Op.Y, Op.Z, Op.H, Op.S, Op.SDG, Op.T, Op.TDG, Op.SX, Op.SXDG), 1),
    **dict.fromkeys((Op.P, Op.RX, Op.RY, Op.RZ, Op.R, Op.U), 1),
    **dict.fromkeys((Op.SWAP, Op.ISWAP, Op.DCX, Op.ECR, Op.RXX, Op.RYY, Op.RZZ, Op.RZX), 2),
    **dict.fromkeys((Op.XX_MINUS_YY, Op.XX_PLUS_YY), 2),
    Op.RCCX: 3,
    Op.RC3X: 4,
    Op.GLOBAL_PHASE: 0,
    Op.UNITARY: None,
    Op.DIAGONAL: None,
    Op.MEASURE: 1,
    Op.RESET: 1,
    Op.INITIALIZE: None,
    **dict.fromkeys((Op.JUMP, Op.JUMP_UNLESS, Op.STORE), 0),
    Op.SAVE: None,
}

#: Angles of each operation (0 where absent): P(λ), RX(θ), RY(θ), RZ(φ), R(θ, φ), U(θ, φ, λ), RXX(θ) ...,
#: XX_MINUS_YY(θ, β), XX_PLUS_YY(θ, β), GLOBAL_PHASE(γ).
PARAMS: dict[Op, int] = {
    **dict.fromkeys((Op.P, Op.RX, Op.RY, Op.RZ, Op.RXX, Op.RYY, Op.RZZ, Op.RZX, Op.GLOBAL_PHASE), 1),
    **dict.fromkeys((Op.R, Op.XX_MINUS_YY, Op.XX_PLUS_YY), 2),
    Op.U: 3,
}

#: Operations that take a table.
TABLE_OPS = frozenset({Op.UNITARY, Op.DIAGONAL, Op.INITIALIZE})
#: Operations that go on with a row they name.
JUMP_OPS = frozenset({Op.JUMP, Op.JUMP_UNLESS})
#: Operations on what is classical.
FLOW_OPS = JUMP_OPS | {Op.STORE}
#: Operations that aren't unitary: they take no controls and have no place in a unitary.
NON_UNITARY_OPS = FLOW_OPS | {Op.MEASURE, Op.RESET, Op.INITIALIZE, Op.SAVE}
#: Expressions of each operation (0 where absent).
EXPRESSIONS: dict[Op, int] = {Op.JUMP_UNLESS: 1, Op.STORE: 2}


class Operation(NamedTuple):
    """One row of a program, unpacked."""

    code: Op
    #: Qubit indices; ``~qubit`` for an open control.
    controls: tuple[int, ...]
    targets: tuple[int, ...]
    #: Angles in radians.
    params: tuple[float, ...]
    #: complex128, flat; ``None`` for operations without one.
    table: NDArray[np.complex128] | None
    #: The clbit that a measurement writes; -1 for all other operations.
    clbit: int
    #: The row that a jump goes to; -1 for all other operations.
    jump: int = -1
    expressions: tuple[Expression, ...] = ()
    #: the index of what is saved; -1 for all other operations
    save: int = -1


#: An array of nothing, which nobody can write to.
NOTHING: NDArray[np.int32] = np.frombuffer(b"", np.int32)


class Program(msgspec.Struct, frozen=True, eq=False):
    """A circuit, lowered. Arrays are read-only views or owned by nobody else; see the module for their layout."""

    num_qubits: int
    num_clbits: int
    #: uint8, shape (operations,)
    codes: NDArray[np.uint8]
    #: uint16, shape (operations,)
    num_controls: NDArray[np.uint16]
    #: uint16, shape (operations,)
    num_targets: NDArray[np.uint16]
    #: int32, flat
    operands: NDArray[np.int32]
    #: int32, flat
    clbits: NDArray[np.int32]
    #: float64, flat, radians
    params: NDArray[np.float64]
    #: int32, flat
    table_refs: NDArray[np.int32]
    #: each complex128 and flat
    tables: tuple[NDArray[np.complex128], ...]
    #: int32, flat
    jumps: NDArray[np.int32] = NOTHING
    #: int32, flat
    expression_refs: NDArray[np.int32] = NOTHING
    expressions: tuple[Expression, ...] = ()
    #: the type of each variable; they begin as zero
    variables: tuple[int, ...] = ()
    #: pairs of a loop's first row and what to call it in an error
    loops: tuple[tuple[int, str], ...] = ()
    #: parameters that need a value before the program can be run
    num_parameters: int = 0
    #: int32, shape (slots,), ascending: places in ``params`` that a formula fills
    slots: NDArray[np.int32] = NOTHING
    #: int32, shape (slots,): which formula fills each
    slot_refs: NDArray[np.int32] = NOTHING
    formulas: tuple[Formula, ...] = ()
    #: int32, flat
    save_refs: NDArray[np.int32] = NOTHING
    saves: tuple[Save, ...] = ()

    def __len__(self) -> int:
        """Number of operations."""
        return len(self.codes)

    def num_flow_operations(self) -> int:
        """Return the number of jumps and stores."""
        return int(np.count_nonzero(_IS_FLOW[self.codes]))

    def saves_unitary(self) -> bool:
        """Tell whether the program saves its matrix, so that no state is simulated."""
        return any(save.kind is SaveKind.UNITARY for save in self.saves)

    def last_save(self) -> int:
        """Return the last row that saves anything; -1 where none does.

        It sees what any measurement before it found.
        """
        rows = np.flatnonzero(self.codes == Op.SAVE)
        return int(rows[-1]) if len(rows) else -1

    def __iter__(self) -> Iterator[Operation]:
        """The operations in circuit order."""
        operands = self.operands.tolist()
        params = self.params.tolist()
        table_refs = iter(self.table_refs.tolist())
        clbits = iter(self.clbits.tolist())
        jumps = iter(self.jumps.tolist())
        expressions = map(self.expressions.__getitem__, self.expression_refs.tolist())
        saves = iter(self.save_refs.tolist())
        first_flow, last_flow = int(min(FLOW_OPS)), int(max(FLOW_OPS))
        at = angle = 0
        for raw, controls, targets in zip(
            self.codes.tolist(), self.num_controls.tolist(), self.num_targets.tolist(), strict=True
        ):
            code = _OPS[raw]
            if first_flow <= raw <= last_flow:
                jump = next(jumps) if code in JUMP_OPS else -1
                yield Operation(code, (), (), (), None, -1, jump, tuple(islice(expressions, EXPRESSIONS.get(code, 0))))
                continue
            middle, end = at + controls, at + controls + targets
            angles = _NUM_PARAMS[raw]
            yield Operation(
                code,
                tuple(operands[at:middle]),
                tuple(operands[middle:end]),
                tuple(params[angle : angle + angles]),
                self.tables[next(table_refs)] if code in TABLE_OPS else None,
                next(clbits) if code is Op.MEASURE else -1,
                save=next(saves) if code is Op.SAVE else -1,
            )
            at = end
            angle += angles


_IS_FLOW = np.isin(np.arange(256), [int(op) for op in FLOW_OPS])
_OPS: list[Op] = [Op.X] * (max(Op) + 1)
_NUM_PARAMS: list[int] = [0] * (max(Op) + 1)
for _op in Op:
    _OPS[_op] = _op
    _NUM_PARAMS[_op] = PARAMS.get(_op, 0)
