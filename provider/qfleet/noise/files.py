# SPDX-License-Identifier: Apache-2.0
"""Noise models as JSON.

A file holds numbers and names only, and is checked like anything from elsewhere. Numbers come back to the bit.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from qfleet.errors import NoiseError
from qfleet.noise.canonical import MAX_OPERATORS_OF_BRANCH
from qfleet.noise.channel import Channel
from qfleet.noise.checks import check_width, gate_name, ordered_qubits
from qfleet.noise.parts import Parts, Relaxation
from qfleet.noise.readout import check_readout
from qfleet.wire.checks.channels import check_channel
from qfleet.wire.errors import WireError
from qfleet.wire.limits import MAX_BRANCHES, MAX_CHANNEL_QUBITS
from qfleet.wire.program import channels as wire
from qfleet.wire.program.channels import Branch

FORMAT: Final = "qfleet noise model"
VERSION: Final = 1
#: The size of the largest file that is read.
MAX_FILE_BYTES: Final = 256 << 20
#: Letters of a branch by its bits of X, Z and resets.
_LETTERS: Final = {(0, 0, 0): "I", (1, 0, 0): "X", (1, 1, 0): "Y", (0, 1, 0): "Z", (0, 0, 1): "0"}
_BITS: Final = {letter: bits for bits, letter in _LETTERS.items()}

_Chance = Annotated[float, Meta(ge=0, le=1)]
_Qubits = tuple[int, ...] | None
#: Of times in seconds; ``None`` for an infinite one.
_Times = tuple[float | None, ...]
_Number = tuple[float, float]


class BranchEntry(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One way of a channel."""

    p: _Chance
    #: a letter for each qubit, the last qubit's first: a Pauli, or 0 for a reset
    pauli: Annotated[str, Meta(max_length=MAX_CHANNEL_QUBITS, pattern="^[IXYZ0]*$")] = ""
    #: row by row, real and imaginary part of each entry
    kraus: Annotated[tuple[tuple[tuple[_Number, ...], ...], ...], Meta(max_length=MAX_OPERATORS_OF_BRANCH)] = ()


class ChannelEntry(Struct, forbid_unknown_fields=True):
    """A channel, whose first branch does nothing."""

    qubits: Annotated[int, Meta(ge=1, le=MAX_CHANNEL_QUBITS)]
    branches: Annotated[tuple[BranchEntry, ...], Meta(min_length=1, max_length=MAX_BRANCHES)]


class GateEntry(Struct, forbid_unknown_fields=True):
    """The channel of a gate."""

    gate: str
    #: in their order; ``None`` for all
    qubits: _Qubits
    channel: ChannelEntry


class ReadoutEntry(Struct, forbid_unknown_fields=True):
    """The readout error of a qubit."""

    qubits: _Qubits
    #: rows by the true value
    matrix: tuple[tuple[float, ...], ...]


class RelaxationEntry(Struct, forbid_unknown_fields=True):
    """Relaxation during delays."""

    t1s: _Times
    t2s: _Times
    excited_state_populations: tuple[float, ...]
    dt: float | None = None


class ModelFile(Struct, forbid_unknown_fields=True):
    """The content of a file."""

    format: Literal["qfleet noise model"]
    version: Literal[1]
    gates: tuple[GateEntry, ...] = ()
    readout: tuple[ReadoutEntry, ...] = ()
    relaxation: RelaxationEntry | None = None


def write_parts(path: str | os.PathLike[str], parts: Parts) -> None:
    """Write the content of a model to a file.

    Raises:
        OSError: the file can't be written.
        NoiseError: the model has a pass of the transpiler, which is code; a channel is impossible; or it is too large.
    """
    if parts.passes:
        kind = type(parts.passes[0]).__name__
        raise NoiseError(f"a model with the pass {kind} can't be saved: a pass is code", entry=kind)
    content = ModelFile(
        FORMAT,
        VERSION,
        tuple(
            GateEntry(name, qubits, _channel_entry(channel.wire))
            for name, by_qubits in parts.gates.items()
            for qubits, channel in by_qubits.items()
        ),
        tuple(ReadoutEntry(qubits, rows) for qubits, rows in parts.readout.items()),
        None if parts.relaxation is None else _relaxation_entry(parts.relaxation),
    )
    data = msgspec.json.encode(content) + b"\n"
    if len(data) > MAX_FILE_BYTES:
        text = f"a model that takes {len(data) >> 20} MiB can't be saved: files have at most {MAX_FILE_BYTES >> 20} MiB"
        raise NoiseError(text, entry="model", value=len(data))
    Path(path).write_bytes(data)


def read_parts(path: str | os.PathLike[str]) -> Parts:
    """Return the content of a model from a file.

    Raises:
        OSError: the file can't be read.
        NoiseError: it isn't a noise model.
    """
    with Path(path).open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise NoiseError(f"{path} has more than {MAX_FILE_BYTES >> 20} MiB, so it isn't read", entry=str(path))
    try:
        content = msgspec.json.decode(data, type=ModelFile)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise NoiseError(f"{path} isn't a file of NoiseModel.save(): {exc}", entry=str(path)) from exc
    try:
        return _parts(content)
    except NoiseError as exc:
        raise NoiseError(f"{path}: {exc.message}", entry=exc.entry, value=exc.value) from exc


def _parts(content: ModelFile) -> Parts:
    gates: dict[str, dict[_Qubits, Channel]] = {}
    for entry in content.gates:
        where = f"gate {entry.gate!r} on " + ("all qubits" if entry.qubits is None else f"qubits {entry.qubits}")
        by_qubits = gates.setdefault(gate_name("gate", entry.gate), {})
        if entry.qubits in by_qubits:
            raise NoiseError(f"{where} is there twice", entry=where)
        by_qubits[entry.qubits] = _channel(entry, where)
    readout = {each.qubits: _readout(each) for each in content.readout}
    return Parts(gates, readout, None if content.relaxation is None else _relaxation(content.relaxation))


def _channel(entry: GateEntry, where: str) -> Channel:
    width = entry.channel.qubits
    check_width(f"the channel of {where}", width, ordered_qubits(where, entry.qubits))
    try:
        form = wire.Channel.of(width, [_branch(each, width) for each in entry.channel.branches])
        check_channel("its channel", form)
    except (WireError, ValueError) as exc:
        raise NoiseError(f"{where}: {exc}", entry=where) from exc
    return Channel.of_wire(form)


def _readout(entry: ReadoutEntry) -> tuple[tuple[float, ...], ...]:
    where = f"the readout error of {entry.qubits or 'all qubits'}"
    qubits = ordered_qubits(where, entry.qubits)
    return check_readout(where, entry.matrix, 1 if qubits is None else len(qubits))


def _relaxation(entry: RelaxationEntry) -> Relaxation:
    t1s, t2s = [[math.inf if time is None else time for time in times] for times in (entry.t1s, entry.t2s)]
    return Relaxation.of(t1s, t2s, entry.excited_state_populations, entry.dt)


def _relaxation_entry(relaxation: Relaxation) -> RelaxationEntry:
    t1s, t2s = [
        tuple([None if math.isinf(time) else time for time in times]) for times in (relaxation.t1s, relaxation.t2s)
    ]
    return RelaxationEntry(t1s, t2s, relaxation.excited_state_populations, relaxation.dt)


def _channel_entry(form: wire.Channel) -> ChannelEntry:
    branches = tuple([_branch_entry(branch, form.num_targets) for branch in form.branches()])
    return ChannelEntry(form.num_targets, branches)


def _branch_entry(branch: Branch, num_qubits: int) -> BranchEntry:
    if not branch.has_masks:
        return BranchEntry(branch.probability, kraus=_pairs(branch.operators))
    if branch.is_identity:
        return BranchEntry(branch.probability)
    masks = branch.x_mask, branch.z_mask, branch.reset_mask
    x, z, reset = masks
    letters = [_LETTERS[x >> at & 1, z >> at & 1, reset >> at & 1] for at in reversed(range(num_qubits))]
    return BranchEntry(branch.probability, "".join(letters))


def _pairs(operators: NDArray[np.complex128]) -> tuple[tuple[tuple[_Number, ...], ...], ...]:
    return tuple(
        tuple(tuple((entry.real, entry.imag) for entry in row) for row in operator) for operator in operators.tolist()
    )


def _branch(entry: BranchEntry, num_qubits: int) -> Branch:
    if entry.kraus:
        if entry.pauli:
            raise ValueError("a branch has a Pauli and Kraus operators; give it one of them")
        pairs = np.array(entry.kraus, np.float64)
        side = 1 << num_qubits
        if pairs.shape[1:] != (side, side, 2):
            raise ValueError(f"a branch has Kraus operators that aren't {side} x {side} complex numbers")
        return Branch(entry.p, operators=pairs.view(np.complex128)[..., 0])
    if len(entry.pauli) not in (0, num_qubits):
        raise ValueError(f"{entry.pauli!r} has {len(entry.pauli)} letters for {num_qubits} qubits")
    x = z = reset = 0
    for letter in entry.pauli:
        bits = _BITS[letter]
        x, z, reset = x << 1 | bits[0], z << 1 | bits[1], reset << 1 | bits[2]
    return Branch(entry.p, x, z, reset)
