# SPDX-License-Identifier: Apache-2.0
"""The simulator worker: takes shards off the queue, runs their circuits, and stores the results, without Qiskit."""

from importlib.metadata import version

__version__ = version("qfleet")
