# SPDX-License-Identifier: Apache-2.0
"""``--noise`` names a file or a fake device, and circuits fit the device."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.providers.fake_provider import GenericBackendV2

from qfleet.cli.noise_source import NoiseSource, read_noise
from qfleet.errors import NoiseError
from qfleet.noise import Channel, NoiseModel
from qfleet.target import device_target


@pytest.fixture
def _installed() -> None:
    pytest.importorskip("qiskit_ibm_runtime", reason='pip install -e ".[dev]" installs it')


def bell() -> QuantumCircuit:
    circuit = QuantumCircuit(2, name="bell")
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


def test_a_file(tmp_path: Path) -> None:
    model = NoiseModel().add(Channel.depolarizing(0.1), "x")
    model.save(tmp_path / "noise.json")
    source = read_noise(str(tmp_path / "noise.json"))
    assert source == (model, None)
    circuits = [bell()]
    assert source.prepare(circuits)[0] is circuits[0]


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "noise.json").write_text("{}")
    with pytest.raises(NoiseError, match=r"noise\.json"):
        read_noise(str(tmp_path / "noise.json"))


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match=r"is a folder; a file that NoiseModel\.save\(\) wrote is needed$"):
        read_noise(str(tmp_path))


@pytest.mark.parametrize("name", ["nofile.json", "models/noise"])
def test_a_file_that_is_missing(name: str) -> None:
    with pytest.raises(click.UsageError, match=rf"can't find the file '{name}'$"):
        read_noise(name)


@pytest.mark.usefixtures("_installed")
def test_a_device() -> None:
    source = read_noise("fake_manila")
    assert source.model.names == {"cx", "id", "reset", "sx", "x"}
    assert source.target is not None
    assert source.target.num_qubits == 5


@pytest.mark.usefixtures("_installed")
def test_a_misspelt_device() -> None:
    with pytest.raises(click.UsageError, match=r"'fake_manilla' is neither a file nor .*Did you mean 'fake_manila'\?"):
        read_noise("fake_manilla")


def test_devices_need_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "qiskit_ibm_runtime.fake_provider", None)
    with pytest.raises(click.UsageError, match=r"the file 'fake_manila'.*pip install qiskit-ibm-runtime"):
        read_noise("fake_manila")


def test_circuits_get_the_gates_of_the_device() -> None:
    device = GenericBackendV2(4, seed=1)
    source = NoiseSource(NoiseModel.from_backend(device), device_target(device.target))
    ready = transpile(bell(), device, seed_transpiler=3)
    looped = QuantumCircuit(1, 1)
    with looped.for_loop(range(2)):
        looped.h(0)
    made, same, loop = source.prepare([bell(), ready, looped])
    assert set(made.count_ops()) <= {*device.operation_names, "barrier"}
    assert made.name == "bell"
    assert made == source.prepare([bell()])[0]
    assert same is ready
    assert "h" not in loop.data[0].operation.params[2].count_ops()


def test_a_circuit_wider_than_the_device_is_refused() -> None:
    device = GenericBackendV2(4, seed=1)
    source = NoiseSource(NoiseModel.from_backend(device), device_target(device.target))
    with pytest.raises(click.UsageError, match="circuit 'wide' has 5 qubits, and the device 4; take a larger device"):
        source.prepare([bell(), QuantumCircuit(5, name="wide")])
