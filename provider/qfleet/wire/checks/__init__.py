# SPDX-License-Identifier: Apache-2.0
"""Checks that a program from outside can be run as it is."""
