# SPDX-License-Identifier: Apache-2.0
"""Keys, urls and rights on the Redis server."""
