# SPDX-License-Identifier: Apache-2.0
"""Simulation engines.

One driver takes shots through a program. Each way to hold a state has a folder of its own.
"""
