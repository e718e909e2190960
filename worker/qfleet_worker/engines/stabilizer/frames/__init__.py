# SPDX-License-Identifier: Apache-2.0
"""Pauli frames: shots as their differences from one of them."""
