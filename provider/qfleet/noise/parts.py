# SPDX-License-Identifier: Apache-2.0
"""The content of noise models."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from qfleet.errors import NoiseError
from qfleet.noise.channel import Channel
from qfleet.noise.checks import number, probability

#: Ordered qubits, or ``None`` for all.
Qubits: TypeAlias = "tuple[int, ...] | None"


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
        populations = [0.0] * len(t1s) if populations is None else populations
        if not len(t1s) == len(t2s) == len(populations):
            raise NoiseError(
                f"t1s, t2s and excited_state_populations have {len(t1s)}, {len(t2s)} and {len(populations)} entries",
                entry="t1s",
            )
        for qubit, (t1, t2, population) in enumerate(zip(t1s, t2s, populations, strict=True)):
            number(f"t1s[{qubit}]", t1, 0.0, math.inf)
            number(f"t2s[{qubit}]", t2, 0.0, 2 * float(t1))
            probability(f"excited_state_populations[{qubit}]", population)
        if dt is not None:
            dt = number("dt", dt, 0.0, math.inf)
        return cls(_floats(t1s), _floats(t2s), _floats(populations), dt)

    def channel(self, qubit: int, seconds: float) -> Channel:
        """Return the relaxation of a qubit during a delay.

        Args:
            qubit: the qubit.
            seconds: the time.

        Raises:
            NoiseError: there are no times for the qubit, or impossible ones.
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


def _floats(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(map(float, values))
