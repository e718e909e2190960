# SPDX-License-Identifier: Apache-2.0
"""The options of the primitives: fixed sets, typed and checked."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, TypeVar, get_args

from qfleet._suggestions import did_you_mean
from qfleet.errors import InvalidOptionError
from qfleet.noise import NoiseModel
from qfleet.noise.aer import AerNoiseModel
from qfleet.options import Priority, RunOptions, check_option

Method = Literal["automatic", "statevector", "density_matrix", "stabilizer", "matrix_product_state"]


class PrimitiveKeywords(TypedDict, total=False):
    """The keywords that both primitives take."""

    seed: int | None
    method: Method
    max_parallel_threads: int
    priority: Priority
    seed_simulator: int | None
    noise_model: NoiseModel | AerNoiseModel | None
    backend_options: Mapping[str, Any]
    run_options: Mapping[str, Any]


class SamplerKeywords(PrimitiveKeywords, total=False):
    """The keywords of `qfleet.SamplerV2`, which documents each."""

    default_shots: int


class EstimatorKeywords(PrimitiveKeywords, total=False):
    """The keywords of `qfleet.EstimatorV2`, which documents each."""

    default_precision: float


@dataclass(kw_only=True)
class PrimitiveOptions:
    """The options that both primitives have."""

    seed: int | None = None
    method: Method = "automatic"
    max_parallel_threads: int = 0
    priority: Priority = "normal"

    def __setattr__(self, name: str, value: object) -> None:
        if name not in (names := [field.name for field in dataclasses.fields(self)]):
            raise AttributeError(_no_option(name, names))
        object.__setattr__(self, name, _CHECKS[name](value))


@dataclass(kw_only=True)
class SamplerOptions(PrimitiveOptions):
    """The options of `qfleet.SamplerV2`.

    Attributes:
        seed: makes each ``run()`` repeatable; None picks another seed for each run; default None.
        method: the simulation method, "automatic", "statevector", "density_matrix", "stabilizer" or
            "matrix_product_state"; default "automatic".
        max_parallel_threads: threads that a task may use; 0 for as many as its worker gives it; default 0.
        priority: "low", "normal" or "high", among the jobs of the same tenant; default "normal".
        default_shots: shots of a PUB that has no number of its own; default 1024.

    Setting a wrong value raises `InvalidOptionError`, an unknown name AttributeError.
    """

    default_shots: int = 1024


@dataclass(kw_only=True)
class EstimatorOptions(PrimitiveOptions):
    """The options of `qfleet.EstimatorV2`.

    Attributes:
        seed: makes each ``run()`` repeatable; None picks another seed for each run; default None.
        method: the simulation method, "automatic", "statevector", "density_matrix", "stabilizer" or
            "matrix_product_state"; default "automatic".
        max_parallel_threads: threads that a task may use; 0 for as many as its worker gives it; default 0.
        priority: "low", "normal" or "high", among the jobs of the same tenant; default "normal".
        default_precision: standard error of the expectation values of a PUB that has no precision of its own; 0 for
            exact expectation values; default 0.0.

    Setting a wrong value raises `InvalidOptionError`, an unknown name AttributeError.
    """

    default_precision: float = 0.0


_Kind = TypeVar("_Kind", bound=PrimitiveOptions)


def choose_options(kind: type[_Kind], of_backend: RunOptions, options: object, given: Mapping[str, object]) -> _Kind:
    """Return the options of a primitive.

    Args:
        kind: the class of the options.
        of_backend: the backend's options, used for those that aren't given.
        options: an object of the class or a dictionary.
        given: options by name, which override the others.

    Raises:
        InvalidOptionError: a value is wrong.
        TypeError: an option is unknown, or ``options`` is of another type.
    """
    names = [field.name for field in dataclasses.fields(kind)]
    if options is None:
        options = {}
    elif isinstance(options, kind):
        options = dataclasses.asdict(options)
    elif not isinstance(options, Mapping):
        raise TypeError(f"options={options!r}: {kind.__name__} or a dictionary is needed")
    values = {
        "seed": of_backend.seed_simulator,
        "method": of_backend.method,
        "max_parallel_threads": of_backend.max_parallel_threads,
        "priority": of_backend.priority,
        **options,
        **given,
    }
    unknown = sorted(map(str, values.keys() - set(names)))
    if unknown:
        raise TypeError(_no_option(unknown[0], names))
    return kind(**values)


def _no_option(name: str, names: list[str]) -> str:
    return f"no option {name!r}; the options are {', '.join(names)}{did_you_mean(name, names)}"


def _method(value: object) -> object:
    if value not in (methods := get_args(Method)):
        raise InvalidOptionError(
            f"method={value!r}: one of {', '.join(map(repr, methods))} is needed{did_you_mean(value, methods)}",
            option="method",
            value=value,
        )
    return value


def check_precision(name: str, value: object) -> float:
    """Return a standard error, checked.

    Args:
        name: the name of the option or argument.
        value: the value that was given.

    Raises:
        InvalidOptionError: it isn't a number of at least 0.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 <= float(value) < math.inf:
        text = f"{name}={value!r}: a number of at least 0 is needed; 0 gives exact expectation values"
        raise InvalidOptionError(text, option=name, value=value)
    return float(value)


_CHECKS: dict[str, Callable[[Any], object]] = {
    "seed": lambda value: check_option("seed_simulator", value),
    "method": _method,
    "max_parallel_threads": lambda value: check_option("max_parallel_threads", value),
    "priority": lambda value: check_option("priority", value),
    "default_shots": lambda value: check_option("shots", value),
    "default_precision": lambda value: check_precision("default_precision", value),
}
