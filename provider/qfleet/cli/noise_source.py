# SPDX-License-Identifier: Apache-2.0
"""The noise of a file or a fake device."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from qfleet._suggestions import did_you_mean

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.transpiler import Target

    from qfleet.noise import NoiseModel

__all__ = ["NoiseSource", "read_noise"]

#: The transpiler draws random numbers; without a seed, two runs would differ although they have one.
_TRANSPILER_SEED = 1


class NoiseSource(NamedTuple):
    """A noise model, and the device that it belongs to."""

    model: NoiseModel
    #: ``None`` for a model from a file
    target: Target | None = None

    def prepare(self, circuits: Sequence[QuantumCircuit]) -> list[QuantumCircuit]:
        """Return circuits for the device.

        The noise is on the gates of the device: others are translated. A circuit whose gates are all there stays.

        Raises:
            click.UsageError: a circuit has more qubits than the device.
        """
        from qiskit import transpile

        target = self.target
        if target is None:
            return list(circuits)
        for circuit in circuits:
            if target.num_qubits is not None and circuit.num_qubits > target.num_qubits:
                raise click.UsageError(
                    f"--noise: circuit {circuit.name!r} has {circuit.num_qubits} qubits, and the device "
                    f"{target.num_qubits}; take a larger device"
                )
        return [
            circuit if _fits(circuit, target) else transpile(circuit, target=target, seed_transpiler=_TRANSPILER_SEED)
            for circuit in circuits
        ]


def read_noise(name: str) -> NoiseSource:
    """Return the noise of a file or of a fake device.

    Args:
        name: the path of the file, or the name of the device.

    Raises:
        click.UsageError: the name is neither a file nor a device.
        NoiseError: the file isn't a noise model.
    """
    from qfleet.noise import NoiseModel
    from qfleet.target import device_target

    path = Path(name)
    if path.is_file():
        return NoiseSource(NoiseModel.load(name))
    if path.is_dir():
        raise click.UsageError(f"--noise: {name!r} is a folder; a file that NoiseModel.save() wrote is needed")
    if path.suffix or path.name != name:
        # No device is called so.
        raise click.UsageError(f"--noise: can't find the file {name!r}")
    try:
        from qiskit_ibm_runtime.fake_provider import FakeProviderForBackendV2
    except ImportError as exc:
        raise click.UsageError(
            f"--noise: can't find the file {name!r}. Names of fake devices need qiskit-ibm-runtime, which isn't "
            "installed: pip install qiskit-ibm-runtime"
        ) from exc
    with warnings.catch_warnings():
        # Some of the devices say something about their error rates when they are made.
        warnings.simplefilter("ignore")
        devices = {device.name: device for device in FakeProviderForBackendV2().backends()}
    if name not in devices:
        raise click.UsageError(
            f"--noise: {name!r} is neither a file nor a fake device of qiskit-ibm-runtime{did_you_mean(name, devices)}"
        )
    return NoiseSource(NoiseModel.from_backend(devices[name]), device_target(devices[name].target))


def _fits(circuit: QuantumCircuit, target: Target) -> bool:
    """Tell whether a target has all operations of a circuit."""
    if circuit.num_qubits > (target.num_qubits or 0) or circuit.has_control_flow_op():
        return False
    index = {bit: at for at, bit in enumerate(circuit.qubits)}
    return all(
        each.name == "barrier" or target.instruction_supported(each.name, tuple(index[bit] for bit in each.qubits))
        for each in circuit.data
    )
