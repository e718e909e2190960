# SPDX-License-Identifier: Apache-2.0
"""Machine code that changes and reads states."""
