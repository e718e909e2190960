# SPDX-License-Identifier: Apache-2.0
"""What a user can import, and what importing costs."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
from qiskit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.providers.exceptions import JobError, JobTimeoutError

import qfleet
from qfleet import errors
from qfleet.lowering.lower import lower
from qfleet.wire.codec import encode_program


def test_all_is_sorted_and_there() -> None:
    assert qfleet.__all__ == sorted(qfleet.__all__)
    assert all(getattr(qfleet, name).__name__ == name for name in qfleet.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'FleetSampler'"):
        qfleet.FleetSampler  # noqa: B018


def error_classes() -> dict[str, type[Exception]]:
    return {
        name: value
        for name, value in vars(errors).items()
        if inspect.isclass(value) and value.__module__ == errors.__name__
    }


def test_every_error_is_in_the_tree_at_the_top_and_in_all() -> None:
    assert sorted(error_classes()) == errors.__all__
    assert all(f" {name} " in f"{errors.__doc__} ".replace("\n", " ") for name in error_classes())


def test_every_error_can_be_caught_as_ours_and_as_qiskits() -> None:
    for error in error_classes().values():
        assert issubclass(error, errors.QfleetError)
        assert issubclass(error, QiskitError)
        assert error.__doc__
    assert issubclass(errors.JobFailedError, JobError)
    assert issubclass(errors.JobCancelledError, JobError)
    assert issubclass(errors.FleetJobTimeoutError, JobTimeoutError)


def test_the_text_of_an_error_is_its_message() -> None:
    assert str(errors.CapacityError("too large")) == "too large"


#: What only workers need.
ENGINE = ["qfleet_worker", "numba", "llvmlite"]


def imported(code: str, names: list[str]) -> str:
    """Which of some modules are there once a fresh process has run the code."""
    code += f"\nimport sys; print(sorted(set({names!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("qfleet_worker.app", ["qiskit", "rich", "click.testing", "matplotlib"]),
        ("qfleet.wire.codec", ["qiskit", "celery", "redis"]),
        ("qfleet", ["qiskit", "celery", "redis", "numpy"]),
        ("qfleet.provider", ["matplotlib", "rich", "psutil", *ENGINE]),
    ],
)
def test_what_a_module_does_not_import(module: str, absent: list[str]) -> None:
    assert imported(f"import {module}", absent) == "[]"


def test_what_a_client_does_not_import() -> None:
    code = "from qfleet import FleetProvider; FleetProvider('redis://127.0.0.1:1/0').get_backend('automatic')"
    assert imported(code, ["celery.app.trace", "celery.worker", "celery.bin", "celery.concurrency", *ENGINE]) == "[]"


def test_a_worker_runs_circuits_without_qiskit() -> None:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.measure_all()
    code = f"""
from qfleet.wire.codec import decode_program
from qfleet_worker import app
from qfleet_worker.engines.contract import Experiment
from qfleet_worker.engines.choose import choose_engine
assert choose_engine()[0].run(Experiment(decode_program({encode_program(lower(circuit))!r}), 10, 1)).counts.sum() == 10
"""
    assert imported(code, ["qiskit", "qiskit_aer"]) == "[]"
