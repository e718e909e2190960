# SPDX-License-Identifier: Apache-2.0
"""A client's settings."""

from __future__ import annotations

import pytest

from qfleet.errors import InvalidOptionError
from qfleet.settings import Settings


def test_defaults() -> None:
    assert Settings.from_environment({}) == Settings(url="", retention_seconds=7 * 24 * 3600)


def test_from_the_environment() -> None:
    settings = Settings.from_environment(
        {"QFLEET_URL": "redis://h/0", "QFLEET_RETENTION_SECONDS": "60", "QFLEET_TENANT": "lab"}
    )
    assert settings == Settings(url="redis://h/0", retention_seconds=60, tenant="lab")


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "a week", "", str(2**31)])
def test_a_wrong_retention_is_refused_with_the_value_and_the_rule(value: str) -> None:
    with pytest.raises(InvalidOptionError, match="whole number of seconds") as caught:
        Settings.from_environment({"QFLEET_RETENTION_SECONDS": value})
    assert repr(value) in str(caught.value)
