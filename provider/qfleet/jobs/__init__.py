# SPDX-License-Identifier: Apache-2.0
"""The jobs that users hold, from waiting for their shards to Qiskit's results.

Not public, except the classes that `qfleet` exports.
"""
