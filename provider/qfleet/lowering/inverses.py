# SPDX-License-Identifier: Apache-2.0
"""Control, invert and repeat rows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit.library import get_standard_gate_name_mapping

from qfleet.lowering.gates import pack_shape, shape_of, unpack_shape
from qfleet.lowering.parameters import Angle
from qfleet.lowering.refusal import RefusalError, too_long
from qfleet.lowering.rows import Rows, Tables, placement
from qfleet.wire.limits import MAX_OPERATIONS
from qfleet.wire.program.operations import SPEC, SPECS, Inverse, Kind, Op

_GATES = get_standard_gate_name_mapping()
#: Adjoint matrices of the gates whose inverse isn't an operation of its own.
_ADJOINTS: dict[Op, NDArray[np.complex128]] = {
    spec.op: _GATES[spec.gates[0][0]].to_matrix().conj().T for spec in SPECS if spec.inverse is Inverse.MATRIX
}


def control_rows(rows: Rows, num_controls: int, state: int, num_qubits: int) -> Rows:
    """Return rows under controls. Raises `RefusalError` if a row isn't unitary.

    Args:
        rows: the rows to control.
        num_controls: number of controls, which become qubits 0 to ``num_controls - 1``.
        state: bit i is the value of control i that activates the rows.
        num_qubits: number of qubits of `rows`, which follow the controls.
    """
    controls = [qubit if state >> qubit & 1 else ~qubit for qubit in range(num_controls)]
    placed = placement(range(num_controls, num_controls + num_qubits))
    phase = math.remainder(rows.phase, math.tau)
    result = Rows(params=[*([phase] if phase else []), *rows.params], tables=rows.tables)
    if phase:
        result.shapes.append(shape_of(Op.GLOBAL_PHASE, num_controls))
        result.operands += controls
    at = 0
    for code, inner_controls, targets in map(unpack_shape, rows.shapes):
        if SPEC[code].kind is not Kind.UNITARY:
            raise _not_unitary(code, "controlled")
        end = at + inner_controls + targets
        result.shapes.append(pack_shape(code, num_controls + inner_controls, targets))
        result.operands += controls
        result.operands += [placed[operand] for operand in rows.operands[at:end]]
        at = end
    return result


def invert_rows(rows: Rows, tables: Tables) -> Rows:
    """Return rows that undo other rows, with their tables added to `tables`.

    Raises `RefusalError` if a row isn't unitary.
    """
    result = Rows(phase=-rows.phase)
    for (code, controls, targets), operands, params, number in reversed(list(rows.each())):
        code, params, table = _invert(code, params, None if number is None else tables[number])
        result.shapes.append(pack_shape(code, controls, targets))
        if SPEC[code].inverse is Inverse.REVERSED:
            operands = [*operands[:controls], operands[-1], operands[-2]]
        result.operands += operands
        result.params += params
        if table is not None:
            result.tables.append(tables.add(table))
    return result


def repeat_rows(rows: Rows, times: int) -> Rows:
    """Return rows repeated a number of times.

    Raises:
        RefusalError: there are jumps, stores or saves, or too many rows.
    """
    for code, _, _ in map(unpack_shape, set(rows.shapes)):
        if SPEC[code].kind in (Kind.FLOW, Kind.SAVE):
            raise _not_unitary(code, "repeated")
    if len(rows.shapes) * times > MAX_OPERATIONS:
        raise too_long(MAX_OPERATIONS)
    return Rows(
        rows.shapes * times,
        rows.operands * times,
        params=rows.params * times,
        tables=rows.tables * times,
        sites=rows.sites * times,
        phase=rows.phase * times,
    )


def _not_unitary(code: Op, done: str) -> RefusalError:
    what = "control flow" if SPEC[code].kind is Kind.FLOW else f"a {code.name.lower()}"
    return RefusalError(f"it has {what} inside, which can't be {done}")


def _invert(
    code: Op, params: list[Angle], table: NDArray[np.complex128] | None
) -> tuple[Op, list[Angle], NDArray[np.complex128] | None]:
    """Return the inverse of a unitary operation.

    The order of its targets is left to the caller.
    """
    inverse = SPEC[code].inverse
    match inverse:
        case Op():
            return inverse, params, None
        case Inverse.SELF | Inverse.REVERSED:
            return code, params, None
        case Inverse.NEGATED:
            return code, [-params[0], *params[1:]], None
        case Inverse.EULER:
            theta, phi, lam = params
            return code, [-theta, -lam, -phi], None
        case Inverse.ADJOINT if table is not None:
            if SPEC[code].diagonal:
                return code, params, table.conj()
            size = math.isqrt(table.size)
            return code, params, table.reshape(size, size).conj().T
        case Inverse.MATRIX:
            return Op.UNITARY, params, _ADJOINTS[code]
    raise _not_unitary(code, "inverted")
