# SPDX-License-Identifier: Apache-2.0
"""Lower conditions, loops and stores to rows.

For-loops are unrolled and boxes are inlined; all other control flow becomes jumps. While a loop's body is lowered, its
breaks and continues jump to `BREAK` and `CONTINUE`. The complete loop then sets the rows that they lead to.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from qiskit import QuantumCircuit
from qiskit.circuit import (
    CASE_DEFAULT,
    BoxOp,
    BreakLoopOp,
    ContinueLoopOp,
    ForLoopOp,
    IfElseOp,
    Operation,
    Parameter,
    Store,
    SwitchCaseOp,
    WhileLoopOp,
)
from qiskit.circuit.classical import expr

from qfleet.errors import CapacityError
from qfleet.lowering.clbits import Clbits
from qfleet.lowering.context import Recursion
from qfleet.lowering.expressions import constant, lower_expression
from qfleet.lowering.parameters import with_value
from qfleet.lowering.refusal import RefusalError
from qfleet.lowering.rows import BREAK, CONTINUE, Rows
from qfleet.wire.checks.expressions import type_of
from qfleet.wire.limits import MAX_FLOW_OPERATIONS, MAX_OPERATIONS
from qfleet.wire.program import expressions as wire
from qfleet.wire.program.expressions import BOOL, Expression

#: Most turns of a loop whose parameter Qiskit binds, which takes a tenth of a millisecond for each turn.
_MAX_BOUND_TURNS = 1 << 16

#: Rows of blocks by the things they depend on, with the objects whose ids are part of the key.
Blocks: TypeAlias = dict[Hashable, tuple[Rows, Any]]


@dataclass(frozen=True, slots=True)
class ControlFlowLowering:
    """One operation of control flow, and where its rows go."""

    recursion: Recursion
    #: Where the operation's rows are appended.
    rows: Rows
    #: Name and position of the operation.
    place: tuple[str, int]
    #: Numbers of the operation's qubits in `rows`.
    qubits: Sequence[int]
    #: Numbers of the operation's clbits in `rows`.
    clbits: Sequence[int]
    #: Clbits of the circuit that holds the operation.
    scope: Clbits
    #: Blocks of that circuit that were lowered before.
    blocks: Blocks

    def append(self, operation: Operation) -> None:
        """Append the operation. Raises `RefusalError`."""
        match operation:
            case BoxOp():
                self._append(self._block_rows(operation.blocks[0], own_phase=False))
                return
            case ForLoopOp():
                self._for(operation)
                return
        self.recursion.context.refuse_in_unitary()
        match operation:
            case IfElseOp():
                self._if(operation)
            case WhileLoopOp():
                self._while(operation)
            case SwitchCaseOp():
                self._switch(operation)
            case BreakLoopOp() | ContinueLoopOp():
                if not self.recursion.context.is_in_loop:
                    raise RefusalError("it isn't inside a loop")
                self.rows.jump(BREAK if isinstance(operation, BreakLoopOp) else CONTINUE)
            case Store():
                self.rows.store(self._expression(operation.lvalue), self._expression(operation.rvalue))
            case _:
                raise RefusalError("this kind of control flow isn't supported")

    def _if(self, operation: IfElseOp) -> None:
        true, false = (*operation.blocks, None)[:2]
        skip = self.rows.jump(unless=self._condition(operation.condition))
        self._block(true)
        if false is None:
            self.rows.patch_jump(skip)
            return
        end = self.rows.jump()
        self.rows.patch_jump(skip)
        self._block(false)
        self.rows.patch_jump(end)

    def _while(self, operation: WhileLoopOp) -> None:
        head = len(self.rows.shapes)
        name = "{} at position {}".format(*self.place) + (f" ({operation.label!r})" if operation.label else "")
        self.rows.loops.append((head, name))
        leave = self.rows.jump(unless=self._condition(operation.condition))
        first = len(self.rows.jumps)
        self._append(self._body(operation.blocks[0]))
        self.rows.jump(head)
        self.rows.patch_jump(leave)
        self.rows.patch_jumps(first, BREAK, len(self.rows.shapes))
        self.rows.patch_jumps(first, CONTINUE, head)

    def _for(self, operation: ForLoopOp) -> None:
        values, parameter, body = operation.params
        turns = len(values)
        if isinstance(parameter, expr.Var):
            self._for_with_variable(values, turns, parameter, body)
            return
        bound = isinstance(parameter, Parameter) and parameter in body.parameters
        first = len(self.rows.jumps)
        rows = self._body_with_free(parameter, body) if bound else None
        if bound and rows is None:
            self._for_with_bound(values, turns, parameter, body)
        elif turns:
            rows = rows or self._body(body)
            _check_turns(turns, rows)
            # A body without rows is not repeated.
            for value in values if rows.shapes else ():
                self._turn(replace(rows, params=with_value(rows.params, parameter, value)) if bound else rows)
        self.rows.patch_jumps(first, BREAK, len(self.rows.shapes))

    def _for_with_variable(self, values: Iterable[int], turns: int, variable: expr.Var, body: QuantumCircuit) -> None:
        self.recursion.context.refuse_in_unitary()
        first = len(self.rows.jumps)
        place = self._expression(variable)
        if turns > MAX_FLOW_OPERATIONS:
            raise _too_many_turns(turns, turns, MAX_FLOW_OPERATIONS, "jumps and stores")
        rows: Rows | None = None
        for value in values:
            self.rows.store(place, constant(int(value), variable.type.width))
            if rows is None:
                rows = self._body(body)
                _check_turns(turns, rows)
            self._turn(rows)
        self.rows.patch_jumps(first, BREAK, len(self.rows.shapes))

    def _for_with_bound(self, values: Iterable[int], turns: int, parameter: Parameter, body: QuantumCircuit) -> None:
        """Append a loop's body for each value of its parameter.

        Qiskit binds the parameter.
        """
        if turns > _MAX_BOUND_TURNS:
            raise RefusalError(
                f"each of its {turns} turns needs its own value of the parameter; "
                f"at most {_MAX_BOUND_TURNS} such turns are possible",
                CapacityError,
            )
        for value in values:
            rows = self._body(body.assign_parameters({parameter: value}))
            _check_turns(turns, rows)
            self._turn(rows)

    def _turn(self, body: Rows) -> None:
        """Append one turn of a for-loop."""
        start = len(self.rows.jumps)
        self._append(body)
        self.rows.patch_jumps(start, CONTINUE, len(self.rows.shapes))

    def _switch(self, operation: SwitchCaseOp) -> None:
        target = self._expression(expr.lift(operation.target))
        kind = type_of(target, self.scope.total, tuple(self.recursion.context.variables.types))
        ends: list[int] = []
        for labels, block in operation.cases_specifier():
            if CASE_DEFAULT in labels:
                self._block(block)
                break
            hits = []
            for label in labels:
                other = wire.Binary(wire.BinaryOp.NOT_EQUAL, target, constant(int(label), kind))
                hits.append(self.rows.jump(unless=other))
            skip = self.rows.jump()
            for hit in hits:
                self.rows.patch_jump(hit)
            self._block(block)
            ends.append(self.rows.jump())
            self.rows.patch_jump(skip)
        for end in ends:
            self.rows.patch_jump(end)

    def _body(self, body: QuantumCircuit) -> Rows:
        """Return the rows of a loop's body."""
        with self.recursion.context.in_loop():
            return self._block_rows(body)

    def _body_with_free(self, parameter: Parameter, body: QuantumCircuit) -> Rows | None:
        """Return a loop's body with the loop's parameter free.

        It is ``None`` if Qiskit must bind the parameter.
        """
        try:
            with self.recursion.context.with_free(parameter):
                return self._body(body)
        except RefusalError as refusal:
            if not refusal.is_of_parameters:
                raise
            return None

    def _block(self, block: QuantumCircuit) -> None:
        self._append(self._block_rows(block))

    def _append(self, rows: Rows) -> None:
        self.rows.splice(rows, self.qubits, None, self.place)

    def _block_rows(self, block: QuantumCircuit, *, own_phase: bool = True) -> Rows:
        """Return the rows of a block, on its own qubits.

        They are on the clbits of the circuit around it.

        Args:
            block: the block to lower.
            own_phase: True if the block's global phase becomes one of its rows.
        """
        context = self.recursion.context
        numbers = tuple(self.clbits)
        # The rows depend on whether a loop is around the block, and on which parameters are free.
        key = id(block), numbers, own_phase, context.is_in_loop, id(context.free)
        known = self.blocks.get(key)
        if known is None:
            rows = self.recursion.lower_circuit(block, clbits=Clbits(block.clbits, numbers, self.scope))
            if own_phase:
                rows.append_phase()
            # The block and the parameters are kept, so that their ids aren't reused.
            known = self.blocks[key] = rows, (block, context.free)
        return known[0]

    def _condition(self, condition: Any) -> Expression:
        if not isinstance(condition, expr.Expr):
            condition = expr.lift_legacy_condition(condition)
        return lower_expression(condition, self.scope, self.recursion.context.variables, BOOL)

    def _expression(self, expression: expr.Expr) -> Expression:
        return lower_expression(expression, self.scope, self.recursion.context.variables)


def _check_turns(turns: int, body: Rows) -> None:
    if turns * len(body.shapes) > MAX_OPERATIONS:
        raise _too_many_turns(turns, turns * len(body.shapes))
    if turns * len(body.jumps) > MAX_FLOW_OPERATIONS:
        raise _too_many_turns(turns, turns * len(body.jumps), MAX_FLOW_OPERATIONS, "jumps and stores")


def _too_many_turns(turns: int, number: int, limit: int = MAX_OPERATIONS, what: str = "operations") -> RefusalError:
    return RefusalError(
        f"its {turns} turns unroll to {number} {what}; a program has at most {limit}",
        CapacityError,
    )
