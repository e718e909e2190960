# SPDX-License-Identifier: Apache-2.0
"""The errors of a device, from its target.

A gate's error is depolarization, and then relaxation for the length of the gate. The depolarization is as strong as the
gate's average infidelity demands beside the relaxation. A measurement has a readout error alone. Aer derives the same
errors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from qiskit.circuit import Gate, Measure
from qiskit.transpiler import Target

from qfleet.errors import NoiseError
from qfleet.noise.channel import Channel

#: Planck's constant over Boltzmann's, in millikelvin per hertz.
_MILLIKELVIN_PER_HERTZ: Final = 47.99243e-9


class QubitTimes(NamedTuple):
    """The relaxation of one qubit."""

    #: seconds; infinite for a qubit that doesn't relax
    t1: float
    #: seconds, at most twice ``t1``
    t2: float
    #: the probability of |1> in equilibrium
    excited: float

    def channel(self, seconds: float) -> Channel:
        """Return the relaxation during a time."""
        return Channel.thermal_relaxation(self.t1, self.t2, seconds, self.excited)

    def fidelity(self, seconds: float) -> float:
        """Return the process fidelity of the relaxation during a time."""
        return (1 + 2 * math.exp(-seconds / self.t2) + math.exp(-seconds / self.t1)) / 4


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """The parts of gates' errors that are wanted."""

    gate_error: bool = True
    thermal_relaxation: bool = True
    #: of the qubits, in millikelvin; below 0, |1> is the ground state
    temperature: float = 0.0


def qubit_times(target: Target, temperature: float) -> tuple[QubitTimes, ...]:
    """Return the relaxation of each qubit, if the target has it.

    Args:
        target: the device's target.
        temperature: of the qubits, in millikelvin.
    """
    return tuple(_times(properties, temperature) for properties in target.qubit_properties or ())


def gate_errors(target: Target, settings: DeviceSettings) -> Iterator[tuple[str, tuple[int, ...], Channel]]:
    """Yield name, ordered qubits and error of each noisy gate.

    Args:
        target: the device's target.
        settings: the parts that are wanted.
    """
    times = qubit_times(target, settings.temperature) if settings.thermal_relaxation else ()
    # A device's gates of one qubit mostly share their error.
    known: dict[tuple[tuple[int, ...], float, float], Channel | None] = {}
    for name, places in target.items():
        operation = target.operation_from_name(name)
        if isinstance(operation, Measure) or places is None:
            continue
        is_gate = isinstance(operation, Gate)
        for qubits, properties in places.items():
            if properties is None or qubits is None:
                continue
            rate = float(properties.error or 0) if settings.gate_error and is_gate else 0.0
            seconds = float(properties.duration or 0) if times else 0.0
            key = qubits, rate, seconds
            if key not in known:
                known[key] = _gate_error(f"{name} on qubits {qubits}", qubits, rate, seconds, times)
            error = known[key]
            if error is not None:
                yield name, qubits, error


def readout_errors(target: Target) -> Iterator[tuple[int, tuple[tuple[float, float], tuple[float, float]]]]:
    """Yield each qubit that may be misread, with its confusion matrix.

    A row has the probabilities of what is read where its number was measured.
    """
    places: Mapping[tuple[int, ...] | None, Any] = target.get("measure", {})
    for qubits, properties in places.items():
        # An ideal simulator measures everywhere.
        if qubits is None:
            continue
        rate = getattr(properties, "error", None)
        to_one = float(getattr(properties, "prob_meas1_prep0", rate) or 0)
        to_zero = float(getattr(properties, "prob_meas0_prep1", rate) or 0)
        if to_one or to_zero:
            yield qubits[0], ((1 - to_one, to_one), (to_zero, 1 - to_zero))


def _times(properties: Any, temperature: float) -> QubitTimes:
    t1 = getattr(properties, "t1", None)
    t2 = getattr(properties, "t2", None)
    t1 = math.inf if t1 is None else float(t1)
    # More is unphysical, and some devices report it.
    t2 = 2 * t1 if t2 is None else min(float(t2), 2 * t1)
    return QubitTimes(t1, t2, _excited(getattr(properties, "frequency", None), temperature))


def _excited(frequency: float | None, temperature: float) -> float:
    """Return the probability of |1> in equilibrium.

    Args:
        frequency: of the qubit, in hertz.
        temperature: of the qubit, in millikelvin.
    """
    if not frequency or not temperature or math.isinf(frequency):
        return 0.0
    return (1 - math.tanh(_MILLIKELVIN_PER_HERTZ * frequency / temperature / 2)) / 2


def _gate_error(
    gate: str, qubits: Sequence[int], rate: float, seconds: float, times: Sequence[QubitTimes]
) -> Channel | None:
    """Return the error of a gate; ``None`` for a gate without one.

    Args:
        gate: its name and place, for errors.
        qubits: its qubits.
        rate: the average infidelity of the gate.
        seconds: the length of the gate; 0 without relaxation.
        times: the relaxation of each qubit of the device.

    Raises:
        NoiseError: a rate or a time is impossible.
    """
    relaxation: Channel | None = None
    fidelity = 1.0
    try:
        for qubit in qubits if seconds else ():
            one = times[qubit].channel(seconds)
            relaxation = one if relaxation is None else relaxation.beside(one)
            fidelity *= times[qubit].fidelity(seconds)
        strength = _depolarization(rate, fidelity, 2 ** len(qubits))
        if strength <= 0:
            return relaxation
        depolarization = Channel.depolarizing(strength, len(qubits))
        return depolarization if relaxation is None else depolarization.then(relaxation)
    except NoiseError as exc:
        raise NoiseError(f"{gate} in the target: {exc.message}", entry=gate, value=exc.value) from exc


def _depolarization(rate: float, process_fidelity: float, size: int) -> float:
    """Return the depolarization that a gate's infidelity leaves beside relaxation.

    The fidelity F of both is F_r - p (d F_r - 1) / d, where F_r is that of the relaxation.

    Args:
        rate: the average infidelity of the gate.
        process_fidelity: of the relaxation.
        size: the dimension d of the gate's qubits.
    """
    relaxed = (size * process_fidelity + 1) / (size + 1)
    wanted, left = rate - (1 - relaxed), size * relaxed - 1
    if wanted <= 0 or left <= 0:
        # A relaxation without end leaves nothing to depolarize.
        return 0.0
    # A larger one isn't physical: the rate is that of a broken gate.
    return min(size * wanted / left, size**2 / (size**2 - 1))
