# SPDX-License-Identifier: Apache-2.0
"""Dynamic circuits of 100,000 shots, to a dictionary of counts.

They measure, reset and decide on the way.
"""

from __future__ import annotations

from collections.abc import Iterator

from _circuits import DYNAMIC
from _measure import Comparison, Options, Row

from .counts import contenders

SHOTS = 100_000


def measure(options: Options) -> Iterator[Row]:
    """Yield a row for each circuit."""
    comparison = Comparison(options)
    for name, make in DYNAMIC.items():
        circuit = make()
        yield comparison.compare("dynamic", name, circuit.num_qubits, contenders(circuit, SHOTS, options.threads))
