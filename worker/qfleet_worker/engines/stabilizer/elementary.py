# SPDX-License-Identifier: Apache-2.0
"""Programs as elementary operations, in flat arrays.

Equal gates on other qubits are synthesised once: a row takes its operations from its kind, and its qubits from the
program.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.clifford_programs import IS_GATE, Rows
from qfleet.wire.program.cliffords import clifford_of
from qfleet.wire.program.operations import Op, numbers_by_code
from qfleet.wire.program.program import Program
from qfleet_worker.engines.contract import EngineError
from qfleet_worker.engines.stabilizer.codes import Elementary, Gate
from qfleet_worker.engines.stabilizer.synthesis import synthesis

#: The operations of rows that aren't gates; none for those that aren't here.
_PLAIN: Final = {
    None: (),
    Op.MEASURE: (Gate(Elementary.MEASURE, 0, 0),),
    Op.RESET: (Gate(Elementary.RESET, 0, 0),),
    Op.NOISE: (Gate(Elementary.NOISE, 0, 0),),
}
#: The number of each code's operations among them.
_PLAIN_TEMPLATES: Final = numbers_by_code(lambda spec: [*_PLAIN].index(spec.op) if spec.op in _PLAIN else 0)


class Elementaries(NamedTuple):
    """Elementary operations in circuit order.

    Jumps, stores and saves have none.
    """

    #: uint8, shape (operations,): see `Elementary`
    codes: NDArray[np.uint8]
    #: int32, shape (operations,): the first qubit; of noise, the place of its first target among the program's operands
    first: NDArray[np.int32]
    #: int32, shape (operations,): the second qubit, or the first; a measurement's clbit, or the channel of noise
    second: NDArray[np.int32]
    #: int32, shape (operations,): the program's row that each belongs to
    rows: NDArray[np.int32]


def elementary(program: Program) -> Elementaries:
    """Return a program's rows as elementary operations.

    Raises:
        EngineError: a row isn't a Clifford operation.
    """
    codes, table = program.codes, Rows(program)
    gates = np.flatnonzero(IS_GATE[codes])
    kinds = table.kinds(gates)
    templates = [*_PLAIN.values(), *[_template(table, row) for row in kinds.firsts.tolist()]]
    template_of = _PLAIN_TEMPLATES[codes]
    template_of[gates] = kinds.of_rows + len(_PLAIN)

    lengths = np.array([len(template) for template in templates], np.int64)
    flat = np.array([gate for template in templates for gate in template], np.int64)
    counts = lengths[template_of]
    rows = np.repeat(np.arange(len(codes)), counts)
    at = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    at += (np.cumsum(lengths) - lengths)[template_of[rows]]

    widths = program.num_controls.astype(np.int64) + program.num_targets
    begins = (np.cumsum(widths) - widths)[rows]
    qubits = np.maximum(program.operands, ~program.operands)
    found = flat[at, 0].astype(np.uint8)
    first, second = qubits[begins + flat[at, 1]], qubits[begins + flat[at, 2]]
    second[found == Elementary.MEASURE] = program.clbits
    noisy = found == Elementary.NOISE
    first[noisy], second[noisy] = begins[noisy], program.channel_refs
    return Elementaries(found, first, second, rows.astype(np.int32))


def _template(table: Rows, row: int) -> list[Gate]:
    """Return the operations of a row, on places among its own operands."""
    operation = table.gate(row)
    clifford = clifford_of(operation)
    if clifford is None:
        raise EngineError(f"operation {row}, {operation.code.name.lower()}, isn't a Clifford gate")
    prepared = range(len(operation.targets)) if operation.code is Op.INITIALIZE else ()
    return [*[Gate(Elementary.RESET, place, place) for place in prepared], *synthesis(clifford.images)]
