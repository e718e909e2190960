# SPDX-License-Identifier: Apache-2.0
"""The command ``qfleet``: a fleet and its jobs from the shell.

Not public: the command and its ``--json`` output are, these modules are not.
"""

from qfleet.cli.entry import main

__all__ = ["main"]
