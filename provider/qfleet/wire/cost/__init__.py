# SPDX-License-Identifier: Apache-2.0
"""The memory, time and result size of a program."""
