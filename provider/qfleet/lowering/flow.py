# SPDX-License-Identifier: Apache-2.0
"""What are conditions, loops and stores as rows?

For-loops are unrolled, boxes are inlined; the rest becomes jumps. While a loop's body is lowered, its breaks and
continues jump to `BREAK` and `CONTINUE`, until the loop knows which rows these are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qiskit import QuantumCircuit
from qiskit.circuit import (
    CASE_DEFAULT,
    BoxOp,
    BreakLoopOp,
    Clbit,
    ContinueLoopOp,
    ControlFlowOp,
    ForLoopOp,
    IfElseOp,
    Operation,
    Parameter,
    Store,
    SwitchCaseOp,
    WhileLoopOp,
)
from qiskit.circuit.classical import expr

from qfleet.lowering.expressions import constant, lowered
from qfleet.lowering.refusal import RefusalError
from qfleet.lowering.rows import BREAK, CONTINUE, Rows
from qfleet.wire import expressions as wire
from qfleet.wire.expressions import BOOL, Expression, type_of

if TYPE_CHECKING:
    from qfleet.lowering.walk import Walk

#: The classes of operations that `Flow.append` takes.
FLOW = (ControlFlowOp, BreakLoopOp, ContinueLoopOp, Store)


class Flow:
    """One operation of control flow, on its way into the rows of the circuit that holds it."""

    def __init__(
        self,
        walk: Walk,
        rows: Rows,
        place: tuple[str, int],
        qubits: Sequence[int],
        clbits: Sequence[int],
        clbit_index: Mapping[Clbit, int],
    ) -> None:
        """`place`: the operation's name and position; `qubits`, `clbits`: what its blocks act on, in those rows."""
        self._walk = walk
        self._rows = rows
        self._place = place
        self._qubits = qubits
        self._clbits = clbits
        self._clbit_index = clbit_index

    def append(self, operation: Operation) -> None:
        """Append the operation. Raises `RefusalError`."""
        match operation:
            case BoxOp():
                self._block(operation.blocks[0], own_phase=False)
                return
            case ForLoopOp():
                self._for(operation)
                return
        self._walk.refuse_in_unitary()
        match operation:
            case IfElseOp():
                self._if(operation)
            case WhileLoopOp():
                self._while(operation)
            case SwitchCaseOp():
                self._switch(operation)
            case BreakLoopOp() | ContinueLoopOp():
                if not self._walk.loop_depth:
                    raise RefusalError("it stands in no loop")
                self._rows.jump(BREAK if isinstance(operation, BreakLoopOp) else CONTINUE)
            case Store():
                self._rows.store(self._lowered(operation.lvalue), self._lowered(operation.rvalue))
            case _:
                raise RefusalError("this kind of control flow isn't known")

    def _if(self, operation: IfElseOp) -> None:
        true, false = (*operation.blocks, None)[:2]
        skip = self._rows.jump(unless=self._condition(operation.condition))
        self._block(true)
        if false is None:
            self._rows.land(skip)
            return
        end = self._rows.jump()
        self._rows.land(skip)
        self._block(false)
        self._rows.land(end)

    def _while(self, operation: WhileLoopOp) -> None:
        head = len(self._rows.shapes)
        name = "{} at position {}".format(*self._place) + (f" ({operation.label!r})" if operation.label else "")
        self._rows.loops.append((head, name))
        leave = self._rows.jump(unless=self._condition(operation.condition))
        first = len(self._rows.jumps)
        self._loop_body(operation.blocks[0])
        self._rows.jump(head)
        self._rows.land(leave)
        self._rows.resolve(first, BREAK, len(self._rows.shapes))
        self._rows.resolve(first, CONTINUE, head)

    def _for(self, operation: ForLoopOp) -> None:
        values, parameter, body = operation.params
        first = len(self._rows.jumps)
        bound = isinstance(parameter, Parameter) and parameter in body.parameters
        known: Rows | None = None
        for value in values:
            if isinstance(parameter, expr.Var):
                self._walk.refuse_in_unitary()
                variable = self._lowered(parameter)
                self._rows.store(variable, constant(int(value), parameter.type.width))
            start = len(self._rows.jumps)
            if bound:
                self._loop_body(body.assign_parameters({parameter: value}))
            else:
                known = self._loop_body(body, known)
                if not known.shapes and not isinstance(parameter, expr.Var):
                    break
            self._rows.resolve(start, CONTINUE, len(self._rows.shapes))
        self._rows.resolve(first, BREAK, len(self._rows.shapes))

    def _switch(self, operation: SwitchCaseOp) -> None:
        target = self._lowered(expr.lift(operation.target))
        kind = type_of(target, len(self._clbit_index), tuple(self._walk.variables.types))
        ends = []
        for labels, block in operation.cases_specifier():
            if CASE_DEFAULT in labels:
                self._block(block)
                break
            hits = []
            for label in labels:
                other = wire.Binary(wire.BinaryOp.NOT_EQUAL, target, constant(int(label), kind))
                hits.append(self._rows.jump(unless=other))
            skip = self._rows.jump()
            for hit in hits:
                self._rows.land(hit)
            self._block(block)
            ends.append(self._rows.jump())
            self._rows.land(skip)
        for end in ends:
            self._rows.land(end)

    def _loop_body(self, body: QuantumCircuit, known: Rows | None = None) -> Rows:
        self._walk.loop_depth += 1
        try:
            return self._block(body, known)
        finally:
            self._walk.loop_depth -= 1

    def _block(self, block: QuantumCircuit, known: Rows | None = None, *, own_phase: bool = True) -> Rows:
        """Append a block, or its rows if they are known; with `own_phase` its global phase becomes a row of it."""
        if known is None:
            known = self._walk.circuit(block)
            if own_phase:
                known.settle_phase()
        self._rows.splice(known, self._qubits, self._clbits, self._place)
        return known

    def _condition(self, condition: Any) -> Expression:
        if not isinstance(condition, expr.Expr):
            try:
                condition = expr.lift_legacy_condition(condition)
            except (TypeError, ValueError, AttributeError) as exc:
                raise RefusalError(f"its condition {condition!r} isn't known: {exc}") from exc
        return lowered(condition, self._clbit_index, self._walk.variables, BOOL)

    def _lowered(self, expression: expr.Expr) -> Expression:
        return lowered(expression, self._clbit_index, self._walk.variables)
