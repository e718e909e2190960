# SPDX-License-Identifier: Apache-2.0
"""The data that client and workers exchange, and their rules.

It has programs, messages, states, keys and scripts, and nothing else. Not public. It imports the standard library,
numpy and msgspec only, so that a worker needs neither Qiskit nor the client.
"""
