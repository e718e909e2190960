# SPDX-License-Identifier: Apache-2.0
"""Noise travels whole, and impossible noise is refused when it is decoded."""

from __future__ import annotations

import numpy as np
import pytest
from engine_oracle import measure, op, program
from msgspec.structs import replace

from qfleet.wire.codec.programs import NOISY, decode_program, encode_program
from qfleet.wire.errors import WireError
from qfleet.wire.program.channels import Branch, Channel
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program

DAMPING = np.array([[[1, 0], [0, np.sqrt(0.75)]], [[0, 0.5], [0, 0]]], np.complex128)
FLIP = Channel.of(1, [Branch(0.75), Branch(0.25, x_mask=1)])
MIXED = Channel.of(2, [Branch(0.5), Branch(0.25, x_mask=1, z_mask=3), Branch(0.25, z_mask=1, reset_mask=2)])
KRAUS = Channel.of(1, [Branch(0.0), Branch(1.0, operators=DAMPING)])


def noisy(*channels: Channel, refs: tuple[int, ...] = (0,), flips: tuple[float, ...] = ()) -> Program:
    rows = [op(Op.NOISE, list(range(channels[ref].num_targets))) for ref in refs if 0 <= ref < len(channels)]
    plain = program(8, 1, [*rows, measure(0, 0)])
    return replace(plain, channel_refs=np.array(refs, np.int32), channels=channels, flips=np.array(flips, np.float64))


def test_a_noisy_program_comes_back() -> None:
    blob = encode_program(noisy(FLIP, MIXED, KRAUS, refs=(2, 0, 1), flips=(0.1, 0.2)))
    assert blob[2] == NOISY
    back = decode_program(blob)
    assert back.channels == (FLIP, MIXED, KRAUS)
    assert back.channel_refs.tolist() == [2, 0, 1]
    assert back.flips.tolist() == [0.1, 0.2]
    first, *_, last = back
    assert first.channel == KRAUS
    assert last.flips == (0.1, 0.2)
    assert encode_program(back) == blob


def test_a_program_without_noise_is_written_as_before() -> None:
    assert encode_program(program(1, 1, [measure(0, 0)]))[2] == 3


@pytest.mark.parametrize("channel", [FLIP, MIXED, KRAUS], ids=["Pauli", "reset", "Kraus"])
def test_the_operators_of_each_branch_preserve_the_trace(channel: Channel) -> None:
    for branch in channel.branches():
        operators = branch.kraus(channel.num_targets)
        assert np.allclose(sum(each.conj().T @ each for each in operators), np.eye(2**channel.num_targets))


def test_the_first_target_is_the_lowest_bit() -> None:
    both = MIXED.branches()
    x, y, z = np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])
    assert np.allclose(both[1].kraus(2), [np.kron(z, y)])
    assert np.allclose(both[2].kraus(2), [np.kron([[1, 0], [0, 0]], z), np.kron([[0, 1], [0, 0]], z)])
    assert np.allclose(Branch(1, x_mask=1).kraus(1), [x])


WRONG = {
    "a reference too many": (noisy(FLIP, refs=(0, 1)), "2 channel references for 1"),
    "a channel that isn't there": (replace(noisy(FLIP), channel_refs=np.array([1], np.int32)), "isn't there"),
    "a channel without a row": (noisy(FLIP, MIXED), "no operation refers to a channel"),
    "more bytes of operators than are checked": (
        noisy(Channel.of(8, [Branch(0.0), Branch(1.0, operators=np.zeros((65, 256, 256), np.complex128))])),
        "68157440 bytes of Kraus operators; at most 67108864 are allowed",
    ),
    "one branch of several that loses probability": (
        noisy(Channel.of(1, [Branch(0.0), Branch(0.5, operators=DAMPING), Branch(0.5, operators=DAMPING[1:])])),
        "don't preserve the trace",
    ),
    "another width": (replace(noisy(FLIP), channels=(MIXED,)), "doesn't fit its operation's qubits"),
    "a sum of 0.9": (noisy(Channel.of(1, [Branch(0.5), Branch(0.4, x_mask=1)])), "add up to 1"),
    "a negative probability": (noisy(Channel.of(1, [Branch(1.5), Branch(-0.5, x_mask=1)])), "add up to 1"),
    "no number": (noisy(Channel.of(1, [Branch(float("nan")), Branch(0.5, x_mask=1)])), "add up to 1"),
    "a mask beyond its targets": (noisy(Channel.of(1, [Branch(0.5), Branch(0.5, x_mask=2)])), "aren't there"),
    "a reset with a Pauli": (noisy(Channel.of(1, [Branch(0.5), Branch(0.5, x_mask=1, reset_mask=1)])), "a Pauli"),
    "no identity": (noisy(Channel.of(1, [Branch(1.0, x_mask=1)])), "isn't the identity"),
    "operators that lose probability": (
        noisy(Channel.of(1, [Branch(0.0), Branch(1.0, operators=DAMPING[:1])])),
        "don't preserve the trace",
    ),
    "operators that aren't numbers": (
        noisy(Channel.of(1, [Branch(0.0), Branch(1.0, operators=DAMPING * np.nan)])),
        "don't preserve the trace",
    ),
    "operators without their bytes": (noisy(replace(KRAUS, operators=KRAUS.operators[:-16])), "bytes of operators"),
    "counts of other branches": (noisy(replace(FLIP, counts=b"")), "don't belong together"),
    "a flip too few": (noisy(FLIP, flips=(0.1,)), "1 readout errors for 1 measurements"),
    "a flip above 1": (noisy(FLIP, flips=(0.1, 1.1)), "isn't a probability"),
}


@pytest.mark.parametrize("name", WRONG)
def test_impossible_noise_is_refused(name: str) -> None:
    wrong, text = WRONG[name]
    # The decoder's own checks of sizes come first for some.
    with pytest.raises(WireError, match=rf"{text}|damaged message"):
        decode_program(encode_program(wrong))
