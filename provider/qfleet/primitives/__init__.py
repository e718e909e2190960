# SPDX-License-Identifier: Apache-2.0
"""Qiskit's primitives on the fleet.

A circuit is sent once, and its parameter sets are shared among the workers. Not public, except the names that `qfleet`
exports.
"""
