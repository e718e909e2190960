# SPDX-License-Identifier: Apache-2.0
"""The comparison of contenders by their median times.

They run in turns within one process. A report names the machine.
"""

from __future__ import annotations

import gc
import importlib.metadata
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

Run = Callable[[], object]

#: The modules of the peers; none of them needs to be installed.
PEER_MODULES = {
    "qiskit_aer", "qulacs", "qsimcirq", "cirq", "maestro", "pennylane_lightning",
    "pennylane_lightning.lightning_kokkos_ops", "stim",
}  # fmt: skip
#: A run that takes this long has nothing to warm up: its first time counts.
LONG_SECONDS = 2.0
#: The shortest time of a turn.
TURN_SECONDS = 0.01
#: Turns that take less than the first number are run more often, by the second number.
QUICK_SECONDS, MORE = 0.25, 5
_PACKAGES = [
    "qfleet", "numpy", "numba", "qiskit", "qiskit-aer", "qulacs", "qsimcirq", "pennylane-lightning",
    "pennylane-lightning-kokkos", "qoro-maestro", "stim",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """The cases to measure, and the time for them."""

    threads: int
    peers: Sequence[str]
    repeats: int
    #: seconds for all runs of one circuit, roughly
    budget_seconds: float
    #: None: the mode's own choice
    sizes: Sequence[int] | None = None
    families: Sequence[str] | None = None
    forms: Sequence[str] = ("native",)


@dataclass(frozen=True, slots=True)
class Row:
    """The results for one circuit."""

    mode: str
    case: str
    qubits: int
    #: median seconds by contender; in the modes without peers, numbers by their titles
    values: dict[str, float]


@dataclass
class Comparison:
    """A comparison of our runs with those of the wanted peers."""

    options: Options
    clock: Callable[[], float] = time.perf_counter
    _missing: set[str] = field(default_factory=set)

    def runs(self, makers: dict[str, Callable[[], Run]]) -> dict[str, Run]:
        """Return our runs and those of the wanted peers.

        A peer that isn't installed is reported once.
        """
        made = {}
        for name, make in makers.items():
            if not name.startswith("ours") and name not in self.options.peers:
                continue
            try:
                made[name] = make()
            except ModuleNotFoundError as exc:
                if exc.name not in PEER_MODULES:
                    raise
                if name not in self._missing:
                    print(f"{name} is left out, {exc.name} isn't installed: pip install -e '.[bench]'", file=sys.stderr)
                self._missing.add(name)
        return made

    def compare(self, mode: str, case: str, qubits: int, makers: dict[str, Callable[[], Run]]) -> Row:
        """Return the row of a circuit."""
        runs = self.runs(makers)
        values = compare(runs, self.options.repeats, self.options.budget_seconds, self.clock)
        del runs
        gc.collect()
        return Row(mode, case, qubits, values)


def seconds(run: Run, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the seconds that a call takes, by a clock.

    A quick call is repeated, since its first run mostly fetches code that other calls displaced.
    """
    begin = clock()
    calls = 0
    while (elapsed := clock() - begin) < TURN_SECONDS:
        run()
        calls += 1
    return elapsed / calls


def compare(
    runs: dict[str, Run], repeats: int, budget_seconds: float, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Return the median seconds of runs that take turns.

    The first turn warms up and isn't counted, except for a run that takes longer than `LONG_SECONDS`. There are more
    turns if all runs are quick.

    Args:
        runs: the runs by their names.
        repeats: the number of turns.
        budget_seconds: the seconds after which only runs without a time take another turn.
        clock: measures the runs.
    """
    begin = time.perf_counter()
    first = {name: seconds(run, clock) for name, run in runs.items()}
    times = {name: [value] if value > LONG_SECONDS else [] for name, value in first.items()}
    # Otherwise a run would collect the garbage of what was made before it.
    gc.collect()
    for _ in range(repeats * (MORE if sum(first.values()) < QUICK_SECONDS else 1)):
        over = time.perf_counter() - begin > budget_seconds
        for name, run in runs.items():
            if not (over and times[name]):
                times[name].append(seconds(run, clock))
        if over:
            break
    return {name: statistics.median(values) for name, values in times.items()}


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean."""
    return math.exp(statistics.fmean(math.log(value) for value in values))


def machine() -> dict[str, Any]:
    """Describe the machine, the time and the versions of a measurement."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "versions": versions,
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "command": " ".join(["python", "benchmarks/" + Path(sys.argv[0]).name, *sys.argv[1:]]),
        "load": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    names = {key.strip(): value.strip() for key, value in fields.items()}
    model = names.get("model name", platform.machine())
    return f"{model} (family {names.get('cpu family')}, model {names.get('model')})"
