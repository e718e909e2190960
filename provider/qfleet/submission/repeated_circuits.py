# SPDX-License-Identifier: Apache-2.0
"""Circuits that are sent again and again, encoded once.

A loop sends one circuit at other values, or one small circuit many times; to lower and encode it takes a third of the
time until the job is stored. The last few circuits are kept beside what they became. A circuit is compared with a copy,
instruction by instruction, in a tenth of that time, so it may be changed, or made anew.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Barrier, CircuitInstruction, Measure, QuantumCircuit
from qiskit.quantum_info import SparseObservable

from qfleet.lowering.meanings import may_differ, meaning_of
from qfleet.options import RunOptions, check_text
from qfleet.submission.encode import EncodedCircuit, encode_lowered, lower_circuit, with_names
from qfleet.wire.cost.methods import is_clifford, values_matter
from qfleet.wire.messages.request import Output
from qfleet.wire.program.program import Program

#: How many circuits are kept, the most instructions of one, and the most bytes of what it became.
_CIRCUITS: Final = 8
_INSTRUCTIONS: Final = 2000
_BYTES: Final = 1 << 17
#: Options that don't change what a circuit becomes.
_WITHOUT_EFFECT: Final[Mapping[str, Any]] = {
    "seed_simulator": None,
    "parameter_binds": None,
    "max_parallel_threads": 0,
    "max_job_size": None,
    "priority": "normal",
}


class _Kept(NamedTuple):
    """A copy of a circuit, and what it became."""

    circuit: QuantumCircuit
    #: the names of its gates, and the places of the other instructions
    names: frozenset[str]
    others: tuple[int, ...]
    #: what was wanted of it
    wanted: tuple[Any, ...]
    encoded: EncodedCircuit
    #: the program, if its method depends on the values of parameters, and whether these make all gates Clifford gates
    program: Program | None
    clifford: bool


_kept: Final[deque[_Kept]] = deque(maxlen=_CIRCUITS)


def encode_circuit(
    circuit: QuantumCircuit,
    options: RunOptions,
    output: Output,
    observables: Sequence[SparseObservable] = (),
    num_observables: int = 0,
    *,
    exact: bool = False,
    values: NDArray[np.float64] | None = None,
) -> EncodedCircuit:
    """Lower a circuit and encode it, or return what was kept.

    See `qfleet.submission.encode.lower_circuit` and `encode_lowered`.
    """
    wanted = (output, list(observables), num_observables, exact, dataclasses.replace(options, **_WITHOUT_EFFECT))
    plain = options.noise_model is None and options.initial_statevector is None and type(circuit) is QuantumCircuit
    if plain:
        for kept in tuple(_kept):
            if kept.wanted == wanted and _are_equal(circuit, kept) and _has_method_at(kept, values):
                check_text("the name of a circuit", circuit.name)
                return with_names(kept.encoded, circuit)
    program = lower_circuit(circuit, options, output, observables)
    encoded = encode_lowered(circuit, program, options, output, num_observables, exact=exact, values=values)
    if plain and len(encoded.blob) <= _BYTES and _is_plain(circuit):
        names = frozenset(each.name for each in circuit.data)
        others = tuple(place for place, each in enumerate(circuit.data) if not each.is_standard_gate())
        matters = values_matter(program, encoded.request.method, options.method, encoded.seconds)
        clifford = matters and is_clifford(program, values)
        _kept.append(_Kept(circuit.copy(), names, others, wanted, encoded, program if matters else None, clifford))
    return encoded


def _has_method_at(kept: _Kept, values: NDArray[np.float64] | None) -> bool:
    """Tell whether a kept circuit has its method at some values too."""
    return kept.program is None or is_clifford(kept.program, values) == kept.clifford


def _are_equal(circuit: QuantumCircuit, kept: _Kept) -> bool:
    """Tell whether a circuit means the same as a kept one."""
    other = kept.circuit
    return (
        circuit.data == other.data
        and circuit.qubits == other.qubits
        and circuit.clbits == other.clbits
        and circuit.global_phase == other.global_phase
        and not circuit.num_vars
        # A class that was defined in the meantime may give its gates another meaning, and equal objects may have one.
        and not any(map(may_differ, kept.names))
        and all(_is_known(circuit.data[place]) for place in kept.others)
    )


def _is_plain(circuit: QuantumCircuit) -> bool:
    """Tell whether all of a circuit is compared by `_are_equal`.

    Other instructions than Qiskit's own may be equal and mean different things.
    """
    data = circuit.data
    return len(data) <= _INSTRUCTIONS and not circuit.num_vars and all(map(_is_known, data))


def _is_known(instruction: CircuitInstruction) -> bool:
    return instruction.is_standard_gate() or meaning_of(instruction.operation) in (Measure, Barrier)
