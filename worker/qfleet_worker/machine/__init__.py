# SPDX-License-Identifier: Apache-2.0
"""The memory and cores of the machine that a worker may use."""
