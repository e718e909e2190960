# SPDX-License-Identifier: Apache-2.0
"""Noise models find the channels of gates, and never change."""

from __future__ import annotations

import math
import pickle  # noqa: TID251 - of our own
from collections.abc import Callable

import numpy as np
import pytest
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.transpiler import Target

from qfleet.errors import NoiseError
from qfleet.noise import Channel, NoiseModel

ONE, OTHER, TWO = Channel.depolarizing(0.1), Channel.reset(0.2), Channel.depolarizing(0.1, 2)


def test_local_channels_replace_those_for_all_qubits() -> None:
    model = NoiseModel().add(ONE, ["x", "my label"]).add(OTHER, "x", 3).add(TWO, "cx", [0, 1])
    assert model.channel("x", [0]) == ONE
    assert model.channel("x", [3]) == OTHER
    assert model.channel("my label", [3]) == ONE
    assert model.channel("cx", [0, 1]) == TWO
    assert model.channel("cx", [1, 0]) is None
    assert model.channel("y", [0]) is None
    assert model.names == {"x", "my label", "cx"}


def test_a_second_channel_comes_after_the_first() -> None:
    model = NoiseModel().add(OTHER, "x").add(ONE, "x")
    assert model.channel("x", [0]) == OTHER.then(ONE)


def test_readout() -> None:
    model = NoiseModel().add_readout([[0.9, 0.1], [0.2, 0.8]]).add_readout([[1, 0], [0.5, 0.5]], [1, 2])
    assert model.flips(0) == (0.1, 0.2)
    assert model.flips(2) == (0.0, 0.5)
    assert NoiseModel().add_readout([[0.9, 0.1], [0.2, 0.8]], 1).flips(0) is None


def test_integers_of_numpy() -> None:
    matrix = [[0.9, 0.1], [0.2, 0.8]]
    model = NoiseModel().add(ONE, "x", np.int64(0)).add(TWO, "cx", np.arange(2)).add_readout(matrix, np.int64(1))
    assert model == NoiseModel().add(ONE, "x", 0).add(TWO, "cx", [0, 1]).add_readout(matrix, 1)
    assert model.channel("cx", [0, 1]) == TWO
    assert model.flips(1) == (0.1, 0.2)


def test_rounding_is_taken_off() -> None:
    model = NoiseModel().with_relaxation([1], [2], excited_state_populations=[1 + 1e-9])
    assert model.relaxation is not None
    assert model.relaxation.excited_state_populations == (1.0,)


def test_models_never_change_and_compare_by_content() -> None:
    empty = NoiseModel()
    model = empty.add(ONE, "x").add_readout([[0.9, 0.1], [0.2, 0.8]]).with_relaxation([1.0], [2.0], dt=1e-9)
    assert empty.is_ideal()
    assert not model.is_ideal()
    same = NoiseModel().with_relaxation([1.0], [2.0], dt=1e-9).add_readout([[0.9, 0.1], [0.2, 0.8]]).add(ONE, "x")
    assert model == same
    assert hash(model) == hash(same)
    assert model != empty
    assert pickle.loads(pickle.dumps(model)) == model  # noqa: S301
    assert repr(model) == "<NoiseModel: x: all qubits; readout: all qubits; relaxation during delays of 1 qubits>"
    assert repr(empty) == "<NoiseModel: no noise>"


def test_entries_of_dictionaries_are_checked() -> None:
    error = {"type": "qerror", "operations": ["x"], "probabilities": [1.0], "instructions": [[]]}
    wrong = [
        ({"gate_qubits": [[32767]]}, "error of 'x' = 32767"),
        ({"operations": [""]}, "'' isn't the name of a gate"),
    ]
    for changes, text in wrong:
        with pytest.raises(NoiseError, match=text):
            NoiseModel.from_dict({"errors": [error | changes]})
    readout = {"type": "roerror", "operations": ["measure"], "gate_qubits": [[0, 1]], "probabilities": [[1, 0], [0, 1]]}
    with pytest.raises(NoiseError, match=r"\(0, 1\) has 2 rows; for 2 qubits, 4 are needed"):
        NoiseModel.from_dict({"errors": [readout]})


WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: NoiseModel().add(TWO, "x"), "'x' has 1 qubits"),
    (lambda: NoiseModel().add(ONE, "measure", [0, 1]), "qubits"),
    (lambda: NoiseModel().add(TWO, "cx", [1, 1]), "different qubits"),
    (lambda: NoiseModel().add(ONE, "x", -1), "qubits = -1"),
    (lambda: NoiseModel().add("depolarizing", "x"), "a Channel is needed"),  # type: ignore[arg-type]
    (lambda: NoiseModel().add(ONE, [3]), "3 isn't the name"),  # type: ignore[list-item]
    (lambda: NoiseModel().add(ONE, None), "gates = None: a name, or a list of names, is needed"),  # type: ignore[arg-type]
    (lambda: NoiseModel().add(ONE, []), "gates = .*at least one name"),
    (lambda: NoiseModel().add(ONE, ""), "'' isn't the name"),
    (lambda: NoiseModel().add(ONE, "x" * 1001), "1 to 1000 characters"),
    (lambda: NoiseModel().add(ONE, "\ud800"), "lone surrogate"),
    (lambda: NoiseModel().add(ONE, "x", 32767), "qubits = 32767: a whole number from 0 to 32766"),
    (lambda: NoiseModel().add(ONE, "x", True), "qubits = True"),
    (lambda: NoiseModel().add(ONE, "x", "0"), "qubits = '0': a qubit, or a list"),  # type: ignore[arg-type]
    (lambda: NoiseModel().add(ONE, "x", [0, 1]), r"1 qubit, but for the qubits \(0, 1\)"),
    (lambda: NoiseModel().add(TWO, "cx", [[0, 1], [1, 0]]), "call once for each"),  # type: ignore[list-item]
    (
        lambda: NoiseModel().add_readout([[0.9, 0.2], [0, 1]]),
        "sum of row 0 of the readout error is 1.1; 1 is",
    ),
    (lambda: NoiseModel().add_readout([[0.9], [0.1]]), r"\(2, 1\)"),
    (lambda: NoiseModel().add_readout([[0.25] * 4] * 4), "4 rows; for 1 qubit, 2 are needed"),
    (lambda: NoiseModel().with_relaxation([1.0], [3.0]), r"t2s\[0\]"),
    (lambda: NoiseModel().with_relaxation(1, 2), "t1s = 1: a list"),  # type: ignore[arg-type]
    (lambda: NoiseModel().with_relaxation([0.0], [0.0]), r"t1s\[0\] = 0.0: a time above 0"),
    (lambda: NoiseModel().with_relaxation([1.0], ["x"]), r"t2s\[0\] = 'x'"),  # type: ignore[list-item]
    (lambda: NoiseModel().with_relaxation([1.0], [1.0], excited_state_populations=0.1), "populations = 0.1"),  # type: ignore[arg-type]
    (lambda: NoiseModel().with_relaxation([1.0], [1.0], excited_state_populations=[1.1]), r"populations\[0\] = 1.1"),
    (lambda: NoiseModel().with_relaxation([1.0], [1.0], dt=0.0), "dt = 0.0"),
    (lambda: NoiseModel().with_relaxation([1.0], [1.0], dt=math.inf), "dt = inf"),
    (lambda: NoiseModel().with_relaxation([1.0] * 32768, [1.0] * 32768), "32768 qubits"),
    (lambda: NoiseModel.from_target(Target(), temperature="x"), "temperature = 'x'"),  # type: ignore[arg-type]
    (lambda: NoiseModel.from_target(GenericBackendV2(2)), "target = <qiskit.*from_backend"),  # type: ignore[arg-type]
    (lambda: NoiseModel.from_target(None), "target = None"),  # type: ignore[arg-type]
    (lambda: NoiseModel().with_relaxation([1.0], []), "1, 0 and 1"),
    (lambda: NoiseModel().add(ONE, "mine").channel("mine", [0, 1]), "'mine' acts on 2 qubits"),
]


@pytest.mark.parametrize(("make", "text"), WRONG)
def test_wrong_models(make: Callable[[], object], text: str) -> None:
    with pytest.raises(NoiseError, match=text) as caught:
        make()
    assert caught.value.entry


def test_a_model_of_aer_is_copied_with_what_it_reads() -> None:
    aer = pytest.importorskip("qiskit_aer.noise", reason="pip install -e '.[dev]' installs it")
    model = aer.NoiseModel()
    model.add_all_qubit_quantum_error(aer.amplitude_damping_error(0.1), "x")
    model.add_readout_error([[0.9, 0.1], [0.2, 0.8]], [1])
    read = NoiseModel.from_aer(model)
    again = pickle.loads(pickle.dumps(read))  # noqa: S301
    assert again == read
    channel = again.channel("x", [3])
    assert channel is not None
    assert np.abs(channel.to_superop() - Channel.amplitude_damping(0.1).to_superop()).max() < 1e-12
