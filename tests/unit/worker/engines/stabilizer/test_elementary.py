# SPDX-License-Identifier: Apache-2.0
"""Elementary operations do what the rows of a program do."""

from __future__ import annotations

import engine_oracle as oracle
import numpy as np
import pytest
from numpy.typing import NDArray
from qiskit.quantum_info import Operator, random_clifford

from qfleet.wire.program.cliffords import clifford_of
from qfleet.wire.program.operations import SPEC, SPECS, Kind, Op, Table
from qfleet.wire.program.program import Operation
from qfleet_worker.engines.contract import EngineError
from qfleet_worker.engines.stabilizer.codes import Elementary, Gate, behind_all
from qfleet_worker.engines.stabilizer.elementary import elementary
from qfleet_worker.engines.stabilizer.synthesis import synthesis

_GATES = (*Elementary,)[: Elementary.MEASURE]


def matrix_of(gates: list[Gate], width: int) -> NDArray[np.complex128]:
    """Return the matrix of elementary gates."""
    total = np.eye(1 << width, dtype=np.complex128)
    for code, first, second in gates:
        name = code.name.removeprefix("C")
        controls, targets = ((first,), (second,)) if name != code.name else ((), (first,))
        if code is Elementary.SWAP:
            targets = (first, second)
        row = Operation(Op[name], controls, targets, (), None, -1)
        total = oracle.full_matrix(row, width) @ total
    return total


def is_same(one: NDArray[np.complex128], other: NDArray[np.complex128]) -> bool:
    """Tell whether two unitaries differ in their phase alone."""
    return bool(abs(abs(np.vdot(one, other)) - len(one)) < 1e-9 * len(one))


def unitary(matrix: NDArray[np.complex128], *targets: int) -> Operation:
    return Operation(Op.UNITARY, (), targets, (), np.ascontiguousarray(matrix).ravel(), -1)


@pytest.mark.parametrize("width", range(1, 7))
def test_random_cliffords_are_their_sequences(width: int) -> None:
    for seed in range(12 if width < 5 else 4):
        matrix = Operator(random_clifford(width, seed=seed)).data
        clifford = clifford_of(unitary(matrix, *range(width)))
        assert clifford is not None
        gates = synthesis(clifford.images)
        assert is_same(matrix_of(list(gates), width), matrix)


def test_sequences_of_common_gates_are_short() -> None:
    def length(code: Op, *controls: int) -> int:
        width = SPEC[code].targets or 0
        row = Operation(code, controls, tuple(range(len(controls), len(controls) + width)), (), None, -1)
        found = clifford_of(row)
        assert found is not None
        return len(synthesis(found.images))

    assert [length(code) for code in (Op.H, Op.S, Op.SX, Op.X, Op.Z, Op.SWAP)] == [1] * 6
    assert [length(code, 0) for code in (Op.X, Op.Z)] == [1, 1]
    assert max([length(code) for code in (Op.ISWAP, Op.DCX, Op.ECR)]) <= 5


def test_every_operation_has_the_images_of_its_matrix() -> None:
    rng = np.random.default_rng(5)
    seen = set()
    for spec in SPECS:
        if spec.kind is not Kind.UNITARY or spec.table is not Table.NONE or spec.op is Op.GLOBAL_PHASE:
            continue
        for _ in range(30):
            controls = int(rng.integers(3))
            places = rng.permutation(controls + (spec.targets or 0)).tolist()
            signed = [~qubit if rng.random() < 0.5 else qubit for qubit in places[:controls]]
            angles = tuple((np.pi / 2 * rng.integers(-4, 5, spec.angles)).tolist())
            row = Operation(spec.op, tuple(signed), tuple(places[controls:]), angles, None, -1)
            found = clifford_of(row)
            if found is None:
                continue
            seen.add(spec.op)
            gates = [Gate(code, places[first], places[second]) for code, first, second in synthesis(found.images)]
            assert is_same(matrix_of(gates, len(places)), oracle.full_matrix(row, len(places))), row
    assert seen == {spec.op for spec in SPECS if spec.kind is Kind.UNITARY} - {
        *(Op.T, Op.TDG, Op.RCCX, Op.RC3X),
        *(Op.GLOBAL_PHASE, Op.UNITARY, Op.DIAGONAL),
    }


def test_paulis_behind_an_elementary_gate_are_those_of_its_matrix() -> None:
    for code in _GATES:
        gate = Gate(code, 0, 1 if code >= Elementary.CX else 0)
        found = clifford_of(unitary(matrix_of([gate], 2), 0, 1))
        assert found is not None
        for image, (x, z) in zip(found.images, [(1, 0), (0, 1), (2, 0), (0, 2)], strict=True):
            assert behind_all(image._replace(x=x, z=z, sign=0), [gate]) == image


def test_a_program_is_its_rows_in_order() -> None:
    rng = np.random.default_rng(9)
    rows, width = [], 5
    for number in range(200):
        places = rng.permutation(width).tolist()
        choice = int(rng.integers(6))
        if choice == 0:
            rows.append(Operation(Op.MEASURE, (), (places[0],), (), None, number % 7))
        elif choice == 1:
            rows.append(Operation(Op.RESET, (), (places[0],), (), None, -1))
        elif choice == 2:
            rows.append(unitary(Operator(random_clifford(3, seed=number % 4)).data, *places[:3]))
        elif choice == 3:
            control = places[0] if number % 2 else ~places[0]
            rows.append(Operation(Op.X, (control,), (places[1],), (), None, -1))
        elif choice == 4:
            angle = float(rng.integers(4)) * np.pi / 2
            rows.append(Operation(Op.RZX, (), (places[0], places[1]), (angle,), None, -1))
        else:
            rows.append(Operation(Op.INITIALIZE, (), (places[0], places[1]), (), np.array([1, 1, 1, -1]) / 2 + 0j, -1))
    program = oracle.program(width, 7, rows)
    found = elementary(program)
    at = 0
    for number, row in enumerate(rows):
        own = []
        while at < len(found.codes) and found.rows[at] == number:
            own.append(Gate(Elementary(found.codes[at]), int(found.first[at]), int(found.second[at])))
            at += 1
        if row.code is Op.MEASURE:
            assert own == [Gate(Elementary.MEASURE, row.targets[0], row.clbit)]
        elif row.code is Op.RESET:
            assert own == [Gate(Elementary.RESET, row.targets[0], row.targets[0])]
        elif row.code is Op.INITIALIZE:
            resets, gates = own[:2], own[2:]
            assert resets == [Gate(Elementary.RESET, qubit, qubit) for qubit in row.targets]
            column = matrix_of([Gate(*gate) for gate in gates], width)[:, 0]
            index = [sum([(value >> bit & 1) << row.targets[bit] for bit in range(2)]) for value in range(4)]
            assert row.table is not None
            assert abs(abs(np.vdot(column[index], row.table)) - 1) < 1e-9
        else:
            assert is_same(matrix_of(own, width), oracle.full_matrix(row, width))
    assert at == len(found.codes)


def test_a_gate_that_is_no_clifford_is_named() -> None:
    rows = [Operation(Op.H, (), (0,), (), None, -1), Operation(Op.T, (), (1,), (), None, -1)]
    with pytest.raises(EngineError, match=r"operation 1, t, isn't a Clifford gate"):
        elementary(oracle.program(2, 0, rows))
