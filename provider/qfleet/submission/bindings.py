# SPDX-License-Identifier: Apache-2.0
"""Bindings of a circuit's parameters, from ``parameter_binds``.

A parameter set is one value for each parameter.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Parameter, ParameterExpression, ParameterVector, QuantumCircuit
from qiskit.exceptions import QiskitError

from qfleet.errors import InvalidOptionError

#: Kinds of numbers that can fill a program's slots. Qiskit binds all other values.
_PLAIN = "iuf"


class Bindings:
    """The parameter sets of one circuit: an entry of ``parameter_binds``.

    Raises:
        InvalidOptionError: it names parameters that don't exist, or its lists differ in length.
    """

    def __init__(self, circuit: QuantumCircuit, values: Mapping[Any, Any]) -> None:
        self._circuit = circuit
        with _named(circuit):
            self._columns = _columns(circuit, values)
            shapes = {column.shape for column in self._columns.values()} or {(1,)}
            if len(shapes) > 1 or min(shapes) == (0,):
                raise ValueError(
                    f"its lists have the shapes {sorted(shapes)}; all its parameters need as many values, and at least "
                    "one"
                )
        self._num_sets: int = shapes.pop()[0]

    def __len__(self) -> int:
        """Return the number of parameter sets."""
        return self._num_sets

    def table(self) -> NDArray[np.float64] | None:
        """Return the values in the order of ``circuit.parameters``.

        Returns:
            float64, shape (sets, parameters); ``None`` unless the values are real, finite numbers for exactly the
            circuit's parameters.
        """
        parameters = list(self._circuit.parameters)
        if self._columns.keys() != set(parameters):
            return None
        table = np.empty((self._num_sets, len(parameters)))
        for place, parameter in enumerate(parameters):
            column = self._columns[parameter]
            if column.dtype.kind == "c" and not column.imag.any():
                column = column.real
            if column.ndim != 1 or column.dtype.kind not in _PLAIN:
                return None
            table[:, place] = column
        return table if np.isfinite(table).all() else None

    def bound(self) -> Iterator[QuantumCircuit]:
        """Yield the circuit for each parameter set, bound by Qiskit.

        Raises:
            InvalidOptionError: a value can't be bound.
        """
        with _named(self._circuit):
            for row in range(self._num_sets):
                bound = self._circuit.assign_parameters(
                    {parameter: column[row] for parameter, column in self._columns.items()}
                )
                bound.name = self._circuit.name
                yield bound


def global_phases(circuit: QuantumCircuit, table: NDArray[np.float64]) -> list[float]:
    """Return the circuit's global phase for each parameter set, in radians.

    Args:
        circuit: the circuit.
        table: the values of its parameters, shape (sets, parameters).

    Raises:
        InvalidOptionError: the phase has no value for a parameter set.
    """
    phase = circuit.global_phase
    if not isinstance(phase, ParameterExpression):
        return [float(phase)] * len(table)
    places = [(place, free) for place, free in enumerate(circuit.parameters) if free in phase.parameters]
    with _named(circuit):
        return [float(phase.bind({free: row[place] for place, free in places})) % math.tau for row in table.tolist()]


def _columns(circuit: QuantumCircuit, values: Mapping[Any, Any]) -> dict[Parameter, NDArray[Any]]:
    """Return the values of each parameter, parameter sets along the first axis."""
    columns: dict[Parameter, NDArray[Any]] = {}
    for key, given in values.items():
        column = np.atleast_1d(given)
        if isinstance(key, ParameterVector):
            if column.ndim == 1 and len(key) in (1, column.size):
                column = column.reshape(-1, len(key))
            if column.ndim != 2 or column.shape[1] != len(key):
                raise ValueError(
                    f"the values of {key.name!r} have the shape {column.shape}; with its {len(key)} parameters they "
                    f"need the shape (points, {len(key)})"
                )
            columns.update(zip(key, column.T, strict=True))
        else:
            columns[circuit.get_parameter(key) if isinstance(key, str) else key] = column
    return columns


@contextmanager
def _named(circuit: QuantumCircuit) -> Iterator[None]:
    """Name the circuit in errors about its bindings."""
    try:
        yield
    except (ArithmeticError, KeyError, QiskitError, RuntimeError, TypeError, ValueError) as exc:
        reason = exc.message if isinstance(exc, QiskitError) else exc.args[0] if isinstance(exc, KeyError) else exc
        text = f"parameter_binds of circuit {circuit.name!r}: {reason}"
        raise InvalidOptionError(text, option="parameter_binds", circuit=circuit.name) from exc
