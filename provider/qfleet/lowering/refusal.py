# SPDX-License-Identifier: Apache-2.0
"""Report a circuit that can't be lowered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qfleet.errors import CapacityError, QfleetError, UnboundParameterError, UnsupportedCircuitError

_SHOWN = 8


class RefusalError(Exception):
    """An operation can't be lowered.

    The error collects the operation's place on its way up.
    """

    def __init__(self, reason: str, kind: type[QfleetError] = UnsupportedCircuitError, **fields: object) -> None:
        """Refuse an operation.

        Args:
            reason: the end of the user's message.
            kind: class of the user's error.
            fields: attributes of the user's error, see its class.
        """
        super().__init__(reason)
        self._reason = reason
        self._kind = kind
        self._fields = fields
        #: (operation, position, qubits), from the innermost operation outwards.
        self._path: list[tuple[str, int, Sequence[int]]] = []

    @property
    def is_of_parameters(self) -> bool:
        """Tell whether a parameter lacks a value."""
        return issubclass(self._kind, UnboundParameterError)

    def add_place(self, operation: str, position: int, qubits: Sequence[int]) -> None:
        """Add an operation that contains the refused one.

        Args:
            operation: the operation's name.
            position: its position in its circuit or definition.
            qubits: its qubits there.
        """
        self._path.append((operation, position, qubits))

    def error(self, circuit_name: str) -> QfleetError:
        """Return the error to raise to the user."""
        fields = dict(self._fields)
        if self._path:
            operation, position, qubits = self._path[-1]
            path = tuple([(name, at) for name, at, _ in reversed(self._path)])
            fields |= {"operation": operation, "position": position, "qubits": tuple(qubits), "path": path}
        return self._kind(f"circuit {circuit_name!r} {self._where()}{self._reason}", circuit=circuit_name, **fields)

    def _where(self) -> str:
        if not self._path:
            return ""
        operation, position, qubits = self._path[-1]
        where = f"holds {operation!r} at position {position} ({_qubits(qubits)})"
        if len(self._path) > 1:
            inner = [repr(name) for name, _, _ in reversed(self._path[:-1])]
            where += f", and in it {_listed(inner, ' > ')} at position {self._path[0][1]}"
        return where + (", which " if self._kind is UnboundParameterError else ", which qfleet doesn't run: ")


def unbound(names: Iterable[str]) -> RefusalError:
    """Return the refusal of parameters without a value.

    They are named in the order given.
    """
    ordered = list(names)
    plural = "s" if len(ordered) > 1 else ""
    return RefusalError(
        f"has {len(ordered)} parameter{plural} without a value ({_listed([repr(name) for name in ordered])}): "
        "bind with `circuit.assign_parameters({...})` first",
        UnboundParameterError,
        parameters=tuple(ordered),
    )


def too_many_jumps(limit: int) -> RefusalError:
    """Return the refusal of a circuit with too much control flow."""
    return RefusalError(f"it expands to more than {limit} jumps and stores", CapacityError, limit=limit)


def too_long(limit: int) -> RefusalError:
    """Return the refusal of too many operations in definitions."""
    text = f"it expands to more than {limit} operations with its definitions inlined"
    return RefusalError(text, CapacityError, limit=limit)


def _qubits(qubits: Sequence[int]) -> str:
    if not qubits:
        return "no qubits"
    return f"qubit{'s' if len(qubits) > 1 else ''} {_listed([str(qubit) for qubit in qubits])}"


def _listed(items: list[str], separator: str = ", ") -> str:
    shown = items if len(items) <= _SHOWN else [*items[: _SHOWN - 1], "...", items[-1]]
    return separator.join(shown)
