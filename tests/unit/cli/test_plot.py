# SPDX-License-Identifier: Apache-2.0
"""The picture of counts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image
from qiskit.result import Result
from qiskit.result.models import ExperimentResult, ExperimentResultData

from qfleet.cli.output import circuit_documents
from qfleet.cli.plot import check_plot, save_histograms
from qfleet.errors import InvalidOptionError, MissingExtraError, QfleetError


def result_of(circuits: int, bits: int = 2, outcomes: int = 4, name: str = "bell") -> Result:
    header = {"name": name, "memory_slots": bits, "creg_sizes": [["c", bits]]}
    counts = {hex(value): value + 1 for value in range(outcomes)}
    data = ExperimentResultData(counts=counts) if outcomes else ExperimentResultData()
    experiments = [ExperimentResult(100, True, data, header=header, status="DONE") for _ in range(circuits)]
    return Result(success=True, results=experiments)


@pytest.mark.parametrize(
    "result",
    [
        result_of(1),
        result_of(5),
        result_of(100),
        result_of(1, bits=90, outcomes=40),
        result_of(1, name="$a_{b$ %s \x00 [x]"),
    ],
    ids=["one", "five", "hundred", "long and many outcomes", "a name that is no formula"],
)
def test_a_picture_is_written(tmp_path: Path, result: Result) -> None:
    path = tmp_path / "new folder" / "counts.png"
    save_histograms(circuit_documents(result), path)
    with Image.open(path) as picture:
        picture.load()
        assert min(picture.size) > 300
        assert len(picture.getcolors(1 << 24)) > 10


@pytest.mark.parametrize("name", ["counts.svg", "counts.PDF"])
def test_other_kinds(tmp_path: Path, name: str) -> None:
    save_histograms(circuit_documents(result_of(1)), tmp_path / name)
    assert (tmp_path / name).stat().st_size > 1000


@pytest.mark.parametrize("name", ["counts", "counts.doc"])
def test_a_kind_that_is_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidOptionError, match=r"png"):
        check_plot(tmp_path / name)


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x.png").mkdir()
    with pytest.raises(InvalidOptionError, match="is a folder"):
        check_plot(tmp_path / "x.png")


def test_without_matplotlib_the_pip_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with pytest.raises(MissingExtraError, match=r'pip install "qfleet\[plot\]"'):
        check_plot(tmp_path / "x.png")


def test_nothing_measured(tmp_path: Path) -> None:
    with pytest.raises(QfleetError, match="no circuit of the job has counts"):
        save_histograms(circuit_documents(result_of(2, outcomes=0)), tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(QfleetError, match=r"file/x\.png can't be written"):
        save_histograms(circuit_documents(result_of(1)), tmp_path / "file" / "x.png")
