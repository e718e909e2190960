# SPDX-License-Identifier: Apache-2.0
"""The command ``qfleet``: a fleet and its jobs from the shell."""

from qfleet.cli.entry import main

__all__ = ["main"]
