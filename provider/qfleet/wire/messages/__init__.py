# SPDX-License-Identifier: Apache-2.0
"""Messages of clients and workers: shards, requests, results, presence."""
