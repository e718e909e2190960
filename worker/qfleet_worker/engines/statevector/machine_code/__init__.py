# SPDX-License-Identifier: Apache-2.0
"""Functions that numba compiles: their registry, the folder of their machine code, and its trust."""
