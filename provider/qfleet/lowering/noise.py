# SPDX-License-Identifier: Apache-2.0
"""Give the rows of a whole circuit their noise.

Rows are collected with the names of gates: a definition's rows serve several qubits, and channels are for certain ones.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ControlFlowOp, Delay, ParameterExpression
from qiskit.transpiler import PassManager

from qfleet.errors import CapacityError, NoiseError, UnboundParameterError
from qfleet.lowering.refusal import RefusalError
from qfleet.lowering.rows import Rows
from qfleet.lowering.selection import only_rows
from qfleet.lowering.sites import Idle, Place, Site
from qfleet.noise import Channel, NoiseModel
from qfleet.noise.readout import Flips
from qfleet.wire.limits import MAX_CHANNELS, MAX_OPERATOR_BYTES
from qfleet.wire.program import channels as wire
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import NO_FLIPS, Program

_SECONDS: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ps": 1e-12}


def with_noise(program: Program, rows: Rows, model: NoiseModel | None, elsewhere: set[Place] | None = None) -> Program:
    """Return a program with its channels and readout errors.

    Rows of noise whose qubits have none are dropped.

    Args:
        program: the program of `rows`.
        rows: the rows of the whole circuit.
        model: the noise model.
        elsewhere: gets the gates that the model names for other qubits alone.

    Raises:
        NoiseError: a channel of the model is impossible, or doesn't fit its gate.
    """
    if not (rows.sites or rows.readouts or (model is not None and model.has_readout)):
        return program
    ends = np.cumsum(program.num_controls.astype(np.int64) + program.num_targets)
    flips = _flips(program, rows, model, ends)
    if not rows.sites:
        return msgspec.structs.replace(program, flips=flips) if len(flips) else program
    table: dict[wire.Channel, int] = {}
    known: dict[tuple[Site, tuple[int, ...]], int] = {}
    places_elsewhere: set[Place] = set() if elsewhere is None else elsewhere
    operands = program.operands.tolist()
    numbers = []
    places = np.flatnonzero(program.codes == Op.NOISE)
    for site, width, end in zip(rows.sites, program.num_targets[places].tolist(), ends[places].tolist(), strict=True):
        key = site, tuple(operands[end - width : end])
        if key not in known:
            channel = _channel(*key, model)
            absent = channel is None or channel.is_identity()
            if channel is None and isinstance(site, str):
                places_elsewhere.add((site, key[1]))
            known[key] = -1 if channel is None or absent else table.setdefault(channel.wire, len(table))
        numbers.append(known[key])
    _check_sizes(table)
    refs = np.array(numbers, np.int32)
    program = msgspec.structs.replace(program, channel_refs=refs, channels=tuple(table), flips=flips)
    kept = np.ones(len(program), np.bool_)
    kept[places[refs < 0]] = False
    return program if kept.all() else only_rows(program, kept)


def _check_sizes(channels: Collection[wire.Channel]) -> None:
    size = sum([len(channel.operators) for channel in channels])
    if len(channels) > MAX_CHANNELS:
        raise RefusalError(
            f"has {len(channels)} different channels; a program has at most {MAX_CHANNELS}",
            CapacityError,
            number=len(channels),
            limit=MAX_CHANNELS,
        )
    if size > MAX_OPERATOR_BYTES:
        raise RefusalError(
            f"has channels whose Kraus operators take {size / 2**20:.0f} MiB together; at most "
            f"{MAX_OPERATOR_BYTES >> 20} MiB are possible",
            CapacityError,
            needed_bytes=size,
            available_bytes=MAX_OPERATOR_BYTES,
        )


def idle(operation: Delay, dt: float | None) -> Idle:
    """Return the time of a delay.

    Args:
        operation: the delay.
        dt: seconds of one ``dt``.

    Raises:
        RefusalError: its duration isn't known.
    """
    duration, unit = operation.duration, operation.unit
    if isinstance(duration, ParameterExpression) and duration.parameters:
        names = tuple(sorted(parameter.name for parameter in duration.parameters))
        raise RefusalError(
            f"has a duration without a value ({', '.join(names)}); bind it, since the noise depends on it",
            UnboundParameterError,
            parameters=names,
        )
    if unit == "dt" and dt is None:
        text = "its duration is in dt; give the noise model the seconds of one, by `with_relaxation(..., dt=...)`"
        raise RefusalError(text, NoiseError)
    try:
        return Idle(float(duration) * (dt or 0.0 if unit == "dt" else _SECONDS[unit]))
    except (LookupError, TypeError) as exc:
        raise RefusalError(f"its duration {duration!r} {unit} isn't a time", NoiseError) from exc


def noiseless(rows: Rows) -> Rows:
    """Return rows without the noise of the noise model.

    Channels of the circuit's own stay.
    """
    if all(isinstance(site, Channel) for site in rows.sites):
        return rows
    sites = iter(rows.sites)
    kept = [not (shape & 0xFFFF == Op.NOISE and not isinstance(next(sites), Channel)) for shape in rows.shapes]
    before = [0]
    result = Rows(
        clbits=rows.clbits,
        params=rows.params,
        tables=rows.tables,
        expressions=rows.expressions,
        saves=rows.saves,
        readouts=rows.readouts,
        sites=[site for site in rows.sites if isinstance(site, Channel)],
        phase=rows.phase,
    )
    at = 0
    for shape, keep in zip(rows.shapes, kept, strict=True):
        end = at + (shape >> 16 & 0xFFFF) + (shape >> 32)
        if keep:
            result.shapes.append(shape)
            result.operands += rows.operands[at:end]
        before.append(before[-1] + keep)
        at = end
    result.jumps = [before[row] if row >= 0 else row for row in rows.jumps]
    result.loops = [(before[row], name) for row, name in rows.loops]
    return result


def after_passes(circuit: QuantumCircuit, model: NoiseModel) -> QuantumCircuit:
    """Return a circuit with the errors of a model's passes.

    As in Aer, passes are run on circuits that have a delay.

    Args:
        circuit: the circuit.
        model: the noise model.

    Raises:
        NoiseError: the circuit has control flow, or a pass fails.
    """
    operations = [instruction.operation for instruction in circuit.data] if model.passes else []
    if not any(isinstance(operation, Delay) for operation in operations):
        return circuit
    names = ", ".join(type(each).__name__ for each in model.passes)
    if any(isinstance(operation, ControlFlowOp) for operation in operations):
        raise NoiseError(
            f"circuit {circuit.name!r} has delays and control flow: the noise model's {names} can't be run on it",
            entry=names,
            circuit=circuit.name,
        )
    try:
        return PassManager(list(model.passes)).run(circuit)
    except Exception as exc:
        text = f"circuit {circuit.name!r}: the noise model's {names} raised {exc!r}"
        raise NoiseError(text, entry=names, circuit=circuit.name) from exc


def _channel(site: Site, qubits: Sequence[int], model: NoiseModel | None) -> Channel | None:
    if isinstance(site, Channel):
        return site
    if model is None:
        return None
    if isinstance(site, str):
        return model.channel(site, qubits)
    return None if model.relaxation is None else model.relaxation.channel(qubits[0], site.seconds)


def _flips(program: Program, rows: Rows, model: NoiseModel | None, ends: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the readout error of each measurement."""
    if not rows.clbits:
        return NO_FLIPS
    qubits = program.operands[ends[program.codes == Op.MEASURE] - 1].tolist()
    of_qubits = {qubit: (model and model.flips(qubit)) or Flips(0.0, 0.0) for qubit in set(qubits)}
    found = [of_qubits[qubit] for qubit in qubits]
    for place, then in rows.readouts:
        found[place] = found[place].then(then)
    flips = np.array(found, np.float64).reshape(-1)
    return flips if flips.any() else NO_FLIPS
