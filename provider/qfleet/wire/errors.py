# SPDX-License-Identifier: Apache-2.0
"""The one error of decoding."""

from __future__ import annotations


class WireError(ValueError):
    """A message from the wire is damaged, hostile, or of another version; the text says which and where."""
