# SPDX-License-Identifier: Apache-2.0
"""Turn conditions, loops and stores into rows.

For-loops are unrolled, boxes are inlined; the rest becomes jumps. While a loop's body is lowered, its breaks and
continues jump to `BREAK` and `CONTINUE`, until the loop knows which rows these are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

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
from qfleet.lowering.expressions import constant, lowered
from qfleet.lowering.parameters import with_value
from qfleet.lowering.refusal import RefusalError
from qfleet.lowering.rows import BREAK, CONTINUE, Rows
from qfleet.wire.checks.expressions import type_of
from qfleet.wire.limits import MAX_FLOW_OPERATIONS, MAX_OPERATIONS
from qfleet.wire.program import expressions as wire
from qfleet.wire.program.expressions import BOOL, Expression

if TYPE_CHECKING:
    from qfleet.lowering.operations import Walk

#: Turns of a loop whose parameter Qiskit binds: each takes it a tenth of a millisecond.
_MAX_BOUND_TURNS = 1 << 16


class Flow:
    """One operation of control flow, on its way into the rows of the circuit that holds it."""

    def __init__(
        self,
        walk: Walk,
        rows: Rows,
        place: tuple[str, int],
        qubits: Sequence[int],
        clbits: Sequence[int],
        scope: Clbits,
    ) -> None:
        """Take down where an operation stands.

        Args:
            walk: the circuit's.
            rows: those that the operation's are appended to.
            place: the operation's name and position.
            qubits: what its blocks act on, by their numbers in these rows.
            clbits: the same.
            scope: the clbits of the circuit that holds the operation.
        """
        self._walk = walk
        self._rows = rows
        self._place = place
        self._qubits = qubits
        self._clbits = clbits
        self._scope = scope

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
        turns = len(values)
        if isinstance(parameter, expr.Var):
            self._for_with_variable(values, turns, parameter, body)
            return
        bound = isinstance(parameter, Parameter) and parameter in body.parameters
        first = len(self._rows.jumps)
        known = self._body_with_free(parameter, body) if bound else None
        if bound and known is None:
            self._each_bound(values, turns, parameter, body)
        elif turns:
            known = known or self._body(body)
            self._check_turns(turns, known)
            # Without rows there is nothing to repeat.
            for value in values if known.shapes else ():
                start = len(self._rows.jumps)
                self._append(replace(known, params=with_value(known.params, parameter, value)) if bound else known)
                self._rows.resolve(start, CONTINUE, len(self._rows.shapes))
        self._rows.resolve(first, BREAK, len(self._rows.shapes))

    def _for_with_variable(self, values: Iterable[int], turns: int, variable: expr.Var, body: QuantumCircuit) -> None:
        self._walk.refuse_in_unitary()
        first = len(self._rows.jumps)
        place = self._lowered(variable)
        if turns > MAX_FLOW_OPERATIONS:
            raise _too_many_turns(turns, turns, MAX_FLOW_OPERATIONS, "jumps and stores")
        known: Rows | None = None
        for value in values:
            self._rows.store(place, constant(int(value), variable.type.width))
            start = len(self._rows.jumps)
            if known is None:
                known = self._body(body)
                self._check_turns(turns, known)
            self._append(known)
            self._rows.resolve(start, CONTINUE, len(self._rows.shapes))
        self._rows.resolve(first, BREAK, len(self._rows.shapes))

    def _body_with_free(self, parameter: Parameter, body: QuantumCircuit) -> Rows | None:
        """Return the rows of a loop's body that wait for the loop's parameter; ``None`` if Qiskit must bind it."""
        free = self._walk.free
        self._walk.free = {**free, parameter: parameter}
        try:
            return self._body(body)
        except RefusalError as refusal:
            if not refusal.is_of_parameters:
                raise
            return None
        finally:
            self._walk.free = free

    def _each_bound(self, values: Iterable[int], turns: int, parameter: Parameter, body: QuantumCircuit) -> None:
        """Append a loop's body for each value of its parameter, bound by Qiskit."""
        if turns > _MAX_BOUND_TURNS:
            raise RefusalError(
                f"its {turns} turns need their parameter's value each; {_MAX_BOUND_TURNS} such turns are possible",
                CapacityError,
            )
        for value in values:
            start = len(self._rows.jumps)
            rows = self._body(body.assign_parameters({parameter: value}))
            self._check_turns(turns, rows)
            self._append(rows)
            self._rows.resolve(start, CONTINUE, len(self._rows.shapes))

    @staticmethod
    def _check_turns(turns: int, body: Rows) -> None:
        if turns * len(body.shapes) > MAX_OPERATIONS:
            raise _too_many_turns(turns, turns * len(body.shapes))
        if turns * len(body.jumps) > MAX_FLOW_OPERATIONS:
            raise _too_many_turns(turns, turns * len(body.jumps), MAX_FLOW_OPERATIONS, "jumps and stores")

    def _switch(self, operation: SwitchCaseOp) -> None:
        target = self._lowered(expr.lift(operation.target))
        kind = type_of(target, self._scope.total, tuple(self._walk.variables.types))
        ends: list[int] = []
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

    def _loop_body(self, body: QuantumCircuit) -> None:
        self._append(self._body(body))

    def _body(self, body: QuantumCircuit) -> Rows:
        """Return the rows of a loop's body."""
        self._walk.loop_depth += 1
        try:
            return self._block_rows(body, own_phase=True)
        finally:
            self._walk.loop_depth -= 1

    def _block(self, block: QuantumCircuit, *, own_phase: bool = True) -> None:
        """Append a block. With `own_phase` its global phase becomes a row of it."""
        self._append(self._block_rows(block, own_phase=own_phase))

    def _append(self, rows: Rows) -> None:
        self._rows.splice(rows, self._qubits, None, self._place)

    def _block_rows(self, block: QuantumCircuit, *, own_phase: bool) -> Rows:
        """Return the rows of a block: its own qubits, and the clbits of the circuit around it."""
        numbers = tuple(self._clbits)
        # What a block is depends on whether a loop is around it, and on what its parameters may be.
        key = id(block), numbers, own_phase, self._walk.loop_depth > 0, id(self._walk.free)
        known = self._scope.blocks.get(key)
        if known is None:
            rows = self._walk.circuit(block, clbits=Clbits(block.clbits, numbers, self._scope))
            if own_phase:
                rows.settle_phase()
            # The block is kept, and the parameters, so that their ids aren't given to others.
            known = self._scope.blocks[key] = rows, (block, self._walk.free)
        return known[0]

    def _condition(self, condition: Any) -> Expression:
        if not isinstance(condition, expr.Expr):
            try:
                condition = expr.lift_legacy_condition(condition)
            except (TypeError, ValueError, AttributeError) as exc:
                raise RefusalError(f"its condition {condition!r} isn't known: {exc}") from exc
        return lowered(condition, self._scope, self._walk.variables, BOOL)

    def _lowered(self, expression: expr.Expr) -> Expression:
        return lowered(expression, self._scope, self._walk.variables)


def _too_many_turns(turns: int, number: int, limit: int = MAX_OPERATIONS, what: str = "operations") -> RefusalError:
    return RefusalError(
        f"its {turns} turns come to {number} {what} when they are unrolled; a program has {limit} at most",
        CapacityError,
    )
