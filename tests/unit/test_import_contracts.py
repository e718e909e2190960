# SPDX-License-Identifier: Apache-2.0
"""The import contracts of `pyproject.toml` can fail: each violation in a copy of the packages breaks its contracts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("provider/qfleet", "worker/qfleet_worker")

FLOORS = "The floors of the client"
FLOORS_OF_WIRE = "The floors of wire"
FLOORS_OF_THE_WORKER = "The floors of the worker"
FLOORS_OF_ENGINES = "The floors of the engines"
FLOORS_OF_STATEVECTOR = "The floors of the statevector engine"
QISKIT = "Neither the worker nor wire imports Qiskit"
REDIS = "In the client, ledger alone talks to Redis and Celery; a local fleet asks its own server"
WIRE_ALONE = "Of the client, the worker imports wire alone"
WORKER = "The client doesn't import the worker"
CIRCLES = "No circles in any package"

ERRORS = "from qfleet.errors import QfleetError"
TYPE_ONLY = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from qfleet.backend import FleetBackend"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Return the folder of a copy of both packages and their contracts."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def broken(folder: Path) -> set[str]:
    """Check a copy, and return the names of the contracts that it breaks."""
    path = os.pathsep.join(str((folder / package).parent) for package in PACKAGES)
    result = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert "KEPT" in result.stdout, result.stdout + result.stderr
    names = set(re.findall(r"^(.+) BROKEN(?: \(.*\))?$", result.stdout, re.MULTILINE))
    assert result.returncode == bool(names)
    return names


def test_the_packages_keep_all_contracts(copied: Path) -> None:
    assert broken(copied) == set()


@pytest.mark.parametrize(
    ("module", "line", "contracts"),
    [
        pytest.param("qfleet/wire/program/saves.py", ERRORS, [FLOORS, QISKIT], id="wire imports the client's errors"),
        pytest.param(
            "qfleet/wire/cost/cost.py",
            "from qfleet.submission.planning import plan",
            [FLOORS, CIRCLES, QISKIT],
            id="wire imports planning",
        ),
        pytest.param(
            "qfleet_worker/health.py",
            "from qiskit.circuit import QuantumCircuit",
            [QISKIT],
            id="the worker's health check imports Qiskit",
        ),
        *(
            pytest.param(f"qfleet/{module}", "import redis", [REDIS], id=f"{module} imports redis")
            for module in ("backend.py", "jobs/base.py", "submission/planning.py")
        ),
        pytest.param("qfleet_worker/store.py", ERRORS, [WIRE_ALONE], id="the worker imports the client's errors"),
        pytest.param("qfleet/jobs/base.py", TYPE_ONLY, [FLOORS, CIRCLES], id="jobs and backend know each other"),
        pytest.param("qfleet/health/diagnosis.py", "import qfleet_worker", [WORKER], id="client imports worker"),
        pytest.param(
            "qfleet/wire/program/program.py",
            "from qfleet.wire.checks.program import check_program",
            [FLOORS_OF_WIRE, CIRCLES],
            id="data imports its check",
        ),
        pytest.param(
            "qfleet_worker/engines/driver/flow.py",
            "from qfleet_worker.engines.numpy.plan import compile_program",
            [FLOORS_OF_ENGINES, CIRCLES],
            id="the driver imports an engine",
        ),
        pytest.param(
            "qfleet_worker/engines/statevector/kernels/gates.py",
            "from qfleet_worker.engines.statevector.compiler.draft import Draft",
            [FLOORS_OF_STATEVECTOR, CIRCLES],
            id="kernels import the compiler",
        ),
        pytest.param(
            "qfleet_worker/store.py",
            "from qfleet_worker.app import make_app",
            [FLOORS_OF_THE_WORKER, CIRCLES],
            id="the store imports the app",
        ),
        *(
            pytest.param(f"{package}/newthing.py", "", [contract], id=f"a module without a floor in {package}")
            for package, contract in (
                ("qfleet", FLOORS),
                ("qfleet/wire", FLOORS_OF_WIRE),
                ("qfleet_worker", FLOORS_OF_THE_WORKER),
                ("qfleet_worker/engines", FLOORS_OF_ENGINES),
                ("qfleet_worker/engines/statevector", FLOORS_OF_STATEVECTOR),
            )
        ),
    ],
)
def test_a_violation_is_caught(copied: Path, module: str, line: str, contracts: list[str]) -> None:
    folder = "worker" if module.startswith("qfleet_worker") else "provider"
    with (copied / folder / module).open("a") as file:
        file.write(f"\n{line}\n")
    found = broken(copied)
    assert found >= set(contracts)
