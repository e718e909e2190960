# SPDX-License-Identifier: Apache-2.0
"""A circuit as workers get it: rows, expressions, formulas of parameters, saves."""
