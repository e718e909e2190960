# SPDX-License-Identifier: Apache-2.0
"""Each method has the outputs, saves and operations of its row, and what it lacks is named."""

from __future__ import annotations

import density_oracle
import engine_oracle as oracle
import numpy as np
import pytest
from density_oracle import noise
from engine_oracle import measure, op
from msgspec.structs import replace

from qfleet.wire.cost.methods import method_refusal
from qfleet.wire.messages.methods import MethodError, lack_of, resolve_method
from qfleet.wire.messages.request import EXACT_METHODS, METHODS, Method, Output, Request, tableau_bytes
from qfleet.wire.program.channels import Branch
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import SAVE_SPECS, Payload, Save, SaveKind, SaveSpec

HAVE = {
    "statevector": {"counts", "statevector", "bits", "means"},
    "density_matrix": {"counts", "bits", "means"},
    "superop": {"counts"},
    "unitary": {"counts", "unitary"},
    "stabilizer": {"counts", "bits", "means"},
    "matrix_product_state": {"counts", "statevector", "bits", "means"},
}
BELL = [op(Op.H, [0]), op(Op.X, [1], controls=[0]), measure(0, 0)]


def saving(kind: SaveKind, *before: object) -> Program:
    spec = next(spec for spec in SAVE_SPECS if spec.kind is kind)
    row = op(Op.SAVE, [0, 1])._replace(save=0)
    save = Save(kind, "s", spec.manners[0], indices=bytes(8 * (spec.payload is Payload.BASIS_STATES)))
    program = oracle.program(2, 1, [*before, row])  # type: ignore[list-item]
    return replace(program, saves=(save,), save_refs=np.zeros(1, np.int32))


def can(program: Program, output: Output) -> set[str]:
    return {name for name in METHODS if not method_refusal(program, Request(output, METHODS[name].method))}


@pytest.mark.parametrize("output", list(Output))
def test_the_outputs_of_each_method(output: Output) -> None:
    program = oracle.program(2, 1, BELL)
    wanted = {name for name, outputs in HAVE.items() if output in outputs}
    if output == Output.COUNTS:
        # Their counts come with what they are for.
        wanted -= {"superop", "unitary"}
    assert can(program, output) == wanted


@pytest.mark.parametrize("spec", [spec for spec in SAVE_SPECS if spec.instruction], ids=lambda spec: spec.instruction)
def test_the_saves_of_each_method(spec: SaveSpec) -> None:
    found = can(saving(spec.kind), Output.COUNTS)
    assert found == {name for name, row in METHODS.items() if spec.quantity in row.quantities}
    assert found


def test_clifford_gates_are_asked_for_by_one_method_alone() -> None:
    program = oracle.program(2, 1, [*BELL, op(Op.T, [1])])
    assert can(program, Output.COUNTS) == {"statevector", "density_matrix", "matrix_product_state"}
    assert method_refusal(program, Request(method="stabilizer")) == ("operation 3, t on qubit 1, isn't a Clifford gate")
    assert lack_of(program, Output.COUNTS, METHODS["stabilizer"]) == ""
    text = "can't be run by method='stabilizer': operation 3, t on qubit 1, isn't a Clifford gate; leave the method out"
    with pytest.raises(MethodError, match=text):
        resolve_method(program, Request(method="stabilizer"))
    found = resolve_method(oracle.program(2, 1, BELL), Request(method="stabilizer"))
    assert found == ("stabilizer", "method='stabilizer' was asked for")


def test_noise_on_many_qubits_together_and_noise_that_is_no_mixture_of_paulis() -> None:
    wide = density_oracle.program(4, 1, [noise([0, 1, 2, 3], [Branch(0.5), Branch(0.5, 15, 0)]), measure(0, 0)])
    assert can(wide, Output.COUNTS) == {"statevector", "stabilizer", "matrix_product_state"}
    damped = Branch(0.5, operators=np.array([[[1, 0], [0, 0.6]], [[0, 0.8], [0, 0]]], np.complex128))
    other = density_oracle.program(1, 1, [noise([0], [Branch(0.5), damped]), measure(0, 0)])
    assert can(other, Output.COUNTS) == {"statevector", "density_matrix", "matrix_product_state"}


@pytest.mark.parametrize(
    ("program", "method", "reason"),
    [
        (saving(SaveKind.DENSITY_MATRIX), "statevector", "a statevector has all that the circuit saves and gives"),
        (saving(SaveKind.UNITARY), "unitary", "the circuit saves its unitary"),
        (saving(SaveKind.SUPEROP), "superop", "the circuit saves its superoperator"),
        (
            oracle.program(1, 1, [op(Op.SET_DENSITY_MATRIX, [0], table=[1, 0, 0, 0]), measure(0, 0)]),
            "density_matrix",
            "the circuit sets a density matrix",
        ),
    ],
)
def test_the_first_method_that_has_all_is_taken(program: Program, method: Method, reason: str) -> None:
    assert resolve_method(program, Request(method="automatic")) == (method, f"automatic: {reason}")


def test_what_no_method_has_together_is_named() -> None:
    program = saving(SaveKind.STATEVECTOR, op(Op.SET_DENSITY_MATRIX, [0], table=[1, 0, 0, 0]))
    text = r"sets a density matrix, and has save_statevector \('s'\), and no method has both; leave one of the two out"
    with pytest.raises(MethodError, match=text):
        resolve_method(program, Request(method="automatic"))
    with pytest.raises(MethodError, match="sets a density matrix, which method='stabilizer' doesn't have"):
        resolve_method(program, Request(method="stabilizer"))


def test_a_tableau_has_no_amplitudes_and_grows_with_the_square_of_its_qubits() -> None:
    request = Request(method="stabilizer")
    assert request.exponent(10_000) == 0
    assert 40e6 < request.state_bytes(10_000) == tableau_bytes(10_000) < 60e6
    assert {"density_matrix", "superop"} == EXACT_METHODS
