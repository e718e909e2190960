# SPDX-License-Identifier: Apache-2.0
"""A shard's way through a worker process."""
