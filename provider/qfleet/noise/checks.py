# SPDX-License-Identifier: Apache-2.0
"""Check the numbers and names of channels and noise models.

Users' arguments, Aer's models and files are checked here alike, so that a model that was made can be saved and read.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any, Final, SupportsIndex, TypeAlias, TypeGuard

from qfleet.errors import NoiseError
from qfleet.noise.matrices import TOLERANCE
from qfleet.wire.limits import MAX_QUBITS

#: Ordered qubits, or ``None`` for all.
Qubits: TypeAlias = "tuple[int, ...] | None"

_LONGEST_NAME: Final = 1000
#: Largest distance of a sum of probabilities from 1 that dividing by the sum can leave.
_ROUNDED: Final = 2 * sys.float_info.epsilon


def number(entry: str, value: object, lowest: float, highest: float, *, rounding: float = 0.0) -> float:
    """Return a number that lies within bounds.

    Args:
        entry: its name for the error.
        value: the number.
        lowest: the smallest value that is allowed.
        highest: the largest value that is allowed.
        rounding: distance from the bounds that counts as rounding, and is taken off.

    Raises:
        NoiseError: it isn't such a number.
    """
    try:
        found = math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    except OverflowError:
        found = math.nan
    if not lowest - rounding <= found <= highest + rounding:
        text = f"{entry} = {value!r}: a number from {lowest:g} to {highest:g} is needed"
        raise NoiseError(text, entry=entry, value=value)
    return min(max(found, lowest), highest)


def whole_number(entry: str, value: object, lowest: int, highest: int) -> int:
    """Return an integer, of any type, that lies within bounds.

    Args:
        entry: its name for the error.
        value: the number.
        lowest: the smallest value that is allowed.
        highest: the largest value that is allowed.

    Raises:
        NoiseError: it isn't such a number.
    """
    if not is_whole(value) or not lowest <= operator.index(value) <= highest:
        text = f"{entry} = {value!r}: a whole number from {lowest} to {highest} is needed"
        raise NoiseError(text, entry=entry, value=value)
    return operator.index(value)


def is_whole(value: object) -> TypeGuard[SupportsIndex]:
    """Tell whether a value is an integer of any type."""
    try:
        operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return False
    return not isinstance(value, bool)


def time_above_0(entry: str, value: object) -> float:
    """Return a time above 0, perhaps infinite. Raises `NoiseError`."""
    found = number(entry, value, 0.0, math.inf)
    if not found:
        raise NoiseError(f"{entry} = {value!r}: a time above 0 is needed", entry=entry, value=value)
    return found


def probability(entry: str, value: object) -> float:
    """Return a probability without rounding. Raises `NoiseError`."""
    return number(entry, value, 0.0, 1.0, rounding=TOLERANCE)


def probabilities(entry: str, values: Sequence[object]) -> list[float]:
    """Return probabilities that add up to 1, and take off rounding.

    Args:
        entry: their name for the error.
        values: the probabilities.

    Raises:
        NoiseError: one isn't a probability, or their sum isn't 1.
    """
    found = [probability(entry, value) for value in values]
    total = math.fsum(found)
    if not abs(total - 1) <= TOLERANCE:
        raise NoiseError(f"the sum of {entry} is {total:.10g}; 1 is needed", entry=entry, value=total)
    # What was divided before stays as it is.
    return found if abs(total - 1) <= _ROUNDED else [each / total for each in found]


def listed(entry: str, values: Any, what: str) -> list[Any]:
    """Return the elements of a list, an array or the like.

    Args:
        entry: its name for the error.
        values: the list.
        what: what is needed, for the error.

    Raises:
        NoiseError: it has no elements, or is a text.
    """
    try:
        found = None if isinstance(values, str | bytes) else list(values)
    except TypeError:
        found = None
    if found is None:
        raise NoiseError(f"{entry} = {values!r}: {what} is needed", entry=entry, value=values)
    return found


def gate_name(entry: str, name: object) -> str:
    """Return the name or label of a gate.

    Args:
        entry: its name for the error.
        name: the name.

    Raises:
        NoiseError: it isn't a text that can be written to a file.
    """
    if not isinstance(name, str) or not 1 <= len(name) <= _LONGEST_NAME:
        text = f"{entry}: {name!r} isn't the name of a gate: a text of 1 to {_LONGEST_NAME} characters is needed"
        raise NoiseError(text, entry=entry, value=name)
    try:
        name.encode()
    except UnicodeEncodeError as exc:
        text = f"{entry}: {name!r} has the lone surrogate {name[exc.start]!r}, which isn't a character; remove it"
        raise NoiseError(text, entry=entry, value=name) from exc
    return name


def ordered_qubits(entry: str, qubits: int | Iterable[int] | None) -> Qubits:
    """Return different qubits in their order.

    Args:
        entry: their name for the error.
        qubits: one or several; ``None`` for all.

    Raises:
        NoiseError: they aren't qubits, or one is there twice.
    """
    if qubits is None:
        return None
    given: list[Any] = [qubits] if is_whole(qubits) else listed(entry, qubits, "a qubit, or a list of qubits,")
    if any(isinstance(each, list | tuple) for each in given):
        text = f"{entry} = {qubits!r}: the qubits of one gate are needed; call once for each of these lists"
        raise NoiseError(text, entry=entry, value=qubits)
    found = tuple([whole_number(entry, qubit, 0, MAX_QUBITS - 1) for qubit in given])
    if not found or len(set(found)) != len(found):
        raise NoiseError(f"{entry} = {qubits!r}: different qubits are needed", entry=entry, value=qubits)
    return found


def check_width(entry: str, num_qubits: int, qubits: Qubits) -> None:
    """Check that an error fits its qubits.

    Args:
        entry: its name for the error.
        num_qubits: number of qubits of the error.
        qubits: the qubits.

    Raises:
        NoiseError: they are more or fewer.
    """
    if qubits is not None and len(qubits) != num_qubits:
        text = f"{entry} is of {num_qubits} qubit{'s' * (num_qubits != 1)}, but for the qubits {qubits}"
        raise NoiseError(text, entry=entry, value=qubits)
