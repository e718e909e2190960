# SPDX-License-Identifier: Apache-2.0
"""Data of a program's saves, collected from the states of its shots.

The driver calls `Saver.take` wherever a branch comes to a save. The data depend on the shots and their states alone, in
whatever order the branches are run. The client can combine the data of blocks of shots: they are sums, and entries of a
list in the order of the shots.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.limits import MAX_BLOB_BYTES
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Payload, Quantity, Save, Saved, value_type
from qfleet.wire.program.tensors import pack
from qfleet_worker.engines.contract import EngineError
from qfleet_worker.engines.states.contract import Answers
from qfleet_worker.engines.steps import SaveStep

#: Bytes of Python's own that an entry takes, roughly.
ENTRY_BYTES = 512
#: Probabilities below this aren't in a dictionary: Aer's threshold.
NEGLIGIBLE = 1e-10

_WITH_PHASE = (Quantity.AMPLITUDES, Quantity.AMPLITUDES_AT)


class Clbits(Protocol):
    """The clbits that shots have written so far."""

    def groups(self, shots: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Give each distinct value of all clbits, with its shots.

        The value is a number with a bit for each clbit.
        """
        ...


class MatrixAnswers(Protocol):
    """The amplitudes of a matrix that is held as a state."""

    def amplitudes(self, wires: Sequence[int], factor: complex) -> NDArray[np.complexfloating]:
        """See `Answers.amplitudes`."""
        ...


@runtime_checkable
class TableauAnswers(Protocol):
    """A state with stabilizers."""

    def tableau(self) -> NDArray[np.uint8]:
        """Return the destabilizers and stabilizers of all qubits.

        They are rows of packed bits: of X, of Z, and a sign.
        """
        ...


@runtime_checkable
class TensorAnswers(Protocol):
    """The tensors of one state."""

    def tensors(
        self, wires: Sequence[int], factor: complex
    ) -> tuple[Sequence[NDArray[np.complexfloating]], Sequence[NDArray[np.float64]]]:
        """Return the tensors and singular values of the state.

        They are those of `qfleet.wire.program.tensors.pack`, with one tensor for each of these wires, in their order;
        the first has the factor.
        """
        ...


#: Takes a save: the step, a state, its factor, the shots in it in ascending order, and their clbits.
Take = Callable[[SaveStep, Answers, complex, NDArray[np.int64], Clbits], None]


class _Kept:
    """The data of one save so far."""

    def __init__(self) -> None:
        self.entries: list[NDArray[Any]] = []
        self.weights: list[int] = []
        self.clbits: list[int] = []
        #: the last shot of each entry
        self.last: list[int] = []
        #: the entry of each value of the clbits, where there is one for each
        self.by_clbits: dict[int, int] = {}
        #: for a list, shots and their entry
        self.takings: list[tuple[NDArray[np.int64], int]] = []


class Saver:
    """A collector of the data of one program's saves."""

    def __init__(self, program: Program, precision: str) -> None:
        self._saves = program.saves
        self._num_clbits = program.num_clbits
        self._precision = precision
        self._kept = [_Kept() for _ in program.saves]
        self._bytes = 0
        #: bytes that an entry takes beside its value, the clbits that belong to it among them
        self._beside = ENTRY_BYTES + -(-program.num_clbits // 8)
        #: whether states other than the last shot's are kept, with their global phases
        self.phases = any(
            save.spec.quantity in _WITH_PHASE and (save.manner == "list" or save.conditional) for save in program.saves
        )

    def taking(self, first: int) -> Take | None:
        """Return `take` for shots counted from `first`; ``None`` where nothing is saved."""
        if not self._saves:
            return None

        def take(step: SaveStep, answers: Answers, phase: complex, shots: NDArray[np.int64], clbits: Clbits) -> None:
            groups = clbits.groups(shots) if self._saves[step.save].conditional else [(0, shots)]
            for key, own in groups:
                self.take(step, answers, phase, own + first, key)

        return take

    def take_matrix(self, step: SaveStep, answers: MatrixAnswers, columns: Sequence[int]) -> None:
        """Save a unitary or a superoperator, once for all shots.

        `columns` are the wires of the state that are the matrix's columns.
        """
        once = np.zeros(1, np.int64)
        self._keep(step.save, 0, once, lambda: answers.amplitudes((*columns, *step.wires), step.phase))

    def take(self, step: SaveStep, answers: Answers, phase: complex, shots: NDArray[np.int64], clbits: int) -> None:
        """Save what a step says, for shots that share a state.

        Args:
            step: the step.
            answers: those of the state.
            phase: a factor of the state.
            shots: in ascending order.
            clbits: a number with a bit for each clbit; 0 unless the save is conditional.

        Raises:
            EngineError: the data are too large to be sent.
        """
        save = self._saves[step.save]
        self._keep(step.save, clbits, shots, lambda: self._value(save, step, answers, phase))

    def _keep(self, number: int, key: int, shots: NDArray[np.int64], value: Callable[[], NDArray[Any]]) -> None:
        """Keep a value for shots whose clbits are `key`.

        The value is made only if it is needed.
        """
        kept, save = self._kept[number], self._saves[number]
        last = int(shots[-1])
        at = None if save.manner == "list" else kept.by_clbits.get(key)
        if at is None:
            at = len(kept.entries)
            kept.by_clbits[key] = at
            kept.entries.append(value())
            kept.weights.append(len(shots))
            kept.clbits.append(key)
            kept.last.append(last)
            if save.summed:
                kept.entries[at] = kept.entries[at] * len(shots)
            self._count(kept.entries[at].nbytes + self._beside)
        elif save.manner == "single":
            if last >= kept.last[at]:
                kept.entries[at], kept.last[at] = value(), last
        else:
            kept.entries[at] = kept.entries[at] + value() * len(shots)
            kept.weights[at] += len(shots)
        if save.manner == "list":
            kept.takings.append((shots, at))
            self._count(8 * len(shots))

    def result(self) -> tuple[Saved, ...]:
        """Return the data of the program's saves, in their order."""
        return tuple([self._saved(save, kept) for save, kept in zip(self._saves, self._kept, strict=True)])

    def _saved(self, save: Save, kept: _Kept) -> Saved:
        kind = value_type(save.kind, self._precision)
        width = -(-self._num_clbits // 8)
        places = b""
        if kept.takings:
            shots = np.concatenate([taken for taken, _ in kept.takings])
            entries = np.repeat([at for _, at in kept.takings], [len(taken) for taken, _ in kept.takings])
            # Stable, for a shot that came to the save several times.
            places = entries[np.argsort(shots, kind="stable")].astype("<u4").tobytes()
        return Saved(
            kind=save.kind,
            label=save.label,
            subtype=save.subtype,
            entries=len(kept.entries),
            values=b"".join([np.asarray(entry, kind).tobytes() for entry in _of_one_size(kept.entries)]),
            weights=np.array(kept.weights, "<i8").tobytes() if save.summed else b"",
            clbits=b"".join([key.to_bytes(width, "little") for key in kept.clbits]) if save.conditional else b"",
            places=places,
        )

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > MAX_BLOB_BYTES:
            raise EngineError(
                f"what it saves comes to more than {MAX_BLOB_BYTES >> 20} MiB, which Redis doesn't hold; "
                "save averages in place of lists, or run fewer shots"
            )

    def _value(self, save: Save, step: SaveStep, answers: Answers, phase: complex) -> NDArray[Any]:
        """Return the value of an entry."""
        phase *= step.phase
        match save.spec.quantity:
            case Quantity.AMPLITUDES:
                return answers.amplitudes(step.wires, phase)
            case Quantity.AMPLITUDES_AT:
                amplitudes = answers.amplitudes_at(step.wires, save.basis_states())
                return amplitudes * amplitudes.dtype.type(phase)
            case Quantity.SQUARES_AT:
                return answers.probabilities_at(step.wires, save.basis_states())
            case Quantity.PROBABILITIES:
                probabilities = answers.probabilities(step.targets)
                if save.spec.sparse:
                    probabilities[probabilities <= NEGLIGIBLE] = 0
                return probabilities
            case Quantity.DENSITY_MATRIX:
                return answers.density_matrix(step.targets)
            case Quantity.TABLEAU:
                if not isinstance(answers, TableauAnswers):
                    raise EngineError("its state has no stabilizers; take method='stabilizer'")
                return answers.tableau()
            case Quantity.TENSORS:
                if not isinstance(answers, TensorAnswers):
                    raise EngineError("its state has no tensors; take method='matrix_product_state'")
                return pack(*answers.tensors(step.wires, phase))
        return sum_terms(save, answers.expectation_values(step.targets, *save.paulis()[:2]))


def _of_one_size(entries: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Return entries with zeros behind those that are shorter than others."""
    size = max([entry.size for entry in entries], default=0)
    return [entry if entry.size == size else np.append(entry, np.zeros(size - entry.size)) for entry in entries]


def sum_terms(save: Save, terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the numbers that a save of observables saves, shape (..., numbers).

    Args:
        save: has the coefficients.
        terms: the expectation values of its Paulis, shape (..., terms).
    """
    coefficients = save.paulis()[2]
    if save.spec.payload is not Payload.PAULI_SUMS:
        found: NDArray[np.float64] = (terms @ coefficients.T).real
        if save.spec.variance:
            found[..., 1] -= found[..., 0] ** 2
        return found
    starts = save.sums()
    filled = starts[1:] > starts[:-1]
    found = np.zeros((*terms.shape[:-1], len(starts) - 1))
    if filled.any():
        found[..., filled] = np.add.reduceat(coefficients[0].real * terms, starts[:-1][filled], axis=-1)
    return np.concatenate([found, found**2], axis=-1) if save.spec.squares else found
