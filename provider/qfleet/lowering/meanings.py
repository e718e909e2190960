# SPDX-License-Identifier: Apache-2.0
"""Tell which operations mean what their class is known for, and which carry a meaning of their own.

Lowering knows some of Qiskit's classes, and doesn't ask their objects for a definition. A subclass of them may be
something else, as a measurement along another axis is: what it defines itself counts.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable
from functools import cache
from typing import Any, Literal, TypeAlias

from qiskit import QuantumCircuit
from qiskit.circuit import (
    AnnotatedOperation,
    Barrier,
    BoxOp,
    BreakLoopOp,
    ContinueLoopOp,
    ControlFlowOp,
    ControlledGate,
    Delay,
    ForLoopOp,
    Gate,
    IfElseOp,
    Instruction,
    Measure,
    Operation,
    Reset,
    Store,
    SwitchCaseOp,
    WhileLoopOp,
)
from qiskit.circuit.library import (
    DiagonalGate,
    Initialize,
    MCXGate,
    PermutationGate,
    StatePreparation,
    UnitaryGate,
    get_standard_gate_name_mapping,
)
from qiskit.circuit.library.standard_gates import C3XGate, C4XGate, MCPhaseGate, MCU1Gate

#: What an operation is: one of `_CLASSES`, or where its meaning is told.
Native: TypeAlias = "type[Any] | Literal['definition', 'matrix']"

#: The classes of control flow.
FLOW = frozenset(
    {
        BoxOp,
        BreakLoopOp,
        ContinueLoopOp,
        ControlFlowOp,
        ForLoopOp,
        IfElseOp,
        Store,
        SwitchCaseOp,
        WhileLoopOp,
    }
)
#: The classes that lowering knows, those in front that are classes of others behind.
_CLASSES: tuple[type[Any], ...] = (
    Measure,
    Barrier,
    Delay,
    Reset,
    Initialize,
    StatePreparation,
    UnitaryGate,
    DiagonalGate,
    PermutationGate,
    AnnotatedOperation,
    ControlledGate,
    *(FLOW - {ControlFlowOp}),
    ControlFlowOp,
)
#: Those of them that make a definition when they are asked for one. Any definition of the others was given to them.
_DEFINE_THEMSELVES = frozenset(
    {Initialize, StatePreparation, UnitaryGate, DiagonalGate, PermutationGate, AnnotatedOperation, ControlledGate}
)
#: Classes whose base gate, under their controls, is all there is to them. Other subclasses may mean something else by
#: it, as the relative-phase Toffolis do, and go by their definition.
_PLAIN_CONTROLS = frozenset(
    {ControlledGate, MCXGate, C3XGate, C4XGate, MCPhaseGate, MCU1Gate}
    | {gate.base_class for gate in get_standard_gate_name_mapping().values() if isinstance(gate, ControlledGate)}
)
_TELL_DEFINITION = frozenset({"definition", "_define"})
_TELL_MATRIX = frozenset({"to_matrix", "__array__"})
_TELL = _TELL_DEFINITION | _TELL_MATRIX
_STANDARD = {name: gate.base_class for name, gate in get_standard_gate_name_mapping().items()}
_STANDARD_AND_UNITARY: dict[str, type[Any]] = _STANDARD | {"unitary": UnitaryGate}


@cache
def native_class(kind: Any) -> Native:
    """Return what the objects of a class are, as far as their class decides it."""
    known = next((each for each in _CLASSES if issubclass(kind, each)), None)
    return "definition" if known is None else _overridden(kind, _base(kind, known)) or known


def _base(kind: Any, known: Any) -> Any:
    """Return the class of Qiskit's whose objects are what lowering knows."""
    if known is not ControlledGate:
        return known
    return next((each for each in kind.__mro__ if each in _PLAIN_CONTROLS), known)


def native(operation: Operation) -> Native:
    """Return what an operation is: the class that lowering knows, or where its own meaning is told."""
    of_operation: Any = type(operation)
    kind = native_class(of_operation)
    if not isinstance(kind, type):
        return kind
    own: dict[str, Any] = getattr(operation, "__dict__", {})
    if own.get("_definition") is not None and _is_given(operation, kind, own["_definition"]):
        return "definition"
    if _TELL.isdisjoint(own):
        return kind
    return "matrix" if _TELL_DEFINITION.isdisjoint(own) else "definition"


#: By name, subclasses of the name's class that have no meaning of their own, and no subclasses.
_PLAIN_SUBCLASSES: dict[str, list[type[Any]]] = {}


def may_differ(name: str) -> bool:
    """Tell whether any gate of a name may be of a subclass that gives it another meaning than the name's.

    Qiskit calls the gates of such a class standard, and keeps no trace of the class in a copy of the circuit.
    """
    base = _STANDARD_AND_UNITARY.get(name)
    if base is None:
        return False
    subclasses = base.__subclasses__()
    # This is asked for each name in a circuit, and hardly ever is there a new class.
    if subclasses == _PLAIN_SUBCLASSES.get(name):
        return False
    if _has_own_meaning_below(base, base):
        return True
    if not any(each.__subclasses__() for each in subclasses):
        _PLAIN_SUBCLASSES[name] = subclasses
    return False


def differs(operation: Operation, name: str) -> Literal["definition", "matrix"] | None:
    """Return where a gate tells its meaning that Qiskit calls by a standard name; ``None`` for the name's meaning."""
    base: Any = _STANDARD_AND_UNITARY.get(name)
    kind: Any = type(operation)
    return None if base is None or kind is base else _overridden(kind, base)


def _has_own_meaning_below(kind: Any, base: Any) -> bool:
    return any(
        _overridden(each, base) is not None or _has_own_meaning_below(each, base) for each in kind.__subclasses__()
    )


@cache
def _overridden(kind: Any, base: Any) -> Literal["definition", "matrix"] | None:
    """Return what a subclass tells anew: of several the definition, of several classes that of the lowest."""
    for each in kind.__mro__:
        if each is base:
            break
        if not vars(each).keys().isdisjoint(_TELL_DEFINITION):
            return "definition"
        if not vars(each).keys().isdisjoint(_TELL_MATRIX):
            return "matrix"
    return None


def _is_given(operation: Any, kind: type[Any], definition: Any) -> bool:
    """Tell whether the definition that an operation has isn't the one that its class makes."""
    if kind not in _DEFINE_THEMSELVES:
        return True
    if not getattr(operation, "mutable", True):
        return False
    if _base(type(operation), kind) is ControlledGate:
        # So Qiskit names the registers where it makes the definition from the base gate.
        return [register.name for register in definition.qregs] != ["control", "target"]
    fresh = copy.copy(operation)
    fresh._definition = None
    fresh._define()
    return fresh._definition is None or _listed(fresh._definition) != _listed(definition)


def _listed(definition: QuantumCircuit) -> list[Any]:
    """List what a definition does, whatever its registers are called."""
    places = {bit: place for bits in (definition.qubits, definition.clbits) for place, bit in enumerate(bits)}
    return [
        (definition.num_qubits, definition.num_clbits, definition.global_phase),
        *[
            (each.operation, [places[bit] for bit in each.qubits], [places[bit] for bit in each.clbits])
            for each in definition.data
        ],
    ]


def identity(operation: Operation) -> Hashable | None:
    """Return what equal operations of one class have in common; ``None`` if it can't be told from their attributes.

    Operations without a definition so far are looked at. For a class of Qiskit's, equal identities mean that the
    definitions are equal.
    """
    state = getattr(operation, "__dict__", None)
    if state is None or state.get("_definition") is not None or type(operation) in (Gate, Instruction):
        return None
    found = type(operation), *[tuple(value) if type(value) is list else value for value in state.values()]
    try:
        hash(found)
    except TypeError:
        return None
    return found
