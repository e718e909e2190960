# SPDX-License-Identifier: Apache-2.0
"""What numba compiles: its registry, the folder it is kept in, and who may have written it."""
