# SPDX-License-Identifier: Apache-2.0
"""Compilation of a program's rows into the tables that the kernels run."""
