# SPDX-License-Identifier: Apache-2.0
"""Explanations of the choice of a method, before anything is sent."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit

from qfleet.options import RunOptions
from qfleet.submission.bindings import Bindings
from qfleet.submission.encode import as_drawn, lower_circuit, request_of
from qfleet.wire.cost.branches import turns_of
from qfleet.wire.cost.cost import cost
from qfleet.wire.cost.errors import error_runs
from qfleet.wire.cost.methods import choose_method, method_refusal
from qfleet.wire.limits import LARGEST_VALUE
from qfleet.wire.messages.methods import MethodError
from qfleet.wire.messages.request import METHODS, Method, Output


@dataclass(frozen=True, slots=True)
class MethodExplanation:
    """One method, and a circuit."""

    method: str
    #: why no machine runs the circuit by this method; empty if one can
    refusal: str
    #: predicted, of one thread for all shots of one parameter set; None if it can't run
    seconds: float | None = None
    #: predicted bytes at the peak of the process that runs it; None if it can't run
    memory_bytes: int | None = None

    @property
    def possible(self) -> bool:
        """Tell whether the method can run the circuit."""
        return not self.refusal


@dataclass(frozen=True, slots=True)
class Explanation:
    """The methods for a circuit, and the one that is taken."""

    circuit: str
    #: qubits that are simulated: idle ones aren't
    num_qubits: int
    num_operations: int
    shots: int
    #: the method that is taken; None if `run` refuses the circuit
    method: str | None
    #: why it is taken, or why none is
    reason: str
    methods: tuple[MethodExplanation, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as numbers, texts, lists and dictionaries."""
        return dataclasses.asdict(self) | {"methods": [dataclasses.asdict(each) for each in self.methods]}

    def __repr__(self) -> str:
        width = max(map(len, METHODS))
        lines = [
            f"circuit {self.circuit!r}: {self.num_qubits} simulated qubits, {self.num_operations} operations, "
            f"{self.shots} shots"
        ]
        for each in self.methods:
            mark = ">" if each.method == self.method else " "
            lines.append(f"{mark} {each.method:<{width}}  {_words(each)}")
        taken = f"{self.method}, {self.reason}" if self.method else f"refused: {self.reason}"
        return "\n".join([*lines, taken])


def explain(circuit: QuantumCircuit, options: RunOptions, output: Output) -> Explanation:
    """Return what each method says of a circuit. See `qfleet.backend.FleetBackend.explain`."""
    if not isinstance(circuit, QuantumCircuit):
        raise TypeError(f"one QuantumCircuit is needed, not {type(circuit).__name__}; explain circuits one by one")
    program = lower_circuit(circuit, options, output)
    values = _values(circuit, options)
    errors = error_runs(program, turns_of(program)) if len(program.channel_refs) else None
    drawn = as_drawn(circuit, program, options, output)
    found = []
    for spec in METHODS.values():
        request = request_of(options, output, spec.method)
        refusal = method_refusal(drawn, request, values, num_qubits=program.num_qubits)
        if refusal:
            found.append(MethodExplanation(spec.method, refusal))
            continue
        needed = cost(program, request, shots=options.shots, errors=errors)
        if needed.result_bytes > LARGEST_VALUE and output != Output.BITS:
            size = f"its result would take {needed.result_bytes >> 20:,} MiB, and a Redis value holds 512 MiB"
            found.append(MethodExplanation(spec.method, size))
            continue
        found.append(MethodExplanation(spec.method, "", needed.seconds, needed.memory_bytes))
    chosen: Method | None
    try:
        chosen, reason = choose_method(
            program, request_of(options, output), options.shots, errors=errors, values=values
        )
        request = request_of(options, output, chosen)
        refusal = method_refusal(drawn, request, values, num_qubits=program.num_qubits)
        refusal = refusal or next(each.refusal for each in found if each.method == chosen)
        if refusal:
            chosen, reason = None, f"{chosen}: {refusal}"
    except MethodError as exc:
        chosen, reason = None, f"the circuit {exc}"
    return Explanation(circuit.name, program.num_qubits, len(program), options.shots, chosen, reason, tuple(found))


def _values(circuit: QuantumCircuit, options: RunOptions) -> NDArray[np.float64] | None:
    """Return the values of the circuit's parameters; ``None`` if they have none."""
    if not options.parameter_binds:
        return None
    return Bindings(circuit, options.parameter_binds[0]).table()


def _words(each: MethodExplanation) -> str:
    if each.seconds is None or each.memory_bytes is None:
        return f"no: {each.refusal}"
    return f"{_time(each.seconds)}, {each.memory_bytes / 2**20:,.0f} MiB"


def _time(seconds: float) -> str:
    """Return a time with its unit."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 3600 else f"{seconds / 3600:,.0f} h"
