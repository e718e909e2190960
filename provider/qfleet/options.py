# SPDX-License-Identifier: Apache-2.0
"""The options of a run: a fixed set, typed and checked."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, TypedDict, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit.providers import BackendV2, Options
from qiskit.quantum_info import Statevector

from qfleet._suggestions import did_you_mean
from qfleet.errors import InvalidOptionError
from qfleet.noise import Channel, NoiseModel
from qfleet.noise.aer import AerNoiseModel
from qfleet.wire.messages.request import DEFAULT_THRESHOLD, MAX_BOND, Method, Precision

_LARGEST = 2**31 - 1
Priority = Literal["low", "normal", "high"]
#: The weight of a job of each priority among the jobs of its tenant.
WEIGHTS: Final[Mapping[Priority, int]] = {"low": 1, "normal": 2, "high": 8}


class RunKeywords(TypedDict, total=False):
    """The keywords of `FleetBackend.run`, which documents each."""

    shots: int
    seed_simulator: int | None
    memory: bool
    method: Method
    precision: Precision
    initial_statevector: ArrayLike | Statevector | None
    parameter_binds: Mapping[Any, Any] | Sequence[Mapping[Any, Any]] | None
    max_parallel_threads: int
    max_memory_mb: int
    max_job_size: int | None
    max_shot_size: int | None
    priority: Priority
    noise_model: NoiseModel | AerNoiseModel | Mapping[str, Any] | None
    matrix_product_state_max_bond_dimension: int | None
    matrix_product_state_truncation_threshold: float


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The checked options of a run. `FleetBackend.run` documents each."""

    shots: int = 1024
    seed_simulator: int | None = None
    memory: bool = False
    method: Method = "automatic"
    precision: Precision = "double"
    #: complex128, shape (2**num_qubits,), of norm 1
    initial_statevector: NDArray[np.complex128] | None = None
    parameter_binds: tuple[Mapping[Any, Any], ...] | None = None
    max_parallel_threads: int = 0
    max_memory_mb: int = 0
    max_job_size: int | None = None
    max_shot_size: int | None = None
    priority: Priority = "normal"
    noise_model: NoiseModel | None = None
    matrix_product_state_max_bond_dimension: int | None = None
    matrix_product_state_truncation_threshold: float = DEFAULT_THRESHOLD


NAMES = frozenset(field.name for field in fields(RunOptions))


def check_option(name: str, value: object) -> object:
    """Return the value of an option in its normal form.

    Args:
        name: the option's name.
        value: the value that was given.

    Raises:
        InvalidOptionError: the value isn't allowed; the text has the value and the rule.
    """
    return _CHECKS[name](name, value)


def check_labels(tags: object, metadata: object) -> tuple[list[str], dict[str, Any]]:
    """Return the tags and the metadata of a new job, checked.

    Args:
        tags: the argument ``job_tags``.
        metadata: the argument ``metadata``.

    Raises:
        TypeError: the tags aren't a list of strings, or the metadata isn't a dictionary.
        InvalidOptionError: a tag can't be written as UTF-8.
    """
    if tags is None:
        tags = []
    if isinstance(tags, str) or not isinstance(tags, (list, tuple, set, frozenset)):
        raise TypeError(f"job_tags={tags!r}: a list of strings is needed")
    if not all(isinstance(tag, str) for tag in tags):
        raise TypeError(f"job_tags={tags!r}: every tag must be a string")
    for tag in tags:
        check_text("job_tags", tag)
    if metadata is None:
        metadata = {}
    if not isinstance(metadata, Mapping):
        raise TypeError(f"metadata={metadata!r}: a dictionary is needed")
    return list(tags), dict(metadata)


def check_text(what: str, text: str) -> None:
    """Check that a text can be written as UTF-8.

    Args:
        what: the name of the text for the message.
        text: the text.

    Raises:
        InvalidOptionError: the text has half of a surrogate pair.
    """
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidOptionError(
            f"{what}: {text!r} has the lone surrogate {text[exc.start]!r}, which isn't a character; remove it",
            option=what,
            value=text,
        ) from exc


class CheckedOptions(Options):
    """Qiskit's `Options`, with values that are checked when they are set."""

    def __setattr__(self, key: str, value: object) -> None:
        self.update_options(**{key: value})

    def update_options(self, **fields: object) -> None:
        """Set options by name.

        Args:
            fields: see `FleetBackend.run`.

        Raises:
            InvalidOptionError: an option has a wrong value.
            AttributeError: an option is unknown.
        """
        unknown = sorted(fields.keys() - NAMES)
        if unknown:
            raise AttributeError(
                f"no option {unknown[0]!r}; the options are {', '.join(sorted(NAMES))}{did_you_mean(unknown[0], NAMES)}"
            )
        super().update_options(**{name: check_option(name, value) for name, value in fields.items()})


def _wrong(name: str, value: object, rule: str) -> InvalidOptionError:
    return InvalidOptionError(f"{name}={value!r}: {rule}", option=name, value=value)


def _integer(lowest: int, highest: int = _LARGEST, *, optional: bool = False) -> Callable[[str, object], object]:
    rule = f"a whole number from {lowest} to {highest} is needed" + (", or None" if optional else "")

    def check(name: str, value: object) -> int | None:
        if value is None and optional:
            return None
        # bool is an Integral.
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not lowest <= int(value) <= highest:
            raise _wrong(name, value, rule)
        return int(value)

    return check


def _part(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 <= float(value) <= 1:
        raise _wrong(name, value, "a number from 0 to 1 is needed")
    return float(value)


def _one_of(*allowed: str) -> Callable[[str, object], object]:
    def check(name: str, value: object) -> object:
        if not isinstance(value, str) or value not in allowed:
            rule = "one of " + ", ".join(map(repr, allowed)) + " is needed"
            raise _wrong(name, value, rule + did_you_mean(value, allowed))
        return value

    return check


def _boolean(name: str, value: object) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise _wrong(name, value, "True or False is needed")
    return bool(value)


def _statevector(name: str, value: object) -> NDArray[np.complex128] | None:
    if value is None:
        return None
    try:
        vector = np.array(value.data if isinstance(value, Statevector) else value, dtype=np.complex128)
    except (TypeError, ValueError) as exc:
        text = f"{name}: a vector of complex numbers is needed, not {type(value).__name__}"
        raise InvalidOptionError(text, option=name, value=value) from exc
    if vector.ndim != 1 or vector.size & (vector.size - 1) or not vector.size:
        text = f"{name}: a vector of 2**num_qubits amplitudes is needed, not shape {vector.shape}"
        raise InvalidOptionError(text, option=name, value=value)
    norm = float(np.linalg.norm(vector))
    if not abs(norm - 1) < 1e-10:
        raise InvalidOptionError(f"{name}: its norm is {norm!r}; a norm of 1 is needed", option=name, value=value)
    return vector


def _binds(name: str, value: object) -> tuple[Mapping[Any, Any], ...] | None:
    if value is None:
        return None
    binds = (value,) if isinstance(value, Mapping) else value
    if not isinstance(binds, (list, tuple)) or not all(isinstance(bind, Mapping) for bind in binds):
        raise _wrong(name, value, "a list with one {parameter: values} for each circuit is needed")
    return tuple(binds)


#: What users may have meant, by the type of the value.
_NOISE_HINTS: Final[Sequence[tuple[type, str]]] = (
    (BackendV2, "; of a device, it is `NoiseModel.from_backend(device)`"),
    (Channel, "; one with a channel is `NoiseModel().add(channel, gates)`"),
    (type, ", not a class; one without noise is `NoiseModel()`"),
    (
        str,
        "; names of devices are for the command line alone: take `NoiseModel.from_backend(device)`, or "
        "`NoiseModel.load(path)` for a file",
    ),
)


def _noise(name: str, value: object) -> NoiseModel | None:
    if value is None or isinstance(value, NoiseModel):
        return value
    if isinstance(value, Mapping):
        return NoiseModel.from_dict(value)
    if isinstance(value, AerNoiseModel) and not isinstance(value, type):
        return NoiseModel.from_aer(value)
    rule = next((hint for kind, hint in _NOISE_HINTS if isinstance(value, kind)), "")
    shown = repr(value) if isinstance(value, str | type) else f"{type(value).__name__}(...)"
    text = f"{name}={shown}: a `qfleet.noise.NoiseModel` or a noise model of Qiskit Aer is needed{rule}"
    raise InvalidOptionError(text, option=name, value=value)


_CHECKS: dict[str, Callable[[str, object], object]] = {
    "shots": _integer(1),
    # The seed of circuit k is larger by 2113 * k and must fit into 63 bits.
    "seed_simulator": _integer(0, 2**62, optional=True),
    "memory": _boolean,
    "method": _one_of(*get_args(Method)),
    "precision": _one_of(*get_args(Precision)),
    "initial_statevector": _statevector,
    "parameter_binds": _binds,
    "max_parallel_threads": _integer(0, 1024),
    "max_memory_mb": _integer(0),
    "max_job_size": _integer(1, optional=True),
    "max_shot_size": _integer(1, optional=True),
    "priority": _one_of(*get_args(Priority)),
    "noise_model": _noise,
    "matrix_product_state_max_bond_dimension": _integer(1, MAX_BOND, optional=True),
    "matrix_product_state_truncation_threshold": _part,
}
