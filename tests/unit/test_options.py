# SPDX-License-Identifier: Apache-2.0
"""Every option is typed for completion, and stands with its default where `help` shows it."""

from __future__ import annotations

import dataclasses
import pydoc
import re
from typing import Any, get_type_hints

import pytest
from qiskit.providers.fake_provider import GenericBackendV2

from qfleet import EstimatorOptions, EstimatorV2, FleetBackend, SamplerOptions, SamplerV2
from qfleet.errors import InvalidOptionError
from qfleet.noise import Channel, NoiseModel
from qfleet.options import NAMES, RunKeywords, RunOptions, check_labels, check_option
from qfleet.primitives.options import EstimatorKeywords, SamplerKeywords

#: Of a primitive's keywords, those that aren't options of its own.
NESTED = {"seed_simulator", "noise_model", "backend_options", "run_options"}


def documented(thing: Any, heading: str) -> dict[str, str]:
    """Return the entries of a section of a help text, by name."""
    text = pydoc.render_doc(thing, renderer=pydoc.plaintext)
    section = re.search(rf"\n([ |]*){heading}:\n((?:\1 +[^\n]*\n|[ |]*\n)+?)(?=\1\w|[ |]*\n)", text)
    assert section is not None, text
    prefix = re.escape(section[1] + "    ")
    entries = re.split(rf"(?m)^{prefix}(?=\w+: )", section[2])[1:]
    return {name: text for name, text in (entry.split(": ", 1) for entry in entries)}


def defaults(kind: type) -> dict[str, object]:
    return {field.name: field.default for field in dataclasses.fields(kind)}


@pytest.mark.parametrize(
    ("thing", "heading", "kind"),
    [
        (FleetBackend.run, "Options", RunOptions),
        (SamplerV2, "Options", SamplerOptions),
        (EstimatorV2, "Options", EstimatorOptions),
        (SamplerOptions, "Attributes", SamplerOptions),
        (EstimatorOptions, "Attributes", EstimatorOptions),
    ],
)
def test_help_has_every_option_and_its_default(thing: Any, heading: str, kind: type) -> None:
    entries = documented(thing, heading)
    expected = defaults(kind)
    assert entries.keys() - (NESTED - expected.keys()) == expected.keys()
    for name, default in expected.items():
        shown = f'"{default}"' if isinstance(default, str) else repr(default)
        assert re.sub(r"\s+", " ", entries[name].replace("|", "")).strip().endswith(f"default {shown}."), name


def test_keywords_are_the_options() -> None:
    assert get_type_hints(RunKeywords).keys() == NAMES == defaults(RunOptions).keys()
    assert get_type_hints(SamplerKeywords).keys() == defaults(SamplerOptions).keys() | NESTED
    assert get_type_hints(EstimatorKeywords).keys() == defaults(EstimatorOptions).keys() | NESTED


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (GenericBackendV2(2), r"=GenericBackendV2\(...\): .*`NoiseModel.from_backend\(device\)`"),
        (Channel.reset(0.1), r"=Channel\(...\): .*`NoiseModel\(\).add\(channel, gates\)`"),
        (NoiseModel, r"=<class .*NoiseModel'>: .*not a class; .*`NoiseModel\(\)`"),
        ("fake_manila", r"='fake_manila': .*command line alone: take `NoiseModel.from_backend\(device\)`"),
        (0.1, r"=float\(...\): a `qfleet.noise.NoiseModel` or a noise model of Qiskit Aer is needed$"),
    ],
)
def test_what_is_not_a_noise_model(value: object, text: str) -> None:
    with pytest.raises(InvalidOptionError, match="noise_model" + text) as caught:
        check_option("noise_model", value)
    assert caught.value.option == "noise_model"


@pytest.mark.parametrize(
    ("tags", "metadata", "text"),
    [
        ("tag", None, "job_tags='tag': a list of strings is needed"),
        ({"a": 1}, None, "a list of strings is needed"),
        (["a", 1], None, "every tag must be a string"),
        (None, ["a"], r"metadata=\['a'\]: a dictionary is needed"),
    ],
)
def test_labels_of_wrong_types(tags: Any, metadata: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        check_labels(tags, metadata)


def test_labels_are_copies() -> None:
    tags, metadata = ["a"], {"b": 1}
    given = check_labels(tags, metadata)
    assert given == (tags, metadata)
    assert given[0] is not tags
    assert given[1] is not metadata
    assert check_labels(None, None) == ([], {})
