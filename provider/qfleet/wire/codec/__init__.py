# SPDX-License-Identifier: Apache-2.0
"""Messages to bytes and back; nothing in a blob can run code."""
