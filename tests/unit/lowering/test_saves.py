# SPDX-License-Identifier: Apache-2.0
"""Lowering of instructions that save."""

from __future__ import annotations

from typing import Any

import pytest
from aer_like import LikeAer, expval
from qiskit import QuantumCircuit
from qiskit.circuit import Instruction
from qiskit.circuit.annotated_operation import AnnotatedOperation, InverseModifier
from qiskit.quantum_info import SparsePauliOp

from qfleet.errors import UnsupportedCircuitError
from qfleet.lowering.lower import lower
from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.limits import MAX_SAVES
from qfleet.wire.program.operations import Op
from qfleet.wire.program.saves import SaveKind


def with_save(*saves: tuple[Any, list[int]], num_qubits: int = 2) -> QuantumCircuit:
    circuit = QuantumCircuit(num_qubits, 1, name="c")
    circuit.h(0)
    for save, qubits in saves:
        circuit.append(save, qubits)
    return circuit


def refused(circuit: QuantumCircuit, **options: Any) -> str:
    with pytest.raises(UnsupportedCircuitError) as caught:
        lower(circuit, **options)
    return caught.value.message


def test_paulis_become_masks_of_the_targets() -> None:
    program = lower(with_save((expval(SparsePauliOp(["IXYZ"], [2.5])), [3, 0, 1, 2]), num_qubits=4))
    *_, row = decode_program(encode_program(program))
    assert (row.code, row.targets, row.save) == (Op.SAVE, (3, 0, 1, 2), 0)
    x, z, coefficients = program.saves[0].paulis()
    assert (x.tolist(), z.tolist(), coefficients.tolist()) == ([0b0110], [0b0011], [[2.5]])


def test_wide_paulis_become_masks_of_several_words() -> None:
    label = "Y" + "I" * 68 + "X" + "Z" * 30
    program = lower(with_save((expval(SparsePauliOp([label, "I" * 100], [2.5, 1])), range(100)), num_qubits=100))
    (save,) = decode_program(encode_program(program)).saves
    x, z, coefficients = save.paulis()
    assert x.tolist() == [[1 << 30, 1 << 35], [0, 0]]
    assert z.tolist() == [[(1 << 30) - 1, 1 << 35], [0, 0]]
    assert coefficients.tolist() == [[2.5, 1]]


def test_save_state_is_what_the_method_has() -> None:
    circuit = with_save((LikeAer("save_state", 2, "c_list"), [0, 1]))
    (save,) = lower(circuit).saves
    assert (save.kind, save.label, save.subtype) == (SaveKind.STATEVECTOR, "statevector", "c_list")
    (save,) = lower(circuit, "unitary").saves
    assert (save.kind, save.label) == (SaveKind.UNITARY, "unitary")
    (save,) = lower(with_save((LikeAer("save_state", 2, "single", label="mine"), [0, 1]))).saves
    assert save.label == "mine"


def test_an_instruction_that_only_has_the_name_is_none() -> None:
    circuit = QuantumCircuit(1)
    inner = QuantumCircuit(1, name="save_state")
    inner.x(0)
    circuit.append(inner.to_instruction(), [0])
    assert [row.code for row in lower(circuit)] == [Op.X]


def test_phases_stay_on_their_side_of_a_save() -> None:
    circuit = QuantumCircuit(1, global_phase=0.1)
    circuit.append(QuantumCircuit(1, global_phase=0.2).to_instruction(), [0])
    circuit.append(LikeAer("save_statevector", 1, "single"), [0])
    circuit.append(QuantumCircuit(1, global_phase=0.4).to_instruction(), [0])
    rows = [(row.code, row.params) for row in lower(circuit)]
    assert rows == [
        (Op.GLOBAL_PHASE, (pytest.approx(0.3),)),
        (Op.SAVE, ()),
        (Op.GLOBAL_PHASE, (0.4,)),
    ]


def in_loop() -> QuantumCircuit:
    circuit = QuantumCircuit(1, 1)
    with circuit.for_loop(range(3)):
        circuit.append(LikeAer("save_probabilities", 1, "average"), [0])
    return circuit


def measured_unitary() -> QuantumCircuit:
    circuit = with_save((LikeAer("save_unitary", 2, "single"), [0, 1]))
    circuit.measure(0, 0)
    return circuit


def inverted() -> QuantumCircuit:
    inner = QuantumCircuit(1)
    inner.append(LikeAer("save_statevector", 1, "single"), [0])
    circuit = QuantumCircuit(1)
    circuit.append(AnnotatedOperation(inner.to_instruction(), InverseModifier()), [0])
    return circuit


STATE = LikeAer("save_statevector", 2, "single")
REFUSED = {
    "one label twice": (with_save((STATE, [0, 1]), (STATE, [0, 1])), "'statevector' 2 times"),
    "one label for two kinds": (
        with_save((STATE, [0, 1]), (LikeAer("save_state", 2, "single"), [0, 1])),
        "'statevector' 2 times",
    ),
    "a for-loop": (in_loop(), "'probabilities' 3 times, counting each turn of a for-loop"),
    "a part of the statevector": (
        with_save((LikeAer("save_statevector", 1, "single"), [1])),
        "the statevector of 1 of its 2 qubits",
    ),
    "a part of the amplitudes": (
        with_save((LikeAer("save_amplitudes", 1, "single", [0]), [1])),
        "the amplitudes of 1 of its 2 qubits",
    ),
    "a unitary and a state": (
        with_save((LikeAer("save_unitary", 2, "single"), [0, 1]), (STATE, [0, 1])),
        "saves the statevector ('statevector') where its unitary is computed",
    ),
    "a unitary and a measurement": (measured_unitary(), "but has a measure"),
    "counts as a label": (
        with_save((LikeAer("save_statevector", 2, "single", label="counts"), [0, 1])),
        "choose another",
    ),
    "a long label": (
        with_save((LikeAer("save_statevector", 2, "single", label="x" * 257), [0, 1])),
        "isn't a string of at most 256 characters",
    ),
    "an average of states": (
        with_save((LikeAer("save_statevector", 2, "average"), [0, 1])),
        "subtype is 'average'; single, list are possible",
    ),
    "no subtype": (with_save((LikeAer("save_probabilities", 1, "sum"), [0])), "its subtype is 'sum'"),
    "a basis state too high": (with_save((LikeAer("save_amplitudes", 2, "single", [4]), [0, 1])), "between 0 and 3"),
    "no basis states": (with_save((LikeAer("save_amplitudes", 2, "single"), [0, 1])), "between 0 and 3"),
    "a Pauli too wide": (
        with_save((LikeAer("save_expval", 1, "average", [("XX", (1, 0))]), [0])),
        "a Pauli has another number of qubits",
    ),
    "no Pauli": (with_save((LikeAer("save_expval", 1, "average", [("Q", (1, 0))]), [0])), "its operator can't be read"),
    "no coefficient": (with_save((LikeAer("save_expval", 1, "average", ["X"]), [0])), "its operator can't be read"),
    "NaN": (
        with_save((LikeAer("save_expval", 1, "average", [("X", (float("nan"), 0))]), [0])),
        "a coefficient that isn't a finite number",
    ),
    "too many probabilities": (
        with_save((LikeAer("save_probabilities", 31, "average"), list(range(31))), num_qubits=31),
        "it acts on 31 qubits; at most 30",
    ),
    "an inverse": (inverted(), "it has a save inside, which can't be inverted"),
}


@pytest.mark.parametrize(("circuit", "text"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(circuit: QuantumCircuit, text: str) -> None:
    assert text in refused(circuit)


def test_a_state_has_no_place_where_the_unitary_is_wanted() -> None:
    assert "where its unitary is computed" in refused(with_save((STATE, [0, 1])), output="unitary")


def test_other_instructions_without_a_definition_are_refused_as_before() -> None:
    circuit = QuantumCircuit(1)
    circuit.append(Instruction("save_nothing", 1, 0, []), [0])
    assert "neither a definition nor a unitary matrix" in refused(circuit)


def test_too_many_saves() -> None:
    circuit = QuantumCircuit(1, name="full")
    for at in range(MAX_SAVES + 1):
        circuit.append(LikeAer("save_statevector", 1, "single", label=f"{at}"), [0])
    with pytest.raises(UnsupportedCircuitError, match="'full' has 4097 save instructions; at most 4096 are possible"):
        lower(circuit)
