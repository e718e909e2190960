# SPDX-License-Identifier: Apache-2.0
"""Checks of a fleet and its Redis server.

``qfleet doctor`` and `FleetProvider.examine` make them. Not public.
"""
