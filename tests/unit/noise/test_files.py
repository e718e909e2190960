# SPDX-License-Identifier: Apache-2.0
"""Noise models come back from files as they were, and what isn't one is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qiskit.providers.fake_provider import GenericBackendV2

from qfleet.errors import NoiseError
from qfleet.noise import Channel, NoiseModel, files


def models() -> dict[str, NoiseModel]:
    turn = np.array([[1, 1], [1, -1]]) / np.sqrt(2)
    return {
        "nothing": NoiseModel(),
        "Paulis and resets": NoiseModel()
        .add(Channel.pauli({"XI": 0.01, "ZY": 0.02}), ["cx", "my label"])
        .add(Channel.thermal_relaxation(50, 40, 3).beside(Channel.reset(0.1, 0.2)), "cx", [3, 1]),
        "operators": NoiseModel()
        .add(Channel.thermal_relaxation(50, 80, 3, 0.1), "x")
        .add(Channel.unitary(turn), "id", 2)
        .add(Channel.amplitude_damping(0.1).beside(Channel.depolarizing(0.2, 2)), "ccx"),
        "readout": NoiseModel().add_readout([[0.9, 0.1], [0.2, 0.8]]).add_readout([[1, 0], [0.25, 0.75]], [0, 4]),
        "relaxation": NoiseModel().with_relaxation([math.inf, 50e-6], [math.inf, 60e-6], dt=1e-9),
        "device": NoiseModel.from_backend(GenericBackendV2(5, seed=1)),
    }


@pytest.mark.parametrize("name", models())
def test_a_model_comes_back_to_the_bit(name: str, tmp_path: Path) -> None:
    model, path = models()[name], tmp_path / "noise.json"
    model.save(path)
    assert NoiseModel.load(path) == model
    assert NoiseModel.load(str(path)) == model


def entry(**changes: Any) -> dict[str, Any]:
    channel = {"qubits": 1, "branches": [{"p": 0.9}, {"p": 0.1, "pauli": "X"}]}
    return {"gate": "x", "qubits": [0], "channel": channel | changes}


def branches(*rest: dict[str, Any]) -> dict[str, Any]:
    return {"gates": [entry(branches=[{"p": 0.9}, *rest])]}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another format": ({"format": "other"}, "format"),
    "a newer version": ({"version": 2}, "version"),
    "an unknown field": ({"code": "print()"}, "code"),
    "no probabilities": (branches({"p": 0.3, "pauli": "X"}), r"gate 'x' on qubits \(0,\): .*add up to 1"),
    "a negative probability": (branches({"p": -0.1, "pauli": "X"}), "0.0"),
    "a letter": (branches({"p": 0.1, "pauli": "A"}), "IXYZ0"),
    "too many letters": (branches({"p": 0.1, "pauli": "XX"}), "2 letters for 1 qubits"),
    "a Pauli with operators": (branches({"p": 0.1, "pauli": "X", "kraus": [[[[1, 0]]]]}), "give it one of them"),
    "operators that lose the trace": (
        branches({"p": 0.1, "kraus": [[[[0.5, 0], [0, 0]], [[0, 0], [0.5, 0]]]]}),
        "preserve the trace",
    ),
    "operators of another shape": (branches({"p": 0.1, "kraus": [[[[1, 0]]]]}), "2 x 2"),
    "operators of several shapes": (branches({"p": 0.1, "kraus": [[[[1, 0]], [[1, 0], [0, 0]]]]}), "gate 'x'"),
    "a first branch that does something": ({"gates": [entry(branches=[{"p": 1.0, "pauli": "X"}])]}, "identity"),
    "another number of qubits": ({"gates": [entry() | {"qubits": [0, 1]}]}, "a channel of 1 qubits"),
    "an entry twice": ({"gates": [entry(), entry()]}, "twice"),
    "readout": ({"readout": [{"qubits": [0], "matrix": [[0.5, 0.6], [0, 1]]}]}, "add up to"),
    "lists of two lengths": (
        {"relaxation": {"t1s": [1.0], "t2s": [], "excited_state_populations": [0.0]}},
        "different lengths",
    ),
    "a T2 that can't be": (
        {"relaxation": {"t1s": [1.0], "t2s": [None], "excited_state_populations": [0.0]}},
        "relaxation of qubit 0: t2 = inf",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_entry_is_named(name: str, tmp_path: Path) -> None:
    changes, message = WRONG[name]
    path = tmp_path / "noise.json"
    path.write_text(json.dumps({"format": "qfleet noise model", "version": 1} | changes))
    with pytest.raises(NoiseError, match=message):
        NoiseModel.load(path)


@pytest.mark.parametrize("content", [b"", b"[]", b"\x80\x04N.", b'{"format": NaN}', b"[" * 100_000], ids=repr)
def test_what_is_no_model(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "noise.json"
    path.write_bytes(content)
    with pytest.raises(NoiseError, match=r"noise\.json"):
        NoiseModel.load(path)


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "noise.json"
    NoiseModel().save(path)
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 10)
    with pytest.raises(NoiseError, match="isn't read"):
        NoiseModel.load(path)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        NoiseModel.load(tmp_path / "noise.json")
    with pytest.raises(OSError, match=r"noise\.json"):
        NoiseModel().save(tmp_path / "no folder" / "noise.json")


class Pass:
    """What is known of a pass of Aer's."""

    run = _func = _method = None
    _ops = ()


class ModelWithPass:
    """What is read of a model of Aer's."""

    _default_readout_error = None
    _custom_noise_passes = (Pass(),)

    def __init__(self) -> None:
        self._default_quantum_errors = self._local_quantum_errors = self._local_readout_errors = {}

    def to_dict(self) -> dict[str, Any]:
        return {"errors": []}


def test_a_pass_is_code(tmp_path: Path) -> None:
    model = NoiseModel.from_aer(ModelWithPass())
    with pytest.raises(NoiseError, match="the pass Pass can't be saved"):
        model.save(tmp_path / "noise.json")
    assert not (tmp_path / "noise.json").exists()
