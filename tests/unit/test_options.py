# SPDX-License-Identifier: Apache-2.0
"""Every option is typed for completion, and stands with its default where `help` shows it."""

from __future__ import annotations

import dataclasses
import pydoc
import re
from typing import Any, get_type_hints

import pytest

from qfleet import EstimatorOptions, EstimatorV2, FleetBackend, SamplerOptions, SamplerV2
from qfleet.options import NAMES, RunKeywords, RunOptions, check_labels
from qfleet.primitives.options import EstimatorKeywords, SamplerKeywords

#: Of a primitive's keywords, those that aren't options of its own.
NESTED = {"seed_simulator", "noise_model", "backend_options", "run_options"}


def documented(thing: Any, heading: str) -> dict[str, str]:
    """The entries of a section of a help text, by name."""
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
