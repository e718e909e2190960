# SPDX-License-Identifier: Apache-2.0
"""Clifford circuits by tableaux and Pauli frames."""
