# SPDX-License-Identifier: Apache-2.0
"""A worker reads its environment, and refuses wrong values."""

from __future__ import annotations

import os

import pytest

from qfleet.wire.redis.broker import BrokerUrlError
from qfleet_worker.__main__ import main
from qfleet_worker.settings import Settings, SettingsError

URL = {"QFLEET_URL": "redis://host/0"}


def test_the_defaults() -> None:
    settings = Settings.from_environment(URL)
    assert str(settings.broker) == "redis://host/0"
    assert settings.concurrency == len(os.sched_getaffinity(0))
    assert (settings.memory_bytes, settings.workers_on_machine, settings.max_attempts) == (0, 1, 3)
    assert (settings.log_level, settings.lifeline) == ("INFO", "")
    assert settings.time_limit_seconds == 3600


def test_everything_can_be_set() -> None:
    settings = Settings.from_environment(
        URL
        | {
            "QFLEET_CONCURRENCY": "7",
            "QFLEET_MEMORY_BYTES": "1000",
            "QFLEET_WORKERS_ON_MACHINE": "2",
            "QFLEET_MAX_ATTEMPTS": "5",
            "QFLEET_LOG_LEVEL": "warning",
            "QFLEET_LIFELINE": "/run/fleet",
        }
    )
    assert (settings.concurrency, settings.memory_bytes, settings.workers_on_machine) == (7, 1000, 2)
    assert (settings.max_attempts, settings.log_level, settings.lifeline) == (5, "WARNING", "/run/fleet")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QFLEET_CONCURRENCY", "0"),
        ("QFLEET_CONCURRENCY", "-1"),
        ("QFLEET_CONCURRENCY", "two"),
        ("QFLEET_CONCURRENCY", "1.5"),
        ("QFLEET_MEMORY_BYTES", "4G"),
        ("QFLEET_WORKERS_ON_MACHINE", "0"),
        ("QFLEET_MAX_ATTEMPTS", "0"),
        ("QFLEET_LOG_LEVEL", "LOUD"),
        ("QFLEET_WARM", "yes"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        Settings.from_environment(URL | {name: value})
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(("value", "warm"), [("", True), ("1", True), ("0", False)])
def test_compiling_in_the_background_can_be_turned_off(value: str, warm: bool) -> None:
    assert Settings.from_environment(URL | {"QFLEET_WARM": value}).warm is warm


@pytest.mark.parametrize("environment", [{}, {"QFLEET_URL": ""}])
def test_without_a_url(environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="QFLEET_URL isn't set"):
        Settings.from_environment(environment)


def test_a_wrong_url() -> None:
    with pytest.raises(BrokerUrlError):
        Settings.from_environment({"QFLEET_URL": "http://host"})


@pytest.mark.parametrize("url", ["", "http://u:geheim@host"])
def test_the_worker_ends_with_2_and_one_line(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QFLEET_URL", url)
    assert main([]) == 2
    said = capsys.readouterr().err
    assert said.startswith("qfleet worker: ")
    assert said.count("\n") == 1
    assert "geheim" not in said


def test_the_health_of_a_host_without_a_worker(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QFLEET_URL", redis_url)
    assert main(["health"]) == 1


def test_the_health_of_a_host_with_a_worker(fleet_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QFLEET_URL", fleet_url)
    assert main(["health"]) == 0
    # Another container of this host: its host name may be the same.
    monkeypatch.setattr("qfleet_worker.__main__.machine_id", lambda: "another")
    assert main(["health"]) == 1
