# SPDX-License-Identifier: Apache-2.0
"""The statevector engine: numba's vector kernels, and circuits compiled for them.

The circuits are compiled in machine code, too. This package imports nothing: whether its machine code is compiled
(`engines.machine_code.folder`) can be asked without numba.
"""
