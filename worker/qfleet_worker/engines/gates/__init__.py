# SPDX-License-Identifier: Apache-2.0
"""The numbers of operations for compiled code."""
