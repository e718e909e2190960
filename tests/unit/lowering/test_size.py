# SPDX-License-Identifier: Apache-2.0
"""A few objects that stand for billions of operations are refused, or done with, before they take time or memory.

Without bounds each of these tests runs for hours, which the time limit of a test ends.
"""

from __future__ import annotations

import resource
from collections.abc import Callable

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import AnnotatedOperation, ControlModifier, Gate, InverseModifier, Parameter, PowerModifier
from qiskit.circuit import library as lib

from qfleet.errors import CapacityError
from qfleet.lowering.lower import lower
from qfleet.lowering.refusal import RefusalError
from qfleet.lowering.size import ROWS_OF_A_DEFINITION, UNCOUNTED_ROWS, check_inlined_size
from qfleet.wire.limits import MAX_OPERATIONS
from qfleet.wire.program.operations import Op

LONG = r"(expands|unroll) to (more than )?\d+ (operations|jumps and stores)"


class Nested(Gate):
    """Makes ten of the level below each time it is asked for its definition."""

    def __init__(self, level: int, leaf: str = "x", hidden: object = None) -> None:
        super().__init__(f"level{level}", 1, [])
        self.level, self.leaf, self.hidden = level, leaf, hidden

    def _define(self) -> None:
        self.definition = QuantumCircuit(1)
        for _ in range(10):
            if self.level:
                self.definition.append(Nested(self.level - 1, self.leaf), [0])
            elif self.leaf:
                getattr(self.definition, self.leaf)(0)


def nothing(_: QuantumCircuit) -> None:
    """Write nothing."""


def once() -> QuantumCircuit:
    circuit = QuantumCircuit(1)
    circuit.x(0)
    return circuit


def only(operation: Gate) -> QuantumCircuit:
    circuit = QuantumCircuit(operation.num_qubits, name="c")
    circuit.append(operation, range(operation.num_qubits))
    return circuit


def shared(levels: int = 9, width: int = 1, leaf: Callable[[QuantumCircuit], object] = lambda c: c.x(0)) -> Gate:
    """Return the same objects at every level, ten times each."""
    circuit = QuantumCircuit(width)
    leaf(circuit)
    for level in range(levels):
        circuit, gate = QuantumCircuit(width), defined_by(circuit, f"level{level}")
        for _ in range(10):
            circuit.append(gate, range(width))
    return defined_by(circuit, "top")


def defined_by(circuit: QuantumCircuit, name: str) -> Gate:
    """Return a gate with a definition, which isn't copied as `to_gate` does."""
    gate = Gate(name, circuit.num_qubits, [])
    gate.definition = circuit
    return gate


def loop(turns: range, write: Callable[[QuantumCircuit, Parameter], object]) -> QuantumCircuit:
    circuit = QuantumCircuit(1, 1, name="c")
    parameter = Parameter("i")
    with circuit.for_loop(turns, parameter):
        write(circuit, parameter)
    return circuit


def fractional(circuit: QuantumCircuit, parameter: Parameter) -> None:
    """Return a gate whose parameters Qiskit must bind."""
    circuit.append(AnnotatedOperation(lib.RXGate(parameter), PowerModifier(0.5)), [0])


REFUSED: dict[str, Callable[[], QuantumCircuit]] = {
    "classes that make others": lambda: only(Nested(9)),
    "classes that make others, of barriers": lambda: only(Nested(9, "barrier")),
    "classes that make nothing": lambda: only(Nested(9, "")),
    "gates that are shared": lambda: only(shared()),
    "gates of phases": lambda: only(shared(leaf=lambda c: c.rx(0.1, 0))),
    "an inverse": lambda: only(AnnotatedOperation(Nested(9), InverseModifier())),
    "a control": lambda: only(AnnotatedOperation(Nested(9), ControlModifier(1))),
    "a controlled gate": lambda: only(shared().control(1, annotated=True)),
    "a power of many qubits": lambda: only(AnnotatedOperation(shared(1, 11), PowerModifier(10**9))),
    "powers of powers": lambda: only(
        AnnotatedOperation(AnnotatedOperation(shared(3, 11), PowerModifier(10**4)), PowerModifier(10**4))
    ),
    "a loop": lambda: loop(range(2 * 10**9), lambda circuit, _: circuit.x(0)),
    "a loop with its parameter": lambda: loop(range(2 * 10**9), lambda circuit, i: circuit.rx(i, 0)),
    "a loop with measurements": lambda: loop(range(10**8), lambda circuit, _: circuit.measure(0, 0)),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", REFUSED)
def test_more_than_a_program_holds(name: str) -> None:
    circuit = REFUSED[name]()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CapacityError, match=LONG) as caught:
        lower(circuit)
    assert "circuit 'c' holds " in str(caught.value)
    # KiB, at the peak
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20


def test_too_many_jumps() -> None:
    circuit = QuantumCircuit(1, 2, name="c")
    with circuit.for_loop(range(1 << 16)), circuit.if_test((0, 1)), circuit.if_test((1, 1)):
        circuit.x(0)
    with pytest.raises(CapacityError) as caught:
        lower(circuit)
    assert str(caught.value) == (
        "circuit 'c' holds 'for_loop' at position 0 (qubit 0), which qfleet doesn't run: "
        "its 65536 turns unroll to 131072 jumps and stores; a program has at most 65536"
    )
    circuit = QuantumCircuit(1, 1, name="c")
    for _ in range(3):
        with circuit.for_loop(range(1 << 15)), circuit.if_test((0, 1)):
            circuit.x(0)
    with pytest.raises(CapacityError, match=r"'for_loop' at position 2 .* it expands to more than 65536 jumps"):
        lower(circuit)


@pytest.mark.timeout(60)
def test_a_loop_whose_parameter_qiskit_must_bind() -> None:
    with pytest.raises(
        CapacityError, match="each of its 2000000000 turns needs its own value of the parameter; at most 65536 such"
    ):
        lower(loop(range(2 * 10**9), fractional))


SOON_DONE: dict[str, tuple[Callable[[], QuantumCircuit], int]] = {
    "shared gates of nothing": (lambda: only(shared(60, leaf=nothing)), 0),
    "shared gates of identities": (lambda: only(shared(60, leaf=lambda c: c.id(0))), 0),
    "a loop of barriers": (lambda: loop(range(2 * 10**9), lambda circuit, _: circuit.barrier()), 0),
    "a loop of delays": (lambda: loop(range(2 * 10**9), lambda circuit, _: circuit.delay(5, 0)), 0),
    "a loop over nothing": (lambda: loop(range(0), lambda circuit, i: circuit.rx(i, 0)), 0),
    "a power of few qubits": (lambda: only(AnnotatedOperation(lib.HGate(), PowerModifier(10**5))), 1),
    "a power of nothing": (lambda: only(AnnotatedOperation(shared(0, 11, nothing), PowerModifier(10**9))), 0),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", SOON_DONE)
def test_what_comes_to_little_is_run(name: str) -> None:
    make, length = SOON_DONE[name]
    assert len(lower(make())) == length


def test_a_long_loop_with_its_parameter() -> None:
    program = lower(loop(range(100_000), lambda circuit, i: circuit.rx(2 * i, 0)))
    assert program.params.tolist() == [2.0 * turn for turn in range(100_000)]


def test_a_loop_keeps_the_circuits_own_parameters() -> None:
    circuit = QuantumCircuit(1)
    own = Parameter("own")
    with circuit.for_loop(range(3)) as turn, circuit.for_loop(range(2)) as inner:
        circuit.rx(own * turn + inner, 0)
    expected = QuantumCircuit(1)
    for turn in range(3):
        for inner in range(2):
            expected.rx(own * turn + inner, 0)
    bound = [each.assign_parameters([0.3]) for each in (circuit, expected)]
    assert lower(bound[0]).params.tolist() == pytest.approx(lower(bound[1]).params.tolist())
    assert lower(circuit).num_parameters == 1


def test_many_definitions_that_fit_are_run() -> None:
    """The look ahead refuses nothing that fits."""
    number = UNCOUNTED_ROWS // ROWS_OF_A_DEFINITION + 1
    circuit = QuantumCircuit(1)
    for at in range(number):
        circuit.append(defined_by(once(), f"g{at}"), [0])
    assert [row.code for row in lower(circuit)] == [Op.X] * number


def test_the_look_ahead_gives_up_on_what_takes_too_long_to_count() -> None:
    with pytest.raises(RefusalError, match=LONG):
        check_inlined_size(only(shared()), max_steps=92)
    check_inlined_size(only(shared()), max_steps=91)


class Failing(Gate):
    def _define(self) -> None:
        raise ZeroDivisionError("no way")


class Endless(Gate):
    def _define(self) -> None:
        self.definition = only(Endless("endless", 1, []))


def flow(write: Callable[[QuantumCircuit], object]) -> QuantumCircuit:
    circuit = QuantumCircuit(2, 1)
    write(circuit)
    return circuit


def either(circuit: QuantumCircuit) -> None:
    """Many operations in each of two blocks."""
    with circuit.if_test((0, 1)) as otherwise:
        circuit.append(shared(6), [0])
    with otherwise:
        circuit.append(shared(6), [0])


#: A circuit, and how often it may stand in a loop. A level of `shared` holds its gates and what they stand for.
COUNTED: dict[str, tuple[Callable[[], QuantumCircuit], int]] = {
    "a controlled gate": (lambda: only(lib.RCCXGate().control(1, annotated=False)), MAX_OPERATIONS // 10),
    "two blocks": (lambda: flow(either), MAX_OPERATIONS // (2 * 2222222)),
    "a definition that fails": (lambda: only(Failing("failing", 1, [])), MAX_OPERATIONS - 1),
}


@pytest.mark.parametrize("name", COUNTED)
def test_instructions_are_counted_to_the_last(name: str) -> None:
    make, turns = COUNTED[name]
    check_inlined_size(repeated(make(), turns))
    with pytest.raises(RefusalError, match=f"more than {MAX_OPERATIONS} operations"):
        check_inlined_size(repeated(make(), turns + 1))


def repeated(body: QuantumCircuit, turns: int) -> QuantumCircuit:
    circuit = QuantumCircuit(body.num_qubits, body.num_clbits)
    circuit.for_loop(range(turns), None, body, range(body.num_qubits), range(body.num_clbits))
    return circuit


def test_an_endless_definition_has_no_size() -> None:
    check_inlined_size(only(Endless("endless", 1, [])))
