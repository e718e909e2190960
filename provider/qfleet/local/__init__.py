# SPDX-License-Identifier: Apache-2.0
"""A fleet on this machine: a private server and worker processes.

They stop with the process that started them. Not public: `FleetProvider.local` starts such a fleet.
"""

from qfleet.local.fleet import LocalFleet

__all__ = ["LocalFleet"]
