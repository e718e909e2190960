# SPDX-License-Identifier: Apache-2.0
"""`circuit.metadata` may hold any object, and comes back in ``header["metadata"]``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import warnings
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qfleet import FleetProvider, SamplerV2

WRITABLE = {"text": "θ", "number": 1.5, "list": [1, [2, None]], "nested": {"flag": True}, "bytes": b"\x00\xff"}
#: Reads the metadata of a job's only circuit, in a process that has nothing but the url and the id.
READER = """
import json, sys
from qfleet import FleetProvider, SamplerV2
with FleetProvider() as provider:
    print(json.dumps(provider.job(sys.argv[1]).result().results[0].header["metadata"]))
"""


@dataclass
class Plain:
    """An object of the user's."""

    values: list[int] = field(default_factory=lambda: [1, 2])


class Colour(Enum):
    RED = 1


class Unhelpful:
    """An object that refuses to be copied and compared."""

    def __deepcopy__(self, memo: object) -> Any:
        raise RuntimeError("no copies")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparisons")

    __hash__ = None  # type: ignore[assignment]


def run_with(provider: FleetProvider, metadata: dict[Any, Any]) -> tuple[QuantumCircuit, Any]:
    circuit = QuantumCircuit(1, 1, metadata=metadata)
    circuit.measure(0, 0)
    return circuit, provider.get_backend().run(circuit)


def metadata_of(job: Any) -> Any:
    return job.result().results[0].header["metadata"]


@pytest.mark.parametrize(
    "value",
    [
        Plain(),
        {1, 2},
        (1, (2, 3)),
        {(0, 1): "tuple keys", None: "no key"},
        1 + 2j,
        10**30,
        SparsePauliOp(["XZ", "YY"], [1, 2j]),
        len,
        Plain,
        float("inf"),
    ],
    ids=repr,
)
def test_any_object_comes_back_equal(provider: FleetProvider, value: object) -> None:
    circuit, job = run_with(provider, {"value": value, 3: "a key that is no string"})
    assert metadata_of(job) == {"value": value, 3: "a key that is no string"}
    assert type(metadata_of(job)["value"]) is type(value)
    assert circuit.metadata["value"] is value


def test_arrays_come_back(provider: FleetProvider) -> None:
    array = np.arange(6).reshape(2, 3)
    _, job = run_with(provider, {"array": array})
    assert np.array_equal(metadata_of(job)["array"], array)


def test_it_is_a_copy(provider: FleetProvider) -> None:
    mine = Plain()
    circuit, job = run_with(provider, {"mine": mine, "list": [1]})
    mine.values.append(3)
    circuit.metadata["list"].append(2)
    circuit.metadata["later"] = "added"
    assert metadata_of(job) == {"mine": Plain([1, 2]), "list": [1]}


def test_what_refuses_to_be_copied_comes_back_itself(provider: FleetProvider) -> None:
    lock, unhelpful, kept = threading.Lock(), Unhelpful(), [1]
    _, job = run_with(provider, {"lock": lock, "unhelpful": unhelpful, "kept": kept})
    kept.append(2)
    metadata = metadata_of(job)
    assert metadata["lock"] is lock
    assert metadata["unhelpful"] is unhelpful
    # The others are copies nevertheless.
    assert metadata["kept"] == [1]


def test_none_is_no_metadata(provider: FleetProvider) -> None:
    _, job = run_with(provider, {})
    assert metadata_of(job) == {}


def test_another_provider_gets_what_can_be_written(provider: FleetProvider, fleet_url: str) -> None:
    odd = {"object": Plain(), "lock": threading.Lock(), "enum": Colour.RED}
    writable = WRITABLE | {"set": {1}, "tuple": (1, 2), 3: "key", "number": np.float64(0.5)}
    with pytest.warns(UserWarning, match="'object' of circuit .*, 'lock' of .*, 'enum' of circuit") as caught:
        _, job = run_with(provider, writable | odd)
    assert [warning.filename for warning in caught] == [__file__]
    assert metadata_of(job).keys() == writable.keys() | odd.keys()
    with FleetProvider(fleet_url) as other:
        found = metadata_of(other.job(job.job_id()))
    assert found == writable
    assert type(found["number"]) is np.float64
    assert type(found["tuple"]) is tuple


def test_a_jobs_own_metadata_warn_too(provider: FleetProvider) -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    with pytest.warns(UserWarning, match="'object' of the job") as caught:
        job = provider.get_backend().run(circuit, metadata={"object": Plain(), "kept": (1,)})
    assert [warning.filename for warning in caught] == [__file__]
    assert job.metadata == {"object": Plain(), "kept": (1,)}
    assert provider.job(job.job_id()).metadata == {"kept": (1,)}


def test_a_primitives_circuit_warns_too(provider: FleetProvider) -> None:
    circuit = QuantumCircuit(1, metadata={"object": Plain()})
    circuit.measure_all()
    with pytest.warns(UserWarning, match="'object' of circuit") as caught:
        SamplerV2(provider).run([circuit])
    assert [warning.filename for warning in caught] == [__file__]


def test_metadata_that_can_be_stored_dont_warn(provider: FleetProvider) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run_with(provider, WRITABLE | {"array": np.eye(2)})


def test_another_process_gets_what_can_be_written(provider: FleetProvider, fleet_url: str) -> None:
    writable = {name: value for name, value in WRITABLE.items() if name != "bytes"}
    _, job = run_with(provider, writable | {"object": Plain()})
    reader = subprocess.run(
        [sys.executable, "-c", READER, job.job_id()],
        env=os.environ | {"QFLEET_URL": fleet_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert reader.returncode == 0, reader.stderr
    assert json.loads(reader.stdout) == writable


def test_each_circuit_has_its_own(provider: FleetProvider) -> None:
    circuits = [QuantumCircuit(1, 1, metadata={"number": number}) for number in range(5)]
    result = provider.get_backend().run(circuits).result()
    assert [each.header["metadata"] for each in result.results] == [{"number": number} for number in range(5)]
