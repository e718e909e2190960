# SPDX-License-Identifier: Apache-2.0
"""Qiskit's primitives on the fleet: the circuit is sent once, and its points are shared among the workers."""
