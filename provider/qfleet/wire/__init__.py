# SPDX-License-Identifier: Apache-2.0
"""What the client and the workers must agree on, and nothing else: programs, messages, states, keys and scripts.

Imports the standard library, numpy and msgspec only, so that a worker needs neither Qiskit nor the client.
"""
