# SPDX-License-Identifier: Apache-2.0
"""Tables, documents and the progress bar."""

from __future__ import annotations

import json
import re
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from qiskit.providers import JobStatus
from qiskit.quantum_info import Statevector
from qiskit.result import Result
from qiskit.result.models import ExperimentResult, ExperimentResultData

from qfleet.cli.output import circuit_documents, print_counts, print_jobs, wait_for_result
from qfleet.cli.terminal import write_json


def experiment(name: str = "bell", *, success: bool = True, status: str = "DONE", **data: Any) -> ExperimentResult:
    header = {"name": name, "memory_slots": 2, "creg_sizes": [["c", 2]]}
    return ExperimentResult(
        100, success, ExperimentResultData(**data), header=header, status=status, seed_simulator=5, name=name
    )


def result_of(*experiments: ExperimentResult) -> Result:
    return Result(backend_name="automatic", job_id="job-1", success=True, results=list(experiments))


def test_counts_are_bitstrings_most_frequent_first() -> None:
    [document] = circuit_documents(result_of(experiment(counts={"0x1": 20, "0x2": 50, "0x0": 30})))
    assert document == {
        "name": "bell",
        "success": True,
        "status": "DONE",
        "shots": 100,
        "seed": 5,
        "counts": {"10": 50, "00": 30, "01": 20},
    }
    assert list(document["counts"]) == ["10", "00", "01"]


def test_circuits_of_one_name_keep_their_own_counts() -> None:
    documents = circuit_documents(result_of(experiment(counts={"0x0": 100}), experiment(counts={"0x3": 100})))
    assert [document["counts"] for document in documents] == [{"00": 100}, {"11": 100}]


def test_amplitudes_are_pairs_of_real_and_imaginary_part(capsys: pytest.CaptureFixture[str]) -> None:
    found = result_of(experiment(statevector=[1, 0.5j]), experiment(unitary=[[1, 0], [0, 1j]]))
    write_json(circuit_documents(found))
    statevector, unitary = json.loads(capsys.readouterr().out)
    assert statevector["counts"] is None
    assert statevector["statevector"] == [[1, 0], [0, 0.5]]
    assert unitary["unitary"] == [[[1, 0], [0, 0]], [[0, 0], [0, 1]]]
    print_counts(found)
    assert "statevector: see --json" in capsys.readouterr().out


def test_what_was_saved_under_the_name_of_a_statevector_is_shown_if_it_is_one() -> None:
    saved = [Statevector([1, 0]), [Statevector([1, 0])], {"0x0": 1 + 0j}, 0.5]
    documents = circuit_documents(result_of(*[experiment(statevector=each) for each in saved]))
    assert [document.get("statevector") for document in documents] == [[[1, 0], [0, 0]], [[[1, 0], [0, 0]]], None, None]


def test_a_table_shows_the_most_frequent_and_sums_up_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    counts = {hex(value): value + 1 for value in range(16)}
    header = {"name": "wide", "memory_slots": 4, "creg_sizes": [["c", 4]]}
    print_counts(
        result_of(ExperimentResult(136, True, ExperimentResultData(counts=counts), header=header, status="DONE"))
    )
    out = capsys.readouterr().out
    assert "1111" in out
    assert "11.8%" in out
    assert "0000" not in out
    assert "10 others" in out
    assert "55" in out


def test_a_failed_circuit_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    print_counts(result_of(experiment(success=False, status="ERROR: out of memory")))
    assert "ERROR: out of memory" in capsys.readouterr().out


def test_a_name_is_never_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_counts(result_of(experiment("[bold]x[/nope] :smile:", counts={"0x0": 100})))
    assert "[bold]x[/nope] :smile:" in capsys.readouterr().out


def test_a_job_without_tags_is_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    print_jobs(
        [
            {
                "id": "job-1",
                "backend": "automatic",
                "status": "RUNNING",
                "circuits_done": 3,
                "circuits_total": 7,
                "created": "2026-01-02T03:04:05+00:00",
                "tags": [],
                "held": "",
                "tenant": "somebody",
            }
        ]
    )
    assert "3/7" in capsys.readouterr().out


def test_tenants_are_shown_if_there_are_several(capsys: pytest.CaptureFixture[str]) -> None:
    def row(tenant: str) -> dict[str, Any]:
        document = {"id": "job", "backend": "automatic", "status": "DONE", "circuits_done": 1, "circuits_total": 1}
        return document | {"created": "2026-01-02T03:04:05+00:00", "tags": [], "held": "", "tenant": tenant}

    print_jobs([row("ada"), row("ada")])
    assert "ada" not in capsys.readouterr().out
    print_jobs(iter([row("ada"), row("bob")]))
    assert re.search(r"tenant\s*\n.*\n.*ada\s*\n.*bob", capsys.readouterr().out)


class WatchedJob:
    """Ends at the third look."""

    def __init__(self) -> None:
        self.looks = 0
        self.asked: list[tuple[float | None, bool]] = []

    def job_id(self) -> str:
        return "job-1"

    def status(self) -> JobStatus:
        return JobStatus.DONE if self.looks >= 3 else JobStatus.RUNNING

    def progress(self) -> Any:
        return SimpleNamespace(done=self.looks, total=3)

    def wait_for_final_state(self, callback: Any, **_: object) -> None:
        while self.looks < 3:
            self.looks += 1
            callback("job-1", self.status(), self)

    def result(self, timeout: float | None, partial: bool) -> str:
        self.asked.append((timeout, partial))
        return "the result"


def test_without_a_terminal_there_is_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    job = WatchedJob()
    assert wait_for_result(job, 30, partial=True) == "the result"
    assert job.asked == [(30, True)]
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_the_bar_goes_to_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    job = WatchedJob()
    assert wait_for_result(job, 30) == "the result"
    [(timeout, partial)] = job.asked
    assert timeout is not None
    assert 0 < timeout <= 30
    assert not partial
    out, err = capsys.readouterr()
    assert out == ""
    assert "3/3" in err
    assert "DONE" in err
