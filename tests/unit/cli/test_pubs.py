# SPDX-License-Identifier: Apache-2.0
"""Tables and documents of what primitives give."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.primitives import DataBin, PrimitiveResult, PubResult, StatevectorEstimator, StatevectorSampler

from qfleet.cli.pubs import histogram_documents, print_pubs, pub_documents
from qfleet.errors import QfleetError


def rotated(*, measured: bool = False) -> QuantumCircuit:
    circuit = QuantumCircuit(1)
    circuit.rx(Parameter("t"), 0)
    if measured:
        circuit.measure_all()
    return circuit


def means(shape: tuple[int, ...]) -> PrimitiveResult[PubResult]:
    values = np.linspace(0, math.pi, math.prod(shape)).reshape(*shape, 1)
    return StatevectorEstimator().run([(rotated(), "Z", values)]).result()


def bits(shape: tuple[int, ...]) -> PrimitiveResult[PubResult]:
    return StatevectorSampler(seed=1).run([(rotated(measured=True), np.full((*shape, 1), math.pi), 30)]).result()


def test_means() -> None:
    (document,) = pub_documents(means((2, 3)))
    assert (document["pub"], document["error"], document["shape"]) == (0, None, [2, 3])
    assert np.allclose(document["evs"], np.cos(np.linspace(0, math.pi, 6)).reshape(2, 3))
    assert document["stds"] == [[0.0] * 3] * 2
    json.dumps(document)


def test_a_single_mean(capsys: pytest.CaptureFixture[str]) -> None:
    result = StatevectorEstimator().run([(QuantumCircuit(1), "Z")]).result()
    assert pub_documents(result)[0]["evs"] == 1.0
    print_pubs(result)
    assert "PUB 0 " in (text := capsys.readouterr().out)
    assert "1.000000" in text


def test_counts_of_each_point() -> None:
    (document,) = pub_documents(bits((2, 1)))
    assert (document["shots"], document["shape"]) == (30, [2, 1])
    assert document["points"] == [{"index": [0, 0], "counts": {"1": 30}}, {"index": [1, 0], "counts": {"1": 30}}]
    assert histogram_documents(bits((2, 1))) == [
        {"name": f"PUB 0 at {row}, 0", "shots": 30, "counts": {"1": 30}} for row in range(2)
    ]


@pytest.mark.parametrize("make", [means, bits])
def test_a_table_shows_the_first_points(make: type, capsys: pytest.CaptureFixture[str]) -> None:
    print_pubs(make((12,)))
    text = capsys.readouterr().out
    assert "PUB 0 at 9 " in text
    assert "PUB 0 at 10" not in text
    assert "2 others" in text
    assert "see --json" in text


def test_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    gone = PubResult(DataBin(shape=(2,)), {"shots": 5, "error": "point 1: given up"})
    assert pub_documents(PrimitiveResult([gone])) == [
        {"pub": 0, "error": "point 1: given up", "shape": [2], "shots": 5, "points": []}
    ]
    lost = PubResult(DataBin(evs=np.array([1.0, np.nan]), stds=np.zeros(2), shape=(2,)), {"error": "point 1: given up"})
    assert pub_documents(PrimitiveResult([lost]))[0]["evs"] == [1.0, None]
    print_pubs(PrimitiveResult([lost]))
    text = capsys.readouterr().out
    assert "ERROR: point 1: given up" in text
    assert "nan" in text
    with pytest.raises(QfleetError, match="the job has expectation values, not counts"):
        histogram_documents(PrimitiveResult([lost]))
