# SPDX-License-Identifier: Apache-2.0
"""Lower errors that are written into circuits.

They are recognised by their names and attributes: Aer need not be installed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from qiskit.circuit import Instruction

from qfleet.errors import NoiseError
from qfleet.lowering.gates import unpack_shape
from qfleet.lowering.refusal import RefusalError
from qfleet.lowering.rows import Rows
from qfleet.noise import Channel
from qfleet.noise.errors_of_aer import branches_of_error, lindblad_parts
from qfleet.noise.readout import Flips, check_readout
from qfleet.wire.program.operations import IS_FLOW, Op

#: The name of readout errors.
READOUT_ERROR = "roerror"
#: The attribute of Aer's ``quantum_channel`` instructions that holds their error.
_ERROR = "_quantum_error"


def is_error(operation: Any) -> bool:
    """Tell whether an operation is an error on qubits."""
    if type(operation) is Instruction:
        return operation.name in ("kraus", "superop") and operation.definition is None
    return hasattr(operation, _ERROR)


def error_rows(operation: Any) -> Rows:
    """Return the rows of an error on qubits. Raises `RefusalError`."""
    rows = Rows()
    try:
        for qubits, channel in _channels(operation):
            channel.wire  # noqa: B018 - a wrong one raises
            rows.add_noise(channel, qubits)
    except NoiseError as exc:
        raise RefusalError(str(exc), NoiseError, entry=exc.entry, value=exc.value) from exc
    return rows


def _channels(operation: Any) -> list[tuple[list[int], Channel]]:
    width = operation.num_qubits
    qubits = list(range(width))
    if operation.name == "kraus" and not hasattr(operation, _ERROR):
        return [(qubits, _fitting(Channel.kraus(operation.params), width))]
    if operation.name == "superop" and not hasattr(operation, _ERROR):
        return [(qubits, _fitting(Channel.superop(operation.params[0]), width))]
    error = getattr(operation, _ERROR).to_dict()
    if error["type"] == "plerror":
        return lindblad_parts(error)
    return [(qubits, Channel(width, lambda: branches_of_error(error, width)))]


def _fitting(channel: Channel, width: int) -> Channel:
    if channel.num_qubits != width:
        raise NoiseError(f"its matrices are for {channel.num_qubits} qubits, and it has {width}", entry="matrices")
    return channel


def is_readout_error(operation: Any) -> bool:
    """Tell whether an operation of that name is a readout error."""
    return type(operation) is Instruction and operation.definition is None


def add_readout_error(rows: Rows, operation: Any, clbits: list[int]) -> None:
    """Give the last measurement of a clbit a readout error.

    Args:
        rows: the rows before the error.
        operation: the error.
        clbits: its clbits in `rows`.

    Raises:
        RefusalError: it isn't possible, or has several clbits, or something may come between it and the measurement.
    """
    try:
        matrix = check_readout("its matrix", np.array(operation.params))
    except (NoiseError, TypeError, ValueError) as exc:
        raise RefusalError(str(exc), NoiseError) from exc
    if len(clbits) != 1 or len(matrix) != 2:
        raise RefusalError("readout errors of one clbit are supported; use one for each clbit")
    place = len(rows.clbits)
    for code, _, _ in map(unpack_shape, reversed(rows.shapes)):
        if IS_FLOW[code]:
            break
        if code == Op.MEASURE:
            place -= 1
            if rows.clbits[place] == clbits[0]:
                rows.readouts.append((place, Flips(matrix[0][1], matrix[1][0])))
                return
    raise RefusalError("its clbit isn't measured before it, in the same block and with no control flow in between")
