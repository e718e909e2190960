# SPDX-License-Identifier: Apache-2.0
"""Trajectories of a program over the states of an engine.

The driver knows shots, control flow and classical values.
"""
