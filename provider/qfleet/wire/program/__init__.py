# SPDX-License-Identifier: Apache-2.0
"""A circuit as workers receive it.

It has rows, expressions, formulas of parameters, and saves.
"""
