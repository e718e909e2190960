# SPDX-License-Identifier: Apache-2.0
"""Noise models come back from files as they were, and what isn't one is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import Kraus, random_quantum_channel, random_unitary

from qfleet.errors import NoiseError
from qfleet.noise import Channel, NoiseModel, files
from qfleet.wire.program import channels as wire
from qfleet.wire.program.channels import Branch

SIGNED_ZEROS = [Branch(0.5), Branch(0.5, operators=np.array([[[complex(-0.0, 0), -1], [-1, complex(0, -0.0)]]]))]


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
        "zeros with a sign": NoiseModel().add(Channel.of_wire(wire.Channel.of(1, SIGNED_ZEROS)), "x"),
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


#: With rounding that is taken off.
CHANCES = st.floats(0, 1) | st.sampled_from([0, 1, 1 + 1e-9, -1e-13, 1e-16])
TIMES = st.floats(0, exclude_min=True, allow_subnormal=True) | st.sampled_from([1, math.inf, np.float32(2)])
WIDTHS = st.integers(1, 2)


@st.composite
def channels(draw: st.DrawFn) -> Channel:
    """Return a channel of any kind, on one or two qubits."""
    one = draw(
        st.builds(Channel.depolarizing, st.floats(0, 1), WIDTHS)
        | st.builds(lambda p, q: Channel.reset(p, (1 - p) * q), st.floats(0, 1), st.floats(0, 1))
        | st.builds(Channel.amplitude_damping, CHANCES)
        | st.builds(lambda width, seed: Channel.unitary(random_unitary(2**width, seed)), WIDTHS, st.integers(0, 999))
        | st.builds(
            lambda width, rank, seed: Channel.kraus(Kraus(random_quantum_channel(2**width, None, rank, seed)).data),
            WIDTHS,
            st.integers(1, 4),
            st.integers(0, 999),
        )
    )
    return one.then(draw(paulis_of(one.num_qubits)))


def paulis_of(width: int) -> st.SearchStrategy[Channel]:
    labels = st.text("XYZ", min_size=width, max_size=width)
    return st.builds(Channel.pauli, st.dictionaries(labels, st.floats(0, 0.25), min_size=1, max_size=4))


@st.composite
def relaxed(draw: st.DrawFn, model: NoiseModel) -> NoiseModel:
    """Return a model with relaxation as well."""
    t1s = draw(st.lists(TIMES, max_size=4))
    t2s = [draw(st.floats(0, 2, exclude_min=True)) * float(t1) for t1 in t1s]
    assume(all(t2 > 0 for t2 in t2s))
    populations = [draw(CHANCES) for _ in t1s]
    dt = draw(st.none() | st.floats(0, exclude_min=True, allow_infinity=False))
    return model.with_relaxation(t1s, t2s, excited_state_populations=populations, dt=dt)


@st.composite
def any_models(draw: st.DrawFn) -> NoiseModel:
    """Return a model of entries that its methods take."""
    model = NoiseModel()
    names = st.text(min_size=1, max_size=1000) | st.sampled_from(["mine", "x" * 1000, "\0"])
    qubits = st.integers(0, 32766) | st.sampled_from([np.int64(32766)])
    for _ in range(draw(st.integers(0, 3))):
        channel, name = draw(channels()), draw(names)
        places = draw(
            st.none() | st.lists(qubits, min_size=channel.num_qubits, max_size=channel.num_qubits, unique=True)
        )
        try:
            model = model.add(channel, name, places)
        except NoiseError:
            # The name is that of another gate, has half of a surrogate pair, or had a wider channel before.
            continue
    for _ in range(draw(st.integers(0, 2))):
        rows = [[1 - p, p + draw(st.sampled_from([0, 1e-9, -1e-16]))] for p in draw(st.tuples(*[st.floats(0, 1)] * 2))]
        rows = [[left, max(0.0, right)] for left, right in rows]
        model = model.add_readout(rows, draw(st.none() | st.lists(qubits, min_size=1, max_size=3, unique=True)))
    return draw(relaxed(model)) if draw(st.booleans()) else model


@settings(max_examples=150, deadline=None, derandomize=True)
@given(any_models())
def test_every_model_comes_back_to_the_bit(model: NoiseModel) -> None:
    with TemporaryDirectory() as folder:
        model.save(Path(folder, "noise.json"))
        assert NoiseModel.load(Path(folder, "noise.json")) == model


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
    "another number of qubits": (
        {"gates": [entry() | {"qubits": [0, 1]}]},
        r"noise\.json: the channel of gate 'x' on qubits \(0, 1\) is of 1 qubit, but",
    ),
    "an entry twice": ({"gates": [entry(), entry()]}, "twice"),
    "readout": (
        {"readout": [{"qubits": [0], "matrix": [[0.5, 0.6], [0, 1]]}]},
        r"noise\.json: the sum of row 0 of the readout error of \(0,\) is 1.1; 1 is needed",
    ),
    "readout of other qubits": (
        {"readout": [{"qubits": [0, 1], "matrix": [[0.5, 0.5], [0, 1]]}]},
        r"\(0, 1\) has 2 rows; for 2 qubits, 4 are needed",
    ),
    "a gate without a name": ({"gates": [entry() | {"gate": ""}]}, "'' isn't the name of a gate"),
    "a qubit that no program has": ({"gates": [entry() | {"qubits": [32767]}]}, "= 32767"),
    "a qubit twice": ({"readout": [{"qubits": [0, 0], "matrix": [[0.25] * 4] * 4}]}, "different qubits"),
    "lists of two lengths": (
        {"relaxation": {"t1s": [1.0], "t2s": [], "excited_state_populations": [0.0]}},
        r"noise\.json: t1s, t2s and excited_state_populations have 1, 0 and 1 entries",
    ),
    "a T2 that can't be": (
        {"relaxation": {"t1s": [1.0], "t2s": [None], "excited_state_populations": [0.0]}},
        r"noise\.json: t2s\[0\] = inf",
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
    path.unlink()
    with pytest.raises(NoiseError, match="can't be saved: files have at most"):
        NoiseModel().save(path)
    assert not path.exists()


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        NoiseModel.load(tmp_path / "noise.json")
    with pytest.raises(OSError, match=r"noise\.json"):
        NoiseModel().save(tmp_path / "no folder" / "noise.json")


class Pass:
    """The attributes of a pass of Aer's."""

    run = _func = _method = None
    _ops = ()


class ModelWithPass:
    """The attributes of a model of Aer's."""

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
