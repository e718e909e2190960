# SPDX-License-Identifier: Apache-2.0
"""Warnings about jobs that return less than their user may expect."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Collection, Iterable
from pathlib import Path
from threading import Event
from typing import Final, NamedTuple

from qiskit.circuit import QuantumCircuit

from qfleet._suggestions import did_you_mean
from qfleet.ledger import JobRecord, lost_metadata
from qfleet.lowering.sites import Place
from qfleet.noise import NoiseModel
from qfleet.options import NAMES
from qfleet.wire.messages.request import Output

_PACKAGE: Final = str(Path(__file__).parents[1])
#: Operations of noise models that many circuits are without.
_NOT_GATES: Final = frozenset({"measure", "reset", "delay", "id"})
#: Set once `warn_of_forgotten_noise` has warned.
_TOLD: Final = Event()
#: The texts about circuits' gates that were given, without the circuits' names, and the most that are kept.
_GATES_TOLD: Final[set[str]] = set()
_MOST_TOLD: Final = 1000
#: Gates that devices run without doing anything.
_VIRTUAL: Final = frozenset({"rz", "p", "u1", "z", "s", "sdg", "t", "tdg"})
#: The number of circuits or keys that a warning names.
_NAMED: Final = 5


class DeviceFacts(NamedTuple):
    """The device that a backend simulates."""

    name: str
    #: ``None`` for any number
    num_qubits: int | None


def warn_of_unknown_options(names: Iterable[str], backend_name: str) -> None:
    """Warn of options of `run()` that don't exist.

    Args:
        names: the names of the options.
        backend_name: the name of the backend.
    """
    for name in sorted(names):
        _warn(f"option {name!r} is not used by backend {backend_name!r}{did_you_mean(name, NAMES)}")


def warn_of_lost_metadata(record: JobRecord) -> None:
    """Warn of metadata that can't be stored.

    Only this process has them.
    """
    lost = lost_metadata(record)
    if not lost:
        return
    places = [f"{key!r} of " + (f"circuit {circuit!r}" if circuit else "the job") for circuit, key in lost]
    _warn(
        f"metadata that can't be stored: {_listed(places)}. Only this process has them. Numbers, texts, "
        "bytes, dates, numpy arrays and scalars, and lists, tuples, sets and dictionaries of them can be stored"
    )


def warn_of_nothing_measured(record: JobRecord) -> None:
    """Warn of circuits that measure nothing in a job of counts.

    Circuits that save something are left out.
    """
    if record.output != Output.COUNTS:
        return
    names = dict.fromkeys(circuit.name for circuit in record.circuits if not (circuit.measured or circuit.saves))
    if names:
        _warn(
            f"nothing is measured in circuit {_listed(map(repr, names))}, so its counts are all 0 or empty; "
            "use `circuit.measure_all()`, or the backend 'statevector_simulator'"
        )


def warn_of_gates_without_noise(circuit: str, model: NoiseModel, gates: Collection[tuple[str, int]]) -> None:
    """Warn of a circuit in other gates than its noise model.

    Gates of each width are compared: most circuits are without some gate of a device. Of several circuits with the
    same gates, the first is named.

    Args:
        circuit: the circuit's name.
        model: the noise model.
        gates: names or labels of the circuit's gates, each with its number of qubits.
    """
    for width in sorted({width for _, width in gates}):
        met = {name for name, qubits in gates if qubits == width}
        noisy = model.names_by_width.get(width, frozenset()) - _NOT_GATES
        if noisy and noisy.isdisjoint(met) and not met <= _VIRTUAL:
            text = (
                f"gates of {width} qubit{'s' * (width > 1)} without noise: the noise model has it for "
                f"{_listed(sorted(noisy))}, and the circuit has only {_listed(sorted(met))}; "
                "transpile it for the model's gates"
            )
            _warn_of_gates(circuit, text)


def warn_of_gates_elsewhere(circuit: str, places: Collection[Place]) -> None:
    """Warn of gates that the noise model names for other qubits alone.

    A gate of one qubit is left out: models of one's own often have noise on some qubits.

    Args:
        circuit: the circuit's name. Of several circuits with the same gates, the first is named.
        places: the gates and their qubits.
    """
    wide = sorted(f"{name!r} on {qubits}" for name, qubits in places if len(qubits) > 1)
    if wide:
        _warn_of_gates(
            circuit,
            f"gates without noise: {_listed(wide)}; the noise model has these gates on other qubits or in another "
            "order alone; transpile the circuit for the device",
        )


def _warn_of_gates(circuit: str, text: str) -> None:
    """Warn of a circuit's gates, unless another circuit had the same."""
    if text not in _GATES_TOLD:
        if len(_GATES_TOLD) < _MOST_TOLD:
            _GATES_TOLD.add(text)
        _warn(f"circuit {circuit!r} has {text}. This process doesn't say so again")


def warn_of_wider_circuits(circuits: Iterable[QuantumCircuit], device: DeviceFacts, model: NoiseModel) -> None:
    """Warn of circuits with more qubits than their device.

    A model with noise on all qubits has it on these, too.

    Args:
        circuits: the circuits.
        device: the device.
        model: the noise of the runs.
    """
    most = device.num_qubits
    if most is None:
        return
    wider = dict.fromkeys(circuit.name for circuit in circuits if circuit.num_qubits > most)
    if wider and all(qubits is not None for _, qubits, _ in model.entries()):
        _warn(
            f"{device.name} has {most} qubits, and more are in circuit {_listed(map(repr, wider))}: "
            f"gates on qubits from {most} on have no noise; use fewer qubits, or a larger device"
        )


def warn_of_forgotten_noise(circuits: Iterable[QuantumCircuit]) -> None:
    """Warn once of circuits for a device that run without noise."""
    if _TOLD.is_set():
        return
    # The transpiler chooses a layout for targets with a coupling map alone.
    name = next((circuit.name for circuit in circuits if circuit.layout is not None), None)
    if name is not None:
        _TOLD.set()
        _warn(
            f"circuit {name!r} was transpiled for the qubits of a device, but runs without its noise; to have it, take "
            "`FleetBackend.from_backend(device)` or the option `noise_model`. This process doesn't say so again"
        )


def _warn(text: str) -> None:
    """Give a warning that names the calling line outside of this package."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, UserWarning, stacklevel=level)


def _listed(items: Iterable[str]) -> str:
    texts = list(items)
    more = len(texts) - _NAMED
    return ", ".join(texts[:_NAMED]) + (f" and {more} others" if more > 0 else "")
