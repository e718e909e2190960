# SPDX-License-Identifier: Apache-2.0
"""The exact outcomes of a dynamic circuit, without code of qfleet.

The circuit is interpreted as Qiskit nests it, block within block, once for every way that its measurements can go.
Expressions are evaluated as Qiskit's trees, in plain Python.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import CASE_DEFAULT, Clbit, Parameter
from qiskit.circuit.classical import expr, types
from qiskit.quantum_info import Operator, Statevector

#: Less probable ways are given up, as the rest of a loop that ends with probability 1.
NEGLIGIBLE = 1e-7

Op1, Op2 = expr.Unary.Op, expr.Binary.Op


class Way(NamedTuple):
    """A branch of a circuit, up to an operation."""

    #: not normalised: its squared norm is the probability
    state: np.ndarray
    clbits: int = 0
    variables: Mapping[Any, Any] = MappingProxyType({})
    #: "break" or "continue" while a loop is being left
    leaving: str = ""


def probabilities(circuit: QuantumCircuit) -> dict[int, float]:
    """Return the probability of each outcome, its clbits read as a number."""
    sums: dict[int, float] = defaultdict(float)
    for way in ways(circuit):
        sums[way.clbits] += float(np.vdot(way.state, way.state).real)
    return dict(sums)


def ways(circuit: QuantumCircuit) -> list[Way]:
    """Return all branches of a circuit."""
    zero = np.zeros(1 << circuit.num_qubits, np.complex128)
    zero[0] = 1
    return _block(circuit, range(circuit.num_qubits), range(circuit.num_clbits), [Way(zero)])


def evaluate(node: expr.Expr, way: Way, places: dict[Clbit, int]) -> Any:
    """Return the value of an expression: bool, int or float."""

    def value(operand: expr.Expr) -> Any:
        return evaluate(operand, way, places)

    match node:
        case expr.Value():
            return node.value
        case expr.Var() if node.standalone:
            return way.variables.get(node, {types.Bool: False, types.Float: 0.0}.get(node.type.kind, 0))
        case expr.Var() if isinstance(node.var, Clbit):
            return bool(way.clbits >> places[node.var] & 1)
        case expr.Var():
            return sum((way.clbits >> places[bit] & 1) << at for at, bit in enumerate(node.var))
        case expr.Cast():
            return _typed(value(node.operand), node.type)
        case expr.Index():
            return bool(value(node.target) >> value(node.index) & 1)
        case expr.Unary():
            operand = value(node.operand)
            if node.op is Op1.NEGATE:
                return -operand
            if node.op is Op1.LOGIC_NOT or node.type.kind is types.Bool:
                return not operand
            return 2**node.type.width - 1 - operand
    left, right = value(node.left), value(node.right)
    results = {
        Op2.BIT_AND: lambda: left & right,
        Op2.BIT_OR: lambda: left | right,
        Op2.BIT_XOR: lambda: left ^ right,
        Op2.LOGIC_AND: lambda: left and right,
        Op2.LOGIC_OR: lambda: left or right,
        Op2.EQUAL: lambda: left == right,
        Op2.NOT_EQUAL: lambda: left != right,
        Op2.LESS: lambda: left < right,
        Op2.LESS_EQUAL: lambda: left <= right,
        Op2.GREATER: lambda: left > right,
        Op2.GREATER_EQUAL: lambda: left >= right,
        Op2.SHIFT_LEFT: lambda: left * 2**right,
        Op2.SHIFT_RIGHT: lambda: left // 2**right,
        Op2.ADD: lambda: left + right,
        Op2.SUB: lambda: left - right,
        Op2.MUL: lambda: left * right,
        Op2.DIV: lambda: left / right if node.type.kind is types.Float else left // right,
    }
    return _typed(results[node.op](), node.type)


def _typed(value: Any, kind: types.Type) -> Any:
    if kind.kind is types.Bool:
        return bool(value)
    if kind.kind is types.Float:
        return float(value)
    return int(value) % 2**kind.width


def _block(circuit: QuantumCircuit, qubits: Sequence[int], clbits: Sequence[int], begin: list[Way]) -> list[Way]:
    qubit_at = dict(zip(circuit.qubits, qubits, strict=True))
    clbit_at = dict(zip(circuit.clbits, clbits, strict=True))
    phase = np.exp(1j * float(circuit.global_phase))
    done = [way._replace(state=way.state * phase) for way in begin]
    for instruction in circuit.data:
        on = [qubit_at[bit] for bit in instruction.qubits]
        to = [clbit_at[bit] for bit in instruction.clbits]
        moved: list[Way] = []
        for way in done:
            moved += [way] if way.leaving else _operation(instruction.operation, on, to, clbit_at, way)
        done = [way for way in moved if np.vdot(way.state, way.state).real > NEGLIGIBLE]
    return done


def _operation(  # noqa: C901 - a list of cases
    operation: Any, on: list[int], to: list[int], clbit_at: dict[Clbit, int], way: Way
) -> list[Way]:
    match operation.name:
        case "measure":
            (place,) = to
            return [
                way._replace(state=state, clbits=way.clbits & ~(1 << place) | value << place)
                for value, state in _halves(way.state, on[0])
            ]
        case "reset":
            flip = [np.arange(len(way.state)) ^ (value << on[0]) for value in (0, 1)]
            return [way._replace(state=state[flip[value]]) for value, state in _halves(way.state, on[0])]
        case "barrier" | "delay":
            return [way]
        case "store":
            return [_stored(operation, clbit_at, way)]
        case "break_loop" | "continue_loop":
            return [way._replace(leaving=operation.name.removesuffix("_loop"))]
        case "box":
            return _block(operation.blocks[0], on, to, [way])
        case "if_else":
            blocks = [operation.blocks[0]] if _holds(operation.condition, clbit_at, way) else operation.blocks[1:]
            return _block(blocks[0], on, to, [way]) if blocks and blocks[0] is not None else [way]
        case "switch_case":
            value = int(evaluate(expr.lift(operation.target), way, clbit_at))
            for labels, block in operation.cases_specifier():
                if value in labels or CASE_DEFAULT in labels:
                    return _block(block, on, to, [way])
            return [way]
        case "for_loop":
            return _for(operation, on, to, way)
        case "while_loop":
            return _while(operation, on, to, clbit_at, way)
    if operation.num_clbits:
        return _block(operation.definition, on, to, [way])
    return [way._replace(state=Statevector(way.state).evolve(Operator(operation), on).data)]


def _halves(state: np.ndarray, qubit: int) -> Iterator[tuple[int, np.ndarray]]:
    for value in (0, 1):
        yield value, np.where((np.arange(len(state)) >> qubit & 1) == value, state, 0)


def _stored(store: Any, clbit_at: dict[Clbit, int], way: Way) -> Way:
    place, value = store.lvalue, evaluate(store.rvalue, way, clbit_at)
    if isinstance(place, expr.Index):
        at = evaluate(place.index, way, clbit_at)
        whole = evaluate(place.target, way, clbit_at)
        place, value = place.target, whole & ~(1 << at) | int(value) << at
    if place.standalone:
        return way._replace(variables={**way.variables, place: value})
    bits = [place.var] if isinstance(place.var, Clbit) else list(place.var)
    clbits = way.clbits
    for at, bit in enumerate(bits):
        clbits = clbits & ~(1 << clbit_at[bit]) | (int(value) >> at & 1) << clbit_at[bit]
    return way._replace(clbits=clbits)


def _holds(condition: Any, clbit_at: dict[Clbit, int], way: Way) -> bool:
    if isinstance(condition, expr.Expr):
        return bool(evaluate(condition, way, clbit_at))
    target, wanted = condition
    bits = [target] if isinstance(target, Clbit) else list(target)
    return sum((way.clbits >> clbit_at[bit] & 1) << at for at, bit in enumerate(bits)) == int(wanted)


def _for(operation: Any, on: list[int], to: list[int], way: Way) -> list[Way]:
    values, parameter, body = operation.params
    done: list[Way] = []
    going = [way]
    for value in values:
        bound = body
        if isinstance(parameter, Parameter) and parameter in body.parameters:
            bound = body.assign_parameters({parameter: value})
        elif isinstance(parameter, expr.Var):
            going = [each._replace(variables={**each.variables, parameter: value}) for each in going]
        after = _block(bound, on, to, going)
        done += [each._replace(leaving="") for each in after if each.leaving == "break"]
        going = [each._replace(leaving="") for each in after if each.leaving != "break"]
    return done + going


def _while(operation: Any, on: list[int], to: list[int], clbit_at: dict[Clbit, int], way: Way) -> list[Way]:
    done: list[Way] = []
    going = [way]
    while going:
        done += [each for each in going if not _holds(operation.condition, clbit_at, each)]
        going = [each for each in going if _holds(operation.condition, clbit_at, each)]
        after = _block(operation.blocks[0], on, to, going)
        done += [each._replace(leaving="") for each in after if each.leaving == "break"]
        going = [each._replace(leaving="") for each in after if each.leaving != "break"]
    return done
