# SPDX-License-Identifier: Apache-2.0
"""Noise models: the channels of gates, and the errors of readout."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, final

from numpy.typing import ArrayLike
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.providers import BackendV2
from qiskit.transpiler import Target

from qfleet.errors import NoiseError
from qfleet.noise.aer import AerNoiseModel, parts_of_dict, read_model
from qfleet.noise.channel import Channel
from qfleet.noise.checks import Qubits, check_width, gate_name, listed, number, ordered_qubits
from qfleet.noise.device import DeviceSettings, gate_errors, qubit_times, readout_errors
from qfleet.noise.files import read_parts, write_parts
from qfleet.noise.parts import Parts, Relaxation
from qfleet.noise.readout import Flips, check_readout

#: Gates and pairs of gates that a repr has.
_SHOWN = 8
_WIDTHS = {name: gate.num_qubits for name, gate in get_standard_gate_name_mapping().items()}


@final
class NoiseModel:
    """Channels of gates, errors of readout, and relaxation during delays.

    A model never changes: `add` and the other methods return a new one. A gate is named by its label if it has one,
    else by its name. A channel for certain qubits, in their order, replaces that for all qubits. It acts after its
    gate, on ``measure`` before it.
    """

    def __init__(self) -> None:
        """Make a model without noise."""
        self._parts = Parts()

    @classmethod
    def from_aer(cls, model: AerNoiseModel) -> NoiseModel:
        """Return the model that a noise model of Qiskit Aer is.

        Its errors are read when circuits meet them, and once, as long as the model lives.

        Args:
            model: Aer's model. What is added to it later isn't in the result.

        Raises:
            NoiseError: it has a pass that isn't one of Aer's.
        """
        return read_model(model, cls._of)

    @classmethod
    def from_dict(cls, model: Mapping[str, Any]) -> NoiseModel:
        """Return the model of a dictionary of Aer's ``NoiseModel.to_dict()``.

        Such a dictionary has no relaxation during delays.

        Args:
            model: the dictionary, as it is or read from JSON.

        Raises:
            NoiseError: it isn't such a dictionary, or an error in it is impossible.
        """
        found = cls._of(parts_of_dict(model))
        for _, _, channel in found.entries():
            channel.wire  # noqa: B018 - a wrong one raises
        return found

    @classmethod
    def _of(cls, parts: Parts) -> NoiseModel:
        model = cls()
        model._parts = parts
        return model

    @classmethod
    def from_backend(
        cls,
        backend: BackendV2,
        *,
        gate_error: bool = True,
        readout_error: bool = True,
        thermal_relaxation: bool = True,
        temperature: float = 0.0,
    ) -> NoiseModel:
        """Return the noise of a device, as Aer derives it.

        Args:
            backend: the device, real or fake.
            gate_error: see `from_target`.
            readout_error: see `from_target`.
            thermal_relaxation: see `from_target`.
            temperature: see `from_target`.

        Raises:
            TypeError: the device isn't a BackendV2.
            NoiseError: an error rate or a time is impossible.
        """
        if not isinstance(backend, BackendV2):
            raise TypeError(f"a device is a BackendV2 of Qiskit, not {type(backend).__name__}")
        return cls.from_target(
            backend.target,
            gate_error=gate_error,
            readout_error=readout_error,
            thermal_relaxation=thermal_relaxation,
            temperature=temperature,
        )

    @classmethod
    def from_target(
        cls,
        target: Target,
        *,
        gate_error: bool = True,
        readout_error: bool = True,
        thermal_relaxation: bool = True,
        temperature: float = 0.0,
    ) -> NoiseModel:
        """Return the noise of a device, from its target.

        A gate has relaxation for its length, and depolarization as far as its error rate is larger. Delays have
        relaxation, and measurements a readout error alone. A T2 of more than twice T1 counts as twice T1.

        Args:
            target: the device's target.
            gate_error: False to leave out the depolarization.
            readout_error: False to leave out the errors of readout.
            thermal_relaxation: False to leave out the relaxation.
            temperature: temperature of the qubits in millikelvin, from which relaxation has its equilibrium; below 0,
                as in Aer, |1> is more likely than |0>.

        Raises:
            NoiseError: an error rate or a time is impossible, or the temperature isn't a number.
        """
        if not isinstance(target, Target):
            text = f"target = {target!r}: a Target of Qiskit is needed; for a backend, there is `from_backend`"
            raise NoiseError(text, entry="target", value=target)
        temperature = number("temperature", temperature, -math.inf, math.inf)
        settings = DeviceSettings(gate_error, thermal_relaxation, temperature)
        gates: dict[str, dict[Qubits, Channel]] = {}
        for name, qubits, channel in gate_errors(target, settings):
            gates.setdefault(name, {})[qubits] = channel
        model = cls._of(Parts(gates=gates))
        for qubit, matrix in readout_errors(target) if readout_error else ():
            model = model.add_readout(matrix, qubit)
        times = qubit_times(target, temperature) if thermal_relaxation else ()
        if all(math.isinf(each.t1) and math.isinf(each.t2) for each in times):
            return model
        t1s, t2s, populations = zip(*times, strict=True)
        return model.with_relaxation(t1s, t2s, excited_state_populations=populations, dt=target.dt)

    def add(
        self, channel: Channel, gates: str | Iterable[str], qubits: int | Iterable[int] | None = None
    ) -> NoiseModel:
        """Return this model with a channel on gates.

        Where there is one already, for the same qubits, the new one comes after it.

        Args:
            channel: what happens with each gate, on its qubits.
            gates: names or labels of gates, also ``measure``, ``reset``, ``id``, ``delay``.
            qubits: the gates' qubits in their order; ``None`` for all qubits.

        Raises:
            NoiseError: the channel doesn't fit a gate or the qubits.
        """
        if not isinstance(channel, Channel):
            raise NoiseError(f"channel = {channel!r}: a Channel is needed", entry="channel", value=channel)
        places = ordered_qubits("qubits", qubits)
        check_width("the channel", channel.num_qubits, places)
        names = [gates] if isinstance(gates, str) else listed("gates", gates, "a name, or a list of names,")
        if not names:
            raise NoiseError(f"gates = {gates!r}: at least one name is needed", entry="gates", value=gates)
        changed = dict(self._parts.gates)
        for name in [gate_name("gates", name) for name in names]:
            if _WIDTHS.get(name, channel.num_qubits) != channel.num_qubits:
                raise NoiseError(
                    f"gates: {name!r} has {_WIDTHS[name]} qubits, the channel {channel.num_qubits}",
                    entry="gates",
                    value=name,
                )
            before = changed.get(name, {}).get(places)
            changed[name] = {**changed.get(name, {}), places: before.then(channel) if before else channel}
        return self._of(self._parts._replace(gates=changed))

    def add_readout(self, matrix: ArrayLike, qubits: int | Iterable[int] | None = None) -> NoiseModel:
        """Return this model with a readout error, which replaces an earlier one.

        Args:
            matrix: shape (2, 2): ``[[P(0|0), P(1|0)], [P(0|1), P(1|1)]]``, P(read|measured).
            qubits: the qubits that have it, each of them; ``None`` for all.

        Raises:
            NoiseError: a row isn't probabilities that add up to 1.
        """
        rows = check_readout("the readout error", matrix, 1)
        places = ordered_qubits("qubits", qubits)
        new: dict[Qubits, tuple[tuple[float, ...], ...]] = (
            {None: rows} if places is None else {(qubit,): rows for qubit in places}
        )
        return self._of(self._parts._replace(readout={**self._parts.readout, **new}))

    def with_relaxation(
        self,
        t1s: Sequence[float],
        t2s: Sequence[float],
        *,
        excited_state_populations: Sequence[float] | None = None,
        dt: float | None = None,
    ) -> NoiseModel:
        """Return this model with thermal relaxation during delays.

        Args:
            t1s: decay time of each qubit in seconds; ``inf`` for no decay.
            t2s: dephasing time of each qubit in seconds.
            excited_state_populations: probability of |1> in equilibrium of each qubit; 0 if left out.
            dt: seconds of one ``dt``, for delays in this unit.

        Raises:
            NoiseError: the lists are of different lengths, or a value is out of its range.
        """
        relaxation = Relaxation.of(t1s, t2s, excited_state_populations, dt)
        return self._of(self._parts._replace(relaxation=relaxation))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> NoiseModel:
        """Return the model in a file that `save` wrote.

        Nothing in the file is run.

        Raises:
            OSError: the file can't be read.
            NoiseError: it isn't such a file, or an entry is impossible.
        """
        return cls._of(read_parts(path))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write this model to a file, as JSON.

        Raises:
            OSError: the file can't be written.
            NoiseError: the model has a pass of the transpiler, which is code; a channel is impossible; or it is too
                large.
        """
        write_parts(path, self._parts)

    @property
    def names(self) -> frozenset[str]:
        """Return the names and labels of the gates that have channels."""
        return frozenset(self._parts.gates)

    @property
    def relaxation(self) -> Relaxation | None:
        """Return the relaxation during delays."""
        return self._parts.relaxation

    @property
    def passes(self) -> tuple[Any, ...]:
        """Return the transpiler passes that write errors into circuits with delays."""
        return self._parts.passes

    @cached_property
    def names_by_width(self) -> Mapping[int, frozenset[str]]:
        """Return the names and labels of gates by their numbers of qubits."""
        found: dict[int, set[str]] = {}
        for name, _, channel in self.entries():
            found.setdefault(channel.num_qubits, set()).add(name)
        return {width: frozenset(names) for width, names in found.items()}

    def channel(self, name: str, qubits: Sequence[int]) -> Channel | None:
        """Return the channel of a gate, or ``None`` if it has none.

        Args:
            name: its label if it has one, else its name.
            qubits: its qubits in their order.

        Raises:
            NoiseError: the gate has another number of qubits than the channel.
        """
        entries = self._parts.gates.get(name)
        if entries is None:
            return None
        found = entries.get(tuple(qubits)) or entries.get(None)
        if found is not None and found.num_qubits != len(qubits):
            raise NoiseError(
                f"gate {name!r} acts on {len(qubits)} qubits; its channel in the noise model has {found.num_qubits}",
                entry=name,
                value=tuple(qubits),
            )
        return found

    def flips(self, qubit: int) -> Flips | None:
        """Return the readout error of a qubit, or ``None``."""
        rows = self._parts.readout.get((qubit,)) or self._parts.readout.get(None)
        return None if rows is None else Flips(rows[0][1], rows[1][0])

    @property
    def has_channels(self) -> bool:
        """Tell whether any gate or delay has a channel."""
        return bool(self._parts.gates or self._parts.relaxation)

    @property
    def has_readout(self) -> bool:
        """Tell whether any measurement may be read wrongly."""
        return bool(self._parts.readout)

    def summary(self) -> str:
        """Return a short text of where the noise is."""
        parts = self._parts
        others = {"readout": parts.readout, "delays": parts.relaxation, "passes": parts.passes}
        names = sorted(parts.gates)
        more = [f"{len(names) - _SHOWN} more gates"] if len(names) > _SHOWN else []
        listed = names[:_SHOWN] + more + [name for name, found in others.items() if found]
        return "noise on " + ", ".join(listed) if listed else "no noise"

    def entries(self) -> Iterable[tuple[str, Qubits, Channel]]:
        """Yield the name, the qubits and the channel of each entry."""
        for name, by_qubits in self._parts.gates.items():
            for qubits, channel in by_qubits.items():
                yield name, qubits, channel

    def is_ideal(self) -> bool:
        """Tell whether the model has no noise."""
        return not any(self._parts)

    @cached_property
    def _key(self) -> tuple[object, ...]:
        parts = self._parts
        gates = frozenset(self.entries())
        return gates, frozenset(parts.readout.items()), parts.relaxation, parts.passes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NoiseModel) and (self is other or self._key == other._key)

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        parts = self._parts
        lines = [f"{name}: {_listed(parts.gates[name])}" for name in sorted(parts.gates)]
        if parts.readout:
            lines.append(f"readout: {_listed(parts.readout)}")
        if parts.relaxation is not None:
            lines.append(f"relaxation during delays of {len(parts.relaxation.t1s)} qubits")
        lines += [f"pass: {type(each).__name__}" for each in parts.passes]
        return "<NoiseModel: " + ("no noise" if not lines else "; ".join(lines)) + ">"


def _listed(places: Iterable[Qubits]) -> str:
    ordered = sorted(places, key=lambda place: () if place is None else place)
    names = ["all qubits" if each is None else str(each[0] if len(each) == 1 else each) for each in ordered]
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
