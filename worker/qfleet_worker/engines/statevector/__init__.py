# SPDX-License-Identifier: Apache-2.0
"""The statevector engine: vector kernels made by numba, and circuits compiled in machine code to run on them."""

from qfleet_worker.engines.statevector.engine import StatevectorEngine
from qfleet_worker.engines.statevector.warm import warm

__all__ = ["StatevectorEngine", "warm"]
