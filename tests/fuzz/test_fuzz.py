# SPDX-License-Identifier: Apache-2.0
"""The corpus and some thousand random inputs break nothing; and what looks for breakage finds it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import fuzz_cases
import make_corpus
import msgspec
import numpy as np
import pytest
from fuzz_cases import FindingError, check
from fuzz_limits import TooMuchError, held_to, seconds_of_cpu
from fuzz_mutation import _rows, fresh_shard, mutated
from replay import CORPUS

from qfleet.wire.codec.blobs import Kind, head
from qfleet.wire.codec.programs import decode_program
from qfleet.wire.errors import WireError
from qfleet_worker.engines.contract import Experiment, Outcome
from qfleet_worker.engines.numpy.simulator import NumpySimulator

FOLDER = Path(__file__).parent
KEPT = {path.name: path.read_bytes() for path in sorted(CORPUS.iterdir())}


@pytest.mark.parametrize("seed", [0, 1])
def test_the_corpus_and_random_inputs_break_nothing(seed: int, tmp_path: Path) -> None:
    """In a process of their own, which is bounded as a worker's is, and may be ended by what it runs."""
    command = [sys.executable, str(FOLDER / "replay.py"), "--mutations=900", f"--seed={seed}"]
    ran = subprocess.run([*command, f"--last={tmp_path / 'last'}"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-6000:]
    total, decoded = [int(word) for word in ran.stdout.split() if word.isdecimal()]
    # Most of what is changed by its meaning is refused late, or not at all.
    assert total == 900 + len(KEPT)
    assert decoded > total // 5


def test_the_corpus_is_small_and_of_every_kind() -> None:
    assert len(KEPT) < 300
    assert sum(map(len, KEPT.values())) < 1 << 20
    assert {data[:1] for data in KEPT.values()} == set(fuzz_cases._CASES)


def test_each_file_of_the_corpus_that_is_made_is_the_one_that_would_be_made_now() -> None:
    """If this fails after a change of the format: run make_corpus.py."""
    made = make_corpus.inputs()
    assert {name: KEPT.get(name) for name in made} == made


def test_each_input_that_is_made_decodes() -> None:
    for name, data in KEPT.items():
        if not name.startswith(("raw-", "found-", "kept-")):
            assert check(data, ()), name


class Broken(NumpySimulator):
    """An engine with a defect, as its name says."""

    def __init__(self, defect: str) -> None:
        super().__init__()
        self._defect = defect

    def run(self, experiment: Experiment) -> Outcome:
        if self._defect == "raises":
            raise KeyError("defect")
        if self._defect == "takes memory":
            np.ones(2 << 27, np.uint8)
        if self._defect == "never ends":
            for_ever()
        outcome = super().run(experiment)
        if self._defect == "miscounts" and len(outcome.counts):
            outcome.counts[0] += 1
        return outcome


@pytest.mark.parametrize(
    ("defect", "error"),
    [
        ("raises", FindingError),
        ("takes memory", TooMuchError),
        ("never ends", TooMuchError),
        ("miscounts", FindingError),
    ],
)
def test_defects_are_found(defect: str, error: type[BaseException]) -> None:
    with pytest.raises(error), seconds_of_cpu(2):
        check(KEPT["shard-program"], [NumpySimulator, lambda: Broken(defect)])
    assert check(KEPT["shard-program"], [NumpySimulator, lambda: Broken("")])


def test_a_decoder_that_raises_something_else_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(_: object) -> None:
        raise IndexError

    monkeypatch.setattr("qfleet.wire.checks.program.check_flow", raises)
    with pytest.raises(IndexError):
        check(KEPT["shard-program"], ())


def test_a_password_in_an_error_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(url: str) -> None:
        raise fuzz_cases.BrokerUrlError(f"no such url: {url}")

    monkeypatch.setattr(fuzz_cases, "parse_broker", raises)
    with pytest.raises(FindingError, match="shows the password"):
        check(b"Uredis://:sesame@host/3", ())


def for_ever() -> None:
    while True:
        pass


def test_bounds_of_time_and_memory() -> None:
    with pytest.raises(TooMuchError, match="time"), seconds_of_cpu(0.05):
        for_ever()
    with pytest.raises(TooMuchError, match="took"), held_to(1 << 20, "this"):
        np.ones(1 << 27, np.uint8)
    with held_to(1 << 20, "this"):
        np.ones(1 << 16, np.uint8)


def test_mutations_are_the_same_each_time_and_of_the_same_kind() -> None:
    for name, data in KEPT.items():
        one, two = [mutated(data, np.random.default_rng(3)) for _ in range(2)]
        assert one == two, name
        assert one[:1] == data[:1]
    assert fresh_shard(np.random.default_rng(1)) == fresh_shard(np.random.default_rng(1))


def test_changed_rows_are_mostly_still_a_program() -> None:
    _, programs = msgspec.msgpack.decode(fresh_shard(np.random.default_rng(1))[1:])
    rng, good = np.random.default_rng(5), 0
    for _ in range(100):
        blob = head(Kind.PROGRAM) + msgspec.msgpack.encode(_rows(programs[0], rng))
        try:
            decode_program(blob)
            good += 1
        except WireError:
            continue
    assert good > 50
