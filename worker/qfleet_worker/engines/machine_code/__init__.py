# SPDX-License-Identifier: Apache-2.0
"""Machine code that numba compiles: its registry, its folder and its trust."""
