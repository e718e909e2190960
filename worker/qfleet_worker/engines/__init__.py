# SPDX-License-Identifier: Apache-2.0
"""Simulation engines: one driver of shots, and a folder for each way to hold a state."""
