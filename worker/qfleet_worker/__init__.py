# SPDX-License-Identifier: Apache-2.0
"""The worker that simulates circuits, without Qiskit.

It takes shards off the queue, runs their circuits and stores the results.
"""

from importlib.metadata import version

__version__ = version("qfleet")
