# SPDX-License-Identifier: Apache-2.0
"""Simulation engines. Each is a driver plus a state, behind the interface of `engines.base`."""
