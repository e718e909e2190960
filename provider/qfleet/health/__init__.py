# SPDX-License-Identifier: Apache-2.0
"""Checks of a fleet and its Redis server, for ``qfleet doctor`` and `FleetProvider.examine`.

Not public.
"""
