# SPDX-License-Identifier: Apache-2.0
"""Density matrices and superoperators, on the kernels of any engine."""
