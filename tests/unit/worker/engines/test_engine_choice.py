# SPDX-License-Identifier: Apache-2.0
"""A worker takes the fast engine where its machine code is compiled, and numpy elsewhere."""

from __future__ import annotations

import fcntl
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import engine_oracle as oracle
import pytest
from fake_shards import FakeEngine

from qfleet.wire.cost.cost import Cost
from qfleet.wire.messages.request import Method, Output, Request
from qfleet.wire.program.program import Program
from qfleet_worker.engines.choose import Engines, choose_engine
from qfleet_worker.engines.contract import Engine, EngineError, Simulator
from qfleet_worker.engines.machine_code import folder as ready
from qfleet_worker.engines.machine_code import key as cache_key
from qfleet_worker.engines.numpy.engine import NumpyEngine
from qfleet_worker.engines.stabilizer.engine import StabilizerEngine
from qfleet_worker.engines.statevector.engine import COMPILED, NO_NUMBA, NOT_COMPILED, StatevectorEngine


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_without_machine_code_numpy_is_taken_and_the_way_out_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        engine, reason = choose_engine()
    assert engine.name == "numpy"
    assert "qfleet warm" in caplog.text
    assert "qfleet warm" in reason


def test_without_numba_numpy_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_version(name: str) -> str:
        raise ready.PackageNotFoundError(name)

    ready.mark()
    assert ready.is_ready()
    monkeypatch.setattr(cache_key, "version", no_version)
    engine, reason = choose_engine()
    assert (engine.name, reason) == ("numpy", NO_NUMBA)
    with pytest.raises(ready.MachineCodeError, match="numba isn't installed"):
        ready.folder_to_fill()


def test_a_mark_that_names_nothing_is_no_machine_code() -> None:
    ready.mark()
    engine, reason = choose_engine()
    # Of an engine that this process has loaded before, nothing is left to look for.
    assert engine.name == "statevector" or "qfleet warm" in reason


class TestKey:
    """The name of the folder changes with all that machine code depends on."""

    @pytest.fixture
    def source(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        (tmp_path / "statevector").mkdir()
        monkeypatch.setattr(cache_key, "ENGINES", tmp_path)
        source = tmp_path / "statevector" / "kernels.py"
        source.write_text("old")
        return source

    def test_is_of_contents_and_not_of_times(self, source: Path) -> None:
        key, stat = cache_key.cache_key(), source.stat()
        os.utime(source, (1, 1))
        assert cache_key.cache_key() == key
        source.write_text("new")
        os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert cache_key.cache_key() != key
        assert cache_key.cache_key().partition("-")[0] == key.partition("-")[0]

    def test_sees_another_name_and_another_file(self, source: Path) -> None:
        keys = {cache_key.cache_key()}
        source = source.rename(source.with_name("rows.py"))
        keys.add(cache_key.cache_key())
        source.with_name("more.py").touch()
        assert len(keys | {cache_key.cache_key()}) == 3

    @pytest.mark.parametrize("name", ["numba", "llvmlite", "numpy"])
    def test_sees_other_libraries(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        key, version = cache_key.cache_key(), cache_key.version
        monkeypatch.setattr(cache_key, "version", lambda asked: "0.0" if asked == name else version(asked))
        assert cache_key.cache_key() != key

    @pytest.mark.parametrize("asked", ["get_host_cpu_name", "get_host_cpu_features"])
    def test_sees_another_processor(self, asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
        key = cache_key.cache_key()
        answer = "i386" if asked == "get_host_cpu_name" else SimpleNamespace(flatten=lambda: "+mmx")
        monkeypatch.setattr(f"llvmlite.binding.{asked}", lambda: answer)
        assert cache_key.cache_key() != key

    @pytest.mark.parametrize("setting", ["NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_BOUNDSCHECK", "NUMBA_OPT"])
    def test_sees_settings_of_numba(self, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
        key = cache_key.cache_key()
        monkeypatch.setenv(setting, "1")
        assert cache_key.cache_key() != key

    def test_sees_the_file_of_its_settings(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        key = cache_key.cache_key()
        Path(".numba_config.yaml").write_text("opt: 0\n")
        assert cache_key.cache_key() != key

    def test_is_the_same_wherever_it_is_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        key = cache_key.cache_key()
        monkeypatch.setenv("NUMBA_CACHE_DIR", "/elsewhere")
        monkeypatch.setenv("NUMBA_NUM_THREADS", "7")
        assert cache_key.cache_key() == key


class TestPlaces:
    """Where machine code lies."""

    def test_beside_the_modules_then_in_the_users_cache(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("NUMBA_CACHE_DIR")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        beside, own = ready.folders()
        assert beside.is_relative_to(ready.PACKAGE / "__pycache__")
        assert own.is_relative_to(tmp_path)

    def test_a_user_without_a_home_has_none_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("NUMBA_CACHE_DIR")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr("os.path.expanduser", lambda path: path)
        assert len(ready.folders()) == 1

    def test_one_that_cannot_be_written_is_passed_over(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setattr(ready, "PACKAGE", tmp_path / "file")
        monkeypatch.delenv("NUMBA_CACHE_DIR")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        beside, own = ready.folders()
        assert beside.is_relative_to(tmp_path / "file")
        assert ready.folder_to_fill() == own

    def test_if_all_are_it_is_an_error_that_names_them(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
        with pytest.raises(ready.MachineCodeError, match=r"file/qfleet can't be written .*Set NUMBA_CACHE_DIR"):
            ready.mark()

    def test_outdated_machine_code_is_dropped_after_a_week(self) -> None:
        folder = ready.folder_to_fill()
        platform = folder.name.partition("-")[0]
        names = [f"{platform}-old", f"{platform}-unfinished", f"{platform}-new", "other-old"]
        for name in names:
            (folder.parent / name).mkdir()
            if "unfinished" not in name:
                (folder.parent / name / ready.MARK).touch()
            if "new" not in name:
                os.utime(folder.parent / name / ("" if "unfinished" in name else ready.MARK), (1, 1))
        ready.drop_outdated(folder)
        left = {path.name for path in folder.parent.iterdir()}
        assert left == {folder.name, f"{platform}-new", "other-old"}


class TestLooking:
    """The faster engine is taken over while a worker runs."""

    @pytest.fixture
    def engines(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engines:
        monkeypatch.setattr("qfleet_worker.engines.machine_code.loading.load", self.load)
        self.problem: Exception | None = None
        self.loads: list[Path] = []
        marks = [tmp_path / "a" / "ready", tmp_path / "b" / "ready"]
        return Engines([StatevectorEngine(marks), NumpyEngine()])

    def load(self, folder: Path) -> None:
        self.loads.append(folder)
        if self.problem:
            raise self.problem

    def make(self, tmp_path: Path, name: str) -> Path:
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "ready").touch()
        return tmp_path / name

    def test_once_it_is_ready(self, engines: Engines, tmp_path: Path) -> None:
        told: list[str] = []
        engines.on_load = lambda: told.append(engines.engine.name)
        assert engines.look().name == "numpy"
        folder = self.make(tmp_path, "b")
        assert engines.look().name == "statevector"
        assert (engines.reason, told, self.loads) == (COMPILED, ["statevector"], [folder])
        (folder / "ready").unlink()
        assert engines.look().name == "statevector"

    @pytest.mark.parametrize("problem", [ready.MachineCodeError("it is damaged"), ImportError("no numpy 9"), OSError()])
    def test_what_cannot_be_loaded_is_tried_once(self, engines: Engines, tmp_path: Path, problem: Exception) -> None:
        self.problem = problem
        folder = self.make(tmp_path, "a")
        for _ in range(3):
            assert isinstance(engines.look(), NumpyEngine)
        assert self.loads == [folder]
        assert "qfleet warm" in engines.reason
        assert str(problem) in engines.reason
        self.problem = None
        (folder / "ready").unlink()
        os.utime(self.make(tmp_path, "a") / "ready", (1, 1))
        assert engines.look().name == "statevector"

    def test_another_place_is_tried_then(
        self, engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = self.make(tmp_path, "a"), self.make(tmp_path, "b")

        def load(folder: Path) -> None:
            self.loads.append(folder)
            if folder == first:
                raise ready.MachineCodeError("it is damaged")

        monkeypatch.setattr("qfleet_worker.engines.machine_code.loading.load", load)
        assert engines.look().name == "statevector"
        assert self.loads == [first, second]


@dataclass
class Named:
    """An engine of a name, that supports what it is told."""

    name: str
    methods: frozenset[Method] = frozenset({"statevector"})
    reason: str = "it is the best"
    missing: str = ""
    unsupported: str = ""
    opened: int = 0

    def available(self) -> str:
        return self.missing

    def supports(self, program: Program, request: Request) -> str:  # noqa: ARG002
        return self.unsupported

    def cost(self, program: Program, request: Request, **_: int) -> Cost:  # noqa: ARG002
        return Cost(0, 0, 0.0, 0)

    def open(self) -> Simulator:
        self.opened += 1
        return FakeEngine()


class TestChoosing:
    """Each circuit gets the first engine that can run it, and the reason."""

    PROGRAM = oracle.program(1, 1, [oracle.measure(0, 0)])
    STATE = Request()
    UNITARY = Request(Output.UNITARY, "unitary")

    def test_the_first_engine_runs_all_that_it_can(self) -> None:
        first, second = Named("first"), Named("second")
        engines = Engines([first, second])
        choices = [engines.choose(self.PROGRAM, self.STATE) for _ in range(3)]
        assert {(choice.engine.name, choice.reason) for choice in choices} == {("first", "it is the best")}
        assert len({id(choice.simulator) for choice in choices}) == 1
        assert (first.opened, second.opened) == (1, 0)

    def test_nothing_is_opened_by_a_look(self) -> None:
        first = Named("first")
        assert Engines([first]).look() is first
        assert first.opened == 0

    @pytest.mark.parametrize("field", ["missing", "unsupported"])
    def test_an_engine_that_cannot_is_passed_over_and_the_reason_told(self, field: str) -> None:
        engines = Engines([Named("first", **{field: "it has a cold"}), Named("second")])
        choice = engines.choose(self.PROGRAM, self.STATE)
        assert (choice.engine.name, choice.reason) == ("second", "it has a cold")

    def test_an_engine_without_the_method_is_passed_over(self) -> None:
        engines = Engines([Named("first"), Named("second", methods=frozenset({"unitary"}))])
        choice = engines.choose(self.PROGRAM, self.UNITARY)
        assert (choice.engine.name, choice.reason) == ("second", "it is the best")
        with pytest.raises(EngineError, match=r"^no engine of this worker has method='superop'$"):
            engines.choose(self.PROGRAM, Request(method="superop"))

    def test_two_circuits_of_one_shard_may_have_different_engines(self) -> None:
        engines = Engines([Named("first"), NumpyEngine()])
        names = [engines.choose(self.PROGRAM, request).engine.name for request in (self.STATE, self.STATE)]
        unitary = engines.choose(oracle.program(1, 0, []), self.UNITARY).engine.name
        assert ([*names, unitary], engines.engine.name) == (["first", "first", "numpy"], "first")

    def test_an_engine_without_room_is_passed_over_and_the_reason_told(self) -> None:
        def too_large(engine: Engine) -> str:
            return "it needs 4 GiB" if engine.name == "first" else ""

        choice = Engines([Named("first"), Named("second")]).choose(self.PROGRAM, self.STATE, too_large)
        assert (choice.engine.name, choice.reason) == ("second", "on the first engine, it needs 4 GiB")
        with pytest.raises(EngineError, match=r"^it needs 4 GiB$"):
            Engines([Named("first")]).choose(self.PROGRAM, self.STATE, too_large)

    def test_only_an_engine_that_could_run_it_is_asked_for_room(self) -> None:
        asked: list[str] = []
        engines = [Named("first", missing="not here"), Named("second", unsupported="too odd"), Named("third")]
        Engines(engines).choose(self.PROGRAM, self.STATE, lambda engine: asked.append(engine.name) or "")
        assert asked == ["third"]

    def test_if_none_can_the_error_is_that_of_the_first_that_is_available(self) -> None:
        engines = Engines([Named("first", missing="not here"), Named("second", unsupported="too odd")])
        with pytest.raises(EngineError, match=r"^too odd$"):
            engines.choose(self.PROGRAM, self.STATE)
        with pytest.raises(EngineError, match=r"^the circuit has no unitary: operation 0 is measure$"):
            Engines([StatevectorEngine([]), NumpyEngine()]).choose(self.PROGRAM, self.UNITARY)


class TestWaiting:
    """A method that has machine code alone."""

    PROGRAM = oracle.program(1, 1, [oracle.measure(0, 0)])
    REQUEST = Request(method="stabilizer")

    @pytest.fixture
    def folder(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
        return ready.folder_to_fill()

    def engines(self, *states: str) -> Engines:
        """Return engines that need machine code, whose availability is one of these at each look."""
        left = list(states)
        return Engines([NumpyEngine(), StabilizerEngine(lambda: left.pop(0))])

    def test_without_machine_code_the_way_out_is_told(self, folder: Path) -> None:
        with pytest.raises(EngineError, match="qfleet warm"):
            self.engines(NOT_COMPILED).choose(self.PROGRAM, self.REQUEST)
        assert not ready.is_locked(folder)

    def test_a_circuit_waits_while_it_is_compiled(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        looks: list[bool] = []

        def compile_the_rest(_seconds: float) -> None:
            looks.append(ready.is_locked(folder))
            if len(looks) == 2:
                (folder / ready.MARK).touch()

        monkeypatch.setattr("time.sleep", compile_the_rest)
        with ready.lock_of(folder).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            choice = self.engines(NOT_COMPILED, "").choose(self.PROGRAM, self.REQUEST)
        assert (choice.engine.name, looks) == ("stabilizer", [True, True])

    def test_it_does_not_wait_for_ever(self, folder: Path) -> None:
        with ready.lock_of(folder).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            assert not ready.wait_for_compiler(0)
