# SPDX-License-Identifier: Apache-2.0
"""Channels are what Qiskit's `quantum_info` says, in a canonical form with the largest part of the identity."""

from __future__ import annotations

import math
import pickle  # noqa: TID251 - of our own
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from qiskit.quantum_info import Choi, Kraus, Operator, Pauli, SuperOp, random_quantum_channel, random_unitary

from qfleet.errors import NoiseError
from qfleet.noise import Channel, branches, canonical
from qfleet.noise.matrices import choi_of, trace_error
from qfleet.wire.program.channels import Branch

Matrix = NDArray[np.complex128]
X, Z = Operator(Pauli("X")).data, Operator(Pauli("Z")).data


def pauli(chances: dict[str, float]) -> Matrix:
    parts = [p * SuperOp(Operator(Pauli(label))).data for label, p in chances.items()]
    return np.sum(parts, axis=0)


def depolarized(p: float, num_qubits: int) -> Matrix:
    side = 2**num_qubits
    mixed = np.outer(np.eye(side).reshape(-1) / side, np.eye(side).reshape(-1))
    return (1 - p) * np.eye(side**2) + p * mixed


def relaxed(t1: float, t2: float, time: float, population: float) -> Matrix:
    """Return the state in closed form: populations decay with T1, coherences with T2."""
    stay, coherence = np.exp(-time / t1), np.exp(-time / t2)
    found = np.diag([0, coherence, coherence, 0]).astype(complex)
    found[0, 0], found[0, 3] = stay + (1 - stay) * (1 - population), (1 - stay) * (1 - population)
    found[3, 0], found[3, 3] = (1 - stay) * population, stay + (1 - stay) * population
    return found


def cases() -> Iterator[tuple[str, Channel, Matrix]]:
    yield "pauli", Channel.pauli({"XI": 0.1, "ZY": 0.2, "II": 0.7}), pauli({"XI": 0.1, "ZY": 0.2, "II": 0.7})
    yield "pauli, rest", Channel.pauli({"XYZ": 0.1}), pauli({"XYZ": 0.1, "III": 0.9})
    for width in (1, 2, 3):
        yield f"depolarizing {width}", Channel.depolarizing(0.3, width), depolarized(0.3, width)
        most = 4**width / (4**width - 1)
        yield f"most depolarizing {width}", Channel.depolarizing(most, width), depolarized(most, width)
        channel = random_quantum_channel(2**width, rank=3, seed=width)
        yield f"kraus {width}", Channel.kraus(Kraus(channel).data), SuperOp(channel).data
        yield f"superop {width}", Channel.superop(SuperOp(channel).data), SuperOp(channel).data
        unitary = random_unitary(2**width, seed=width)
        yield f"unitary {width}", Channel.unitary(unitary.data), SuperOp(unitary).data
        one, other = Channel.unitary(unitary.data), Channel.kraus(Kraus(channel).data)
        expected = 0.25 * SuperOp(unitary).data + 0.75 * SuperOp(channel).data
        yield f"mixture {width}", Channel.mixture([(0.25, one), (0.75, other)]), expected
        yield f"then {width}", one.then(other), SuperOp(unitary).compose(channel).data
    yield "reset", Channel.reset(0.1, 0.2), 0.7 * np.eye(4) + 0.1 * SET[0] + 0.2 * SET[1]
    for times in ((50.0, 30.0, 4.0, 0.0), (50.0, 50.0, 4.0, 0.3), (50.0, 70.0, 0.3, 0.0), (50.0, 100.0, 9.0, 0.2)):
        yield f"relaxation {times}", Channel.thermal_relaxation(*times), relaxed(*times)
    damping = [np.diag([1, 0.7**0.5]), 0.3**0.5 * np.array([[0, 1], [0, 0]])]
    yield "amplitude", Channel.amplitude_damping(0.3), SuperOp(Kraus(damping)).data
    yield "phase", Channel.phase_damping(0.3), np.diag([1, 0.7**0.5, 0.7**0.5, 1])
    low, high = Channel.amplitude_damping(0.3), Channel.pauli({"XZ": 0.2})
    beside = SuperOp(pauli({"XZ": 0.2, "II": 0.8})).tensor(SuperOp(Kraus(damping)))
    yield "beside", low.beside(high), beside.data
    masks = Channel.reset(0.3).beside(Channel.reset(0.1)).then(Channel.pauli({"XY": 0.2}))
    resets = SuperOp(0.9 * np.eye(4) + 0.1 * SET[0]).tensor(SuperOp(0.7 * np.eye(4) + 0.3 * SET[0]))
    yield "resets and paulis", masks, resets.compose(SuperOp(pauli({"XY": 0.2, "II": 0.8}))).data


#: Superoperators that put a qubit into |0> and |1>.
SET = [np.outer(np.eye(4)[3 * bit], np.eye(4)[0] + np.eye(4)[3]) for bit in (0, 1)]
CASES = list(cases())


@pytest.mark.parametrize(("channel", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_superoperators(channel: Channel, expected: Matrix) -> None:
    assert np.abs(channel.to_superop() - expected).max() < 1e-12
    kraus = SuperOp(Kraus(channel.to_kraus())).data
    assert np.abs(kraus - expected).max() < 1e-12
    again = Channel.superop(channel.to_superop())
    assert np.abs(again.to_superop() - expected).max() < 1e-12


def is_physical(choi: Matrix) -> bool:
    return bool(np.linalg.eigvalsh(choi)[0] > -1e-11)


@pytest.mark.parametrize("channel", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_the_canonical_form(channel: Channel) -> None:
    branches = channel.wire.branches()
    assert math.fsum(branch.probability for branch in branches) == pytest.approx(1, abs=1e-14)
    assert branches[0].is_identity
    assert all(branch.probability > 0 and not branch.is_identity for branch in branches[1:])
    masks = [branch[1:4] for branch in branches if branch.has_masks]
    assert len(set(masks)) == len(masks)
    for branch in branches:
        if not branch.has_masks:
            assert trace_error(branch.operators) < 1e-12
    for branch in branches:
        if not branch.has_masks and len(branch.operators) > 1 and branch.operators.shape[-1] < 16:
            # Nothing of the identity is left in what depends on the state.
            one = np.eye(branch.operators.shape[-1]).reshape(-1)
            assert not is_physical(choi_of(branch.operators) - 1e-7 * np.outer(one, one))


@pytest.mark.parametrize(
    ("t2", "rest"), [(30.0, 0.0071), (50.0, 0.0060), (70.0, 0.0071), (90.0, 0.0164), (99.0, 0.132), (100.0, 1.0)]
)
def test_identity_in_relaxation(t2: float, rest: float) -> None:
    """As a superoperator, without the mixture that T2 <= T1 has."""
    channel = Channel.superop(relaxed(50.0, t2, 0.3, 0.0))
    assert 1 - channel.wire.chances()[0] == pytest.approx(rest, rel=0.01)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 2), st.integers(2, 6), st.floats(0, 1))
def test_identity_taken_out_is_the_largest(seed: int, width: int, rank: int, share: float) -> None:
    random = SuperOp(random_quantum_channel(2**width, rank=min(rank, 4**width), seed=seed)).data
    whole = share * np.eye(4**width) + (1 - share) * random
    channel = Channel.superop(whole)
    assert np.abs(channel.to_superop() - whole).max() < 1e-12
    taken = channel.wire.chances()[0]
    choi, one = Choi(SuperOp(whole)).data, np.eye(2**width).reshape(-1)
    assert taken >= share - 1e-9
    assert is_physical(choi - taken * np.outer(one, one))
    if taken < 1 - 1e-5:
        assert not is_physical(choi - (taken + 1e-6) * np.outer(one, one))


def test_operators_become_masks() -> None:
    """Paulis in any disguise are masks."""
    y = np.array([[0, -1], [1, 0]])
    assert Channel.unitary(y) == Channel.pauli({"Y": 1})
    both = [0.9**0.5 * np.eye(2), 0.1**0.5 * 1j * Z]
    turned = np.array([[1, 1], [1, -1]]) / 2**0.5
    assert [branch[1:4] for branch in Channel.kraus(np.einsum("ij,jkl->ikl", turned, both)).wire.branches()] == [
        (0, 0, 0),
        (0, 1, 0),
    ]
    depolarizing = Channel.superop(depolarized(0.1, 2)).wire.branches()
    assert all(branch.has_masks for branch in depolarizing)
    assert len(depolarizing) == 16


def test_kraus_operators_that_are_unitaries_are_a_mixture() -> None:
    units = [random_unitary(2, seed=seed).data for seed in range(3)]
    weights = [0.5, 0.3, 0.2]
    channel = Channel.kraus([w**0.5 * unit for w, unit in zip(weights, units, strict=True)])
    assert sorted(channel.wire.chances()) == pytest.approx([0, 0.2, 0.3, 0.5])
    assert all(branch.is_unitary for branch in channel.wire.branches())


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        ("MAX_BRANCHES", "the channel has 3 branches; at most 2 are possible"),
        ("MAX_KRAUS_OPERATORS", "has 3 Kraus operators; at most 2"),
        ("MAX_OPERATORS_OF_BRANCH", "has 3 Kraus operators in a branch; at most 2"),
    ],
)
def test_channels_that_cannot_be_sent(limit: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    operators = Kraus(random_quantum_channel(2, rank=3, seed=1)).data
    channel = Channel.mixture([(0.5, Channel.kraus(operators)), (0.5, Channel.pauli({"X": 1.0}))])
    monkeypatch.setattr(canonical, limit, 2)
    with pytest.raises(NoiseError, match=text):
        channel.to_kraus()


def test_wide_kraus_operators_stay_as_they_are() -> None:
    damping = Channel.amplitude_damping(0.3)
    wide = damping
    for _ in range(4):
        wide = wide.beside(damping)
    (nothing, branch) = wide.wire.branches()
    assert (nothing.probability, len(branch.operators)) == (0, 2**5)
    expected = SuperOp(Kraus(damping.to_kraus()))
    whole = expected.tensor(expected).tensor(expected).tensor(expected).tensor(expected)
    assert np.abs(wide.to_superop() - whole.data).max() < 1e-12


@pytest.mark.parametrize("merged_at_once", [1 << 20, 1])
@pytest.mark.parametrize("seed", range(4))
def test_products_of_masks(seed: int, merged_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Products are merged in parts, by a table or by sorting; an X after a reset sets a qubit to 1."""
    monkeypatch.setattr(branches, "_PRODUCTS", merged_at_once)
    rng = np.random.default_rng(seed)
    channels = []
    for _ in range(2):
        resets = rng.integers(8, size=6)
        masks = [(x & ~r, z & ~r, r) for x, z, r in zip(*rng.integers(8, size=(2, 6)), resets, strict=True)]
        chances = rng.dirichlet(np.ones(6)).tolist()
        ways = [Branch(p, *map(int, each)) for p, each in zip(chances, masks, strict=True)]
        channels.append(Channel(3, lambda ways=ways: ways))  # type: ignore[misc]
    one, other = channels
    assert one.then(other).to_superop() == pytest.approx(other.to_superop() @ one.to_superop(), abs=1e-12)


def test_wide_channels_are_combined_fast() -> None:
    """All products of branches, made one by one, would be a million, and 16 times as many."""
    wide = Channel.depolarizing(0.1, 5)
    twice = wide.then(wide)
    assert len(twice.wire.chances()) == 1024
    assert twice.wire.chances()[0] == pytest.approx(1 - (1 - 0.9**2) * 1023 / 1024)
    both = Channel.depolarizing(0.1, 3).beside(Channel.depolarizing(0.1, 3))
    assert len(both.then(both).wire.chances()) == 4096


def test_matrices_of_wide_channels() -> None:
    low, high = Channel.reset(0.1), Channel.depolarizing(0.1, 4)
    expected = SuperOp(depolarized(0.1, 4)).tensor(SuperOp(0.9 * np.eye(4) + 0.1 * SET[0]))
    assert np.abs(low.beside(high).to_superop() - expected.data).max() < 1e-12
    assert np.abs(Channel.depolarizing(0.3, 5).to_superop() - depolarized(0.3, 5)).max() < 1e-12
    for matrix in (Channel.depolarizing(0.1, 7).to_superop, Channel.depolarizing(0.1, 7).to_kraus):
        with pytest.raises(NoiseError, match="7 qubits has 16\\*\\*7 entries; at most 6 qubits are possible"):
            matrix()


def test_equal_branches_are_one() -> None:
    unitary = random_unitary(2, seed=1).data
    parts = [(0.25, Channel.unitary(unitary)), (0.25, Channel.unitary(1j * unitary)), (0.5, Channel.pauli({"I": 1}))]
    assert Channel.mixture(parts).wire.chances().tolist() == [0.5, 0.5]
    # A qubit that is put into |0> needs no Pauli before.
    flipped = Channel.pauli({"X": 0.5}).then(Channel.reset(1.0))
    assert flipped == Channel.reset(1.0)


def test_equality_and_copies() -> None:
    one, other = (
        Channel.pauli({"X": 0.1, "I": 0.9}),
        Channel.mixture([(0.9, Channel.pauli({"I": 1})), (0.1, Channel.unitary(X))]),
    )
    assert one == other
    assert hash(one) == hash(other)
    assert one != Channel.pauli({"X": 0.2})
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301
    assert repr(one) == "<Channel on 1 qubit: I 0.9, X 0.1>"
    assert repr(Channel.depolarizing(0.1, 2)).endswith("and 10 more>")
    assert Channel.pauli({"II": 1.0}).is_identity()
    assert not one.is_identity()


def test_copies_are_equal_to_the_bit() -> None:
    relaxation = Channel.thermal_relaxation(90, 120, 4)
    channel = Channel.depolarizing(0.0123, 2).then(relaxation.beside(Channel.thermal_relaxation(80, 70, 4)))
    # Its canonical form isn't exactly its own canonical form, by rounding.
    assert Channel(2, channel.wire.branches) != channel
    assert pickle.loads(pickle.dumps(channel)) == channel  # noqa: S301


def test_a_channel_is_made_when_it_is_needed() -> None:
    made = []

    def make() -> list[Branch]:
        made.append(1)
        return [Branch(1.0)]

    channel = Channel(1, make)
    assert not made
    assert channel.is_identity()
    assert channel.is_identity()
    assert made == [1]


def test_paulis_in_pairs() -> None:
    """Pairs are the form of Aer's ``pauli_error``."""
    expected = Channel.pauli({"X": 0.1, "I": 0.9})
    assert Channel.pauli([("X", 0.1), ("I", 0.9)]) == expected
    assert Channel.pauli(iter([("X", 0.1)])) == expected
    assert Channel.pauli([("X", 0.05), ("I", 0.9), ("X", 0.05)]) == expected


def test_integers_of_numpy() -> None:
    assert Channel.depolarizing(0.1, np.uint8(2)) == Channel.depolarizing(0.1, 2)  # type: ignore[arg-type]


WRONG: list[tuple[Callable[[], Channel], str]] = [
    (lambda: Channel.pauli({"X": 0.7, "Z": 0.7}), "sum of the probabilities of the Paulis is 1.4"),
    (lambda: Channel.pauli({"X": 0.7, "I": 0.2}), "is 0.9; 1 is needed"),
    (lambda: Channel.pauli({"X": -0.1}), "probability of X = -0.1: a number from 0 to 1 is needed"),
    (lambda: Channel.pauli({"X": float("nan")}), "probability of X"),
    (lambda: Channel.pauli({"A": 0.1}), "'A'"),
    (lambda: Channel.pauli({"X": 0.1, "XX": 0.1}), "'XX'"),
    (lambda: Channel.pauli({}), "0 qubits"),
    (lambda: Channel.pauli({1: 0.5}), "Pauli 1"),  # type: ignore[dict-item]
    (lambda: Channel.pauli([("X", 0.1), ("Z", 0.8), ("I", 0.9)]), "is 1.8; 1 is needed"),
    (lambda: Channel.pauli([("X", 0.1), (2, 0.9)]), "Pauli 2"),  # type: ignore[list-item]
    (lambda: Channel.pauli(["XY"]), r"the Paulis: 'XY' isn't a pair, such as \('X', 0.1\)"),  # type: ignore[list-item]
    (lambda: Channel.pauli("X"), "the Paulis = 'X': a list of pairs or a dictionary is needed"),  # type: ignore[arg-type]
    (lambda: Channel.pauli({"X": 10**400}), "probability of X"),
    (lambda: Channel.depolarizing(1.5), "p = 1.5"),
    (lambda: Channel.depolarizing(0.1, 9), "num_qubits = 9"),
    (lambda: Channel.depolarizing(0.1, True), "num_qubits = True"),
    (lambda: Channel.depolarizing(0.1, 1.0), "num_qubits = 1.0"),  # type: ignore[arg-type]
    (lambda: Channel.kraus([np.eye(2), X]), "don't preserve the trace"),
    (lambda: Channel.kraus([np.eye(2), np.eye(4)]), "Kraus operator 1"),
    (lambda: Channel.kraus([np.eye(3)]), r"\(3, 3\)"),
    (lambda: Channel.kraus([]), "0 Kraus operators"),
    (lambda: Channel.kraus(5), "Kraus operators = 5: a list of matrices is needed"),  # type: ignore[arg-type]
    (lambda: Channel.kraus("x"), "Kraus operators = 'x'"),
    (lambda: Channel.kraus([np.full((2, 2), np.nan)]), "finite"),
    (lambda: Channel.superop(np.diag([1, 2, 2, 1])), "completely positive"),
    (lambda: Channel.superop(np.eye(2)), r"\(4\*\*n, 4\*\*n\)"),
    (lambda: Channel.unitary(2 * np.eye(2)), "isn't unitary"),
    (lambda: Channel.mixture([(0.5, Channel.reset(1))]), "the mixture is 0.5"),
    (lambda: Channel.mixture([(0.5, Channel.reset(1)), (0.5, Channel.depolarizing(0.1, 2))]), "1 and 2 qubits"),
    (lambda: Channel.reset(0.7, 0.7), "p0"),
    (lambda: Channel.thermal_relaxation(10, 30, 1), "t2 = 30"),
    (lambda: Channel.thermal_relaxation(0, 0, 1), "t1 = 0"),
    (lambda: Channel.thermal_relaxation(10, 10, -1), "time = -1"),
    (lambda: Channel.amplitude_damping(2), "p = 2"),
    (lambda: Channel.phase_damping(-1), "p = -1"),
    (lambda: Channel.reset(1).then(Channel.depolarizing(0.1, 2)), "2 qubits"),
    (lambda: Channel.reset(1).beside("x"), "'x' isn't a Channel"),  # type: ignore[arg-type]
    (lambda: Channel.mixture([(1, "x")]), "'x' isn't a Channel"),  # type: ignore[list-item]
    (lambda: Channel.mixture([Channel.reset(1)]), r"isn't a pair, such as \(0.1, channel\)"),  # type: ignore[list-item]
    (lambda: Channel.mixture(Channel.reset(1)), "the mixture = <Channel"),  # type: ignore[arg-type]
    (lambda: Channel.mixture([]), "the mixture is 0"),
    (lambda: Channel.depolarizing(0.1, 5).beside(Channel.depolarizing(0.1, 4)), "num_qubits = 9"),
    (lambda: Channel.depolarizing("much"), "p = 'much'"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("make", "text"), WRONG)
def test_wrong_channels(make: Callable[[], Channel], text: str) -> None:
    with pytest.raises(NoiseError, match=text) as caught:
        make()
    assert caught.value.entry
