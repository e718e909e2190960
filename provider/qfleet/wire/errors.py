# SPDX-License-Identifier: Apache-2.0
"""The one error of decoding."""

from __future__ import annotations


class WireError(ValueError):
    """A message from the wire can't be used.

    It is damaged, hostile, or of another version. The text says which and where.
    """
