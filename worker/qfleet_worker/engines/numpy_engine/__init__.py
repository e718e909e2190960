# SPDX-License-Identifier: Apache-2.0
"""The statevector engine that needs numpy only."""

from qfleet_worker.engines.numpy_engine.engine import NumpyEngine

__all__ = ["NumpyEngine"]
