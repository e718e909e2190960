# SPDX-License-Identifier: Apache-2.0
"""The public names, and the cost of importing them."""

from __future__ import annotations

import inspect
import pkgutil
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version

import pytest
from qiskit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.providers.exceptions import JobError, JobTimeoutError

import qfleet
from qfleet import errors, noise
from qfleet.lowering.lower import lower
from qfleet.wire.codec.programs import encode_program

JOB_MEMBERS = {
    "as_completed",
    "cancel",
    "creation_date",
    "error_message",
    "estimated_time",
    "held",
    "metadata",
    "metrics",
    "pause",
    "priority",
    "progress",
    "queue_position",
    "result",
    "resume",
    "retry_failed",
    "status",
    "submit",
    "tags",
    "tenant",
    "usage",
    "wait_for_final_state",
}
#: Classes that users hold, and their public members.
MEMBERS = {
    "EstimatorOptions": {"default_precision", "max_parallel_threads", "method", "priority", "seed"},
    "EstimatorV2": {"backend", "from_backend", "options", "run"},
    "FleetBackend": {
        "explain",
        "from_backend",
        "max_circuits",
        "retrieve_job",
        "run",
        "set_options",
        "target",
        "with_options",
    },
    "FleetJob": JOB_MEMBERS,
    "FleetProvider": {
        "backends",
        "close",
        "delete_job",
        "drain",
        "durable",
        "examine",
        "get_backend",
        "job",
        "jobs",
        "local",
        "metrics",
        "quotas",
        "server",
        "set_quotas",
        "set_weight",
        "tenant",
        "usage",
        "weight",
        "workers",
    },
    "PrimitiveFleetJob": JOB_MEMBERS
    | {
        "backend",
        "cancelled",
        "done",
        "errored",
        "in_final_state",
        "expectation_values_as_completed",
        "means_as_completed",
        "running",
    },
    "SamplerOptions": {"default_shots", "max_parallel_threads", "method", "priority", "seed"},
    "SamplerV2": {"backend", "from_backend", "options", "run"},
}
FUNCTIONS = {"celery_app", "iter_sweep", "sweep"}
#: Modules at the top of the client whose names are public.
PUBLIC_MODULES = {"backend", "errors", "noise", "options", "provider"}


def test_dir_shows_the_public_names() -> None:
    assert qfleet.__all__ == sorted(qfleet.__all__) == dir(qfleet)
    assert set(dir(qfleet)) == {*MEMBERS, *FUNCTIONS, "__version__", "errors", "noise"}
    assert all(getattr(qfleet, name).__name__ == name for name in {*MEMBERS, *FUNCTIONS})
    assert qfleet.errors is errors
    assert qfleet.noise is noise
    assert qfleet.__version__ == version("qfleet")


@pytest.mark.parametrize("name", MEMBERS)
def test_public_members_of_a_class(name: str) -> None:
    ours = [kind for kind in getattr(qfleet, name).__mro__ if kind.__module__.startswith("qfleet")]
    members = {
        member
        for kind in ours
        for member in (*vars(kind), *inspect.get_annotations(kind))
        if not member.startswith("_")
    }
    assert members == MEMBERS[name]


def test_what_is_not_public_says_so() -> None:
    names = [module.name for module in pkgutil.iter_modules(qfleet.__path__) if not module.name.startswith("_")]
    assert set(names) > PUBLIC_MODULES
    said = {name for name in names if "Not public" in (import_module(f"qfleet.{name}").__doc__ or "")}
    assert said == set(names) - PUBLIC_MODULES


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'FleetSampler'"):
        qfleet.FleetSampler  # noqa: B018


def error_classes() -> dict[str, type[Exception]]:
    return {
        name: value
        for name, value in vars(errors).items()
        if inspect.isclass(value) and value.__module__ == errors.__name__ and not name.startswith("_")
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
    """Return those of some modules that a fresh process has imported after some code."""
    code += f"\nimport sys; print(sorted(set({names!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("qfleet_worker.app", ["qiskit", "rich", "click.testing", "matplotlib"]),
        ("qfleet.wire.codec.programs", ["qiskit", "celery", "redis"]),
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
from qfleet.wire.codec.programs import decode_program
from qfleet_worker import app
from qfleet_worker.engines.contract import Experiment
from qfleet_worker.engines.choose import choose_engine
program = decode_program({encode_program(lower(circuit))!r})
assert choose_engine()[0].open().run(Experiment(program, 10, 1)).counts.sum() == 10
"""
    assert imported(code, ["qiskit", "qiskit_aer"]) == "[]"
