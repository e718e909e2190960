# SPDX-License-Identifier: Apache-2.0
"""Options of the primitives."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from qfleet.errors import InvalidOptionError
from qfleet.options import RunOptions
from qfleet.primitives.options import EstimatorOptions, PrimitiveOptions, SamplerOptions, choose_options

OF_BACKEND = RunOptions(seed_simulator=3, method="statevector", max_parallel_threads=4, priority="low", shots=77)
COMMON = {"seed": 3, "method": "statevector", "max_parallel_threads": 4, "priority": "low"}


def values(options: PrimitiveOptions) -> dict[str, Any]:
    return vars(options)


def test_without_a_word_the_backends_options_hold() -> None:
    assert values(choose_options(SamplerOptions, OF_BACKEND, None, {})) == COMMON | {"default_shots": 1024}
    assert values(choose_options(EstimatorOptions, OF_BACKEND, None, {})) == COMMON | {"default_precision": 0.0}


def test_by_name_wins_over_options_and_these_over_the_backend() -> None:
    of_dictionary = choose_options(SamplerOptions, OF_BACKEND, {"seed": 5, "default_shots": 6}, {"seed": 9})
    assert values(of_dictionary) == COMMON | {"seed": 9, "default_shots": 6}
    given = SamplerOptions(default_shots=6)
    of_options = choose_options(SamplerOptions, OF_BACKEND, given, {"max_parallel_threads": 2})
    assert values(of_options) == {
        "seed": None,
        "method": "automatic",
        "max_parallel_threads": 2,
        "priority": "normal",
        "default_shots": 6,
    }
    of_options.seed = 1
    assert given.seed is None


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (SamplerOptions, "seed", -1),
        (SamplerOptions, "seed", 1.5),
        (SamplerOptions, "seed", 2**62 + 1),
        (SamplerOptions, "method", "superop"),
        (SamplerOptions, "method", None),
        (SamplerOptions, "max_parallel_threads", -1),
        (SamplerOptions, "default_shots", 0),
        (SamplerOptions, "default_shots", 2**31),
        (SamplerOptions, "default_shots", "10"),
        (EstimatorOptions, "default_precision", -0.1),
        (EstimatorOptions, "default_precision", float("nan")),
        (EstimatorOptions, "default_precision", float("inf")),
        (EstimatorOptions, "default_precision", "0.1"),
        (EstimatorOptions, "default_precision", 1j),
        (EstimatorOptions, "default_precision", None),
        (EstimatorOptions, "default_precision", True),
    ],
)
def test_wrong_values_are_refused_when_they_are_given_and_when_they_are_set(
    kind: type[PrimitiveOptions], name: str, value: object
) -> None:
    with pytest.raises(InvalidOptionError, match=f"{value!r}".replace("+", r"\+").replace("(", r"\(")):
        kind(**{name: value})
    with pytest.raises(InvalidOptionError):
        choose_options(kind, RunOptions(), None, {name: value})
    with pytest.raises(InvalidOptionError):
        choose_options(kind, RunOptions(), {name: value}, {})
    options = kind()
    before = dict(vars(options))
    with pytest.raises(InvalidOptionError):
        setattr(options, name, value)
    assert vars(options) == before


@pytest.mark.parametrize("precision", [0, 1, 0.25, np.float32(0.5), np.int64(2), Fraction(1, 4)])
def test_a_precision_becomes_a_float(precision: Any) -> None:
    options = EstimatorOptions(default_precision=precision)
    assert type(options.default_precision) is float
    assert options.default_precision == float(precision)


def test_names_that_arent_there() -> None:
    options = SamplerOptions()
    with pytest.raises(AttributeError, match="no option 'default_precision'; the options are seed, method"):
        options.default_precision = 0.1  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="no option 'shots'; the options are seed, method"):
        choose_options(SamplerOptions, RunOptions(), None, {"shots": 5})
    with pytest.raises(TypeError, match="no option 'resilience_level'"):
        choose_options(EstimatorOptions, RunOptions(), {"resilience_level": 1}, {})


@pytest.mark.parametrize("options", [5, "seed", EstimatorOptions(), [("seed", 1)]])
def test_what_is_no_options(options: object) -> None:
    with pytest.raises(TypeError, match="SamplerOptions or a dictionary is needed"):
        choose_options(SamplerOptions, RunOptions(), options, {})
