# SPDX-License-Identifier: Apache-2.0
"""How do PUBs become circuits of a job, and their arrays points of these?"""

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
from qfleet.primitives.options import precision_of
from qfleet.submission.encode import EncodedCircuit, encode_circuit
from qfleet.submission.prepare import JobEntry, ParameterSets
from qfleet.wire.messages.request import Output

_Pub = TypeVar("_Pub")
#: Names in a `DataBin` that aren't those of data.
_TAKEN_NAMES: Final = DataBin._RESTRICTED_NAMES | {"self"}
#: Shots of a circuit at most.
_MOST_SHOTS: Final = 2**31 - 1


def coerced(pubs: Iterable[Any], coerce: Callable[[Any], _Pub]) -> list[_Pub]:
    """PUBs in Qiskit's own form. Raises what Qiskit raises for a wrong one, with its index."""
    found = []
    for number, pub in enumerate(pubs):
        with _named(number):
            found.append(coerce(pub))
    return found


def sampler_entries(pubs: Iterable[SamplerPub], options: RunOptions) -> list[JobEntry]:
    """Each PUB as a circuit that gives every shot's bits.

    Raises:
        ValueError: a PUB can't be sampled; the text has its index.
        QfleetError: a circuit can't be run.
    """
    entries = []
    for number, pub in enumerate(pubs):
        with _named(number):
            registers = _registers(pub.circuit)
            own = dataclasses.replace(options, shots=_shots(pub.shots))
            batches = _batches(pub.circuit, _values(pub.circuit, pub.parameter_values), own, Output.BITS)
            points = sum(len(batch.values) for batch in batches)
            record = PubRecord(shape=pub.shape, registers=registers)
            entries.append(JobEntry(pub.circuit, batches, [0.0] * points, record))
    return entries


def estimator_entries(pubs: Iterable[EstimatorPub], options: RunOptions) -> list[JobEntry]:
    """Each PUB as a circuit that gives the means of its observables.

    Raises:
        ValueError: a PUB's means can't be had; the text has its index.
        QfleetError: a circuit can't be run.
    """
    entries = []
    for number, pub in enumerate(pubs):
        with _named(number):
            entries.append(_estimator_entry(pub, options))
    return entries


def _estimator_entry(pub: EstimatorPub, options: RunOptions) -> JobEntry:
    circuit, precision = pub.circuit, precision_of("precision", pub.precision)
    shape, observables_shape = pub.parameter_values.shape, pub.observables.shape
    values = _values(circuit, pub.parameter_values)
    observables = list(pub.observables.sparse_observables_array().reshape(-1))
    wanted, _ = lay_out(shape, observables_shape)
    if not wanted.size:
        values, observables = values[:0], [SparseObservable.identity(circuit.num_qubits)]
    # As far as it goes beyond what is possible doesn't matter.
    shots = math.ceil(min(1 / precision, 2.0**20) ** 2) if precision else 1
    batches = _batches(
        circuit, values, dataclasses.replace(options, shots=shots), Output.EXPECTATION_VALUES, observables
    )
    sampled = any(batch.encoded.sampled for batch in batches)
    if sampled and not precision:
        raise ValueError(
            f"circuit {circuit.name!r} measures or resets qubits in use, so that its means come from shots; give a "
            "precision above 0, or take the measurements out"
        )
    if sampled and shots > _MOST_SHOTS:
        raise ValueError(f"precision={precision!r} takes {shots} shots; at most {_MOST_SHOTS} are possible")
    record = PubRecord(shape=shape, observables_shape=observables_shape, precision=precision, sampled=sampled)
    return JobEntry(circuit, _with_wanted(batches, wanted, len(observables)), [0.0] * len(values), record)


def _shots(shots: Any) -> int:
    check_option("shots", shots)
    return int(shots)


def _with_wanted(batches: list[ParameterSets], wanted: NDArray[np.int32], observables: int) -> list[ParameterSets]:
    """Batches of points with what is wanted at them; once, where it is the same at all."""
    if not wanted.size:
        return batches
    if np.array_equal(wanted[0], np.arange(observables)) and (wanted == wanted[0]).all():
        return batches
    # Of the time and the room for all observables, each has its share.
    share = wanted.shape[1] / observables
    batches = [dataclasses.replace(batch, encoded=_part(batch.encoded, share)) for batch in batches]
    if (wanted == wanted[0]).all():
        return [dataclasses.replace(batch, wanted=wanted[:1]) for batch in batches]
    first, found = 0, []
    for batch in batches:
        found.append(dataclasses.replace(batch, wanted=wanted[first : first + len(batch.values)]))
        first += len(batch.values)
    return found


def _part(encoded: EncodedCircuit, share: float) -> EncodedCircuit:
    return dataclasses.replace(
        encoded, seconds=encoded.seconds * share, result_bytes=math.ceil(encoded.result_bytes * share)
    )


def _batches(
    circuit: QuantumCircuit,
    values: NDArray[np.float64],
    options: RunOptions,
    output: Output,
    observables: Iterable[SparseObservable] = (),
) -> list[ParameterSets]:
    """A circuit at its points; one whose parameters Qiskit must bind, as a circuit for each point."""
    sums = list(observables)
    if not len(values):
        # For the sake of its record.
        nothing = circuit.copy_empty_like()
        nothing.global_phase = 0
        return [ParameterSets(encode_circuit(nothing, options, output, sums), values)]
    try:
        return [ParameterSets(encode_circuit(circuit, options, output, sums), values)]
    except UnboundParameterError:
        if values.shape[1] == 0:
            raise
    parameters = list(circuit.parameters)
    found = []
    for row in values.tolist():
        bound = circuit.assign_parameters(dict(zip(parameters, row, strict=True)))
        bound.name = circuit.name
        found.append(ParameterSets(encode_circuit(bound, options, output, sums), np.zeros((1, 0))))
    return found


def _values(circuit: QuantumCircuit, bindings: BindingsArray) -> NDArray[np.float64]:
    """The values of a circuit's parameters in their order, shape (points, parameters)."""
    values = np.asarray(bindings.as_array(circuit.parameters), np.float64)
    values = values.reshape(math.prod(bindings.shape), -1 if values.size else circuit.num_parameters)
    if not np.isfinite(values).all():
        raise ValueError("a parameter's value isn't a finite number")
    return values


def _registers(circuit: QuantumCircuit) -> tuple[tuple[str, bytes], ...]:
    """Each classical register's name and its clbits' positions."""
    places = {bit: at for at, bit in enumerate(circuit.clbits)}
    for register in circuit.cregs:
        if register.name in _TAKEN_NAMES:
            raise ValueError(
                f"a classical register is called {register.name!r}, which a result has another use for; give it "
                "another name"
            )
    return tuple(
        (register.name, np.array([places[bit] for bit in register], "<i4").tobytes()) for register in circuit.cregs
    )


@contextmanager
def _named(number: int) -> Iterator[None]:
    """Say which PUB an error is about."""
    try:
        yield
    except QfleetError as exc:
        raise exc.prefixed(f"PUB {number}: ") from exc
    except QiskitError as exc:
        raise type(exc)(f"PUB {number}: {exc.message}") from exc
    except ValueError as exc:
        raise ValueError(f"PUB {number}: {exc}") from exc
    except (AttributeError, TypeError) as exc:
        # Qiskit asks for the parameters of what need not be a circuit.
        raise TypeError(f"PUB {number}: {exc}") from exc
