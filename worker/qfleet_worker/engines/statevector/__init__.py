# SPDX-License-Identifier: Apache-2.0
"""The statevector engine: vector kernels made by numba, and circuits compiled in machine code to run on them.

Imports nothing: whether its machine code is compiled (`machine_code.folder`) can be asked without numba.
"""
