# SPDX-License-Identifier: Apache-2.0
"""Decide whether an operation means what its Qiskit class means.

Lowering knows some of Qiskit's classes and doesn't read their definitions. A subclass may mean something else, for
example a measurement along another axis. Then its own definition or matrix counts.
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

#: The meaning of an operation: that of a class in `_CLASSES`, or the operation's own definition or matrix.
Meaning: TypeAlias = "type[Any] | Literal['definition', 'matrix']"

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
#: The classes that lowering knows, each before its base classes.
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
#: Classes that make a definition on demand. In an object of another class, it was set from outside.
_DEFINE_THEMSELVES = frozenset(
    {Initialize, StatePreparation, UnitaryGate, DiagonalGate, PermutationGate, AnnotatedOperation, ControlledGate}
)
#: Classes that are their base gate under controls. Other subclasses, for example the relative-phase Toffolis, may mean
#: something else; their definition counts.
_PLAIN_CONTROLS = frozenset(
    {ControlledGate, MCXGate, C3XGate, C4XGate, MCPhaseGate, MCU1Gate}
    | {gate.base_class for gate in get_standard_gate_name_mapping().values() if isinstance(gate, ControlledGate)}
)
_DEFINITION_NAMES = frozenset({"definition", "_define"})
_MATRIX_NAMES = frozenset({"to_matrix", "__array__"})
_OWN_NAMES = _DEFINITION_NAMES | _MATRIX_NAMES
_STANDARD = {name: gate.base_class for name, gate in get_standard_gate_name_mapping().items()}
_STANDARD_AND_UNITARY: dict[str, type[Any]] = _STANDARD | {"unitary": UnitaryGate}


@cache
def class_meaning(kind: Any) -> Meaning:
    """Return the meaning that a class gives to its objects.

    An object may override it: see `meaning_of`.
    """
    known = next((each for each in _CLASSES if issubclass(kind, each)), None)
    return "definition" if known is None else _overridden(kind, _base(kind, known)) or known


def _base(kind: Any, known: Any) -> Any:
    """Return the Qiskit class whose objects lowering knows."""
    if known is not ControlledGate:
        return known
    return next((each for each in kind.__mro__ if each in _PLAIN_CONTROLS), known)


def meaning_of(operation: Operation) -> Meaning:
    """Return the meaning of an operation.

    It is a class that lowering knows, or the operation's own definition or matrix.
    """
    of_operation: Any = type(operation)
    kind = class_meaning(of_operation)
    if not isinstance(kind, type):
        return kind
    own: dict[str, Any] = getattr(operation, "__dict__", {})
    if own.get("_definition") is not None and _is_given(operation, kind, own["_definition"]):
        return "definition"
    if _OWN_NAMES.isdisjoint(own):
        return kind
    return "matrix" if _DEFINITION_NAMES.isdisjoint(own) else "definition"


#: By name, the subclasses of the name's class, if none of them has a meaning of its own or subclasses.
_PLAIN_SUBCLASSES: dict[str, list[type[Any]]] = {}


def may_differ(name: str) -> bool:
    """Tell whether any subclass gives gates of this name another meaning.

    Qiskit calls gates of such a subclass standard, and a copy of the circuit loses the subclass.
    """
    base = _STANDARD_AND_UNITARY.get(name)
    if base is None:
        return False
    subclasses = base.__subclasses__()
    # This is called for each name in a circuit, and new classes are rare.
    if subclasses == _PLAIN_SUBCLASSES.get(name):
        return False
    if _has_own_meaning_below(base, base):
        return True
    if not any(each.__subclasses__() for each in subclasses):
        _PLAIN_SUBCLASSES[name] = subclasses
    return False


def own_meaning(operation: Operation, name: str) -> Literal["definition", "matrix"] | None:
    """Return the source of a gate's own meaning.

    It is ``None`` if the gate means what its standard name means.
    """
    base: Any = _STANDARD_AND_UNITARY.get(name)
    kind: Any = type(operation)
    return None if base is None or kind is base else _overridden(kind, base)


def _has_own_meaning_below(kind: Any, base: Any) -> bool:
    return any(
        _overridden(each, base) is not None or _has_own_meaning_below(each, base) for each in kind.__subclasses__()
    )


@cache
def _overridden(kind: Any, base: Any) -> Literal["definition", "matrix"] | None:
    """Return what a subclass overrides: its definition or its matrix.

    The lowest class that overrides either decides. In one class the definition goes before the matrix.
    """
    for each in kind.__mro__:
        if each is base:
            break
        if not vars(each).keys().isdisjoint(_DEFINITION_NAMES):
            return "definition"
        if not vars(each).keys().isdisjoint(_MATRIX_NAMES):
            return "matrix"
    return None


def _is_given(operation: Any, kind: type[Any], definition: Any) -> bool:
    """Tell whether an operation's definition was set from outside.

    Its class makes another definition.
    """
    if kind not in _DEFINE_THEMSELVES:
        return True
    if not getattr(operation, "mutable", True):
        return False
    if _base(type(operation), kind) is ControlledGate:
        # Qiskit gives the registers these names when it makes the definition from the base gate.
        return [register.name for register in definition.qregs] != ["control", "target"]
    fresh = copy.copy(operation)
    fresh._definition = None
    fresh._define()
    return fresh._definition is None or _listed(fresh._definition) != _listed(definition)


def _listed(definition: QuantumCircuit) -> list[Any]:
    """List what a definition does, without the names of its registers."""
    places = {bit: place for bits in (definition.qubits, definition.clbits) for place, bit in enumerate(bits)}
    return [
        (definition.num_qubits, definition.num_clbits, definition.global_phase),
        *[
            (each.operation, [places[bit] for bit in each.qubits], [places[bit] for bit in each.clbits])
            for each in definition.data
        ],
    ]


def identity(operation: Operation) -> Hashable | None:
    """Return a key that equal operations of one class share.

    It is ``None`` if their attributes don't tell. Only operations without a definition so far have a key. For Qiskit's
    own classes, equal keys mean equal definitions.
    """
    state = getattr(operation, "__dict__", None)
    if state is None or state.get("_definition") is not None or type(operation) in (Gate, Instruction):
        return None
    key = type(operation), *[tuple(value) if type(value) is list else value for value in state.values()]
    try:
        hash(key)
    except TypeError:
        return None
    return key
