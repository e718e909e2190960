# SPDX-License-Identifier: Apache-2.0
"""The rows of a noisy program at which its stretches begin."""

from __future__ import annotations

from typing import Final

from qfleet.wire.cost.errors import STRETCH_GATES
from qfleet.wire.program.operations import HAS_CHANNEL, IS_UNITARY
from qfleet.wire.program.program import Program
from qfleet_worker.engines.driver.noise import Noise
from qfleet_worker.engines.driver.pauli_images import GateImages

#: Gates of a stretch at most, and at least, if errors are moved to its beginning.
MOVED_GATES: Final = 40
LEAST_GATES: Final = 10
#: Errors are likely that are this part of the likeliest at least.
LIKELY: Final = 0.25


def cuts_of(program: Program, noise: Noise, images: GateImages | None) -> list[int]:
    """Return the rows at which stretches begin, and the number of rows.

    A stretch has noise, or random events and saves, and not both.

    Args:
        program: has no control flow.
        noise: that of the program.
        images: those of its gates, if its errors are moved: a stretch ends before a gate that stops a likely one.
    """
    cuts, gates, noisy, others = [0], 0, False, False
    most = STRETCH_GATES if images is None else MOVED_GATES
    errors = None if images is None else _MovingErrors(images)
    likely = (noise.chances >= LIKELY * noise.chances.max(initial=0)).tolist()
    site = 0
    for at, code in enumerate(program.codes.tolist()):
        is_noise, is_gate = bool(HAS_CHANNEL[code]), bool(IS_UNITARY[code])
        is_full = is_gate and gates == most
        if errors is not None:
            is_full |= is_gate and errors.pass_gate(at) and gates >= LEAST_GATES
        if (is_noise and others) or (noisy and not is_noise and not is_gate) or is_full:
            cuts.append(at)
            gates, noisy, others = 0, False, False
            if errors is not None:
                errors.clear()
        if errors is not None and is_noise and likely[site]:
            errors.add(at)
        site += is_noise
        gates += is_gate
        noisy |= is_noise
        others |= not is_noise and not is_gate
    return [*cuts, len(program)]


class _MovingErrors:
    """The Paulis that errors of a stretch may have become."""

    def __init__(self, images: GateImages) -> None:
        self._images = images
        self.clear()

    def clear(self) -> None:
        """Forget all errors: they are at the beginning of a stretch."""
        #: qubits that may have X, and those that may have Z
        self._x = self._z = 0

    def add(self, row: int) -> None:
        """Add the errors of a row of noise."""
        for qubit in self._images.qubits(row):
            self._x |= 1 << qubit
            self._z |= 1 << qubit

    def pass_gate(self, row: int) -> bool:
        """Take the errors through a gate.

        Returns:
            Whether it stops any of them.
        """
        qubits = [1 << qubit for qubit in self._images.qubits(row)]
        x = [qubit for qubit in qubits if self._x & qubit]
        z = [qubit for qubit in qubits if self._z & qubit]
        self._x, self._z = self._x & ~sum(qubits), self._z & ~sum(qubits)
        stops = False
        for image in [self._images.image(row, each, 0) for each in x] + [
            self._images.image(row, 0, each) for each in z
        ]:
            if image is None:
                stops = True
            else:
                self._x, self._z = self._x | image[0], self._z | image[1]
        return stops
