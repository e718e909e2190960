# SPDX-License-Identifier: Apache-2.0
"""Saved data in a Qiskit result, in Aer's types."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import Clifford, DensityMatrix, Operator, StabilizerState, Statevector, SuperOp
from qiskit.result import ProbDistribution

from qfleet.errors import DamagedDataError
from qfleet.wire.errors import WireError
from qfleet.wire.messages.request import Precision
from qfleet.wire.program.saves import SAVE_SPEC, Payload, Quantity, Saved, SaveKind, tableau_size, value_type
from qfleet.wire.program.tensors import unpack

#: Aer's threshold: a dictionary leaves out smaller amplitudes.
_NEGLIGIBLE = 1e-10

#: The clbits of an entry, its value, and its number of shots.
_Entry = tuple[str, Any, int]


def saved_data(
    parts: Sequence[tuple[Saved, ...]], *, num_qubits: int, num_clbits: int, precision: Precision
) -> dict[str, Any]:
    """Return the saved data of a circuit by label.

    Args:
        parts: the saved data of each block of shots, in the order of the shots.
        num_qubits: the number of qubits of the circuit.
        num_clbits: the number of clbits of the circuit.
        precision: the precision of the simulation.

    Raises:
        DamagedDataError: the data don't fit the circuit.
    """
    if any(
        [(save.label, save.kind, save.subtype) for save in part]
        != [(save.label, save.kind, save.subtype) for save in parts[0]]
        for part in parts
    ):
        raise DamagedDataError("the blocks of a circuit's shots saved different data")
    data = {}
    for number, save in enumerate(parts[0] if parts else ()):
        # A unitary or a superoperator is the same for all shots.
        once = save.spec.quantity in (Quantity.MATRIX, Quantity.SUPEROP)
        blocks = [part[number] for part in (parts[:1] if once else parts)]
        value = _merge(blocks, num_clbits, precision, num_qubits)
        if value is not None:
            data[save.label] = value
    return data


def _merge(blocks: Sequence[Saved], num_clbits: int, precision: Precision, num_qubits: int) -> Any:
    """Return the value of one label.

    Args:
        blocks: what each block of shots saved, in the order of the shots.
        num_clbits: the number of clbits of the circuit.
        precision: the precision of the simulation.
        num_qubits: the number of qubits of the circuit.

    Returns:
        The value in the type that Aer uses; ``None`` if no shot reached the save.

    Raises:
        DamagedDataError: the data don't fit the circuit.
    """
    manner = blocks[0].manner
    values: dict[str, Any] = {}
    weights: dict[str, int] = {}
    sizes: set[int] = set()
    for block in blocks:
        entries = _entries(block, num_clbits, precision, num_qubits)
        if block.spec.quantity is not Quantity.TENSORS:
            sizes.update([value.size for _, value, _ in entries[:1]])
        if len(sizes) > 1:
            raise DamagedDataError(f"the blocks of a circuit's shots saved {block.label!r} in different sizes")
        if manner == "list":
            made = [(clbits, _made(block.kind, value)) for clbits, value, _ in entries]
            for place in _places(block):
                clbits, value = made[place]
                values.setdefault(clbits, []).append(value)
            continue
        for clbits, value, weight in entries:
            if manner == "single":
                values[clbits] = value
            else:
                values[clbits] = values[clbits] + value if clbits in values else value
                weights[clbits] = weights.get(clbits, 0) + weight
    if manner == "average":
        values = {clbits: value / weights[clbits] for clbits, value in values.items()}
    if manner != "list":
        values = {clbits: _made(blocks[0].kind, value) for clbits, value in values.items()}
    elif blocks[0].kind is SaveKind.EXPECTATION_VALUE:
        values = {clbits: np.array(value) for clbits, value in values.items()}
    return values if blocks[0].conditional else values.get("")


def _entries(block: Saved, num_clbits: int, precision: Precision, num_qubits: int) -> list[_Entry]:
    """Return the entries of a block.

    Args:
        block: what a block of shots saved.
        num_clbits: the number of clbits of the circuit.
        precision: the precision of the simulation.
        num_qubits: the number of qubits of the circuit.

    Raises:
        DamagedDataError: the data don't fit together.
    """
    width = (num_clbits + 7) // 8 if block.conditional else 0
    flat = read_array(block.values, value_type(block.kind, precision))
    size, rest = divmod(flat.size, block.entries) if block.entries else (0, flat.size)
    weights = read_array(block.weights, "<i8")
    wrong_size = block.entries and (not size or size != _expected_size(block.kind, size, num_qubits))
    if rest or wrong_size or len(block.clbits) != width * block.entries:
        raise DamagedDataError(f"what was saved as {block.label!r} doesn't fit its {block.entries} entries")
    if len(weights) != (block.entries if block.summed else 0) or (weights < 1).any():
        raise DamagedDataError(f"what was saved as {block.label!r} doesn't say over how many shots")
    return [
        (
            hex(int.from_bytes(block.clbits[at * width : (at + 1) * width], "little")) if width else "",
            flat[at * size : (at + 1) * size],
            int(weights[at]) if block.summed else 1,
        )
        for at in range(block.entries)
    ]


def _expected_size(kind: SaveKind, size: int, num_qubits: int) -> int:
    """Return the size of an entry, or the nearest possible size.

    The nearest size is returned where only the program has the exact one.

    Args:
        kind: the kind of save.
        size: the actual size, in numbers.
        num_qubits: number of qubits of the program.
    """
    spec = SAVE_SPEC[kind]
    match spec.quantity:
        case Quantity.AMPLITUDES:
            return 1 << num_qubits
        case Quantity.MATRIX:
            return 1 << 2 * num_qubits
        case Quantity.SUPEROP:
            return 1 << 4 * num_qubits
        case Quantity.TABLEAU:
            return tableau_size(num_qubits)
        case Quantity.PROBABILITIES:
            return 1 << max(size.bit_length() - 1, 0)
        case Quantity.DENSITY_MATRIX:
            return 1 << max(size.bit_length() - 1, 0) // 2 * 2
        case Quantity.EXPECTATION_VALUES if spec.payload is Payload.PAULIS:
            return 2 if spec.variance else 1
    return size


def _places(block: Saved) -> Iterator[int]:
    places = read_array(block.places, "<u4")
    if (places >= block.entries).any():
        raise DamagedDataError(f"what was saved as {block.label!r} names an entry that isn't there")
    yield from places.tolist()


def _amplitudes_by_state(value: NDArray[Any]) -> dict[str, complex]:
    kept = np.flatnonzero(np.abs(value) > _NEGLIGIBLE)
    return {hex(at): complex(amplitude) for at, amplitude in zip(kept.tolist(), value[kept], strict=True)}


def _probabilities_by_state(value: NDArray[Any]) -> ProbDistribution:
    kept = np.flatnonzero(value)
    return ProbDistribution(dict(zip(kept.tolist(), value[kept].tolist(), strict=True)))


#: The conversions of entries to the types that Aer uses; values of other kinds are arrays.
RESULT_TYPES: Final[Mapping[SaveKind, Callable[[NDArray[Any]], Any]]] = {
    SaveKind.STATEVECTOR: Statevector,
    SaveKind.STATEVECTOR_DICT: _amplitudes_by_state,
    SaveKind.PROBABILITIES_DICT: _probabilities_by_state,
    SaveKind.EXPECTATION_VALUE: lambda value: float(value[0]),
    SaveKind.DENSITY_MATRIX: lambda value: DensityMatrix(_square(value)),
    SaveKind.UNITARY: lambda value: Operator(_square(value)),
    SaveKind.SUPEROP: lambda value: SuperOp(_square(value)),
    SaveKind.STABILIZER: lambda value: StabilizerState(_clifford(value)),
    SaveKind.CLIFFORD: lambda value: _clifford(value),
    SaveKind.MATRIX_PRODUCT_STATE: lambda value: _matrix_product_state(value),
}


def _clifford(value: NDArray[Any]) -> Clifford:
    """Return the Clifford of destabilizers and stabilizers.

    Their rows are packed bits of X, of Z, and a sign.
    """
    # A row of n qubits has 2 n + 1 bits, and there are 2 n rows.
    rows = next(rows for rows in range(2, value.size + 1, 2) if rows * (rows // 8 + 1) == value.size)
    bits = np.unpackbits(value.reshape(rows, -1), axis=1, bitorder="little")
    return Clifford(bits[:, : rows + 1].astype(np.bool_), validate=False)


def _matrix_product_state(value: NDArray[Any]) -> tuple[list[tuple[NDArray[Any], NDArray[Any]]], list[NDArray[Any]]]:
    """Return the tensors of a state in Aer's form.

    They are pairs of matrices, for the values of each qubit, and the singular values of each bond.
    """
    try:
        tensors, values = unpack(value)
    except WireError as exc:
        raise DamagedDataError(str(exc)) from exc
    return [(tensor[:, 0].copy(), tensor[:, 1].copy()) for tensor in tensors], values


def _made(kind: SaveKind, value: NDArray[Any]) -> Any:
    """Return a value in the type that Aer uses."""
    make = RESULT_TYPES.get(kind)
    return value.copy() if make is None else make(value)


def _square(value: NDArray[Any]) -> NDArray[Any]:
    return value.reshape(1 << (value.size.bit_length() - 1) // 2, -1)


def read_array(raw: bytes, kind: str) -> NDArray[Any]:
    """Return bytes as a flat array.

    Args:
        raw: the bytes.
        kind: the dtype.

    Raises:
        DamagedDataError: the number of bytes doesn't fit the dtype.
    """
    try:
        return np.frombuffer(raw, kind)
    except ValueError as exc:
        raise DamagedDataError(f"{len(raw)} bytes aren't an array of {kind}") from exc
