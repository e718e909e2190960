# SPDX-License-Identifier: Apache-2.0
"""Channels that users make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from qfleet.errors import NoiseError
from qfleet.noise.branches import after, on, operators_branch, pauli_branch, products
from qfleet.noise.canonical import canonical
from qfleet.noise.checks import listed, number, probabilities, probability, whole_number
from qfleet.noise.matrices import (
    TOLERANCE,
    Matrix,
    add_paulis,
    choi_of,
    choi_of_superop,
    operators_of,
    square_matrix,
    superop_of_choi,
    trace_error,
)
from qfleet.noise.relaxation import relaxation_branches
from qfleet.wire.limits import MAX_CHANNEL_QUBITS, MAX_KRAUS_OPERATORS, MAX_SUPEROP_QUBITS
from qfleet.wire.program import channels as wire
from qfleet.wire.program.channels import Branch

#: Branches that a repr has.
_SHOWN = 6
_X = np.array([[0, 1], [1, 0]], np.complex128)


@final
class Channel:
    """A random change of the state of some qubits.

    Channels never change; equal ones have equal canonical forms. The first qubit is the lowest bit of a matrix's index
    and the rightmost letter of a Pauli label, as in Qiskit.
    """

    __slots__ = ("_make", "_num_qubits", "_wire")

    def __init__(self, num_qubits: int, make: Callable[[], Iterable[Branch]]) -> None:
        """Make a channel, for the class methods.

        Args:
            num_qubits: number of qubits.
            make: returns the branches. It is called when they are needed for the first time.
        """
        self._num_qubits = num_qubits
        self._make: Callable[[], Iterable[Branch]] | None = make
        self._wire: wire.Channel | None = None

    @classmethod
    def of_wire(cls, form: wire.Channel) -> Channel:
        """Return the channel with this canonical form, to the bit."""
        channel = cls(form.num_targets, form.branches)
        channel._wire, channel._make = form, None
        return channel

    @property
    def num_qubits(self) -> int:
        """Return the number of qubits."""
        return self._num_qubits

    @property
    def wire(self) -> wire.Channel:
        """Return the canonical form, in which the channel travels."""
        if self._wire is None:
            assert self._make is not None  # noqa: S101 - one of both is there
            self._wire = canonical(self._num_qubits, self._make())
            self._make = None
        return self._wire

    @classmethod
    def pauli(cls, chances: Mapping[str, float] | Iterable[tuple[str, float]]) -> Channel:
        """Return the channel that applies Paulis at random.

        Args:
            chances: the probability of each Pauli label, such as ``{"XI": 0.01, "ZZ": 0.02}``, or pairs of both. The
                rest up to 1 is the identity's, if the identity isn't among them.

        Raises:
            NoiseError: they aren't Paulis of one width with probabilities.
        """
        pairs = _pairs("the Paulis", chances, "('X', 0.1)")
        labels = [label for label, _ in pairs]
        width = len(labels[0]) if labels and isinstance(labels[0], str) else 0
        for label in labels:
            if not isinstance(label, str) or not label or set(label) - set("IXYZ") or len(label) != width:
                raise NoiseError(
                    f"Pauli {label!r}: {width or 'some'} of the letters I, X, Y, Z are needed",
                    entry="Pauli",
                    value=label,
                )
        if not 1 <= width <= MAX_CHANNEL_QUBITS:
            raise NoiseError(f"Paulis of {width} qubits: 1 to {MAX_CHANNEL_QUBITS} are possible", entry="Pauli")
        found = [probability(f"the probability of {label}", value) for label, value in pairs]
        if "I" * width not in labels and sum(found) <= 1 + TOLERANCE:
            found.append(max(0.0, 1 - sum(found)))
        found = probabilities("the probabilities of the Paulis", found)
        branches = [pauli_branch(p, label) for label, p in zip([*labels, "I" * width], found, strict=False)]
        return cls(width, lambda: branches)

    @classmethod
    def depolarizing(cls, p: float, num_qubits: int = 1) -> Channel:
        """Return the channel ``(1 - p) rho + p I / 2**num_qubits``.

        Args:
            p: from 0 to ``4**num_qubits / (4**num_qubits - 1)``, where all other Paulis are equally likely.
            num_qubits: number of qubits.

        Raises:
            NoiseError: a value is out of its range.
        """
        width = _width(num_qubits)
        terms = 4**width
        p = number("p", p, 0.0, terms / (terms - 1))
        low = (1 << width) - 1
        rest = [Branch(p / terms, index & low, index >> width) for index in range(1, terms)]
        return cls(width, lambda: [Branch(max(0.0, 1 - p * (terms - 1) / terms)), *rest])

    @classmethod
    def kraus(cls, matrices: Iterable[ArrayLike]) -> Channel:
        """Return the channel of some Kraus operators.

        Raises:
            NoiseError: they aren't square matrices of one size that preserve the trace.
        """
        found: list[Matrix] = []
        width: int | None = None
        for place, matrix in enumerate(listed("Kraus operators", matrices, "a list of matrices")):
            square, width = square_matrix(f"Kraus operator {place}", matrix, width)
            found.append(square)
        if width is None or len(found) > MAX_KRAUS_OPERATORS:
            raise NoiseError(
                f"{len(found)} Kraus operators: 1 to {MAX_KRAUS_OPERATORS} are needed", entry="Kraus operators"
            )
        operators = np.array(found)
        error = trace_error(operators)
        if not error <= TOLERANCE:
            raise NoiseError(
                f"the Kraus operators don't preserve the trace: the sum of K^dagger K differs from the identity by "
                f"{error:.3g}",
                entry="Kraus operators",
                value=error,
            )
        return cls(width, lambda: [operators_branch(1.0, operators)])

    @classmethod
    def superop(cls, matrix: ArrayLike) -> Channel:
        """Return the channel of a superoperator, on column-stacked density matrices.

        Raises:
            NoiseError: it isn't completely positive or doesn't preserve the trace.
        """
        superop, twice = square_matrix("the superoperator", matrix)
        if twice % 2:
            raise NoiseError(
                f"the superoperator has the shape {superop.shape}; (4**n, 4**n) for n qubits is needed",
                entry="the superoperator",
            )
        choi = choi_of_superop(superop)
        lowest = float(np.linalg.eigvalsh((choi + choi.conj().T) / 2)[0])
        if np.abs(choi - choi.conj().T).max() > TOLERANCE or lowest < -TOLERANCE:
            raise NoiseError("the superoperator isn't completely positive", entry="the superoperator", value=lowest)
        return cls.kraus(list(operators_of((choi + choi.conj().T) / 2)))

    @classmethod
    def unitary(cls, matrix: ArrayLike) -> Channel:
        """Return the channel that always applies a unitary.

        Raises:
            NoiseError: it isn't unitary.
        """
        unitary, width = square_matrix("the unitary", matrix)
        if not trace_error(unitary[None]) <= TOLERANCE:
            raise NoiseError("the matrix isn't unitary", entry="the unitary")
        return cls(width, lambda: [operators_branch(1.0, unitary[None])])

    @classmethod
    def mixture(cls, parts: Iterable[tuple[float, Channel]]) -> Channel:
        """Return the channel that is one of some channels at random.

        Args:
            parts: pairs of a probability and a channel.

        Raises:
            NoiseError: the probabilities don't add up to 1, or the channels are of different widths.
        """
        given = _pairs("the mixture", parts, "(0.1, channel)")
        found = probabilities("the probabilities of the mixture", [p for p, _ in given])
        width = _checked("the mixture", given[0][1]).num_qubits
        for _, channel in given:
            if _checked("the mixture", channel).num_qubits != width:
                raise NoiseError(
                    f"the mixture has channels of {width} and {channel.num_qubits} qubits", entry="the mixture"
                )
        return cls(
            width,
            lambda: [
                branch._replace(probability=p * branch.probability)
                for p, (_, channel) in zip(found, given, strict=True)
                for branch in channel.wire.branches()
            ],
        )

    @classmethod
    def reset(cls, p0: float, p1: float = 0.0) -> Channel:
        """Return the channel that resets a qubit at random.

        Args:
            p0: probability of |0>.
            p1: probability of |1>.

        Raises:
            NoiseError: they aren't probabilities with a sum of at most 1.
        """
        p0, p1 = probability("p0", p0), probability("p1", p1)
        rest = 1 - p0 - p1
        if rest < -TOLERANCE:
            raise NoiseError(f"p0 + p1 = {p0 + p1}: at most 1 is possible", entry="p0 + p1", value=p0 + p1)
        to_one = after(Branch(1.0, reset_mask=1), Branch(p1, x_mask=1), 1)
        return cls(1, lambda: [Branch(max(0.0, rest)), Branch(p0, reset_mask=1), to_one])

    @classmethod
    def thermal_relaxation(cls, t1: float, t2: float, time: float, excited_state_population: float = 0.0) -> Channel:
        """Return the relaxation of a qubit towards its equilibrium.

        Args:
            t1: decay time, in any unit; ``inf`` for no decay.
            t2: dephasing time, in the same unit, at most ``2 * t1``.
            time: duration, in the same unit.
            excited_state_population: probability of |1> in equilibrium.

        Raises:
            NoiseError: a value is out of its range.
        """
        population = probability("excited_state_population", excited_state_population)
        branches = relaxation_branches(t1, t2, time, population)
        return cls(1, lambda: branches)

    @classmethod
    def amplitude_damping(cls, p: float) -> Channel:
        """Return the decay of |1> with probability `p`. Raises `NoiseError`."""
        p = probability("p", p)
        operators = np.array([[[1, 0], [0, (1 - p) ** 0.5]], [[0, p**0.5], [0, 0]]], np.complex128)
        return cls(1, lambda: [operators_branch(1.0, operators)])

    @classmethod
    def phase_damping(cls, p: float) -> Channel:
        """Return the channel that shrinks coherences by ``sqrt(1 - p)``. Raises `NoiseError`."""
        p = probability("p", p)
        flip = (1 - (1 - p) ** 0.5) / 2
        return cls(1, lambda: [Branch(1 - flip), Branch(flip, z_mask=1)])

    def then(self, other: Channel) -> Channel:
        """Return this channel with another one after it.

        Raises:
            NoiseError: they have different numbers of qubits.
        """
        if _checked("other", other).num_qubits != self.num_qubits:
            raise NoiseError(
                f"a channel of {other.num_qubits} qubits can't follow one of {self.num_qubits}",
                entry="other",
                value=other.num_qubits,
            )
        return Channel(self.num_qubits, lambda: products(self.wire.branches(), other.wire.branches(), self.num_qubits))

    def beside(self, other: Channel) -> Channel:
        """Return this channel with another one on the qubits after its own.

        Raises:
            NoiseError: together they have too many qubits.
        """
        width = _width(self.num_qubits + _checked("other", other).num_qubits)
        low, high = range(self.num_qubits), range(self.num_qubits, width)
        return Channel(
            width,
            lambda: products(
                [on(branch, low, width) for branch in self.wire.branches()],
                [on(branch, high, width) for branch in other.wire.branches()],
                width,
            ),
        )

    def to_superop(self) -> Matrix:
        """Return the superoperator on column-stacked density matrices, of shape (4**n, 4**n).

        Raises:
            NoiseError: the channel has more than 6 qubits.
        """
        return superop_of_choi(self._choi())

    def to_kraus(self) -> list[Matrix]:
        """Return the fewest Kraus operators, each of shape (2**n, 2**n).

        Raises:
            NoiseError: the channel has more than 6 qubits.
        """
        return list(operators_of(self._choi()))

    def is_identity(self) -> bool:
        """Tell whether the channel does nothing."""
        return len(self.wire.chances()) == 1

    def _choi(self) -> Matrix:
        if self.num_qubits > MAX_SUPEROP_QUBITS:
            text = f"a channel of {self.num_qubits} qubits has 16**{self.num_qubits} entries; at most "
            text += f"{MAX_SUPEROP_QUBITS} qubits are possible"
            raise NoiseError(text, entry="channel", value=self.num_qubits)
        side = 1 << self.num_qubits
        paulis = np.zeros((side, side))
        rest = [np.zeros((0, side, side), np.complex128)]
        for branch in self.wire.branches():
            if branch.has_masks and not branch.reset_mask:
                paulis[branch.x_mask, branch.z_mask] += branch.probability
            else:
                rest.append(branch.probability**0.5 * branch.kraus(self.num_qubits))
        choi = choi_of(np.concatenate(rest))
        add_paulis(choi, paulis)
        return choi

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Channel) and (self is other or self.wire == other.wire)

    def __hash__(self) -> int:
        return hash(self.wire)

    def __reduce__(self) -> tuple[Any, ...]:
        return Channel.of_wire, (self.wire,)

    def __repr__(self) -> str:
        ordered = sorted(self.wire.branches()[1:], key=lambda branch: -branch.probability)
        shown = [Branch(float(self.wire.chances()[0])), *ordered][:_SHOWN]
        parts = [f"{_name(branch, self.num_qubits)} {branch.probability:.6g}" for branch in shown]
        more = len(ordered) + 1 - len(shown)
        return f"<Channel on {self.num_qubits} qubit{'s' * (self.num_qubits > 1)}: {', '.join(parts)}" + (
            f", and {more} more>" if more else ">"
        )


def _checked(entry: str, channel: object) -> Channel:
    if not isinstance(channel, Channel):
        raise NoiseError(f"{entry}: {channel!r} isn't a Channel", entry=entry, value=channel)
    return channel


def _width(num_qubits: int) -> int:
    return whole_number("num_qubits", num_qubits, 1, MAX_CHANNEL_QUBITS)


def _pairs(entry: str, given: Any, example: str) -> list[tuple[Any, Any]]:
    """Return the pairs of a list or a dictionary."""
    pairs = listed(entry, given.items() if isinstance(given, Mapping) else given, "a list of pairs or a dictionary")
    for pair in pairs:
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise NoiseError(f"{entry}: {pair!r} isn't a pair, such as {example}", entry=entry, value=pair)
    return [(first, second) for first, second in pairs]


def _name(branch: Branch, num_qubits: int) -> str:
    if not branch.has_masks:
        return "unitary" if len(branch.operators) == 1 else f"{len(branch.operators)} Kraus operators"
    letters = [
        "0" if branch.reset_mask >> q & 1 else "IXZY"[(branch.x_mask >> q & 1) | (branch.z_mask >> q & 1) << 1]
        for q in reversed(range(num_qubits))
    ]
    return "".join(letters)
