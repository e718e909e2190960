# SPDX-License-Identifier: Apache-2.0
"""Tables and documents."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from qiskit.quantum_info import Statevector
from qiskit.result import Result
from qiskit.result.models import ExperimentResult, ExperimentResultData

from qfleet.cli.output import circuit_documents, interval, print_counts, print_jobs
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
    print_jobs([row(status="RUNNING", circuits_done=3, circuits_total=7)])
    assert "3/7" in capsys.readouterr().out


def row(**changed: Any) -> dict[str, Any]:
    """Return the document of a job in a list."""
    document = {"id": "job", "backend": "automatic", "status": "DONE", "circuits_done": 1, "circuits_total": 1}
    document |= {"created": "2026-01-02T03:04:05+00:00", "tags": [], "held": "", "tenant": "ada"}
    return document | {"queue_position": None, "estimated_seconds": {"low": 0.0, "high": 0.0}} | changed


def test_tenants_are_shown_if_there_are_several(capsys: pytest.CaptureFixture[str]) -> None:
    print_jobs([row(), row()])
    assert "ada" not in capsys.readouterr().out
    print_jobs(iter([row(), row(tenant="bob")]))
    assert re.search(r"tenant\s*\n.*\n.*ada\s*\n.*bob", capsys.readouterr().out)


def test_places_and_times_left_are_shown_if_a_job_waits(capsys: pytest.CaptureFixture[str]) -> None:
    print_jobs([row()])
    out = capsys.readouterr().out
    assert "before" not in out
    assert "ends in" not in out
    print_jobs([row(), row(queue_position={"jobs": 3, "tenants": 1}, estimated_seconds={"low": 12.7, "high": 39.1})])
    head, _, ended, waits, *_ = capsys.readouterr().out.splitlines()[1:]
    assert [head.find(name) > 0 for name in ("jobs before", "ends in")] == [True, True]
    assert re.search(r" 1/1 +2026", ended)
    assert re.search(r" 1/1 +3 +12 to 40 s +2026", waits)


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.0, 0.0, ""),
        (0.0, 0.01, "at most 0.1 s"),
        (0.09, 3.0, "at most 3 s"),
        (0.19, 3.01, "0.1 to 3.1 s"),
        (9.99, 10.01, "9.9 to 11 s"),
        (11.9, 119.0, "11 to 119 s"),
        (59.0, 121.0, "59 s to 2.1 min"),
        (7200.0, 86_400.0 * 30, "2 h to 30 d"),
        (3.0, 86_400.0 * 12_345_678, "3 s to 12345678 d"),
    ],
)
def test_the_text_of_an_interval_holds_it(low: float, high: float, text: str) -> None:
    assert interval({"low": low, "high": high}) == text
    assert interval(None) == ""


def test_noise_has_a_line_below_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    noisy = [experiment(name, counts={"0x0": 100}) for name in ("one", "other")]
    for each in noisy:
        noise = {"channels": 2, "places": 12, "readouts": 3, "errors_per_shot": 0.123456}
        each.metadata = {"method": "density_matrix", "noise": noise}
    found = result_of(*noisy)
    assert circuit_documents(found)[0]["noise"] == noise | {"method": "density_matrix"}
    print_counts(found)
    line = "Noise: 0.123 errors per shot at 12 places, 3 noisy measurements; method density_matrix\n"
    assert capsys.readouterr().out.count(line) == 1
