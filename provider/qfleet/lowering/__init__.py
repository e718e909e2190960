# SPDX-License-Identifier: Apache-2.0
"""Lowering of Qiskit circuits to the programs that workers run.

Not public.
"""
