# SPDX-License-Identifier: Apache-2.0
"""Machine code of the stabilizer method."""
