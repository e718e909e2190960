# SPDX-License-Identifier: Apache-2.0
"""The common ground of client and workers, and nothing else: programs, messages, states, keys and scripts.

Not public. Imports the standard library, numpy and msgspec only, so that a worker needs neither Qiskit nor the client.
"""
