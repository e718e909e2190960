# SPDX-License-Identifier: Apache-2.0
"""Circuit programs: quantum circuits as flat, typed arrays.

A program is a table with one row per operation, in circuit order. A row has an operation code, a number of controls
and a number of targets. Everything of variable length lies in flat arrays that are consumed row by row, as
`qfleet.wire.program.operations` says for each code:

======================  ==========================================================================================
array                   what one row takes from it
======================  ==========================================================================================
``operands``            its controls, then its targets, as qubit indices; an open control (active on 0) is ``~qubit``
``clbits``              ``MEASURE``: one clbit index
``params``              as many angles (radians) as the code has
``table_refs``          an operation that has a table: one index into ``tables``
``jumps``               ``JUMP``, ``JUMP_UNLESS``: the row to go on with; the number of rows to end
``expression_refs``     ``JUMP_UNLESS``: one index into ``expressions``; ``STORE``: two, for where and what
``save_refs``           ``SAVE``: one index into ``saves``
``channel_refs``        ``NOISE``: one index into ``channels``
``flips``               ``MEASURE``: two probabilities, that the clbit is 1 though 0 was measured, and 0 though 1
======================  ==========================================================================================

Angles that depend on parameters are slots: places in ``params`` that hold 0 until formulas fill them. One such program
serves all parameter sets of a circuit.

Qubit order is Qiskit's: the first target is the least significant bit of a matrix or vector index. Gate matrices
are Qiskit's too (``RZ(θ) = diag(exp(-iθ/2), exp(iθ/2))``, ``U(θ, φ, λ)`` with a real upper left entry).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.channels import Channel
from qfleet.wire.program.expressions import Expression
from qfleet.wire.program.formulas import Formula
from qfleet.wire.program.operations import IS_FLOW, SPEC, SPECS, Kind, Op, Table
from qfleet.wire.program.saves import Quantity, Save


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
    #: The index of the save; -1 for all other operations.
    save: int = -1
    #: ``None`` for all operations but noise.
    channel: Channel | None = None
    #: The readout error of a measurement, see ``flips``; ``None`` without one.
    flips: tuple[float, float] | None = None


#: Read-only empty arrays.
NOTHING: NDArray[np.int32] = np.frombuffer(b"", np.int32)
NO_FLIPS: NDArray[np.float64] = np.frombuffer(b"", np.float64)


class Program(msgspec.Struct, frozen=True, eq=False):
    """A lowered circuit: arrays that are never written to.

    The module's docstring has their layout.
    """

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
    #: The type of each variable. Variables begin as zero.
    variables: tuple[int, ...] = ()
    #: Pairs of a loop's first row and its name in errors.
    loops: tuple[tuple[int, str], ...] = ()
    #: Parameters that need a value before the program can be run.
    num_parameters: int = 0
    #: int32, shape (slots,), ascending: places in ``params`` that a formula fills
    slots: NDArray[np.int32] = NOTHING
    #: int32, shape (slots,): the formula that fills each
    slot_refs: NDArray[np.int32] = NOTHING
    formulas: tuple[Formula, ...] = ()
    #: int32, flat
    save_refs: NDArray[np.int32] = NOTHING
    saves: tuple[Save, ...] = ()
    #: int32, flat
    channel_refs: NDArray[np.int32] = NOTHING
    channels: tuple[Channel, ...] = ()
    #: float64, shape (2 * measurements,), or empty if no measurement errs
    flips: NDArray[np.float64] = NO_FLIPS

    def __len__(self) -> int:
        """Return the number of operations."""
        return len(self.codes)

    def num_flow_operations(self) -> int:
        """Return the number of jumps and stores."""
        return int(np.count_nonzero(IS_FLOW[self.codes]))

    def is_noisy(self) -> bool:
        """Tell whether the program has noise or readout errors."""
        return bool(len(self.channel_refs) or len(self.flips))

    def saves_unitary(self) -> bool:
        """Tell whether the program saves its matrix.

        No state is simulated then.
        """
        return any(save.spec.quantity is Quantity.MATRIX for save in self.saves)

    def saves_superop(self) -> bool:
        """Tell whether the program saves its superoperator.

        No state is simulated then.
        """
        return any(save.spec.quantity is Quantity.SUPEROP for save in self.saves)

    def sets_superop(self) -> bool:
        """Tell whether the program sets a superoperator."""
        return bool((self.codes == Op.SET_SUPEROP).any())

    def sets_density_matrix(self) -> bool:
        """Tell whether the program sets a density matrix."""
        return bool((self.codes == Op.SET_DENSITY_MATRIX).any())

    def last_save(self) -> int:
        """Return the last row that saves something; -1 if there is none.

        It depends on the outcomes of all measurements before it.
        """
        rows = np.flatnonzero(self.codes == Op.SAVE)
        return int(rows[-1]) if len(rows) else -1

    def __iter__(self) -> Iterator[Operation]:
        """Yield the operations in circuit order."""
        operands = self.operands.tolist()
        params = self.params.tolist()
        table_refs = iter(self.table_refs.tolist())
        clbits = iter(self.clbits.tolist())
        jumps = iter(self.jumps.tolist())
        expressions = map(self.expressions.__getitem__, self.expression_refs.tolist())
        saves = iter(self.save_refs.tolist())
        channels = map(self.channels.__getitem__, self.channel_refs.tolist())
        flips = iter(zip(*[iter(self.flips.tolist())] * 2, strict=True))
        at = angle = 0
        for code, controls, targets in zip(
            self.codes.tolist(), self.num_controls.tolist(), self.num_targets.tolist(), strict=True
        ):
            op, kind, angles, has_table, clbit = _BY_CODE[code]
            if kind is Kind.FLOW:
                spec = SPEC[op]
                jump = next(jumps) if spec.jumps else -1
                yield Operation(op, (), (), (), None, -1, jump, tuple(islice(expressions, spec.expressions)))
                continue
            middle, end = at + controls, at + controls + targets
            yield Operation(
                op,
                tuple(operands[at:middle]),
                tuple(operands[middle:end]),
                tuple(params[angle : angle + angles]),
                self.tables[next(table_refs)] if has_table else None,
                next(clbits) if clbit else -1,
                save=next(saves) if kind is Kind.SAVE else -1,
                channel=next(channels) if kind is Kind.NOISE else None,
                flips=next(flips, None) if clbit else None,
            )
            at = end
            angle += angles


#: The parts of each row of the table that every operation needs: unpacking them is faster than reading attributes.
_BY_CODE = [(SPECS[0].op, SPECS[0].kind, 0, False, 0)] * (max(Op) + 1)
for _spec in SPECS:
    _BY_CODE[_spec.op] = _spec.op, _spec.kind, _spec.angles, _spec.table is not Table.NONE, _spec.clbits
