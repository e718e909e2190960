# SPDX-License-Identifier: Apache-2.0
"""States in memory, and what runs compiled programs on them."""
