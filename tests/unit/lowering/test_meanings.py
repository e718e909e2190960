# SPDX-License-Identifier: Apache-2.0
"""A class with a meaning of its own is run by that meaning, whatever its Qiskit base class."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import program_oracle
import pytest
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
    InverseModifier,
    Measure,
    Operation,
    Parameter,
    Reset,
    Store,
    SwitchCaseOp,
    WhileLoopOp,
)
from qiskit.circuit import library as lib
from qiskit.circuit.classical import expr
from qiskit.circuit.library import get_standard_gate_name_mapping

from qfleet.errors import UnsupportedCircuitError
from qfleet.lowering.lower import lower
from qfleet.wire.program.operations import Op


def marked(operation: Any) -> QuantumCircuit:
    """Return a definition that no class makes: Y on the last qubit."""
    definition = QuantumCircuit(operation.num_qubits, operation.num_clbits)
    definition.y(operation.num_qubits - 1)
    return definition


def _define(self: Any) -> None:
    self.definition = marked(self)


def _array(self: Any, dtype: Any = None, copy: Any = None) -> np.ndarray:
    size = 1 << self.num_qubits
    return np.kron([[0, -1j], [1j, 0]], np.eye(size // 2)).astype(dtype or complex)


#: Ways for a class to say what `marked` says. Qiskit sets definitions to None.
DEFINED: dict[str, Any] = {"_define": _define}
PROPERTY: dict[str, Any] = {"definition": property(marked, lambda *_: None)}
MATRIX: dict[str, Any] = {"__array__": _array, "to_matrix": _array}


BODY = QuantumCircuit(1, 1)
BODY.h(0)
FLAG = BODY.clbits[0]

MAKERS: dict[type[Any], Callable[[type[Any]], Any]] = {
    Measure: lambda kind: kind(),
    Reset: lambda kind: kind(),
    Barrier: lambda kind: kind(2),
    Delay: lambda kind: kind(100),
    lib.Initialize: lambda kind: kind([0.6, 0.8]),
    lib.StatePreparation: lambda kind: kind([0.6, 0.8]),
    lib.UnitaryGate: lambda kind: kind(np.eye(4)),
    lib.DiagonalGate: lambda kind: kind([1, -1]),
    lib.PermutationGate: lambda kind: kind([1, 0]),
    ControlledGate: lambda kind: kind("mine", 2, [], num_ctrl_qubits=1, base_gate=lib.XGate()),
    lib.MCXGate: lambda kind: kind(5),
    lib.MCPhaseGate: lambda kind: kind(0.3, 2),
    IfElseOp: lambda kind: kind((FLAG, True), BODY),
    WhileLoopOp: lambda kind: kind((FLAG, True), BODY),
    ForLoopOp: lambda kind: kind(range(3), None, BODY),
    SwitchCaseOp: lambda kind: kind(FLAG, [(1, BODY)]),
    BoxOp: lambda kind: kind(BODY),
    BreakLoopOp: lambda kind: kind(1, 1),
    ContinueLoopOp: lambda kind: kind(1, 1),
}
STANDARD = {
    name: gate.base_class
    for name, gate in get_standard_gate_name_mapping().items()
    if isinstance(gate, Gate) and gate.num_qubits
}


def flipped(operation: Any) -> None:
    """Assert that an operation is what `marked` defines, alone and inside other things.

    Where Qiskit copies an operation that it knows, some classes of one's own are lost, and nobody can tell.
    """
    qubits, clbits = operation.num_qubits, operation.num_clbits
    circuit = QuantumCircuit(qubits, clbits)
    circuit.append(operation, range(qubits), range(clbits), copy=False)
    assert y_of(circuit) == [qubits - 1]
    looped = QuantumCircuit(qubits, clbits)
    looped.for_loop(range(2), None, circuit, range(qubits), range(clbits))
    if is_kept(operation, looped.data[0].operation.blocks[0]):
        assert y_of(looped) == [qubits - 1] * 2
    if isinstance(operation, (ControlFlowOp, BreakLoopOp, ContinueLoopOp)):
        return  # Qiskit makes no instruction of it
    whole = QuantumCircuit(qubits + 1, clbits)
    whole.append(circuit.to_instruction(), range(1, qubits + 1), range(clbits))
    if is_kept(operation, whole.data[0].operation.definition):
        assert y_of(whole) == [qubits]


def is_kept(operation: Any, circuit: QuantumCircuit) -> bool:
    found = circuit.data[0].operation
    return type(found) is type(operation) and (found._definition is None) is (operation._definition is None)


def y_of(circuit: QuantumCircuit) -> list[int]:
    """Return the qubits on which a circuit does a Y, where it does nothing else."""
    targets = []
    for row in lower(circuit):
        if row.code is Op.UNITARY:
            size = 1 << len(row.targets)
            np.testing.assert_allclose(row.table.reshape(size, size), np.kron([[0, -1j], [1j, 0]], np.eye(size // 2)))
        else:
            assert (row.code, row.controls) == (Op.Y, ())
        targets.append(row.targets[-1])
    return targets


@pytest.mark.parametrize("how", [DEFINED, PROPERTY], ids=["_define", "definition"])
@pytest.mark.parametrize("base", MAKERS, ids=lambda base: base.__name__)
def test_a_subclass_with_a_definition(base: type[Any], how: dict[str, Any]) -> None:
    flipped(MAKERS[base](type("Mine", (base,), dict(how))))


@pytest.mark.parametrize("base", MAKERS, ids=lambda base: base.__name__)
def test_a_subclass_of_such_a_subclass(base: type[Any]) -> None:
    mine = type("Mine", (base,), dict(DEFINED))
    flipped(MAKERS[base](type("Theirs", (mine,), {"note": "nothing of meaning"})))


@pytest.mark.parametrize("base", [kind for kind in MAKERS if issubclass(kind, Gate)], ids=lambda base: base.__name__)
def test_a_subclass_with_a_matrix(base: type[Any]) -> None:
    flipped(MAKERS[base](type("Mine", (base,), dict(MATRIX))))


@pytest.mark.parametrize("base", MAKERS, ids=lambda base: base.__name__)
def test_a_definition_that_an_object_was_given(base: type[Any]) -> None:
    operation = MAKERS[base](base)
    if base is lib.UnitaryGate:
        pytest.skip("Qiskit keeps a unitary gate as its matrix, and drops all else when a circuit is copied")
    operation = operation.to_mutable() if hasattr(operation, "to_mutable") else operation
    operation.definition = marked(operation)
    flipped(operation)


@pytest.mark.parametrize("base", MAKERS, ids=lambda base: base.__name__)
def test_a_subclass_that_says_nothing_of_its_own_is_what_its_class_is(base: type[Any]) -> None:
    theirs, mine = MAKERS[base](base), MAKERS[base](type("Mine", (base,), {"note": 1}))
    programs = []
    for operation in (theirs, mine):
        circuit = QuantumCircuit(operation.num_qubits, 1)
        with circuit.for_loop(range(1)):
            circuit.append(operation, range(operation.num_qubits), range(operation.num_clbits), copy=False)
        programs.append(list(map(str, lower(circuit))))
    assert programs[0] == programs[1]


@pytest.mark.parametrize("how", [DEFINED, MATRIX], ids=["_define", "matrix"])
@pytest.mark.parametrize("name", STANDARD)
def test_a_subclass_of_a_standard_gate(name: str, how: dict[str, Any]) -> None:
    base = STANDARD[name]
    template = get_standard_gate_name_mapping()[name]
    values = [0.1 * (place + 1) for place in range(len(template.params))]
    kind = type("Mine", (base,), dict(how))
    operation = kind(*values)
    flipped(operation)
    # The gates of Qiskit's own class stay what they are beside it.
    circuit = QuantumCircuit(operation.num_qubits)
    circuit.append(base(*values), range(operation.num_qubits))
    circuit.append(operation, range(operation.num_qubits))
    rows = list(lower(circuit))
    assert (rows[-1].code, rows[-1].targets[-1]) in (
        (Op.Y, operation.num_qubits - 1),
        (Op.UNITARY, operation.num_qubits - 1),
    )
    alone = QuantumCircuit(operation.num_qubits)
    alone.append(base(*values), range(operation.num_qubits))
    assert [str(row) for row in rows[:-1]] == [str(row) for row in lower(alone)]


def test_a_class_that_is_gone_leaves_nothing_behind() -> None:
    circuit = QuantumCircuit(1)
    circuit.h(0)
    mine = type("Mine", (lib.HGate,), dict(DEFINED))
    flipped(mine())
    del mine
    gc.collect()
    assert [row.code for row in lower(circuit)] == [Op.H]


def test_an_annotated_operation_of_ones_own() -> None:
    class Mine(AnnotatedOperation):
        @property
        def definition(self) -> QuantumCircuit:
            return marked(self)

    operation = Mine(lib.HGate(), InverseModifier())
    circuit = QuantumCircuit(1)
    circuit.append(operation, [0])
    assert y_of(circuit) == [0]


def test_a_store_of_ones_own() -> None:
    class Mine(Store):
        def _define(self) -> None:
            self.definition = QuantumCircuit(0)

    circuit = QuantumCircuit(1)
    flag = circuit.add_var("flag", expr.lift(False))
    circuit.append(Mine(flag, expr.lift(True)), [], [])
    assert [row.code for row in lower(circuit)] == [Op.STORE]


def test_definitions_that_qiskit_made_before_change_nothing() -> None:
    operations = [
        lib.Initialize([0.6, 0.8]),
        lib.StatePreparation([0.6, 0.8]),
        lib.DiagonalGate([1, -1]),
        lib.PermutationGate([1, 0]),
        lib.MCXGate(3),
        lib.HGate().control(2, annotated=False),
        lib.UnitaryGate(np.eye(2)),
    ]
    for operation in operations:
        circuit = QuantumCircuit(operation.num_qubits)
        circuit.append(operation, range(operation.num_qubits))
        before = list(map(str, lower(circuit)))
        circuit.decompose()
        assert list(map(str, lower(circuit))) == before


class AlongX(Measure):
    """The measurement that Qiskit's own documentation shows."""

    def __init__(self) -> None:
        Instruction.__init__(self, "measure_along_x", 1, 1, [])

    def _define(self) -> None:
        self.definition = QuantumCircuit(1, 1)
        self.definition.h(0)
        self.definition.measure(0, 0)
        self.definition.h(0)


def test_a_measurement_along_another_axis() -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.append(AlongX(), [1], [0])
    rows = [(row.code, row.targets, row.clbit) for row in lower(circuit)]
    assert rows == [(Op.H, (1,), -1), (Op.MEASURE, (1,), 0), (Op.H, (1,), -1)]
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.append(AlongX(), [0], [1])
    assert [row.code for row in lower(circuit)][3:] == [Op.JUMP_UNLESS, Op.H, Op.MEASURE, Op.H]
    with pytest.raises(UnsupportedCircuitError, match=r"'measure_along_x' at position 0 .* 'measure' at position 1"):
        lower(circuit, "unitary")


def test_what_an_object_was_given_before_its_class() -> None:
    """A matrix or a way to a definition that one gate has."""
    mine = MAKERS[ControlledGate](ControlledGate)
    mine.to_matrix = lambda: _array(mine)
    flipped(mine)
    mine = MAKERS[ControlledGate](ControlledGate)
    mine._define = lambda: _define(mine)
    flipped(mine)


def test_a_controlled_gate_on_more_qubits_than_its_base_gate_says_is_no_smaller_gate() -> None:
    circuit = QuantumCircuit(3)
    circuit.append(ControlledGate("odd", 3, [], num_ctrl_qubits=1, base_gate=lib.XGate()), [0, 1, 2])
    with pytest.raises(UnsupportedCircuitError, match=r"'odd' at position 0 .* neither a definition nor a"):
        lower(circuit)


@pytest.mark.parametrize(
    "name", ["unitary", "h", "measure", "reset", "delay", "barrier", "initialize", "box", "if_else"]
)
@pytest.mark.parametrize("width", [1, 6, 40])
def test_a_composite_of_a_known_name(name: str, width: int) -> None:
    inner = QuantumCircuit(width, name=name)
    inner.y(width - 1)
    circuit = QuantumCircuit(width)
    circuit.append(inner.to_gate(), range(width))
    circuit.append(inner.to_instruction(), range(width))
    assert y_of(circuit) == [width - 1] * 2


def test_a_wide_gate_called_unitary_makes_no_matrix() -> None:
    class Wide(Gate):
        def _define(self) -> None:
            self.definition = marked(self)

        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            pytest.fail("the matrix would have 2**80 entries")

    circuit = QuantumCircuit(40)
    circuit.append(Wide("unitary", 40, []), range(40))
    assert y_of(circuit) == [39]


def test_a_controlled_gate_goes_by_its_base_gate() -> None:
    """Qiskit makes the definition of one from the name of the base gate alone."""
    base = Gate("rz", 1, [Parameter("t")]).copy()
    base.params = [0.3]
    base.definition = QuantumCircuit(1)
    base.definition.p(0.3, 0)
    circuit = QuantumCircuit(2)
    circuit.append(base.control(1, annotated=False), [0, 1])
    exact = QuantumCircuit(2)
    exact.cp(0.3, 0, 1)
    np.testing.assert_allclose(program_oracle.unitary(lower(circuit)), program_oracle.unitary(lower(exact)), atol=1e-12)


def test_an_operation_that_fails_in_any_way_is_refused_by_name() -> None:
    class Broken(lib.PermutationGate):
        @property
        def pattern(self) -> Any:
            raise LookupError("no such thing")

    class Odd(Operation):
        name, num_clbits = "odd", 0

        @property
        def num_qubits(self) -> int:
            return 1

        def to_instruction(self) -> Instruction:
            raise IndexError("nothing there")

    for operation, name in ((Broken([1, 0]), "permutation"), (Odd(), "odd")):
        circuit = QuantumCircuit(operation.num_qubits, name="c")
        circuit.append(operation, range(operation.num_qubits), copy=False)
        with pytest.raises(UnsupportedCircuitError, match=f"circuit 'c' holds '{name}' at position 0 .*Error"):
            lower(circuit)
