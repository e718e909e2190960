# SPDX-License-Identifier: Apache-2.0
"""compose.yaml and the worker's image keep their promises."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from qfleet_worker.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    return found


def test_redis_keeps_jobs(services: dict[str, Any]) -> None:
    command = services["redis"]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
    assert services["redis"]["volumes"] == ["redis-data:/data"]
    assert all(port.startswith("127.0.0.1:") for port in services["redis"]["ports"])


def test_workers_can_be_scaled(services: dict[str, Any]) -> None:
    worker = services["worker"]
    assert not {"container_name", "ports"} & worker.keys()
    assert worker["build"]["dockerfile"] == "worker/Dockerfile"
    assert worker["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert worker["environment"]["QFLEET_URL"].endswith("@redis:6379/0")


def test_the_image_is_not_root_checks_its_health_and_starts_warm() -> None:
    lines = (ROOT / "worker" / "Dockerfile").read_text("utf-8").splitlines()
    users = [line for line in lines if line.startswith("USER ")]
    assert users
    assert users[-1] != "USER root"
    assert any(line.startswith("HEALTHCHECK ") for line in lines)
    warms = next(at for at, line in enumerate(lines) if line.startswith("RUN ") and "qfleet_worker warm" in line)
    # Root's machine code is any user's to load and nobody's to change; and the user of the image does load it.
    switches = lines.index(users[-1])
    assert warms < switches
    assert any("choose_engine" in line and "statevector" in line for line in lines[switches:])


def test_running_circuits_may_end_before_a_worker_is_killed(services: dict[str, Any]) -> None:
    default = next(field.default for field in dataclasses.fields(Settings) if field.name == "grace_seconds")
    grace = services["worker"]["environment"].get("QFLEET_GRACE_SECONDS", default)
    assert int(services["worker"]["stop_grace_period"].removesuffix("s")) >= int(grace) + 10


def test_docker_compose_accepts_it() -> None:
    """Wherever one of its versions is installed."""
    if shutil.which("docker") and not subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        compose = ["docker", "compose"]
    elif shutil.which("docker-compose"):
        compose = ["docker-compose"]
    else:
        pytest.skip("docker compose isn't installed")
    done = subprocess.run([*compose, "config", "-q"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
