# SPDX-License-Identifier: Apache-2.0
"""Counts of many circuits, read faster than by Qiskit.

Qiskit's way takes longer than running a small circuit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit.result import Counts, Result
from qiskit.result.models import ExperimentResultData

from qfleet.garbage import put_off_collection

#: The number of texts that are kept for one layout of registers.
_MOST_TEXTS: Final = 1 << 14
#: The largest length of a text that is kept. Longer ones are unlikely to be needed again.
_LONGEST: Final = 32


class Names(dict[int, str]):
    """The texts of outcomes, shared by all circuits.

    Each is made once, up to a number of texts.
    """

    def __init__(self, make: Callable[[int], str], most_texts: int = _MOST_TEXTS) -> None:
        """Keep no texts yet.

        Args:
            make: returns the text of an outcome.
            most_texts: number of texts to keep.
        """
        super().__init__()
        self._make: Callable[[int], str] = make
        self._most_texts = most_texts

    def __missing__(self, outcome: int) -> str:
        text = self._make(outcome)
        if len(self) < self._most_texts and len(text) <= _LONGEST:
            self[outcome] = text
        return text


#: The hexadecimal texts of outcomes.
HEX: Final = Names(hex)


class Outcomes(NamedTuple):
    """The outcomes of a circuit's shots."""

    #: the distinct outcomes, ascending: uint64, or Python's numbers where they have more bits, shape (outcomes,)
    numbers: NDArray[Any]
    #: int64, shape (outcomes,): how many shots have each
    times: NDArray[np.int64]
    #: shape (shots,): the place of each shot's outcome, if that is known
    shots: NDArray[np.integer[Any]]


def join_outcomes(parts: Sequence[Outcomes]) -> Outcomes:
    """Return the outcomes of all parts, ascending as those of one."""
    if len(parts) == 1:
        return parts[0]
    numbers, places = np.unique(np.concatenate([part.numbers for part in parts]), return_inverse=True)
    times = np.zeros(len(numbers), np.int64)
    np.add.at(times, places, np.concatenate([part.times for part in parts]))
    ends = accumulate([len(part.numbers) for part in parts], initial=0)
    shots = [places[begin + part.shots] for begin, part in zip(ends, parts, strict=False)]
    return Outcomes(numbers, times, np.concatenate(shots))


class FleetData(ExperimentResultData):
    """Qiskit's data of a circuit, with counts and memory made on demand."""

    def __init__(self, outcomes: Outcomes, *, memory: bool, **others: Any) -> None:
        """Make data.

        Args:
            outcomes: what was measured.
            memory: whether the data have the outcome of each shot.
            others: the other data by name.
        """
        super().__init__(**others)
        self._data_attributes[:0] = ["counts", "memory"] if memory else ["counts"]
        self._outcomes = outcomes

    @cached_property
    def counts(self) -> dict[str, int]:
        """Return the number of shots by outcome in hexadecimal."""
        numbers, times, _ = self._outcomes
        return dict(zip(map(HEX.__getitem__, numbers.tolist()), times.tolist(), strict=True))

    @cached_property
    def memory(self) -> list[str]:
        """Return the outcome of each shot in hexadecimal."""
        if "memory" not in self._data_attributes:
            raise AttributeError("memory")
        texts = list(map(HEX.__getitem__, self._outcomes.numbers.tolist()))
        return list(map(texts.__getitem__, self._outcomes.shots.tolist()))

    @property
    def outcomes(self) -> Outcomes | None:
        """Return what was measured; ``None`` once the counts may have changed."""
        return None if "counts" in vars(self) else self._outcomes


class FleetCounts(Counts):
    """Qiskit's `Counts`, with outcomes as numbers made on demand."""

    def __init__(self, outcomes: Outcomes, creg_sizes: list[list[Any]], memory_slots: int) -> None:
        """Make counts.

        Args:
            outcomes: what was measured.
            creg_sizes: name and size of each register, as in the header of an experiment; each clbit in one register.
            memory_slots: number of clbits.
        """
        names = _bitstrings(tuple([size for _, size in creg_sizes]), memory_slots)
        self._outcomes = outcomes
        numbers, times, _ = outcomes
        dict.__init__(self, zip(map(names.__getitem__, numbers.tolist()), times.tolist(), strict=True))
        self.creg_sizes = creg_sizes
        self.memory_slots = memory_slots
        self.time_taken = None

    @cached_property
    def int_raw(self) -> dict[int, int]:
        """Return the counts by outcomes as numbers."""
        return dict(zip(self._outcomes.numbers.tolist(), self._outcomes.times.tolist(), strict=True))

    @cached_property
    def hex_raw(self) -> dict[str, int]:
        """Return the counts by outcomes in hexadecimal."""
        return {hex(outcome): times for outcome, times in self.int_raw.items()}


class FleetResult(Result):
    """Qiskit's `Result`, with the same counts in a fraction of the time."""

    def get_counts(self, experiment: Any = None) -> Any:
        """Return one circuit's counts, or a list of all circuits' counts.

        See `qiskit.result.Result.get_counts`.
        """
        if experiment is None:
            with put_off_collection():
                counts = [self._counts(index) for index in range(len(self.results))]
            return counts[0] if len(counts) == 1 else counts
        return self._counts(experiment)

    def _counts(self, experiment: Any) -> Any:
        if isinstance(experiment, int) and 0 <= experiment < len(self.results):
            result = self.results[experiment]
            header, data = result.header, result.data
            outcomes = data.outcomes if isinstance(data, FleetData) else None
            # Qiskit handles registers that share clbits or don't contain all of them.
            if outcomes is not None and len(outcomes.numbers):
                slots = header["memory_slots"]
                if result.success and sum([size for _, size in header["creg_sizes"]]) == slots:
                    return FleetCounts(outcomes, header["creg_sizes"], slots)
        return super().get_counts(experiment)


@lru_cache(maxsize=16)
def _bitstrings(sizes: tuple[int, ...], memory_slots: int) -> Names:
    """Return the bitstrings of outcomes.

    A space stands between registers, and the last register comes first.
    """
    form = f"0{memory_slots}b"
    ends = [0, *accumulate(reversed(sizes))]

    def make(outcome: int) -> str:
        text = format(outcome, form)
        return text if len(sizes) == 1 else " ".join([text[begin:end] for begin, end in pairwise(ends)])

    return Names(make)
