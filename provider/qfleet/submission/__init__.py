# SPDX-License-Identifier: Apache-2.0
"""The way from circuits to a job's shards.

Not public.
"""
