# SPDX-License-Identifier: Apache-2.0
"""Lower Aer's ``save_*`` instructions.

They are recognised by their names and attributes: Aer need not be installed.
"""

from __future__ import annotations

from typing import Any, Final, get_args

import msgspec
import numpy as np

from qfleet.lowering.refusal import RefusalError
from qfleet.wire.limits import MAX_LABEL
from qfleet.wire.program.saves import INSTRUCTIONS, SAVE_SPEC, Payload, Save, SaveKind, Subtype, mask_words

#: Saves the statevector, or the matrix with the method "unitary".
_STATE: Final = "save_state"
#: The label of `_STATE` that is replaced by the kind of its save.
METHOD_LABEL: Final = "_method_"

#: Names of the supported instructions.
NAMES: Final = (_STATE, *INSTRUCTIONS)
#: Labels that a result uses for its own data.
_RESERVED: Final = frozenset({"counts", "memory"})
_X_BITS: Final = str.maketrans("IXYZ", "0110")
_Z_BITS: Final = str.maketrans("IXYZ", "0011")


def is_save(operation: Any) -> bool:
    """Tell whether an operation is one of Aer's ``save_*`` instructions."""
    return operation.name in NAMES and hasattr(operation, "_subtype")


def lower_save(operation: Any) -> Save:
    """Return an instruction's save.

    A ``save_state`` becomes a save of the statevector until the method is known.

    Raises:
        RefusalError: the instruction isn't supported.
    """
    name, num_qubits = operation.name, operation.num_qubits
    label, subtype = getattr(operation, "_label", None), operation._subtype
    if not isinstance(label, str) or len(label) > MAX_LABEL:
        raise RefusalError(f"its label {label!r} isn't a string of at most {MAX_LABEL} characters")
    if label in _RESERVED:
        raise RefusalError(f"its label {label!r} is reserved for other data of results; choose another")
    spec = SAVE_SPEC[INSTRUCTIONS.get(name, SaveKind.STATEVECTOR)]
    if subtype not in get_args(Subtype) or subtype.removeprefix("c_") not in spec.manners:
        raise RefusalError(f"its subtype is {subtype!r}; {', '.join(spec.manners)} are possible, also after 'c_'")
    if num_qubits > spec.most_qubits:
        raise RefusalError(f"it acts on {num_qubits} qubits; at most {spec.most_qubits} are possible")
    save = Save(kind=spec.kind, label=label, subtype=subtype)
    match spec.payload:
        case Payload.BASIS_STATES:
            return msgspec.structs.replace(save, indices=_basis_states(operation.params, num_qubits))
        case Payload.PAULIS:
            return _with_observable(save, operation.params, num_qubits)
    return save


def saves_state(operation: Any) -> bool:
    """Tell whether the kind of an instruction's save depends on the method."""
    return bool(operation.name == _STATE)


def _basis_states(params: list[Any], num_qubits: int) -> bytes:
    states = [int(value) for value in params]
    if not states or min(states) < 0 or max(states) >> num_qubits:
        raise RefusalError(f"not all of its basis states are between 0 and {2**num_qubits - 1}")
    return np.array(states, "<i8").tobytes()


def _with_observable(save: Save, params: list[Any], num_qubits: int) -> Save:
    try:
        labels = [label for label, _ in params]
        pairs = np.array([pair for _, pair in params], np.float64).reshape(-1, 2)
        if any(len(label) != num_qubits for label in labels):
            raise ValueError("a Pauli has another number of qubits")
        x = [int(label.translate(_X_BITS), 2) for label in labels]
        z = [int(label.translate(_Z_BITS), 2) for label in labels]
    except (AttributeError, TypeError, ValueError) as exc:
        raise RefusalError(f"its operator can't be read: {exc}") from exc
    if not np.isfinite(pairs).all():
        raise RefusalError("its operator has a coefficient that isn't a finite number")
    # With a variance, the second number of each pair belongs to the operator's square; else it is the imaginary part.
    coefficients = pairs.T if save.spec.variance else pairs[:, 0] + 1j * pairs[:, 1]
    words = mask_words(num_qubits)
    return msgspec.structs.replace(
        save,
        x_masks=b"".join([mask.to_bytes(8 * words, "little") for mask in x]),
        z_masks=b"".join([mask.to_bytes(8 * words, "little") for mask in z]),
        coefficients=np.ascontiguousarray(coefficients, "<c16").tobytes(),
    )
