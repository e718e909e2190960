# SPDX-License-Identifier: Apache-2.0
"""What clients and workers tell each other: shards, results, presence."""
