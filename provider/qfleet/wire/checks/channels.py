# SPDX-License-Identifier: Apache-2.0
"""Checks of channels and readout errors: each is possible."""

from __future__ import annotations

from typing import Final

import numpy as np

from qfleet.wire.errors import WireError
from qfleet.wire.limits import MAX_OPERATOR_BYTES
from qfleet.wire.program.channels import Channel
from qfleet.wire.program.operations import HAS_CHANNEL, Op
from qfleet.wire.program.program import Program

#: Rounding of probabilities and operators that is allowed.
TOLERANCE: Final = 1e-8


def check_channels(program: Program) -> None:
    """Check a program's channels, and its readout errors.

    Raises:
        WireError: a channel isn't possible, or doesn't fit its rows; or a readout error isn't a probability.
    """
    takers = HAS_CHANNEL[program.codes]
    refs = program.channel_refs
    if np.count_nonzero(takers) != len(refs):
        raise WireError(f"{len(refs)} channel references for {np.count_nonzero(takers)} operations that need one")
    if ((refs < 0) | (refs >= len(program.channels))).any():
        raise WireError("an operation refers to a channel that isn't there")
    if len(np.unique(refs)) != len(program.channels):
        raise WireError("no operation refers to a channel")
    size = sum([len(channel.operators) for channel in program.channels])
    if size > MAX_OPERATOR_BYTES:
        raise WireError(f"{size} bytes of Kraus operators; at most {MAX_OPERATOR_BYTES} are allowed")
    for number, channel in enumerate(program.channels):
        check_channel(f"channel {number}", channel)
    if len(refs):
        widths = np.array([channel.num_targets for channel in program.channels], np.int64)
        if (widths[refs] != program.num_targets[takers]).any():
            raise WireError("a channel doesn't fit its operation's qubits")
    _check_flips(program)


def check_channel(name: str, channel: Channel) -> None:
    """Check that a channel is possible.

    Args:
        name: its name for the error.
        channel: the channel.

    Raises:
        WireError: it isn't possible.
    """
    count, rest = divmod(len(channel.probabilities), 8)
    if rest or len(channel.masks) != 3 * count or len(channel.counts) != 2 * count:
        raise WireError(f"{name} has probabilities, masks and counts that don't belong together")
    chances = channel.chances()
    # Not a number fails both.
    if not (chances >= 0).all() or not abs(chances.sum() - 1) <= TOLERANCE:
        raise WireError(f"the probabilities of {name} aren't probabilities that add up to 1")
    masks = np.frombuffer(channel.masks, np.uint8).reshape(-1, 3)
    if (masks >> channel.num_targets).any() or (masks[:, 2] & (masks[:, 0] | masks[:, 1])).any():
        raise WireError(f"{name} has masks of targets that aren't there, or resets what gets a Pauli")
    counts = np.frombuffer(channel.counts, "<u2").astype(np.int64)
    if len(channel.operators) != 16 * 4**channel.num_targets * counts.sum():
        raise WireError(f"{name} has {len(channel.operators)} bytes of operators")
    if masks[counts > 0].any() or counts[0] or masks[0].any():
        raise WireError(f"a branch of {name} has masks and operators, or its first isn't the identity")
    if channel.operators:
        side = 2**channel.num_targets
        operators = np.frombuffer(channel.operators, "<c16").reshape(-1, side, side)
        squares = operators.conj().transpose(0, 2, 1) @ operators
        # Of the operators of one branch.
        sums = np.add.reduceat(squares, (np.cumsum(counts) - counts)[counts > 0])
        if not np.abs(sums - np.eye(side)).max() <= TOLERANCE:
            raise WireError(f"the Kraus operators of a branch of {name} don't preserve the trace")


def _check_flips(program: Program) -> None:
    flips = program.flips
    if not len(flips):
        return
    measurements = np.count_nonzero(program.codes == Op.MEASURE)
    if len(flips) != 2 * measurements:
        raise WireError(f"{len(flips)} readout errors for {measurements} measurements")
    if not ((flips >= 0) & (flips <= 1)).all():
        raise WireError("a readout error isn't a probability")
