# SPDX-License-Identifier: Apache-2.0
"""The random numbers of a shot, the same wherever it runs."""
