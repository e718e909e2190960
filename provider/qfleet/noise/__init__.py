# SPDX-License-Identifier: Apache-2.0
"""Noise models that need no other simulator.

from qfleet.noise import Channel, NoiseModel

noise = (
NoiseModel()
.add(Channel.depolarizing(0.001), ["sx", "x"])
.add(Channel.depolarizing(0.01, num_qubits=2), ["cx"])
.add_readout([[0.98, 0.02], [0.05, 0.95]])
)
backend.run(circuit, noise_model=noise)
"""

from qfleet.noise.channel import Channel
from qfleet.noise.model import NoiseModel

__all__ = ["Channel", "NoiseModel"]
