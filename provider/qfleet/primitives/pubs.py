# SPDX-License-Identifier: Apache-2.0
"""Entries of a job, made from PUBs.

An entry is a circuit with an array of parameter sets.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.primitives.containers.bindings_array import BindingsArray
from qiskit.primitives.containers.data_bin import DataBin
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.quantum_info import SparseObservable

from qfleet.errors import QfleetError, UnboundParameterError
from qfleet.jobs.layout import lay_out
from qfleet.ledger import PubRecord
from qfleet.options import RunOptions, check_option
from qfleet.primitives.options import check_precision
from qfleet.submission.prepare import JobEntry, ParameterSets
from qfleet.submission.repeated_circuits import encode_circuit
from qfleet.wire.messages.request import Output

_Pub = TypeVar("_Pub")
#: Names that a `DataBin` has already.
_TAKEN_NAMES: Final = DataBin._RESTRICTED_NAMES | {"self"}
#: The largest number of shots of a circuit.
_MOST_SHOTS: Final = 2**31 - 1
#: Kinds of numbers that become floats without a loss.
_PLAIN: Final = "iuf"


def coerce_pubs(pubs: Iterable[Any], coerce: Callable[[Any], _Pub]) -> list[_Pub]:
    """Return PUBs as objects of Qiskit's class.

    Args:
        pubs: the PUBs as the caller gave them.
        coerce: Qiskit's function for one PUB.

    Raises:
        ValueError, TypeError, QiskitError: a PUB is wrong; the text has its index.
    """
    coerced = []
    for number, pub in enumerate(pubs):
        with _name_pub(number):
            coerced.append(coerce(pub))
    return coerced


def sampler_entries(pubs: Iterable[SamplerPub], options: RunOptions) -> list[JobEntry]:
    """Return an entry of the job for each PUB of a sampler.

    Args:
        pubs: the PUBs.
        options: the options of the run.

    Raises:
        ValueError: a PUB can't be sampled; the text has its index.
        QfleetError: a circuit can't be run.
    """
    entries = []
    for number, pub in enumerate(pubs):
        with _name_pub(number):
            registers = _registers(pub.circuit)
            own = dataclasses.replace(options, shots=_shots(pub.shots))
            batches = _batches(pub.circuit, _values(pub.circuit, pub.parameter_values), own, Output.BITS)
            num_sets = sum(len(batch.values) for batch in batches)
            record = PubRecord(shape=pub.shape, registers=registers)
            entries.append(JobEntry(pub.circuit, batches, [0.0] * num_sets, record))
    return entries


def estimator_entries(pubs: Iterable[EstimatorPub], options: RunOptions) -> list[JobEntry]:
    """Return an entry of the job for each PUB of an estimator.

    Args:
        pubs: the PUBs.
        options: the options of the run.

    Raises:
        ValueError: the expectation values of a PUB can't be estimated; the text has its index.
        QfleetError: a circuit can't be run.
    """
    entries = []
    for number, pub in enumerate(pubs):
        with _name_pub(number):
            entries.append(_estimator_entry(pub, options))
    return entries


def _estimator_entry(pub: EstimatorPub, options: RunOptions) -> JobEntry:
    circuit, precision = pub.circuit, check_precision("precision", pub.precision)
    shape, observables_shape = pub.parameter_values.shape, pub.observables.shape
    values = _values(circuit, pub.parameter_values)
    observables = list(pub.observables.sparse_observables_array().reshape(-1))
    wanted, _ = lay_out(shape, observables_shape)
    if not wanted.size:
        values, observables = values[:0], [SparseObservable.identity(circuit.num_qubits)]
    # Capped: any number above the largest possible one is refused.
    shots = math.ceil(min(1 / precision, 2.0**20) ** 2) if precision else 1
    own = dataclasses.replace(options, shots=shots)
    # Sets that want as many observables as there are want all of them, in order.
    is_part = bool(wanted.size) and wanted.shape[1] < len(observables)
    number = wanted.shape[1] if is_part else 0
    batches = _batches(circuit, values, own, Output.EXPECTATION_VALUES, observables, number, exact=not precision)
    sampled = any(batch.encoded.sampled for batch in batches)
    if sampled and shots > _MOST_SHOTS:
        raise ValueError(f"precision={precision!r} needs {shots} shots; at most {_MOST_SHOTS} are possible")
    record = PubRecord(shape=shape, observables_shape=observables_shape, precision=precision, sampled=sampled)
    if is_part:
        batches = _with_wanted(batches, wanted)
    return JobEntry(circuit, batches, [0.0] * len(values), record)


def _shots(shots: Any) -> int:
    check_option("shots", shots)
    return int(shots)


def _with_wanted(batches: list[ParameterSets], wanted: NDArray[np.int32]) -> list[ParameterSets]:
    """Return parameter sets with the numbers of their observables, shape (sets, columns)."""
    first, parts = 0, []
    for batch in batches:
        parts.append(dataclasses.replace(batch, wanted=wanted[first : first + len(batch.values)]))
        first += len(batch.values)
    return parts


def _batches(
    circuit: QuantumCircuit,
    values: NDArray[np.float64],
    options: RunOptions,
    output: Output,
    observables: Iterable[SparseObservable] = (),
    num_observables: int = 0,
    *,
    exact: bool = False,
) -> list[ParameterSets]:
    """Encode a circuit with its parameter sets.

    Args:
        circuit: the circuit.
        values: its parameter sets, shape (sets, parameters).
        options: the options of the run.
        output: the output of the job.
        observables: the observables of an estimator.
        num_observables: how many of them are wanted of each set, if not all.
        exact: True if expectation values must be exact.

    Returns:
        The circuit once with all sets; or, if Qiskit must bind its parameters, a bound circuit for each set.
    """
    sums = list(observables)
    if not len(values):
        # The job still needs the circuit's record.
        nothing = circuit.copy_empty_like()
        nothing.global_phase = 0
        return [ParameterSets(encode_circuit(nothing, options, output, sums, exact=exact), values)]
    try:
        encoded = encode_circuit(circuit, options, output, sums, num_observables, exact=exact, values=values)
        return [ParameterSets(encoded, values)]
    except UnboundParameterError:
        if values.shape[1] == 0:
            raise
    parameters = list(circuit.parameters)
    each = []
    for row in values.tolist():
        bound = circuit.assign_parameters(dict(zip(parameters, row, strict=True)))
        bound.name = circuit.name
        encoded = encode_circuit(bound, options, output, sums, num_observables, exact=exact)
        each.append(ParameterSets(encoded, np.zeros((1, 0))))
    return each


def _values(circuit: QuantumCircuit, bindings: BindingsArray) -> NDArray[np.float64]:
    """Return the values of a circuit's parameters, in its order.

    Args:
        circuit: the circuit.
        bindings: the values by parameter.

    Returns:
        float64, shape (sets, parameters).

    Raises:
        ValueError: a value isn't finite.
    """
    parameters = circuit.parameters
    given = bindings.data.get(tuple([parameter.name for parameter in parameters]))
    if given is None or len(bindings.data) > 1 or given.dtype.kind not in _PLAIN:
        # Qiskit takes a microsecond for each parameter, and copies the values.
        given = bindings.as_array(parameters)
    values = np.asarray(given, np.float64)
    values = values.reshape(math.prod(bindings.shape), -1 if values.size else circuit.num_parameters)
    if not np.isfinite(values).all():
        raise ValueError("a parameter's value isn't a finite number")
    return values


def _registers(circuit: QuantumCircuit) -> tuple[tuple[str, bytes], ...]:
    """Return the classical registers by name, with their clbits' positions.

    The positions are the bytes of an array of little-endian int32.
    """
    places = {bit: at for at, bit in enumerate(circuit.clbits)}
    for register in circuit.cregs:
        if register.name in _TAKEN_NAMES:
            raise ValueError(
                f"a classical register is called {register.name!r}, a name that results use themselves; rename it"
            )
    return tuple(
        (register.name, np.array([places[bit] for bit in register], "<i4").tobytes()) for register in circuit.cregs
    )


@contextmanager
def _name_pub(number: int) -> Iterator[None]:
    """Add the index of a PUB to the errors about it."""
    try:
        yield
    except QfleetError as exc:
        raise exc.prefixed(f"PUB {number}: ") from exc
    except QiskitError as exc:
        raise type(exc)(f"PUB {number}: {exc.message}") from exc
    except ValueError as exc:
        raise ValueError(f"PUB {number}: {exc}") from exc
    except (AttributeError, TypeError) as exc:
        # Qiskit asks for the parameters of an object before it checks that it is a circuit.
        raise TypeError(f"PUB {number}: {exc}") from exc
