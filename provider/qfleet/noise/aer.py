# SPDX-License-Identifier: Apache-2.0
"""Noise models of Qiskit Aer.

They are recognised by their attributes: Aer need not be installed.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, TypeVar, runtime_checkable

from qiskit.circuit import Delay

from qfleet.errors import NoiseError
from qfleet.noise.channel import Channel
from qfleet.noise.checks import Qubits, gate_name, ordered_qubits
from qfleet.noise.errors_of_aer import channel_of_error
from qfleet.noise.parts import Parts, Relaxation
from qfleet.noise.readout import check_readout


@runtime_checkable
class AerNoiseModel(Protocol):
    """A noise model of Aer."""

    def to_dict(self) -> dict[str, Any]:
        """Return the model as a dictionary."""
        ...


class _Entry(NamedTuple):
    """One error of a model."""

    #: name or label of the gate; "measure" for a readout error
    name: str
    qubits: Qubits
    #: Aer's object
    error: Any
    readout: bool = False


class _Known(NamedTuple):
    """A model that was read before."""

    model: weakref.ref[AerNoiseModel]
    #: what it had then, by the ids of its errors
    content: list[Any]
    #: keeps the errors, so that their ids aren't reused
    entries: list[_Entry]
    read: Any


_Read = TypeVar("_Read")
#: By the id of the model. Aer's models compare by content, which takes long, and have no hash.
_KNOWN: Final[dict[int, _Known]] = {}


def read_model(model: AerNoiseModel, make: Callable[[Parts], _Read]) -> _Read:
    """Return what is made of a model of Aer.

    Each of its errors is read when a circuit meets it. A model that didn't change gives the same object again.

    Args:
        model: the model.
        make: makes the object of the model's content.

    Raises:
        NoiseError: it has something that isn't supported.
    """
    content = _content(model)
    key = id(model)
    known = _KNOWN.get(key)
    if known is not None and known.model() is model and known.content == content:
        found: _Read = known.read
        return found
    entries = list(_entries(model))
    parts = _parts(
        (
            (entry.name, entry.qubits, entry.error.num_qubits, entry.error.to_dict)
            for entry in entries
            if not entry.readout
        ),
        ((entry.qubits, entry.error.probabilities) for entry in entries if entry.readout),
    )
    relaxation, others = _passes(_passes_of(model))
    read = make(parts._replace(relaxation=relaxation, passes=others))
    _KNOWN[key] = _Known(weakref.ref(model, lambda _: _KNOWN.pop(key, None)), content, entries, read)
    return read


def parts_of_dict(model: Mapping[str, Any]) -> Parts:
    """Return the content of a dictionary of Aer's ``NoiseModel.to_dict``.

    It may have been read from JSON.

    Raises:
        NoiseError: it isn't such a dictionary.
    """
    try:
        errors = [error for error in model["errors"] if error["type"] != "roerror"]
        places = [(name, each, error) for error in errors for name in error["operations"] for each in _places(error)]
        return _parts(
            [(name, qubits, _width(error, qubits), partial(dict, error)) for name, qubits, error in places],
            [
                (qubits, error["probabilities"])
                for error in model["errors"]
                if error["type"] == "roerror"
                for qubits in _places(error)
            ],
        )
    except (LookupError, TypeError, AttributeError) as exc:
        raise NoiseError(f"it isn't a dictionary of Aer's NoiseModel.to_dict(): {exc!r}", entry="model") from exc


def _passes_of(model: Any) -> list[Any]:
    return list(getattr(model, "_custom_noise_passes", ()))


def _content(model: Any) -> list[Any]:
    """Return the names, qubits and ids of a model's errors, and passes.

    Raises:
        NoiseError: the model has other attributes.
    """
    try:
        tables = [model._default_quantum_errors, *model._local_quantum_errors.values(), model._local_readout_errors]
        return [
            [*model._local_quantum_errors],
            [[*table] for table in tables],
            [[*map(id, table.values())] for table in tables],
            id(model._default_readout_error),
            _passes_of(model),
        ]
    except AttributeError as exc:
        text = f"noise models of the type {type(model).__name__} can't be read: {exc}"
        raise NoiseError(f"{text}; give `NoiseModel.from_dict(model.to_dict())`", entry="noise_model") from exc


def _entries(model: Any) -> Iterator[_Entry]:
    """Yield the errors of a model, those for all qubits first."""
    for name, error in model._default_quantum_errors.items():
        yield _Entry(name, None, error)
    for name, by_qubits in model._local_quantum_errors.items():
        for qubits, error in by_qubits.items():
            yield _Entry(name, tuple(qubits), error)
    if model._default_readout_error is not None:
        yield _Entry("measure", None, model._default_readout_error, True)
    for qubits, error in model._local_readout_errors.items():
        yield _Entry("measure", tuple(qubits), error, True)


def _parts(
    errors: Iterable[tuple[str, Qubits, int, Callable[[], Mapping[str, Any]]]],
    readout: Iterable[tuple[Qubits, Any]],
) -> Parts:
    gates: dict[str, dict[Qubits, Channel]] = {}
    for name, qubits, width, read in errors:
        entry = f"the error of {name!r} on " + ("all qubits" if qubits is None else f"qubits {qubits}")
        places = ordered_qubits(f"the qubits of an error of {name!r}", qubits)
        gates.setdefault(gate_name("a gate", name), {})[places] = channel_of_error(entry, read, width)
    found = {}
    for qubits, rows in readout:
        places = ordered_qubits("the qubits of a readout error", qubits)
        width = 1 if places is None else len(places)
        found[places] = check_readout(f"the readout error of {places or 'all qubits'}", rows, width)
    return Parts(gates, found)


def _places(error: Mapping[str, Any]) -> list[Qubits]:
    return [tuple(qubits) for qubits in error["gate_qubits"]] if "gate_qubits" in error else [None]


def _width(error: Mapping[str, Any], qubits: Qubits) -> int:
    if qubits is not None:
        return len(qubits)
    return 1 + max([max(each["qubits"]) for branch in error["instructions"] for each in branch], default=0)


def _passes(passes: list[Any]) -> tuple[Relaxation | None, tuple[Any, ...]]:
    """Return the relaxation during delays, and other passes.

    Raises:
        NoiseError: a pass isn't one of Aer's.
    """
    for each in passes:
        if not all(hasattr(each, name) for name in ("run", "_func", "_ops", "_method")):
            text = f"its noise pass {type(each).__name__} isn't one of Aer's LocalNoisePass or RelaxationNoisePass"
            raise NoiseError(f"{text}; remove it from the model", entry=type(each).__name__, value=each)
    if len(passes) == 1 and hasattr(passes[0], "_t1s") and passes[0]._ops == (Delay,):
        (only,) = passes
        return Relaxation.of(only._t1s, only._t2s, only._p1s, only._dt), ()
    return None, tuple(passes)
