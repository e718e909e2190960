# SPDX-License-Identifier: Apache-2.0
"""The Kraus operators of channels with jumps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from noise_oracle import (
    damping,
    depolarizing,
    drifting,
    jump_unless,
    measure,
    noise,
    program_of,
    random_channel,
    resetting,
)
from numpy.typing import NDArray

from qfleet.noise import Channel as NoiseChannel
from qfleet.noise.matrices import choi_of
from qfleet.wire.program.channels import Branch, Channel
from qfleet.wire.program.jumps import Jumps, jumps_of, program_jumps
from qfleet.wire.program.program import Operation

X = np.array([[0, 1], [1, 0]], np.complex128)


def kraus(channel: Channel) -> NDArray[np.complex128]:
    branches = channel.branches()
    return np.concatenate([branch.probability**0.5 * branch.kraus(channel.num_targets) for branch in branches])


def jumping(channel: Channel) -> Jumps:
    found = jumps_of(channel)
    assert found is not None
    return found


@given(st.integers(0, 1 << 32), st.integers(1, 3), st.floats(1e-6, 0.1))
def test_the_operators_are_the_same_channel(seed: int, width: int, strength: float) -> None:
    channel = drifting(np.random.default_rng(seed), width, strength / 2**width)
    jumps = jumping(channel)
    assert np.abs(choi_of(jumps.operators) - choi_of(kraus(channel))).max() < 1e-13
    sizes = (np.abs(jumps.operators) ** 2).sum(axis=(1, 2)) / (1 << width)
    assert sizes == pytest.approx(jumps.chances, abs=1e-15)
    assert jumps.chance == pytest.approx(1 - sizes[0], abs=1e-13)
    # No operator is likelier in a mixed state: it is the Choi matrix's largest eigenvalue.
    assert sizes[0] == pytest.approx(np.linalg.eigvalsh(choi_of(kraus(channel)))[-1] / (1 << width), abs=1e-13)


@given(st.integers(0, 1 << 32), st.integers(1, 2))
def test_other_operators_of_a_channel_have_the_same_one_without_a_jump(seed: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    channel = drifting(rng, width, 0.05)
    mixing = np.linalg.qr(rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)))[0]
    mixed = np.einsum("jk,kab->jab", mixing, kraus(channel)[-3:])
    other = Channel.of(width, [Branch(0.0), Branch(1.0, operators=mixed)])
    assert np.abs(jumping(channel).operators[0] - jumping(other).operators[0]).max() < 1e-12


@given(st.integers(0, 1 << 32))
def test_rounding_changes_no_operator(seed: int) -> None:
    """Two equal jumps may be mixed at will, and aren't."""
    rng = np.random.default_rng(seed)
    stay, fall = damping(0.1).branches()[1].operators
    operators = np.array([np.kron(stay, stay), np.kron(fall, stay), np.kron(stay, fall), np.kron(fall, fall)])
    near = operators + 1e-15 * rng.normal(size=operators.shape)
    first, second = (jumping(Channel.of(2, [Branch(0.0), Branch(1.0, operators=each)])) for each in (operators, near))
    assert np.abs(first.operators - second.operators).max() < 1e-13
    assert np.abs(np.abs(first.operators) - np.abs(operators)).max() < 1e-15


@given(st.integers(0, 1 << 32), st.integers(1, 2))
def test_no_state_falls_below_the_least(seed: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    jumps = jumping(drifting(rng, width, 0.1 / width))
    states = rng.normal(size=(1 << width, 100)) + 1j * rng.normal(size=(1 << width, 100))
    states /= np.linalg.norm(states, axis=0)
    assert (np.linalg.norm(jumps.operators[0] @ states, axis=0) ** 2 > jumps.least - 1e-12).all()
    assert np.linalg.norm(jumps.operators[0], -2) ** 2 == pytest.approx(jumps.least)


def test_damping_has_its_own_operators() -> None:
    jumps = jumping(damping(0.2))
    assert jumps.operators[0] == pytest.approx(np.diag([1, 0.8**0.5]))
    assert np.abs(jumps.operators[1]) == pytest.approx(np.array([[0, 0.2**0.5], [0, 0]]))
    assert (jumps.chance, jumps.least) == (pytest.approx(0.1), pytest.approx(0.8))


def test_a_program_has_jumps_where_they_are_much_rarer_than_errors() -> None:
    rare = NoiseChannel.thermal_relaxation(50, 80, 0.3).wire
    assert jumps_of(rare) is not None

    def jumps(paulis: int, *others: Operation) -> bool:
        rows = [noise(rare, 0), *[noise(depolarizing(0.01), 0)] * paulis, *others]
        first, *rest = program_jumps(program_of(1, 1, rows))
        assert rest[:paulis] == [None] * paulis
        return first is not None

    assert jumps(0)
    assert not jumps(3)
    assert jumps(3, *[noise(rare, 0)] * 20)
    assert jumps(3, noise(damping(0.01), 0))
    # Where shots take ways of their own, an operator is drawn at each place.
    assert not jumps(0, measure(0, 0), jump_unless(0, 3))


def test_a_certain_unitary_never_jumps() -> None:
    turn = np.array([[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]], np.complex128)
    jumps = jumping(Channel.of(1, [Branch(0.0), Branch(1.0, operators=turn[None])]))
    assert len(jumps.operators) == 1
    assert jumps.operators[0] == pytest.approx(turn)
    assert (jumps.chance, jumps.least) == (0, pytest.approx(1))


def test_relaxation_jumps_where_little_of_the_identity_can_be_taken_out() -> None:
    def relaxation(t2: float) -> Channel:
        return NoiseChannel.thermal_relaxation(50, t2, 0.3).wire

    assert jumping(relaxation(100)).chance == pytest.approx(0.003, rel=0.01)
    assert jumping(relaxation(80)).chance == pytest.approx(0.0033, rel=0.02)
    assert jumps_of(relaxation(60)) is None
    assert jumps_of(relaxation(50)) is None


@pytest.mark.parametrize(
    "channel",
    [
        depolarizing(0.1, 2),
        resetting(0.9, 0.5, 0.02),
        damping(0.6),
        Channel.of(1, [Branch(0.9), Branch(0.1, operators=X[None])]),
        random_channel(np.random.default_rng(1), 2),
        drifting(np.random.default_rng(1), 4, 0.001),
    ],
    ids=["Paulis", "resets", "strong", "errors", "many", "wide"],
)
def test_other_channels_have_errors(channel: Channel) -> None:
    assert jumps_of(channel) is None
