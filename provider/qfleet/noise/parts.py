# SPDX-License-Identifier: Apache-2.0
"""The content of noise models."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from qfleet.errors import NoiseError
from qfleet.noise.channel import Channel
from qfleet.noise.checks import Qubits, listed, number, probability, time_above_0
from qfleet.wire.limits import MAX_QUBITS


class Relaxation(NamedTuple):
    """Relaxation during delays.

    Index q is for qubit q; times are in seconds.
    """

    t1s: tuple[float, ...]
    t2s: tuple[float, ...]
    excited_state_populations: tuple[float, ...]
    #: seconds of one ``dt``; ``None`` if delays have other units
    dt: float | None

    @classmethod
    def of(
        cls, t1s: Sequence[float], t2s: Sequence[float], populations: Sequence[float] | None, dt: float | None
    ) -> Relaxation:
        """Return the relaxation of these values, checked.

        Args:
            t1s: decay times.
            t2s: dephasing times.
            populations: probabilities of |1> in equilibrium; ``None`` for 0.
            dt: seconds of one ``dt``.

        Raises:
            NoiseError: the lists are of different lengths, or a value is out of its range.
        """
        what = "a list with a number for each qubit"
        t1s, t2s = listed("t1s", t1s, what), listed("t2s", t2s, what)
        populations = [0.0] * len(t1s) if populations is None else populations
        populations = listed("excited_state_populations", populations, what)
        if not len(t1s) == len(t2s) == len(populations):
            raise NoiseError(
                f"t1s, t2s and excited_state_populations have {len(t1s)}, {len(t2s)} and {len(populations)} entries",
                entry="t1s",
            )
        if len(t1s) > MAX_QUBITS:
            text = f"t1s has the times of {len(t1s)} qubits; at most {MAX_QUBITS} are possible"
            raise NoiseError(text, entry="t1s", value=len(t1s))
        times = []
        for qubit, (t1, t2) in enumerate(zip(t1s, t2s, strict=True)):
            t1, t2 = time_above_0(f"t1s[{qubit}]", t1), time_above_0(f"t2s[{qubit}]", t2)
            if t2 > 2 * t1:
                text = f"t2s[{qubit}] = {t2!r}: at most 2 * t1 = {2 * t1!r} is possible"
                raise NoiseError(text, entry=f"t2s[{qubit}]", value=t2)
            times.append((t1, t2))
        found = [probability(f"excited_state_populations[{qubit}]", each) for qubit, each in enumerate(populations)]
        if dt is not None:
            dt = number("dt", time_above_0("dt", dt), 0.0, sys.float_info.max)
        return cls(tuple([t1 for t1, _ in times]), tuple([t2 for _, t2 in times]), tuple(found), dt)

    def channel(self, qubit: int, seconds: float) -> Channel:
        """Return the relaxation of a qubit during a delay.

        Args:
            qubit: the qubit.
            seconds: the time.

        Raises:
            NoiseError: the qubit has no relaxation times, or impossible ones.
        """
        if qubit >= len(self.t1s):
            raise NoiseError(
                f"a delay on qubit {qubit}: the noise model has relaxation times of {len(self.t1s)} qubits",
                entry="delay",
                value=qubit,
            )
        return _relaxed(self.t1s[qubit], self.t2s[qubit], seconds, self.excited_state_populations[qubit])


class Parts(NamedTuple):
    """The content of a noise model."""

    #: by name or label of a gate, then by its ordered qubits
    gates: Mapping[str, Mapping[Qubits, Channel]] = {}
    #: by the ordered qubits that are measured together: rows by the true value
    readout: Mapping[Qubits, tuple[tuple[float, ...], ...]] = {}
    relaxation: Relaxation | None = None
    #: passes of Qiskit's transpiler that write errors into circuits with delays
    passes: tuple[Any, ...] = ()


@lru_cache(4096)
def _relaxed(t1: float, t2: float, seconds: float, population: float) -> Channel:
    return Channel.thermal_relaxation(t1, t2, seconds, population)
